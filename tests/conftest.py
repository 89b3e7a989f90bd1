"""What the tests share: one running server of each kind, and copies of the project."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from course import lesson, servers
from xdist.scheduler import LoadScopeScheduling

ROOT = lesson.ROOT

# The names of what is generated: .gitignore lists names, those of folders with a slash.
IGNORED = [
    line.strip("/")
    for line in (ROOT / ".gitignore").read_text().splitlines()
    if line and not line.startswith("#")
]

TORCHSERVE = (
    "torchserve --foreground --ncs --disable-token-auth --enable-model-api "
    "--ts-config config/config.properties --models simple_linear=simple_linear.mar"
)
TORCHSERVE_READY = "http://127.0.0.1:8081/models/simple_linear"


# The lesson whose files a test uses as well: its archives, its folder in the project.
LESSON_OF = {
    "test_clinic.py": "05",
    "test_router.py": "09",
    "test_batching.py": "10",
    "test_watch.py": "11",
    "test_lock.py": "12",
    "test_grpc.py": "13",
    "test_workflow.py": "14",
    "test_digits.py": "15",
    "test_contract.py": "16",
    "test_own.py": "16",
}


class OneLessonAtATime(LoadScopeScheduling):
    """Gives a lesson, its checks and its tests to one of the processes: they write the
    same files. What belongs to no lesson goes file by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        named = re.search(r"^(\d\d)_|\[lesson_(\d\d)\.", f"{file.name}{nodeid}")
        lesson = LESSON_OF.get(file.name) or (named and (named[1] or named[2]))
        # TorchServe with tokens writes the one key_file.json of the project's folder.
        return {None: file.as_posix(), "12": "05"}.get(lesson, lesson)


def pytest_xdist_make_scheduler(config, log):
    return OneLessonAtATime(config, log)


@pytest.fixture(scope="session", autouse=True)
def at_the_root():
    """Find the programs of this environment, also when it is not activated.

    A script's background ignores the interrupt signal and hands that on: undo it, for
    the tests that interrupt what they start.
    """
    lesson.begin()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def weights(at_the_root):
    """The weights of lesson 02, trained if they are missing or old."""
    lesson.need_weights()


@pytest.fixture(scope="session")
def archive(weights):
    """The archive of lesson 04, built if it is missing or old."""
    lesson.need_archive()


@pytest.fixture(scope="session")
def torchserve(archive):
    """TorchServe with the archive of lesson 04."""
    server = servers.start(TORCHSERVE, ready=TORCHSERVE_READY, name="tests-torchserve")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def flask_server(weights):
    """The Flask server of lesson 07."""
    server = servers.start(
        "flask --app handlers.flask_app run --port 5001",
        ready="http://127.0.0.1:5001/ping",
        name="tests-flask",
    )
    yield server
    server.stop()


@pytest.fixture(scope="session")
def project_files():
    """A function that lists the project's files in a folder, without generated ones."""

    def files(root: Path = ROOT) -> list[Path]:
        """Paths relative to root."""
        left_out = shutil.ignore_patterns(".git", *IGNORED)
        found = []
        for folder, folders, names in os.walk(root):
            skipped = left_out(folder, [*folders, *names])
            folders[:] = [name for name in folders if name not in skipped]
            found += [Path(folder, name) for name in names if name not in skipped]
        return sorted(path.relative_to(root) for path in found)

    return files


@pytest.fixture(scope="session")
def project_copy(project_files, tmp_path_factory):
    """A function that copies the project, as a clone has it, into a new folder."""

    def copy() -> Path:
        root = tmp_path_factory.mktemp("project")
        for file in project_files():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, root / file)
        return root

    return copy
