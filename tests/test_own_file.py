"""A copy of a project's file with the learner's functions: whatever they use works."""

import importlib.util
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
