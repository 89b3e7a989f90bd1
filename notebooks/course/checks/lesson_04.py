import contextlib
import io
import json
import os
import posixpath
import re
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
from course.checks.form import Guess, Hint, outcome, task, told

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
        "a": ("models", "An earlier line says so. It is not the last."),
        "b": ("models.linear", "Python looks for models first, and gets no further."),
        "c": ("a module of TorchServe", ""),
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
    if re.search(r"\\[ \t\r]+\n", command):
        raise Hint("Nothing may stand behind a backslash, not even a blank.")
    command = command.replace("\\\n", " ").strip()
    lines = [shlex.split(line, comments=True) for line in command.split("\n")]
    [words, *others] = [*filter(None, lines)] or [[]]
    if words[:1] != ["torch-model-archiver"]:
        raise Hint("The command starts with torch-model-archiver.")
    if others:
        raise Hint("In a terminal a line ends the command. A backslash continues it.")
    if {*words} & {"&&", ";", ">", "|"}:
        raise Hint("One command alone, please: no &&, no ;, no >, no |.")
    says = io.StringIO()
    with contextlib.redirect_stderr(says), contextlib.redirect_stdout(says):
        try:
            with mock.patch.object(sys, "argv", words):
                return words, vars(ArgParser.export_model_args_parser())
        except SystemExit:
            line = says.getvalue().strip().splitlines()[-1]
            raise Hint(f"The archiver refuses: {line.split('error: ')[-1]}.") from None


