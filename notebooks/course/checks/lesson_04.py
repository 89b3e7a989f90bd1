import contextlib
import io
import posixpath
import shlex
import sys
from unittest import mock

from model_archiver.arg_parser import ArgParser

from course.checks.form import ANY, Hint, task, value

task_1 = value(
    "put a name into answer_1 and run both cells",
    (
        "train.py",
        "Right: the folder's content is laid at the root, without the folder.",
    ),
    ("models/train.py", "That was the hope. What does a flat archive leave of it?"),
    (("./train.py", "/train.py"), "Close: with nothing around the name?"),
    (ANY, "Not yet: a name that ends in train.py. What becomes of its folder?"),
)

RIGHT = (
    "torch-model-archiver --model-name simple_linear --version 1.0 "
    "--model-file models/linear.py --serialized-file models/model.pth "
    "--handler handlers/model_handler.py --export-path model_store --force"
)
HINTS = {
    "handler": "In which folder is the handler?",
    "export_path": "What is the model store's folder called?",
    "force": "There is an archive of this name already.",
}


def options_of(command):
    """What the archiver itself reads from a command."""
    words = shlex.split(command.replace("\\\n", " "))
    if words[:1] != ["torch-model-archiver"]:
        raise Hint("The command starts with torch-model-archiver.")
    says = io.StringIO()
    with contextlib.redirect_stderr(says), contextlib.redirect_stdout(says):
        try:
            with mock.patch.object(sys, "argv", words):
                options = vars(ArgParser.export_model_args_parser())
        except SystemExit:
            line = says.getvalue().strip().splitlines()[-1]
            raise Hint(f"The archiver refuses: {line.split('error: ')[-1]}.") from None
    # ./models is the same folder as models, and to a handler the archiver adds .py.
    tidy = {k: posixpath.normpath(v) for k, v in options.items() if isinstance(v, str)}
    return {**options, **tidy, "handler": tidy["handler"].removesuffix(".py")}


def but(old, new):
    return RIGHT.replace(old, new)


@task(
    (RIGHT, "Right"),
    (but("--model-name ", "--model-name="), "Right"),
    (but("--force", "-f").replace(" models/", " ./models/"), "Right"),
    (but("--version", " \\\n -v"), "Right"),
    (but("handlers/", ""), "--handler is 'model_handler'. In which folder"),
    (but("model_store", "modelstore"), "--export-path is 'modelstore'. What"),
    (but("--force", ""), "--force is False. There is an archive"),
    (but("1.0", "2.0"), "--version is '2.0'. Leave it"),
    (but("--force", "--force --archive-format tgz"), "--archive-format is 'tgz'."),
    (but("--force", "--force --no-such-option x"), "unrecognized arguments: --no"),
    (but("--version 1.0", ""), "arguments are required: -v/--version"),
    (but("torch", "!torch"), "starts with"),
    (but("model_store", "'model_store"), "No closing quotation"),
)
def task_2(mended: str):
    """put the command into mended and run both cells"""
    given, wanted = options_of(mended), options_of(RIGHT)
    for name, right in wanted.items():
        if given[name] != right:
            hint = HINTS.get(name, "Leave it as it is in the broken command.")
            return f"--{name.replace('_', '-')} is {given[name]!r}. {hint}"
    return "Right: every path leads somewhere, and the archive to the model store."
