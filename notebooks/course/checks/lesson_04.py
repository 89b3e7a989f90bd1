import contextlib
import io
import json
import os
import posixpath
import shlex
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from model_archiver.arg_parser import ArgParser

from course import lesson, tracebacks
from course.checks.form import Guess, Hint, call, outcome, task, told

guess_1 = Guess(
    {
        "a": (
            "the folders models and handlers",
            "The archiver copies files and forgets where they lay.",
        ),
        "b": (
            "one folder simple_linear with the files in it",
            "So it would be in a .tar.gz of the archiver, and not in a .mar.",
        ),
        "c": ("the files side by side", ""),
    },
    right="c",
)
guess_2 = Guess(
    {
        "a": (
            "TorchServe is not installed as it should be",
            "It looked among its own handlers only because your file had failed.",
        ),
        "b": ("the archive lacks model_handler.py", "It is there, with its line 1."),
        "c": ("what an earlier line says", ""),
    },
    right="c",
)

CONTENT = ("MAR-INF/MANIFEST.json", "linear.py", "model.pth", "model_handler.py")
COMMAND = (
    "torch-model-archiver --model-name simple_linear --version 1.0 "
    "--model-file models/linear.py --serialized-file models/model.pth "
    "--handler handlers/model_handler.py --export-path model_store --force"
)
MISSING = {
    "linear.py": "Name the definition with --model-file.",
    "model.pth": "Name the weights with --serialized-file.",
    "model_handler.py": "Name your file with --handler.",
}


def but(old, new):
    return COMMAND.replace(old, new)


def options_of(command):
    """The words of a command, and what the archiver itself reads from them."""
    words = shlex.split(command.replace("\\\n", " "))
    if words[:1] != ["torch-model-archiver"]:
        raise Hint("The command starts with torch-model-archiver.")
    says = io.StringIO()
    with contextlib.redirect_stderr(says), contextlib.redirect_stdout(says):
        try:
            with mock.patch.object(sys, "argv", words):
                return words, vars(ArgParser.export_model_args_parser())
        except SystemExit:
            line = says.getvalue().strip().splitlines()[-1]
            raise Hint(f"The archiver refuses: {line.split('error: ')[-1]}.") from None