def run(words, folder):
    """What a program prints in a folder; its temp folder, which it empties, too."""
    [program, *_] = lesson.words_of(words[0])
    temp = tempfile.mkdtemp(dir=folder)
    return subprocess.run(
        [program, *words[1:]],
        cwd=folder,
        env={
            **os.environ,
            **dict.fromkeys(lesson.TEMP, temp),
            "PYTHON_COLORS": "0",  # no colors in a traceback, from Python 3.13 on
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=60,
    ).stdout


@task(
    (COMMAND, "Right"),
    (but("--model-name ", "--model-name="), "Right"),
    (but("--force", "-f").replace(" models/", " ./models/"), "Right"),
    (but("--version", " \\\n -v"), "Right"),
    (f"# again and again\n{COMMAND}  # overwrites", "Right"),
    (f"{COMMAND} && ls model_store", "One command alone"),
    (but(" --version", "\n --version"), "A backslash continues it"),
    (but(" --version", " \\ \n --version"), "behind a backslash"),
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
    (lambda path: (tuple(look_into(path)[0]), look_into(path)[1]), "Right"),
    (lambda path: (packed_names(path).sort(), look_into(path)[1]), "sorted(…) gives"),
    (lambda path: print(end=""), "Is there a return?"),
    (lambda path: look_into(path)[0], "two things"),
    (lambda path: (packed_names(path), look_into(path)[1]), "sorted"),
    (lambda path: (look_into(path)[0], manifest_of(path)), "json.loads"),
    (lambda path: (look_into(path)[0], json.loads(manifest_of(path))), '"model"'),
    (lambda path: (look_into(path)[0], {}), "not what stands below"),
    (lambda path: look_into(path)[::-1], "The names come first"),
    (lambda path: dict([look_into(path)[::-1]] * 0), "first the names, then"),
    (lambda path: (look_into(path)[0], look_into(path)[1]["modelName"]), "one value"),
    (lambda path: manifest_of(path)["model"], "read(name) gives bytes"),
    (lambda path: look_into(path.replace("wine", "vine")), "is in the archive"),
    (lambda path: ([*CONTENT], look_into(path)[1]), "the archive at path"),
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
            found[name] = outcome(look, path)
    for name, pair in found.items():
        if isinstance(pair, BaseException):
            hint = ""
            if isinstance(pair, FileNotFoundError):
                hint = " The manifest is in the archive: read(name) reads it there."
            if "indices" in str(pair):
                hint = " read(name) gives bytes, and json.loads a dictionary."
            return f"look_into('{name}.mar') raises {told(pair)}.{hint}"
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            hint = "Return two things: first the names, then the manifest's part."
            hint = "Is there a return?" if pair is None else hint
            return f"It gives {told(pair)}, and not two things. {hint}"
        names, model = pair
        wanted = sorted([f"{name}.py", "handler.py", "MAR-INF/MANIFEST.json"])
        if not isinstance(names, (list, tuple)) or sorted(map(str, names)) != wanted:
            hint = ""
            if names is None:
                hint = " sort() gives None, sorted(…) gives a list."
            if isinstance(names, dict):
                hint = " The names come first."
            if isinstance(names, list) and "linear.py" in names:
                hint = " Is it the archive at path that you open?"
            return f"The names are {told(names)}, and not {wanted}.{hint}"
        if [*names] != wanted:
            return f"The names are {told(names)}. Are they sorted?"
        if isinstance(model, (bytes, str)):
            hint = "json.loads makes a dictionary of the manifest."
            if model == name:
                hint = "That is one value of the part. Give all of the part."
            return f"It gives {told(model)}, a {type(model).__name__}. {hint}"
        if isinstance(model, dict) and "runtime" in model:
            return 'That is the whole manifest. Its part "model" is asked for.'
        if not isinstance(model, dict) or model != {"modelName": name}:
            return f"It gives {told(model)}, and not what stands below 'model'."
    return "Right: two archives, their names and what the manifest says."


IMPORT = "from models.linear import SimpleLinearModel"
HANDLER = lesson.ROOT / "handlers" / "model_handler.py"
PROJECT = tuple(str(lesson.ROOT / name) for name in ("models", "handlers"))


# A worker as in the lesson; then the modules that it took from the project's folders.
LOAD = f"""
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
files = {{it: getattr(sys.modules[it], "__file__", 0) or "" for it in sys.modules}}
print(*sorted(it for it in files if files[it].startswith({PROJECT!r})), sep=", ")
"""


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


def by_the_way(folder):
    """The project's root is on the path, wherever the server is started there."""
    line = "from models.linear"
    mended(line, f"import sys; sys.path.append('.'); {line}")(folder)


def fails(folder):
    lesson.run_quietly(but("--force", "--force --extra-files models/linears.py"))


def with_package(folder):
    package = Path(folder, "more", "models")
    package.mkdir(parents=True)
    (package / "linear.py").write_bytes(
        Path(lesson.ROOT, "models", "linear.py").read_bytes()
    )
    mended("", "", "--extra-files", str(package.parent))(folder)


def beside_the_project(folder):
    """It loads, with a module that the archive does not hold."""
    line = "from models.linear"
    root = str(lesson.ROOT)
    mended(line, f"import sys; sys.path.append({root!r}); {line}")(folder)


def with_everything(folder):
    """As --extra-files . does, which takes the environment too."""
    for number in range(100):
        Path(folder, f"{number}.txt").touch()
    Path(folder, "models").mkdir()
    Path(folder, "models", "linear.py").touch()
    mended("", "", "--extra-files", folder)(folder)


def emptied(folder):
    Path(folder, "model_handler.py").write_text("import linear")
    mended("", "")(folder)


@task(
    lambda weights: [
        (with_package, "Right"),
        (beside_the_project, "It takes models, models.linear from the project"),
        (with_everything, "models alone in it"),
        (emptied, "lacks its class"),
        (
            lambda folder: Path(folder + "model_handler.py").read_text(),
            "a / is missing",
        ),
        (mended("", ""), "side by side"),
        (mended("", "", "--extra-files", "models/linear.py"), "side by side"),
        (mended("", "", "--extra-files", "models"), "what is in a folder"),
        (by_the_way, "first error: ModuleNotFoundError: No module named 'models'"),
        (lambda folder: folder / "model_handler.py", "The folder is text"),
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
            hint = ""
            if "for /: 'str' and" in said:
                hint = " The folder is text: Path(folder, …)."
            if f"{folder}model_handler" in said:
                hint = " Between folder and name a / is missing: Path(folder, name)."
            raise Hint(f"mend raises {said.rstrip('.')}.{hint}")
        made = Path(folder, "simple_linear.mar")
        if not made.exists():
            hint = "Archive into it, as pack(folder) does."
            raise Hint(f"There is no simple_linear.mar in the folder. {hint}")
        with zipfile.ZipFile(made) as packed:
            names = packed.namelist()
            code = packed.read("model_handler.py").decode()
            first = code.partition("\n")[0]
        if first == IMPORT and "models/linear.py" not in names:
            hint = "The files lie side by side: what is the module called there?"
            if "train.py" in names:
                hint = "--extra-files takes what is in a folder, not the folder."
            listed = ", ".join(name for name in sorted(names) if name != CONTENT[0])
            raise Hint(
                f"The handler asks for models.linear. There are {listed}. {hint}"
            )
        if len(names) > 100:
            hint = "Give --extra-files a folder with models alone in it."
            raise Hint(f"The archive holds {len(names)} files. {hint}")
        if "class " not in code:
            hint = "open(…, 'w') empties a file until it is closed; write_text closes."
            raise Hint(f"The handler in the archive lacks its class. {hint}")
        elsewhere = made.rename(Path(root, "elsewhere.mar")).as_posix()
        handler.unlink()
        worker = str(lesson.ROOT / "notebooks" / "course" / "local_worker.py")
        log = run(["python", "-I", "-c", LOAD, worker, elsewhere, "5"], root)
    *_, loaded, answer, borrowed = ["", "", "", *log.splitlines()]
    if not answer.startswith("200 [8.99"):
        return (
            f"In another folder, the log's first error: {tracebacks.first_error(log)}."
        )
    if borrowed:
        return f"It takes {borrowed} from the project, which other machines lack."
    return f"Right: in another folder it answers {answer}, with {loaded}."


def stale(archive, *files):
    """What an answer to task 4 does."""
    with zipfile.ZipFile(archive) as packed:
        inside = {name: packed.read(name) for name in packed.namelist()}
    return [file for file in files if inside.get(Path(file).name) != content(file)]


BY_NAME = "The archive holds a file by its name alone: Path(file).name."


def content(file):
    return Path(file).read_bytes()


def in_loop(archive, *files):
    for file in files:
        return stale(archive, file)


def the_others(archive, *files):
    return [file for file in files if file not in stale(archive, *files)]


def with_paths(archive, *files):
    with zipfile.ZipFile(archive) as packed:
        return [it for it in files if packed.read(it) != content(it)]


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


def by_time(archive, *files):
    made = Path(archive).stat().st_mtime
    newer = [it for it in files if Path(it).stat().st_mtime > made]
    return [it for it in files if it in newer or it in by_name(archive, it)]


def as_text(archive, *files):
    with zipfile.ZipFile(archive) as packed:
        texts = {name: packed.read(name).decode() for name in packed.namelist()}
    return [it for it in files if texts.get(Path(it).name) != Path(it).read_text()]


@task(
    (stale, "Right"),
    (lambda *them: [Path(file) for file in stale(*them)], "Right"),
    (by_time, "Compare what is in them"),
    (as_text, "read_bytes()"),
    (by_path, "Path(file).name"),
    (with_paths, "Path(file).name"),
    (in_loop, "inside the loop"),
    (the_others, "The others are asked for"),
    (by_name, "Compare what is in them"),
    (by_size, "the same size"),
    (with_keys, "Look among the names first"),
    (lambda *them: [Path(file).name for file in stale(*them)], "as it was given"),
    (lambda *them: bool(stale(*them)), "a list"),
    (lambda *them: print(end=""), "Is there a return?"),
    (lambda archive, file: stale(archive, file), "*files takes them all"),
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
        for file in files.values():  # the time does not tell
            os.utime(file, (1e9, 1e9))
        hints = [
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
            if isinstance(found, UnicodeDecodeError):
                hint = "Not every file is text: read_bytes()."
            if isinstance(found, KeyError) and given[0] == "a.py":
                hint = BY_NAME
            if "positional argument" in told(found):
                hint = "Any number of files: in a definition *files takes them all."
            return f"{asked} raises {told(found)}. {hint}"
        if not isinstance(found, list):
            hint = "Is there a return?" if found is None else "Give a list."
            return f"{asked} gives {told(found)}, and not a list. {hint}"
        names = [Path(str(it)).name for it in found]
        if names == [*given]:
            hint = BY_NAME
        elif names == [name for name in given if name not in wanted] and names:
            hint = "The archive holds these as they are. The others are asked for."
        elif not found and said[1] == [files["c.pth"]]:
            hint = "c.pth, given alone, is found. Is the return inside the loop?"
        if found == wanted:
            return f"{asked} gives {told(found)}. Give each file as it was given."
        posix = [it.as_posix() if isinstance(it, Path) else it for it in found]
        if posix != [files[name] for name in wanted]:
            short = told(found).replace(f"{place}/code/", "")
            return f"{asked} gives {short}, and not {wanted}. {hint}"
    return "Right: it finds the changed one, the missing one, and leaves the others."
