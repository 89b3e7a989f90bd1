"""The keeper ends its command for each of its three reasons, and for no other."""

import os
import signal
import subprocess
import sys

import pytest
from course.background import KEEPER, family
from course.lesson import wait_until
from processes import running

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

SERVER = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
"""
FAMILY = 2  # the server and the process that it starts


@pytest.fixture
def folder(tmp_path):
    """A temp folder with a log in it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "output.log").write_text("line\n")
    return folder


@pytest.fixture
def run(folder):
    """A function that runs a command, and ends what is left of it after the test."""
    started = []

    def run(*command):
        process = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            for member in [*family(process.pid), process]:
                member.kill()
        process.stdin.close()
        process.wait()


@pytest.fixture
def keeper(run, folder):
    """A keeper whose server has started a process of its own."""
    process = run(KEEPER, "--remove", folder, sys.executable, "-c", SERVER)
    wait_until(lambda: len(family(process.pid)) == FAMILY)
    return process


def test_end_of_input(keeper, folder):
    tree = family(keeper.pid)
    keeper.stdin.close()
    keeper.wait(timeout=15)
    assert running(tree) == []
    assert not folder.exists()


def test_sigterm(keeper, folder):
    tree = family(keeper.pid)
    keeper.terminate()
    keeper.wait(timeout=15)
    assert running(tree) == []
    assert not folder.exists()


def test_the_parent_is_killed_and_the_input_stays_open(run, folder):
    """Somebody else may hold the other end of the pipe."""
    command = [KEEPER, "--remove", folder, sys.executable, "-c", SERVER]
    words = [sys.executable, *map(str, command)]
    parent = run("-c", f"import subprocess; subprocess.run({words!r})")
    wait_until(lambda: len(family(parent.pid)) == 1 + FAMILY)
    tree = family(parent.pid)
    parent.kill()
    wait_until(lambda: running(tree) == [])
    assert not folder.exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_the_interrupt_button_and_a_closed_terminal(keeper, folder, name):
    keeper.send_signal(getattr(signal, name))
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.wait(timeout=0.5)
    assert len(running(family(keeper.pid))) == FAMILY
    assert folder.exists()


def test_a_command_that_ends_by_itself(run, folder):
    """Its status is the keeper's, and its folder stays for whoever reads the log."""
    process = run(KEEPER, "--remove", folder, sys.executable, "-c", "exit(3)")
    assert process.wait(timeout=30) == 3
    assert folder.exists()
