"""The notebooks as the tests read them."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
INDEX, LESSONS = NOTEBOOKS[:1], NOTEBOOKS[1:]
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)


@cache
def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    """The "code" or "markdown" cells of a notebook."""
    return [cell for cell in read(path).cells if cell.cell_type == kind]


def text(path: Path) -> str:
    """All that stands in Markdown."""
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def title(path: Path) -> str:
    """The heading of the first cell."""
    return read(path).cells[0].source.splitlines()[0].removeprefix("# ")


def minutes(path: Path) -> list[int]:
    """Those that a lesson states: to read and run, for its tasks, and to go further."""
    stated = (
        r"(\d+) minutes to read and run, (\d+) for the tasks, (\d+) more to go further"
    )
    row = re.search(rf"\*\*Time\*\* \| {stated} \|", text(path))
    return [int(number) for number in row.groups()]


def tags(cell: nbformat.NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def statements(cell: nbformat.NotebookNode) -> list[ast.AST]:
    """The Python of a cell, parsed; a file that the cell writes is none of it."""
    return [] if cell.source.startswith("%%") else ast.parse(cell.source).body


def printed(cell: nbformat.NotebookNode) -> str:
    """What the cell has written to its standard output."""
    streams = [out for out in cell.outputs if out.output_type == "stream"]
    return "".join(out.text for out in streams if out.name == "stdout")


class Task(NamedTuple):
    """A cell to fill in, its place in the notebook, its check, and the solution."""

    cell: nbformat.NotebookNode
    place: int
    check: nbformat.NotebookNode
    solution: str | None


def tasks_of(notebook: nbformat.NotebookNode) -> list[Task]:
    """The tasks of a notebook, in order."""
    found = []
    for place, cell in enumerate(notebook.cells):
        if "exercise" in tags(cell):
            rest = notebook.cells[place + 1 :]
            check = next(n for n, cell in enumerate(rest) if cell.cell_type == "code")
            folded = SOLUTION.search(rest[check + 1].source)
            found.append(Task(cell, place, rest[check], folded and folded[1]))
    return found


def guesses_of(notebook: nbformat.NotebookNode) -> list[int]:
    """The places of the cells that take a guess."""
    return [n for n, cell in enumerate(notebook.cells) if "guess" in tags(cell)]
