"""`make` on a machine that lacks something: one line that says what to do."""

import fnmatch
import os
import shutil
import subprocess
import sys

import pytest
from conftest import IGNORED

pytestmark = pytest.mark.skipif(
    os.name == "nt" or not shutil.which("make"), reason="needs make and a shell"
)

# Something of each kind that the lessons, the tests and the tools make.
MADE = [
    ".venv/bin/python",
    ".pytest_cache/README.md",
    ".ruff_cache/0.1/cache",
    "models/model.pth",
    "models/model.pth.4711",
    "models/__pycache__/linear.pyc",
    "model_store/simple_linear.mar",
    "model_store/both.war",
    "notebooks/.ipynb_checkpoints/00_index.ipynb",
    "clinic/handler.py",
    "logs/ts_log.log",
    "key_file.json",
]


@pytest.fixture(scope="module")
def root(project_copy):
    """A clone without an environment of its own."""
    return project_copy()


@pytest.fixture
def python(tmp_path):
    """A function that makes a Python which runs a statement before its -c."""

    def make(statement):
        path = tmp_path / "python"
        code = f"import sys; {statement}; exec(sys.argv[1])"
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{code}' \"$2\"\n")
        path.chmod(0o755)
        return path

    return make


def make(root, *arguments, **env):
    """Run make; return its exit status and what it prints, without make's own lines."""
    settings = {name: value for name, value in os.environ.items() if "PIP_" not in name}
    finished = subprocess.run(
        ["make", *map(str, arguments)],
        cwd=root,
        env={**settings, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    lines = finished.stdout.splitlines()
    return finished.returncode, [line for line in lines if not line.startswith("make")]


@pytest.mark.parametrize("target", ["lab", "test", "test-all", "notebooks"])
def test_python_is_too_old(root, python, target):
    old = python("sys.version_info = (3, 10, 14)")
    status, lines = make(root, target, f"PYTHON={old}")
    assert status
    assert len(lines) == 1
    assert "install Python 3.11" in lines[0]


@pytest.mark.parametrize("target", ["lab", "test"])
def test_python_has_no_venv(root, python, target):
    bare = python('sys.modules["venv"] = None')
    status, lines = make(root, target, f"PYTHON={bare}")
    assert status
    assert len(lines) == 1
    assert "lacks the venv module: install it" in lines[0]


def test_there_is_no_python(root):
    status, lines = make(root, "test", "PYTHON=no-such-python")
    assert status
    assert len(lines) == 1
    assert "install Python 3.11" in lines[0]


@pytest.mark.slow
def test_there_is_no_network(root):
    """Nothing counts as installed then, and the next `make` tries again."""
    for _ in range(2):
        status, lines = make(
            root,
            "test",
            f"PYTHON={sys.executable}",
            PIP_NO_INDEX="1",
            PIP_CONFIG_FILE=os.devnull,
        )
        assert status
        assert "pip could not install the packages: check the network" in lines[-1]


def test_clean_removes_what_was_made_and_nothing_else(project_copy):
    root = project_copy()
    before = set(root.rglob("*"))
    for made in MADE:
        (root / made).parent.mkdir(parents=True, exist_ok=True)
        (root / made).write_text("made")
    assert make(root, "clean")[0] == 0
    assert set(root.rglob("*")) == before


def test_clean_knows_all_that_git_ignores():
    parts = {part for made in MADE for part in made.split("/")}
    assert [name for name in IGNORED if not fnmatch.filter(parts, name)] == []
