"""The notebooks as the tests read them."""

import ast
from functools import cache
from pathlib import Path

import nbformat
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
INDEX, LESSONS = NOTEBOOKS[:1], NOTEBOOKS[1:]


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


def tags(cell: nbformat.NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def statements(cell: nbformat.NotebookNode) -> list[ast.AST]:
    """The Python of a cell, parsed; a file that the cell writes is none of it."""
    return [] if cell.source.startswith("%%") else ast.parse(cell.source).body


def printed(cell: nbformat.NotebookNode) -> str:
    """What the cell has written to its standard output."""
    streams = [out for out in cell.outputs if out.output_type == "stream"]
    return "".join(out.text for out in streams if out.name == "stdout")
