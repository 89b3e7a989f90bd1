"""`make` on a machine that lacks something, what it installs and what it removes."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import IGNORED, ROOT

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
YOURS = ["handlers/model_handler.py.mine", "own/model.py"]  # stay
OLD = "import sys; sys.version_info = (3, 10, 14)"
NO_VENV = 'import sys; sys.modules["venv"] = None'


@pytest.fixture(scope="module")
def root(project_copy):
    """A clone without an environment of its own."""
    return project_copy()


def python(path: Path, first: str = "pass", version: str = "") -> Path:
    """Make a Python which runs a statement before its -c, or only tells its version."""
    run = f"exec '{sys.executable}' -c '{first}; import sys; exec(sys.argv[1])' \"$2\""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{f'echo Python {version}' if version else run}\n")
    path.chmod(0o755)
    return path


def make(root, *arguments, **env):
    """Run make; return its exit status and what it prints, without make's own lines."""
    left_out = ("PIP_", "PYTHON", "CPU", "MAKE", "MFLAGS")  # of a make around this one
    settings = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    finished = subprocess.run(
        [shutil.which("make"), *map(str, arguments)],
        cwd=root,
        env={**settings, "PIP_CONFIG_FILE": os.devnull, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    lines = finished.stdout.splitlines()
    return finished.returncode, [line for line in lines if not line.startswith("make")]


@pytest.mark.parametrize(
    ("target", "first", "advice"),
    [
        ("lab", OLD, "install Python 3.11"),
        ("notebooks", OLD, "install Python 3.11"),
        ("test-all", OLD, "install Python 3.11"),
        ("test", NO_VENV, "lacks the venv module: install it"),
        ("test", "exit(1)", "install Python 3.11"),  # as good as none
    ],
)
def test_python_that_does_not_do(root, tmp_path, target, first, advice):
    status, lines = make(root, target, f"PYTHON={python(tmp_path / 'python', first)}")
    assert status
    assert len(lines) == 1
    assert advice in lines[0]


@pytest.mark.parametrize("found", ["python3.11", "python3.12", "python3.13", "python3"])
def test_any_python_that_is_new_enough_is_found(root, tmp_path, found):
    """A name on PATH is not enough: it may lead to none, or to an old one."""
    for name in ("python3.11", "python3"):
        python(tmp_path / name, OLD)
    python(tmp_path / found)
    status, lines = make(root, "-n", ".venv/installed", PATH=str(tmp_path))
    assert status == 0
    assert f"{found} -m venv .venv" in lines


def test_an_environment_of_another_python_is_not_taken_for_the_one_named(project_copy):
    root = project_copy()
    python(root / ".venv/bin/python", version="3.11.7")
    (root / ".venv/installed").touch()
    same = python(root / "same", version="3.11.9")
    other = python(root / "other", version="3.13.0")
    assert make(root, ".venv/installed")[0] == 0
    assert make(root, ".venv/installed", f"PYTHON={same}")[0] == 0
    status, [said] = make(root, "test", f"PYTHON={other}")
    assert status
    assert "with Python 3.11.7, and" in said and "remove the folder .venv" in said


@pytest.mark.slow
def test_without_a_network_and_then_with_the_cpu_build(project_copy, tmp_path):
    """Nothing counts as installed without one; CPU=1 asks PyTorch's index, here a
    folder with a torch of no content."""
    root = project_copy()
    requirements = (ROOT / "requirements.txt").read_text()
    version = re.search("^torch==([0-9.]+)", requirements, re.MULTILINE)[1]
    (root / "requirements.txt").write_text(f"torch=={version}  # a comment\n")
    index = tmp_path / "index" / "torch"
    index.mkdir(parents=True)
    name, info = (
        f"torch-{version}+cpu-py3-none-any.whl",
        f"torch-{version}+cpu.dist-info",
    )
    (index / "index.html").write_text(f'<a href="{name}">torch</a>')
    content = {
        "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version}+cpu\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(index / name, "w") as wheel:
        for file, text in content.items():
            wheel.writestr(f"{info}/{file}", text)

    arguments = [".venv/installed", f"PYTHON={sys.executable}"]
    nothing = {"PIP_INDEX_URL": (tmp_path / "nothing").as_uri()}
    for _ in range(2):
        status, lines = make(root, *arguments, **nothing)
        assert status
        assert "pip could not install the packages: check the network" in lines[-1]
    arguments += ["CPU=1", f"TORCH_INDEX={index.parent.as_uri()}"]
    status, lines = make(root, *arguments, **nothing)
    assert status == 0, lines
    assert list(root.glob(f".venv/lib/python*/site-packages/{info}"))


def test_clean_removes_what_was_made_and_nothing_else(project_copy):
    root = project_copy()
    for yours in YOURS:
        (root / yours).parent.mkdir(exist_ok=True)
        (root / yours).write_text("what a learner wrote")
    before = set(root.rglob("*"))
    for made in MADE:
        (root / made).parent.mkdir(parents=True, exist_ok=True)
        (root / made).write_text("made")
    assert make(root, "clean")[0] == 0
    assert set(root.rglob("*")) == before


def test_clean_knows_all_that_git_ignores():
    parts = {part for made in [*MADE, *YOURS] for part in made.split("/")}
    assert [name for name in IGNORED if not fnmatch.filter(parts, name)] == []