def run(words, folder):
    """What the archiver prints in a folder; its temp folder, which it empties, too."""
    [program, *_] = lesson.words_of(words[0])
    temp = tempfile.mkdtemp(dir=folder)
    return subprocess.run(
        [program, *words[1:]],
        cwd=folder,
        env={**os.environ, **dict.fromkeys(lesson.TEMP, temp)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    ).stdout


@task(
    (COMMAND, "Right"),
    (but("--model-name ", "--model-name="), "Right"),
    (but("--force", "-f").replace(" models/", " ./models/"), "Right"),
    (but("--version", " \\\n -v"), "Right"),
    (but("handlers/model_", "model_"), "No such file or directory: 'model_handler.py'"),
    (but("model_store", "model-store"), "--export-path is 'model-store'"),
    (but("--force", ""), "already exists"),
    (but("1.0", "2.0"), "modelVersion '2.0'"),
    (but("--model-file models/linear.py", ""), "lacks linear.py"),
    (but("--serialized-file models/model.pth", ""), "lacks model.pth"),
    (but("handlers/model_handler.py", "image_classifier"), "lacks model_handler.py"),
    (
        "torch-model-archiver --model-name simple_linear --version 1.0 --force "
        "--model-file models/model.pth --serialized-file models/linear.py "
        "--handler handlers/model_handler.py --export-path model_store",
        "modelFile 'model.pth'",
    ),
    (
        but("--force", "--force --extra-files models"),
        "more than it has to: __init__.py",
    ),
    (but("--force", "--force --archive-format tgz"), "simple_linear.tar.gz"),
    (but("simple_linear", "linear"), "linear.mar"),
    (but("--force", "--force --no-such-option x"), "unrecognized arguments: --no"),
    (but("--version 1.0", ""), "arguments are required: -v/--version"),
    (but("torch", "!torch"), "starts with"),
    (but("model_store", "'model_store"), "No closing quotation"),
)
def task_1(command: str):
    """put the command into answer_1 and run both cells"""
    words, options = options_of(command)
    path = options["export_path"]
    if posixpath.normpath(path) != "model_store":
        return f"--export-path is {path!r}, and the model store is model_store."
    with tempfile.TemporaryDirectory(prefix="archive-") as folder:
        for file in "models/linear.py", "models/model.pth", "handlers/model_handler.py":
            Path(folder, file).parent.mkdir(exist_ok=True)
            Path(folder, file).write_text(file)
        for file in "models/__init__.py", "handlers/__init__.py":
            Path(folder, file).write_text("")
        store = Path(folder, "model_store")
        store.mkdir()
        said = run(words, folder)
        made = [path.name for path in store.iterdir()]
        if not made:
            raise Hint(f"The archiver says: {tracebacks.first_error(said)}.")
        if made != ["simple_linear.mar"]:
            raise Hint(f"It makes {made[0]}, and the server wants simple_linear.mar.")
        with zipfile.ZipFile(store / made[0]) as packed:
            names = packed.namelist()
            model = json.loads(packed.read(CONTENT[0]))["model"]
        again = run(words, folder) if {*names} == {*CONTENT} else ""
    lacking = [name for name in CONTENT if name not in names]
    if lacking:
        return f"The archive lacks {lacking[0]}. {MISSING[lacking[0]]}"
    more = sorted({*names} - {*CONTENT})
    if more:
        return f"The archive holds more than it has to: {', '.join(more)}."
    for key, right in ("modelFile", "linear.py"), ("modelVersion", "1.0"):
        if model[key] != right:
            return f"The manifest says {key} {model[key]!r}. It should be {right!r}."
    if "already exists" in again:
        return "The second run says that it already exists. What overwrites it?"
    return "Right: run twice, it makes simple_linear.mar with all it needs."


def look_into(path):
    """What an answer to task 2 does."""
    with zipfile.ZipFile(path) as packed:
        manifest = json.loads(packed.read("MAR-INF/MANIFEST.json"))
        return sorted(packed.namelist()), manifest["model"]


def packed_names(path):
    with zipfile.ZipFile(path) as packed:
        return packed.namelist()


def manifest_of(path):
    with zipfile.ZipFile(path) as packed:
        return packed.read("MAR-INF/MANIFEST.json")


@task(
    (look_into, "Right"),
    (lambda path: list(look_into(path)), "Right"),
    (lambda path: print(end=""), "Is there a return?"),
    (lambda path: look_into(path)[0], "two things"),
    (lambda path: (packed_names(path), look_into(path)[1]), "sorted"),
    (lambda path: (look_into(path)[0], manifest_of(path)), "json.loads"),
    (lambda path: (look_into(path)[0], json.loads(manifest_of(path))), '"model"'),
    (lambda path: (look_into(path)[0], {}), "That is not its part"),
    (lambda path: look_into("none.mar"), "none.mar"),
    (lambda path: (look_into(path)[0][1:], look_into(path)[1]), "The names"),
    (lambda path: Path(path).read_text(), "UnicodeDecodeError"),
)
def task_2(look: Callable):
    """write look_into and run both cells"""
    found = {}
    with tempfile.TemporaryDirectory(prefix="archive-") as folder:
        for name in "wine", "digits":
            path = posixpath.join(Path(folder).as_posix(), f"{name}.mar")
            manifest = {"model": {"modelName": name}, "runtime": "python"}
            with zipfile.ZipFile(path, "w") as packed:
                packed.writestr(f"{name}.py", b"\x93")
                packed.writestr("handler.py", "")
                packed.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
            found[name] = call(f"look_into('{name}.mar')", look, path)
    for name, pair in found.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            hint = "Is there a return?" if pair is None else "Names, manifest part."
            return f"It gives {told(pair)}, and not two things. {hint}"
        names, model = pair
        wanted = sorted([f"{name}.py", "handler.py", "MAR-INF/MANIFEST.json"])
        if not isinstance(names, list) or sorted(map(str, names)) != wanted:
            return f"The names are {told(names)}, and not {wanted}."
        if names != wanted:
            return f"The names are {told(names)}. Are they sorted?"
        if isinstance(model, (bytes, str)):
            return f"The manifest is {type(model).__name__}. json.loads reads it."
        if isinstance(model, dict) and "runtime" in model:
            return 'That is the whole manifest. Its part "model" is asked for.'
        if not isinstance(model, dict) or model != {"modelName": name}:
            return f"It gives {told(model)}. That is not its part model."
    return "Right: two archives, their names and what the manifest says."


IMPORT = "from models.linear import SimpleLinearModel"
HANDLER = lesson.ROOT / "handlers" / "model_handler.py"


def mended(old="from models.linear", new="from linear", *more):
    """What an answer to task 3 does: change a line, archive again."""

    def mend(folder):
        file = Path(folder, "model_handler.py")
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), "utf-8")
        words = shlex.split(but("handlers/model_handler", "model_handler"))
        words += ["--export-path", str(folder), *more]
        words[words.index("--handler") + 1] = str(file)
        said = lesson.output_of(shlex.join(words))
        assert Path(folder, "simple_linear.mar").exists(), said

    return mend


def fails(folder):
    lesson.run_quietly(but("--force", "--force --extra-files models/linears.py"))


def with_package(folder):
    package = Path(folder, "more", "models")
    package.mkdir(parents=True)
    (package / "linear.py").write_bytes(
        Path(lesson.ROOT, "models", "linear.py").read_bytes()
    )
    mended("", "", "--extra-files", str(package.parent))(folder)


