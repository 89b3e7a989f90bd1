"""Nothing outlives a notebook, however it ends: no process, no temp folder.

A small notebook starts a server, writes down what runs, and then comes to an end that
leaves it no time to clean up. The quick tests start Flask, the slow ones both servers.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest
import requests
from conftest import ROOT, TORCHSERVE, TORCHSERVE_READY
from course.lesson import wait_until
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel
from processes import running

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ends processes by signals")

FLASK = """
servers.start("flask --app handlers.flask_app run --port 5001",
              ready="http://127.0.0.1:5001/ping", name="flask")
"""
BOTH = f"""{FLASK}
servers.start({TORCHSERVE!r}, ready={TORCHSERVE_READY!r}, name="torchserve")
"""
START = """
import json, os, sys
from pathlib import Path

sys.path[:0] = {path!r}
import psutil, requests
from course import background, lesson, servers

lesson.begin()
{servers}
kernel = psutil.Process()
record = {{
    "processes": [
        [process.pid, process.create_time()]
        for process in [kernel, *kernel.children(recursive=True)]
    ],
    "folders": [str(server.folder) for server in background._running.values()],
    "url": background._running["flask"].url,
}}
unfinished = Path({record!r} + ".unfinished")
unfinished.write_text(json.dumps(record))
unfinished.rename({record!r})
"""
WAIT = "import time; time.sleep(600)"


@dataclass
class Started:
    """What a notebook has started: its kernel comes first."""

    processes: list[psutil.Process]
    folders: list[Path]
    url: str

    def answers(self) -> bool:
        """Whether the Flask server does its work."""
        answer = requests.post(f"{self.url}/predict", json={"value": 5}, timeout=10)
        return abs(answer.json()["prediction"] - 9) < 0.05

    def is_gone(self) -> bool:
        """Whether nothing of it is left."""
        folders = [folder for folder in self.folders if folder.exists()]
        return not running(self.processes) and not folders

    def assert_gone(self) -> None:
        """Nothing is left of it, after a while."""
        try:
            wait_until(self.is_gone)
        finally:
            for process in running(self.processes):  # for the tests that follow
                process.kill()


def read(record: Path) -> Started:
    """What the notebook wrote down. A pid used anew is not what it meant."""
    wait_until(record.exists, 60)
    noted = json.loads(record.read_text())
    processes = []
    for pid, created in noted["processes"]:
        try:
            process = psutil.Process(pid)
            if process.create_time() == created:
                processes.append(process)
        except psutil.NoSuchProcess:
            pass
    return Started(processes, list(map(Path, noted["folders"])), noted["url"])


@pytest.fixture
def record(tmp_path):
    """Where the notebook writes down what runs."""
    return tmp_path / "record.json"


@pytest.fixture(
    params=[
        pytest.param(FLASK, id="flask"),
        pytest.param(BOTH, id="both", marks=pytest.mark.slow),
    ]
)
def cell(request, archive, record):
    """The cell that starts the servers."""
    path = [str(ROOT), str(ROOT / "notebooks")]
    return START.format(path=path, servers=request.param, record=str(record))


@pytest.fixture
def pytest_runs(cell, tmp_path):
    """A function that runs the cell and another one under pytest --nbval."""
    processes = []

    def run(last_cell):
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(c) for c in (cell, last_cell)]
        nbformat.write(notebook, tmp_path / "small.ipynb")
        command = "pytest --nbval --nbval-current-env -p no:cacheprovider small.ipynb"
        with (tmp_path / "pytest.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command.split()],
                cwd=tmp_path,
                stdout=output,
                start_new_session=True,  # a group of its own, as a terminal gives it
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def kernel(cell, record, tmp_path):
    """A kernel that has run the cell, as JupyterLab has one."""
    kernel = RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(tmp_path))
    kernel.execute_cell_input(cell)
    yield kernel
    kernel.stop()


@pytest.mark.parametrize(
    ("last_cell", "status"),
    [("1 + 1", 0), ("raise ValueError('no')", 1)],
)
@pytest.mark.slow
def test_a_notebook_ends_without_stopping_its_server(
    pytest_runs, record, last_cell, status
):
    process = pytest_runs(last_cell)
    started = read(record)
    assert process.wait(timeout=60) == status
    started.assert_gone()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_pytest_is_ended(pytest_runs, record, name):
    """In the middle of a cell; Ctrl-C reaches the whole group of pytest."""
    process = pytest_runs(WAIT)
    started = read(record)
    assert started.answers()
    os.killpg(process.pid, getattr(signal, name))
    process.wait(timeout=30)
    started.assert_gone()


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(True, id="at once"),
        pytest.param(False, id="in order", marks=pytest.mark.slow),
    ],
)
def test_the_kernel_is_restarted(kernel, record, now):
    started = read(record)
    assert started.answers()
    kernel.km.restart_kernel(now=now)
    started.assert_gone()


def test_the_kernel_is_killed(kernel, record):
    started = read(record)
    assert started.answers()
    started.processes[0].kill()
    started.assert_gone()


def test_the_interrupt_button_leaves_the_server_alone(kernel, record, tmp_path):
    started = read(record)
    waiting = tmp_path / "waiting"
    cell = kernel.execute_cell_input(f"open({str(waiting)!r}, 'w').close()\n{WAIT}")
    wait_until(waiting.exists)
    kernel.interrupt()
    kernel.await_reply(cell, timeout=15)
    assert len(running(started.processes)) == len(started.processes) >= 3
    assert started.answers()
    kernel.km.shutdown_kernel(now=True)
    started.assert_gone()
