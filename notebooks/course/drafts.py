"""What you changed in a file that a lesson writes: your version is kept, and named.

The project's version of a file is the one that git has; what is staged counts. Where
there is no git, it is the text of the file's `%%writefile` cell.
"""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

ROOT = Path(__file__).resolve().parents[2]
WRITEFILE = "%%writefile "


def keep(shell: "InteractiveShell | None" = None) -> None:
    """Let `%%writefile` copy a file that you changed before it overwrites the file.

    It does so where a file of the project differs from the cell and from the project's
    version, and prints the copy's name. A file that has the cell's text already is left
    untouched: another lesson may read it at this moment, and what was made from it
    stays current. Without a notebook's shell nothing happens.
    """
    from IPython import get_ipython
    from IPython.core.magic_arguments import parse_argstring
    from IPython.core.magics.osm import OSMagics

    shell = shell or get_ipython()
    if shell is None:
        return
    write = OSMagics(shell).writefile

    def writefile(line: str, cell: str) -> None:
        wanted = parse_argstring(OSMagics.writefile, line)
        file = Path(wanted.filename.strip("'\"")).expanduser()
        if not wanted.append and _read(file) == cell:
            print(f"Overwriting {file}")
            return
        if not wanted.append and _is_changed(file):
            print("your version is kept:", _copy_of(file).as_posix())
        write(line, cell)

    shell.register_magic_function(writefile, "cell")


def differing(*files: str) -> list[str]:
    """Those of these files, named from the root, that are not the project's version.

    Without names: of all files that the lessons write.
    """
    names = files or sorted(_written_by_cells())
    return [name for name in names if _is_changed(ROOT / name)]


def _is_changed(file: Path) -> bool:
    """Whether it is a file of the project, and not in the project's version."""
    file = file.resolve()
    if not file.is_file() or not file.is_relative_to(ROOT):
        return False
    project = _project_text(file.relative_to(ROOT).as_posix())
    return project is not None and _read(file) != project


def _project_text(name: str) -> str | None:
    """The project's version of a file; None for a file that is not the project's."""
    if git := shutil.which("git"):
        # A hook of git sets variables that name a repository, which may be another one.
        own = {key: at for key, at in os.environ.items() if not key.startswith("GIT_")}
        finished = subprocess.run(
            [git, "show", f":./{name}"],
            cwd=ROOT,
            env=own,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        if finished.returncode == 0:
            return finished.stdout
    return _written_by_cells().get(name)


def _written_by_cells() -> dict[str, str]:
    """What the `%%writefile` cells of the saved lessons write: file -> text."""
    texts = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            first, _, text = "".join(cell["source"]).partition("\n")
            if cell["cell_type"] == "code" and first.startswith(WRITEFILE):
                texts[first.removeprefix(WRITEFILE).strip()] = f"{text}\n"
    return texts


def _read(file: Path) -> str | None:
    """The text of a file, with the line ends of every system; None if there is none."""
    if not file.is_file():
        return None
    return file.read_text(encoding="utf-8", errors="replace")


def _copy_of(file: Path) -> Path:
    """A copy beside the file: an older copy of another version stays."""
    for number in itertools.count(1):
        copy = file.with_name(f"{file.name}.mine{number if number > 1 else ''}")
        if not copy.exists():
            shutil.copyfile(file, copy)
        if copy.read_bytes() == file.read_bytes():
            return copy
