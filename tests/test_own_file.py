"""A copy of a project's file with the learner's functions: whatever they use works."""

import importlib.util
import linecache
import math

import pytest
from course import own_file

FILE = "handlers/workflow_functions.py"
ROOM = 3


def half(number):
    return round(number / math.tau, ROOM)


def to_number(requests, context):
    """Uses a module, a function and a value of this file."""
    return [half(len(request)) for request in requests or []]


def show(requests, context): ...


def nowhere():
    """The file has no such function."""
    return 1


@pytest.fixture
def load(tmp_path):
    """A function that writes the copy and imports it as a server would: by itself."""

    def load(*functions):
        copy = own_file.write(FILE, tmp_path / "mine.py", *functions)
        spec = importlib.util.spec_from_file_location("mine", copy)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_yours_takes_the_place_and_brings_what_it_uses(load, capsys):
    mine = load(to_number, show)
    assert mine.to_number([b"12345"], None) == [0.796]
    assert mine.show([{"body": b"5"}], None) == [b"5"]  # a stub: the project's
    said = capsys.readouterr().out
    assert "to_number: yours; show: the project's" in said


@pytest.mark.parametrize("odd", [nowhere, len, None, 5, lambda requests: requests])
def test_what_cannot_be_taken_leaves_the_project_s(load, odd, capsys):
    mine = load(odd)
    assert mine.to_number([{"body": b"[5.0]"}], None) == ["5.0"]
    assert "the project's" in capsys.readouterr().out


CELL = """
import re
from dataclasses import asdict, dataclass, field
from typing import Any

WORD: re.Pattern = re.compile("[a-z]+")


@dataclass
class Answer:
    words: list[str] = field(default_factory=list)
    context: Any = None


def words(text: str, pattern: re.Pattern = WORD) -> list[str]:
    return pattern.findall(text)


def to_number(requests: Any, context: "Any", least: int = 1) -> list[dict[str, Any]]:
    answer = [Answer(words(request)) for request in requests]
    return [asdict(it) for it in answer if len(it.words) >= least]


def show(requests: Any, context: Any):
    return OTHER.findall(requests)
"""


@pytest.fixture
def cell():
    """The names of a cell of a notebook, which is no module and no file."""
    file = "/nowhere/cell.py"
    linecache.cache[file] = len(CELL), None, CELL.splitlines(keepends=True), file
    names = {"__name__": "__main__"}
    exec(compile(CELL, file, "exec"), names)
    names["OTHER"] = names.pop("WORD")  # as if it stood in another cell
    names["WORD"] = names["OTHER"]
    names["answer"] = object()  # to the function a variable of its own
    yield names
    del linecache.cache[file]


def test_hints_classes_and_constants_of_the_cell_come_along(load, cell):
    mine = load(cell["to_number"])
    assert mine.to_number(["one 2 three", "4"], None) == [
        {"words": ["one", "three"], "context": None}
    ]


def test_what_stands_in_another_cell_leaves_the_project_s(load, cell, capsys):
    mine = load(cell["show"])
    assert mine.show([{"body": b"5"}], None) == [b"5"]
    said = capsys.readouterr().out
    assert "show needs OTHER" in said and "show: the project's" in said
