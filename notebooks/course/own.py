"""The folder own/, which is yours: git ignores it, and `make clean` leaves it.

    own.begin()                          # makes the folder, and the magic below
    %%own handler.py                     # begins a cell, which becomes that file
    check.task_3(own.written("handler.py"))
    own.settle("handler.py", check.task_3)

A cell in which a function has three dots alone is a stub, and not written over yours.
"""

import ast
import importlib.util
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch

from course import drafts
from course.lesson import ROOT, run_quietly

FOLDER = ROOT / "own"
WEIGHTS = FOLDER / "wines.pth"
MODEL_STORE = ROOT / "model_store"

# What lies in own/ where yours does not pass its check yet, or where none is asked for.
PROJECT = {
    "model.py": ROOT / "models" / "wines.py",
    "handler.py": ROOT / "handlers" / "wines_handler.py",
    "wines.json": ROOT / "handlers" / "wines.json",
}

ARCHIVE_COMMAND = (
    "torch-model-archiver --model-name wines --version 1.0 "
    "--model-file own/model.py --serialized-file own/wines.pth "
    "--handler own/handler.py --extra-files own/wines.json "
    "--export-path model_store --force"
)

_answered: set[str] = set()


def begin() -> None:
    """Make the folder with the names of inputs and classes, and the magic %%own."""
    from IPython import get_ipython

    FOLDER.mkdir(exist_ok=True)
    if not (FOLDER / "wines.json").exists():
        shutil.copy(PROJECT["wines.json"], FOLDER)
    if shell := get_ipython():
        shell.register_magic_function(write, "cell", "own")


def write(line: str, cell: str) -> None:
    """Write a cell to a file of own/. A stub is written only where there is no file.

    What stood there and is not the project's is copied to a file.mine first.
    """
    name = line.strip()
    file = FOLDER / name
    stub = is_stub(cell)
    if not (stub and file.exists()):
        _keep(file, cell)
        file.write_text(cell, encoding="utf-8")
    (_answered.discard if stub else _answered.add)(name)
    print(f"own/{name}: {'waits for its lines' if stub else 'written'}")


def is_stub(text: str) -> bool:
    """Whether a function in it still has three dots alone; broken Python is none."""
    try:
        parts = [*ast.walk(ast.parse(text))]
    except SyntaxError:
        return False
    return any(
        isinstance(part, ast.FunctionDef) and all(map(_says_nothing, part.body))
        for part in parts
    )


def _says_nothing(step: ast.stmt) -> bool:
    """Whether it is three dots, or a docstring."""
    return isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant)


def written(name: str) -> Path | None:
    """The file, if its cell holds an answer."""
    return FOLDER / name if name in _answered else None


def settle(name: str, check) -> None:
    """Go on with yours if the check says Right to it, else with the project's."""
    file = FOLDER / name
    project = PROJECT[name].read_text(encoding="utf-8")
    if drafts._read(file) != project and check.reply(file).startswith("Right"):
        print(f"The lesson goes on with own/{name}: yours.")
        return
    _keep(file, project)
    file.write_text(project, encoding="utf-8")
    print(f"The lesson goes on with own/{name}: the project's, until yours is right.")


def choose(yours: Callable, check, instead: Callable) -> Callable:
    """Your function if the check says Right to it, else the project's."""
    return yours if check.reply(yours).startswith("Right") else instead


def load(file: Path) -> ModuleType:
    """Run a Python file, such as own/model.py, as it is now."""
    found = importlib.util.spec_from_file_location(f"own_{file.stem}", file)
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module
    # Compiled here: an import could take an older version from __pycache__.
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), vars(module))
    return module


def classes_of(module: ModuleType) -> list[type]:
    """The classes that a module defines itself."""
    own = (it for it in vars(module).values() if isinstance(it, type))
    return [it for it in own if it.__module__ == module.__name__]


def new_model() -> torch.nn.Module:
    """A model of the class in own/model.py, with nothing learned."""
    [wine_net] = classes_of(load(FOLDER / "model.py"))
    return wine_net()


def answer(inputs: dict[str, float]) -> dict:
    """What the model in own/ says to 13 numbers by name, without a server."""
    from models.answers import wines

    model = new_model()
    model.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return wines(inputs, model.eval())


def spec(server) -> dict:
    """config/contract_wines.json for this TorchServe, and for the model in own/."""
    file = ROOT / "config" / "contract_wines.json"
    wines = json.loads(file.read_text(encoding="utf-8"))
    ready = f"{server.management}/models/wines"
    return wines | {"ready": ready, "model": answer}


def archive_careless() -> None:
    """Make careless.mar: the project's handler, raising for a request that is bad."""
    text = PROJECT["handler.py"].read_text(encoding="utf-8")
    imports = "from ts.utils.util import PredictionException\n"
    place = "from ts.torch_handler.base_handler import BaseHandler\n"
    note = "self.refused[index] = str(error)"
    raises = "raise PredictionException(str(error), 400)"
    assert place in text and note in text
    text = text.replace(place, place + imports).replace(note, raises)
    with tempfile.TemporaryDirectory(prefix="careless-") as folder:
        handler = Path(folder, "handler.py")
        handler.write_text(text, encoding="utf-8")
        command = ARCHIVE_COMMAND.replace("name wines", "name careless")
        run_quietly(command.replace("own/handler.py", shlex.quote(handler.as_posix())))


def names() -> dict[str, list[str]]:
    """The inputs in the model's order, and the classes: what stands in wines.json."""
    return json.loads((FOLDER / "wines.json").read_text(encoding="utf-8"))


def _keep(file: Path, new: str) -> None:
    """Copy a file that is neither a stub nor the project's before it is replaced."""
    old = drafts._read(file)
    project = drafts._read(PROJECT[file.name]) if file.name in PROJECT else None
    if old is not None and not is_stub(old) and old not in (new, project):
        print("your version is kept:", drafts._copy_of(file).relative_to(ROOT))
