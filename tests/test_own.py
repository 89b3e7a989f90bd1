"""The folder own/: what a learner wrote is never lost, and what is right is used."""

import pytest
from course import own
from course.checks import lesson_16

STUB = "class WineNet:\n    def forward(self, wines):\n        ...\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty own/ that is not the learner's."""
    monkeypatch.setattr(own, "FOLDER", tmp_path / "own")
    monkeypatch.setattr(own, "ROOT", tmp_path)
    monkeypatch.setattr(own, "_answered", set())
    own.begin()
    return own.FOLDER


def test_a_stub_is_written_once_and_never_over_yours(folder, capsys):
    own.write("model.py", STUB)
    assert own.written("model.py") is None
    assert (folder / "model.py").read_text() == STUB
    own.write("model.py", "yours = 1\n")
    assert own.written("model.py") == folder / "model.py"
    own.write("model.py", STUB)
    assert (folder / "model.py").read_text() == "yours = 1\n"
    assert own.written("model.py") is None  # its cell holds no answer any more
    assert "waits for its lines" in capsys.readouterr().out


def test_dots_beside_lines_are_no_stub(folder):
    for text in (
        STUB.replace("...", "return 5  # and so on..."),
        STUB.replace("...", "...\n        return 5"),
        STUB.replace("...", "return ("),  # its check says what is wrong
    ):
        assert not own.is_stub(text)
    assert own.is_stub(STUB.replace("...", "'Answer.'\n        ..."))
    assert own.is_stub(STUB + "\n    def more(self):\n        return 5\n")


def test_what_you_wrote_in_the_file_is_kept(folder, capsys):
    (folder / "model.py").write_text("yours = 1\n")
    own.write("model.py", "yours = 2\n")
    assert (folder / "model.py.mine").read_text() == "yours = 1\n"
    assert "own/model.py.mine" in capsys.readouterr().out


def test_the_lesson_goes_on_with_yours_if_it_is_right(folder, capsys):
    right = "# mine\n" + own.PROJECT["model.py"].read_text()
    own.write("model.py", right)
    own.settle("model.py", lesson_16.task_1)
    assert (folder / "model.py").read_text() == right
    assert "own/model.py: yours" in capsys.readouterr().out


@pytest.mark.parametrize("text", [None, STUB, "import nosuch\n"])
def test_the_lesson_goes_on_with_the_project_else(folder, text, capsys):
    if text:
        own.write("model.py", text)
    own.settle("model.py", lesson_16.task_1)
    assert (folder / "model.py").read_text() == own.PROJECT["model.py"].read_text()
    assert "the project's" in capsys.readouterr().out
    assert (folder / "model.py.mine").exists() == (text == "import nosuch\n")


def test_a_function_is_chosen_if_it_is_right():
    def nothing(model, wines): ...

    assert own.choose(nothing, lesson_16.task_2, instead=print) is print


def test_a_file_is_run_as_it_is_now(folder):
    file = folder / "new.py"
    for value in (1, 2):
        file.write_text(f"value = {value}\n")
        assert own.load(file).value == value
