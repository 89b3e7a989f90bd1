"""From a fresh clone: every notebook alone, and the series by two people at once."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from conftest import ROOT
from course.lesson import wait_until
from lessons import NOTEBOOKS

pytestmark = pytest.mark.slow


@dataclass
class Run:
    """Notebooks that run under pytest in a copy of the project."""

    root: Path
    process: subprocess.Popen

    @property
    def printed(self) -> Path:
        return Path(f"{self.root}.txt")

    @property
    def temp(self) -> Path:
        return Path(f"{self.root}.temp")

    def assert_green(self) -> None:
        status = self.process.wait(timeout=900)
        assert status == 0, self.printed.read_text()[-5000:]

    def is_gone(self) -> bool:
        """Whether no process works in the copy any more: servers do, and kernels."""
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.root):
                    return False
            except psutil.Error:  # somebody else's, or it has just ended
                pass
        return True


@pytest.fixture(scope="module")
def run():
    """A function that starts pytest --nbval in a copy."""
    processes = []

    def run(root, *arguments):
        Path(f"{root}.temp").mkdir(exist_ok=True)
        with open(f"{root}.txt", "w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "--nbval", "-q", *arguments],
                cwd=root,
                env={**os.environ, "TMPDIR": f"{root}.temp"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
        return Run(root, process)

    yield run
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def contents(project_files):
    """A function that tells what is in the files of a copy."""

    def contents(root):
        return {
            file: hashlib.sha256((root / file).read_bytes()).hexdigest()
            for file in project_files(root)
        }

    return contents


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_alone(project_copy, run, contents, path):
    root = project_copy()
    before = contents(root)
    lesson = run(root, f"notebooks/{path.name}")
    lesson.assert_green()
    assert contents(root) == before
    wait_until(lesson.is_gone)
    left = [path.name for path in lesson.temp.iterdir()]
    left = [name for name in left if not name.startswith("torchinductor_")]
    assert left == [], "PyTorch's cache may stay"


def test_a_fresh_copy_and_a_used_one_at_once(project_copy, run, contents, tmp_path):
    """Two people on one machine; one of them has run the series before, as here."""
    used = tmp_path / "used"
    not_used = shutil.ignore_patterns(".git", ".venv", "logs", "*cache*")
    shutil.copytree(ROOT, used, ignore=not_used)
    roots = [project_copy(), used]
    before = [contents(root) for root in roots]
    for series in [run(root, "notebooks") for root in roots]:
        series.assert_green()
    assert [contents(root) for root in roots] == before
