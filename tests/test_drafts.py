"""What a learner changed in a file that a lesson writes is kept, and named."""

import json
import shutil
import subprocess

import pytest
from course import drafts, lesson
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

HANDLER = "handlers/model_handler.py"
LESSON = "notebooks/03_write_the_handler.ipynb"


@pytest.fixture(params=["with git", "without git"])
def root(request, project_copy, monkeypatch):
    """A project of the learner's, in which nothing has been changed yet."""
    root = project_copy()
    monkeypatch.setattr(drafts, "ROOT", root)
    monkeypatch.chdir(root)
    if request.param == "with git":
        if not shutil.which("git"):
            pytest.skip("git is not installed")
        for command in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", *command], check=True)
    return root


@pytest.fixture
def rerun(root, tmp_path, monkeypatch, capsys):
    """A function that runs a cell which writes a file, and returns what it prints."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    for _ in range(2):  # lesson.begin() may be called again
        drafts.keep(shell)

    def rerun(text, line=HANDLER):
        shell.run_cell_magic("writefile", line, text)
        return capsys.readouterr().out.splitlines()

    return rerun


def test_nothing_is_said_where_nothing_is_lost(root, rerun):
    text = (root / HANDLER).read_text()
    written = (root / HANDLER).stat()
    assert rerun(text) == [f"Overwriting {HANDLER}"]
    assert (root / HANDLER).stat().st_mtime_ns == written.st_mtime_ns
    assert rerun("# mine, in the cell\n") == [f"Overwriting {HANDLER}"]
    assert rerun("# mine, in the cell\n") == [f"Overwriting {HANDLER}"]
    assert rerun("# more\n", f"-a {HANDLER}") == [f"Appending to {HANDLER}"]
    assert rerun("# new\n", "notes.txt") == ["Writing notes.txt"]
    assert rerun("# newer\n", "notes.txt") == ["Overwriting notes.txt"]
    assert list(root.rglob("*.mine*")) == []


def test_every_version_that_would_be_lost_is_kept_once(root, rerun):
    text = (root / HANDLER).read_text()
    for turn, copy in enumerate(["", "2", "3", "3"]):
        mine = f"# mine {min(turn, 2)}\n"
        (root / HANDLER).write_text(mine)
        assert rerun(text, f"'{HANDLER}'") == [
            f"your version is kept: {HANDLER}.mine{copy}",
            f"Overwriting {HANDLER}",
        ]
        assert (root / f"{HANDLER}.mine{copy}").read_text() == mine
        assert (root / HANDLER).read_text() == text
    assert len(list(root.rglob("*.mine*"))) == 3


def test_changed_files_are_named(root):
    assert drafts.differing() == []
    for file in (HANDLER, "models/linear.py"):
        with (root / file).open("a", newline="\r\n") as opened:
            opened.write("# mine\n")
    assert drafts.differing() == [HANDLER, "models/linear.py"]
    assert drafts.differing("config/config.properties", HANDLER) == [HANDLER]
    (root / HANDLER).unlink()
    assert drafts.differing(HANDLER, "no such file") == []


@pytest.mark.parametrize("root", ["with git"], indirect=True)
def test_a_change_in_the_cell_is_seen_where_there_is_git(root, monkeypatch):
    """JupyterLab saves the notebook by itself, so the cell may be the learner's too."""
    text = (root / HANDLER).read_text()
    notebook = json.loads((root / LESSON).read_text())
    for cell in notebook["cells"]:
        if cell["source"][0].startswith("%%writefile"):
            cell["source"].append("\n# mine")
    (root / LESSON).write_text(json.dumps(notebook))
    (root / HANDLER).write_text(text + "# mine\n")
    monkeypatch.setenv("GIT_DIR", "another/.git")  # a hook of git may set it
    assert drafts.differing(HANDLER) == [HANDLER]
    monkeypatch.delenv("GIT_DIR")
    subprocess.run(["git", "add", HANDLER], check=True)
    assert drafts.differing(HANDLER) == [], "what is staged is the project's"


def test_what_an_archive_is_made_from(archive, monkeypatch, capsys):
    """A lesson that goes wrong because of an edited file says which one it is."""
    changed = lesson.ROOT / HANDLER
    monkeypatch.setattr(drafts, "_is_changed", lambda file: file == changed)
    lesson.need_archive()
    weights, archive = capsys.readouterr().out.splitlines()
    assert weights == "models/model.pth: found"
    assert archive.endswith(f": found, and not from the project's {HANDLER}")