@task(
    lambda weights: [
        (with_package, "Right"),
        (mended("", ""), "side by side"),
        (mended("", "", "--extra-files", "models/linear.py"), "side by side"),
        (mended("", "", "--extra-files", "models"), "what is in a folder"),
        (mended("from models.", "from ."), "attempted relative import"),
        (lambda folder: 1 / 0, "ZeroDivisionError"),
        (fails, "File does not exist: models/linears.py"),
        (lambda folder: folder, "no simple_linear.mar"),
    ]
)
def task_3(mend: Callable):
    """write mend and run both cells"""
    with tempfile.TemporaryDirectory(prefix="archive-") as root:
        folder = Path(root, "here").as_posix()
        Path(folder).mkdir()
        handler = Path(folder, "model_handler.py")
        handler.write_text(f"{IMPORT}\n{HANDLER.read_text('utf-8')}", "utf-8")
        error = outcome(mend, folder)
        if isinstance(error, BaseException):
            said = told(error)
            if isinstance(error, RuntimeError):  # with all that the archiver printed
                said = tracebacks.first_error(str(error).partition("Traceback")[2])
            raise Hint(f"mend raises {said}.")
        made = Path(folder, "simple_linear.mar")
        if not made.exists():
            raise Hint("There is no simple_linear.mar in the folder. Archive into it.")
        with zipfile.ZipFile(made) as packed:
            names = packed.namelist()
            first = packed.read("model_handler.py").decode().partition("\n")[0]
        if first == IMPORT and "models/linear.py" not in names:
            hint = "The files lie side by side: what is the module called there?"
            if "train.py" in names:
                hint = "--extra-files takes what is in a folder, not the folder."
            listed = ", ".join(name for name in sorted(names) if name != CONTENT[0])
            raise Hint(
                f"The handler asks for models.linear. There are {listed}. {hint}"
            )
        elsewhere = made.rename(Path(root, "elsewhere.mar")).as_posix()
        handler.unlink()
        log = lesson.output_of(
            f'python -I notebooks/course/local_worker.py "{elsewhere}" 5'
        )
    *_, loaded, answer = ["", *log.strip().splitlines()]
    if not answer.startswith("200 [8.99"):
        return (
            f"In another folder, the log's first error: {tracebacks.first_error(log)}."
        )
    return f"Right: in another folder it answers {answer}, with {loaded}."


def stale(archive, *files):
    """What an answer to task 4 does."""
    with zipfile.ZipFile(archive) as packed:
        inside = {name: packed.read(name) for name in packed.namelist()}
    return [file for file in files if inside.get(Path(file).name) != content(file)]


def content(file):
    return Path(file).read_bytes()


def with_keys(archive, *files):
    with zipfile.ZipFile(archive) as packed:
        return [it for it in files if packed.read(Path(it).name) != content(it)]


def by_path(archive, *files):
    return [file for file in files if file not in packed_names(archive)]


def by_name(archive, *files):
    return [file for file in files if Path(file).name not in packed_names(archive)]


def by_size(archive, *files):
    with zipfile.ZipFile(archive) as packed:
        sizes = {it.filename: it.file_size for it in packed.infolist()}
    return [it for it in files if sizes.get(Path(it).name) != len(content(it))]


@task(
    (stale, "Right"),
    (by_path, "Path(file).name"),
    (by_name, "Compare what is in them"),
    (by_size, "the same size"),
    (with_keys, "Look among the names first"),
    (lambda *them: [Path(file).name for file in stale(*them)], "as it was given"),
    (lambda *them: bool(stale(*them)), "a list"),
    (lambda *them: print(end=""), "Is there a return?"),
    (lambda archive, file: stale(archive, file), "takes 2 positional"),
    (lambda *them: [], "Compare what is in them"),
)
def task_4(stale_: Callable):
    """write stale and run both cells"""
    with tempfile.TemporaryDirectory(prefix="archive-") as folder:
        place = Path(folder).as_posix()
        files = {
            name: f"{place}/code/{name}" for name in ("a.py", "b.py", "c.pth", "d")
        }
        Path(place, "code").mkdir()
        with zipfile.ZipFile(f"{place}/some.mar", "w") as packed:
            for name, file in files.items():
                Path(file).write_bytes(b"\x93 new")
                if name != "d":
                    packed.writestr(name, b"\x93 new")
        Path(files["b.py"]).write_bytes(b"\x93 changed")
        Path(files["c.pth"]).write_bytes(b"\x93 old")
        hints = [
            (("a.py",), [], "The archive holds it by its name alone: Path(file).name."),
            (("a.py", "b.py"), ["b.py"], "Compare what is in them, byte for byte."),
            (("c.pth",), ["c.pth"], "The other bytes have the same size."),
            (("d", "a.py"), ["d"], "One may be missing. Look among the names first."),
        ]
        said = [
            outcome(stale_, f"{place}/some.mar", *(files[name] for name in given))
            for given, _, _ in hints
        ]
    for (given, wanted, hint), found in zip(hints, said, strict=True):
        asked = f"stale('some.mar', {', '.join(map(repr, given))})"
        if isinstance(found, BaseException):
            return f"{asked} raises {told(found)}. {hint}"
        if not isinstance(found, list):
            hint = "Is there a return?" if found is None else "Give a list."
            return f"{asked} gives {told(found)}, and not a list. {hint}"
        if found == wanted and wanted:
            return f"{asked} gives {told(found)}. Give each file as it was given."
        if found != [files[name] for name in wanted]:
            short = told(found).replace(f"{place}/code/", "")
            return f"{asked} gives {short}, and not {wanted}. {hint}"
    return "Right: it finds the changed one, the missing one, and leaves the others."
