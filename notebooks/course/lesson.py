"""What every lesson needs before it starts: the root, commands, weights, an archive."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from course import drafts

ROOT = Path(__file__).resolve().parents[2]
Found = TypeVar("Found")

TEMP = ("TMPDIR", "TEMP", "TMP")  # where programs look for the temp folder

WEIGHTS = ROOT / "models" / "model.pth"
ARCHIVE = ROOT / "model_store" / "simple_linear.mar"

TRAIN = "python -m models.train"
ARCHIVE_COMMAND = (
    "torch-model-archiver --model-name simple_linear --version 1.0 "
    "--model-file models/linear.py --serialized-file models/model.pth "
    "--handler handlers/model_handler.py --export-path {folder} --force"
)


def begin() -> None:
    """Work at the root of the project, as a terminal opened there would.

    The programs of this kernel's environment are found first, also when it is not
    activated; the project's packages can be imported; no proxy is asked for a server of
    this machine. A file that you changed is copied
    before a cell overwrites it. Under test no progress bar shows.
    """
    drafts.keep()
    os.chdir(ROOT)
    for folder in (ROOT, ROOT / "notebooks"):  # the packages, and the lessons' helpers
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    folders = os.environ.get("PATH", "").split(os.pathsep)
    programs = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    if folders[0] != programs[0]:  # of conda on Windows they are two folders
        os.environ["PATH"] = os.pathsep.join([*dict.fromkeys(programs), *folders])
    for name in ("no_proxy", "NO_PROXY"):  # a proxy cannot reach this machine's servers
        hosts = os.environ.get(name, "").split(",")
        if "127.0.0.1" not in hosts:
            hosts = [*filter(None, hosts), "127.0.0.1", "localhost"]
            os.environ[name] = ",".join(hosts)
    if "PYTEST_CURRENT_TEST" in os.environ:
        os.environ["TQDM_DISABLE"] = "1"  # a progress bar never prints the same twice


def words_of(command: str) -> list[str]:
    """Split a command as a terminal does, and find its program.

    A backslash at the end of a line continues it. The quotes work on every system,
    because no shell sees them.

    Raises FileNotFoundError if there is no such program.
    """
    words = shlex.split(command.replace("\\\n", " "))
    program = shutil.which(words[0])
    if program is None:
        raise FileNotFoundError(
            f"{words[0]} is not installed in this environment. Run the preflight "
            "in 01_set_up_the_environment.ipynb to see what is missing."
        )
    return [program, *words[1:]]


def run(
    command: str,
    check: bool = True,
    env: dict[str, str] | None = None,
    timeout: float = 120,
) -> None:
    """Run a command at the root and print what it prints.

    With check, a command that fails raises subprocess.CalledProcessError; without, its
    exit status is printed. After timeout seconds it raises subprocess.TimeoutExpired.
    Give a server's env to a command that has to find that server.
    """
    finished = _finish(command, env, timeout)
    if finished.stdout:
        print(finished.stdout.rstrip("\n"))
    if check:
        finished.check_returncode()
    elif finished.returncode:
        print(f"[exit status {finished.returncode}]")


def output_of(
    command: str, env: dict[str, str] | None = None, timeout: float = 120
) -> str:
    """Run a command at the root and return what it prints, also when it fails.

    For a cell that shows a part of it.
    """
    return _finish(command, env, timeout).stdout


def run_quietly(
    command: str, env: dict[str, str] | None = None, timeout: float = 120
) -> None:
    """Run a command at the root; RuntimeError shows its output if it fails."""
    finished = _finish(command, env, timeout)
    if finished.returncode:
        raise RuntimeError(f"{command}\n{finished.stdout}")


def wait_until(
    condition: Callable[[], Found], timeout: float = 30, every: float = 0.05
) -> Found:
    """Ask again and again until the answer is true, and return it.

    Raises TimeoutError if it is not within timeout seconds.
    """
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not happen within {timeout:g} s")
        time.sleep(every)
    return found


def _finish(
    command: str, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess:
    """Run a command to its end; stdout of the result holds stderr as well."""
    words = words_of(command)
    _refuse_server(words)
    if Path(words[0]).stem == "curl":
        # Outside a terminal curl draws a progress meter into its answer.
        words[1:1] = ["--silent", "--show-error"]
    # A temp folder of its own: torch-model-archiver empties $TMPDIR/<model name>.
    with tempfile.TemporaryDirectory(prefix="lesson-") as folder:
        with subprocess.Popen(
            words,
            cwd=ROOT,
            env={
                **(env or {**os.environ, **dict.fromkeys(TEMP, folder)}),
                "PYTHON_COLORS": "0",  # no colors in a traceback, from Python 3.13 on
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=os.name != "nt",
        ) as process:
            try:
                printed, _ = process.communicate(timeout=timeout)
            except BaseException:  # an interrupt too: leave nothing behind
                _kill_group(process)
                raise
        return subprocess.CompletedProcess(words, process.returncode, printed)


def need_weights() -> None:
    """Train the model of lesson 02 if its weights are missing or outdated."""
    code = ["models/linear.py", "models/train.py"]
    if _is_current(WEIGHTS, [ROOT / file for file in code]):
        print(f"models/model.pth: found{_from_yours(code)}")
        return
    run_quietly(TRAIN)
    print(f"models/model.pth: trained now, as lesson 02 does{_from_yours(code)}")


def need_archive() -> None:
    """Build the archive of lesson 04 if it is missing or older than what is in it."""
    need_weights()
    code = ["models/linear.py", "handlers/model_handler.py"]
    made = "model_store/simple_linear.mar"
    if _is_current(ARCHIVE, [WEIGHTS, *(ROOT / file for file in code)]):
        print(f"{made}: found{_from_yours(code)}")
        return
    # Built beside its place and moved there, so that no server reads half an archive.
    with tempfile.TemporaryDirectory(dir=ARCHIVE.parent) as folder:
        run_quietly(ARCHIVE_COMMAND.format(folder=shlex.quote(Path(folder).as_posix())))
        (Path(folder) / ARCHIVE.name).replace(ARCHIVE)
    print(f"{made}: archived now, as lesson 04 does{_from_yours(code)}")


def _kill_group(process: subprocess.Popen) -> None:
    """Kill a process that leads a group, and all that it has started."""
    if os.name == "nt":  # no such groups there
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
    else:  # the group outlives its leader
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _refuse_server(words: list[str]) -> None:
    """Raise ValueError for a torchserve that would start a server and leave it."""
    returns = {"--foreground", "--stop", "--version", "-v", "--help", "-h"}
    if Path(words[0]).stem == "torchserve" and not returns & set(words):
        raise ValueError(
            "this leaves a server behind, which nothing would end: use servers.start"
        )


def _from_yours(files: list[str]) -> str:
    """A word on files that are not the project's: with them a lesson may go wrong."""
    changed = drafts.differing(*files)
    return f", and not from the project's {', '.join(changed)}" if changed else ""


def _is_current(made: Path, sources: list[Path]) -> bool:
    """Whether a file exists and is no older than what it is made from."""
    return made.exists() and all(
        made.stat().st_mtime >= source.stat().st_mtime for source in sources
    )
