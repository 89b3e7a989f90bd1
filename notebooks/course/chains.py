"""Workflows of TorchServe, packed, registered, asked and watched.

Where a lesson has shown a command once, this runs it again. `server` is the handle that
servers.start has returned.
"""

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests

from course import lesson
from course.torchserve import TorchServe

STORE = lesson.ROOT / "model_store"
PACK = (
    "torch-workflow-archiver --workflow-name {name} --spec-file {specification} "
    "--handler {functions} --export-path {store} --force"
)


def put(server: TorchServe, name: str, specification: str, functions: Path) -> None:
    """Pack this specification with a file of functions, and register the workflow.

    One of that name is unregistered first. Raises RuntimeError with what TorchServe
    says if it refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.yaml")
        file.write_text(specification, encoding="utf-8")
        parts = {"specification": file, "functions": functions, "store": STORE}
        words = {part: shlex.quote(path.as_posix()) for part, path in parts.items()}
        lesson.run_quietly(PACK.format(name=name, **words))
    requests.delete(f"{server.management}/workflows/{name}", timeout=60)
    workflows, url = f"{server.management}/workflows", {"url": f"{name}.war"}
    answer = requests.post(workflows, params=url, timeout=120)
    if not answer.ok:
        raise RuntimeError(answer.text)


def take_away(server: TorchServe, name: str) -> None:
    """Unregister a workflow, whether it is there or not, and remove its archive."""
    try:
        requests.delete(f"{server.management}/workflows/{name}", timeout=60)
    finally:
        (STORE / f"{name}.war").unlink(missing_ok=True)


def ask(server: TorchServe, name: str, body: str) -> requests.Response:
    """The answer of a workflow to a text."""
    return requests.post(
        f"{server.inference}/wfpredict/{name}",
        data=body,
        headers={"Content-Type": "text/plain"},
        timeout=60,
    )


@contextlib.contextmanager
def hanging(server: TorchServe, name: str, node: str) -> Iterator[None]:
    """While this lasts, the worker of a node is alive and does nothing."""
    model = f"{server.management}/models/{name}__{node}"
    [described] = requests.get(model, timeout=10).json()
    worker = psutil.Process(described["workers"][0]["pid"])
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


def logged(server: TorchServe, words: str) -> str:
    """What the last line with these words in model_log.log says, when there is one."""

    def found() -> list[str]:
        lines = server.log("model_log.log").splitlines()
        return [line.partition(" - ")[2] for line in lines if words in line]

    return lesson.wait_until(found)[-1]


def threads(server: TorchServe) -> int:
    """How many threads the server's Java process has."""
    pid = (server.folder / ".model_server.pid").read_text()
    return psutil.Process(int(pid)).num_threads()
