"""A worker of TorchServe without the server in front of it: no port, no waiting.

    context = prepare("models/linear.py", "models/model.pth")
    worker = start(SimpleLinearHandler(), context)
    worker.ask({"body": "5"}, {"body": "abc"})
    clear(context)

The work is done by TorchServe's own classes: they call the handler, and turn what it
returns or raises into the message that the server would get. In a terminal at the root,
this loads an archive as TorchServe does, and sends it bodies:

    python -I notebooks/course/local_worker.py model_store/simple_linear.mar 5
"""

import io
import json
import logging
import re
import shutil
import struct
import sys
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import ts
from ts.context import Context
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.model_loader import ModelLoaderFactory
from ts.protocol.otf_message_handler import _retrieve_input_data
from ts.service import Service

if TYPE_CHECKING:
    from ts.torch_handler.base_handler import BaseHandler

# Its warnings are about optional packages, which the import of a handler looks for, and
# about every request that fails, with a traceback.
logging.getLogger("ts").setLevel(logging.ERROR)


class Answer(NamedTuple):
    """What a caller gets: the status code, and the body as the server sends it."""

    status: int
    body: str

    def __str__(self) -> str:
        """On one line, with four digits of every fraction."""
        body = re.sub(r"\n\s*", "", self.body)
        return f"{self.status} " + re.sub(
            r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4f}", body
        )


class Worker:
    """Hands batches of requests to the handler that its service holds."""

    def __init__(self, service: Service) -> None:
        service.set_cl_socket(None)  # the line to the server: there is none
        self._service = service

    def ask(self, *requests: dict) -> list[Answer]:
        """Send one batch; each request is a dictionary such as {"body": "5"}."""
        batch = [
            {
                "requestId": str(number).encode(),
                "parameters": [
                    {"name": name, "value": value, "contentType": ""}
                    for name, value in request.items()
                ],
            }
            for number, request in enumerate(requests)
        ]
        return _read_answers(self._service.predict(batch))


def prepare(model_file: str, weights: str) -> Context:
    """A folder as a worker sees it, on sys.path, and the context that tells of it.

    Give the context to clear when it is no longer needed.
    """
    folder = tempfile.mkdtemp(prefix="worker-")
    named = {"modelFile": model_file, "serializedFile": weights}
    for file in named.values():
        shutil.copy(file, folder)
    sys.path.insert(0, folder)
    manifest = {"model": {key: Path(file).name for key, file in named.items()}}
    sys.modules.pop(Path(model_file).stem, None)  # of an earlier folder
    return Context(
        "simple_linear",
        folder,
        manifest,
        batch_size=1,
        gpu=None,
        mms_version=ts.__version__,
        model_yaml_config={},
    )


def clear(context: Context) -> None:
    """Take the folder away, and what was imported from it. Twice is no error."""
    folder = context.system_properties["model_dir"]
    if folder in sys.path:
        sys.path.remove(folder)
    for name, module in [*sys.modules.items()]:
        if (getattr(module, "__file__", None) or "").startswith(folder):
            del sys.modules[name]
    shutil.rmtree(folder, ignore_errors=True)


def start(handler: "BaseHandler", context: Context) -> Worker:
    """A worker with this handler, and with a context of its own like the given one."""
    service = Service(
        context.model_name,
        context.system_properties["model_dir"],
        context.manifest,
        handler.handle,
        gpu=None,
        batch_size=context.system_properties["batch_size"],
        metrics_cache=_metrics(),
    )
    handler.initialize(service.context)
    return Worker(service)


def load(folder: Path | str) -> Worker:
    """A worker with the handler and the model of an unpacked archive.

    The folder has to be on sys.path, where TorchServe puts it.
    """
    manifest = json.loads(Path(folder, "MAR-INF", "MANIFEST.json").read_text())["model"]
    loader = ModelLoaderFactory.get_model_loader()
    service = loader.load(
        manifest["modelName"],
        str(folder),
        manifest["handler"],
        batch_size=1,
        metrics_cache=_metrics(),
    )
    return Worker(service)


def received(content_type: str, body: bytes):
    """What a handler finds for a body of this content type."""
    message = b"".join(
        struct.pack("!i", len(part)) + part
        for part in (b"body", content_type.encode(), body)
    )
    connection = SimpleNamespace(recv=io.BytesIO(message).read)
    return _retrieve_input_data(connection)["value"]


def _metrics() -> MetricsCacheYamlImpl:
    """Where a handler counts and times: it logs them, and the server collects that."""
    file = Path(ts.__file__).with_name("configs") / "metrics.yaml"
    metrics = MetricsCacheYamlImpl(str(file))
    metrics.initialize_cache()
    return metrics


def _read_answers(message: bytes) -> list[Answer]:
    """Read a worker's message as the server does."""
    stream = io.BytesIO(message)

    def number() -> int:
        return struct.unpack("!i", stream.read(4))[0]

    def text() -> str:
        return stream.read(number()).decode(errors="replace")

    code, reason = number(), text()  # of the batch
    answers = []
    while (length := number()) != -1:
        stream.read(length)  # the request's id
        text()  # the content type
        status, _ = number(), text()
        for _ in range(number()):  # headers
            text(), text()
        body = text()
        answers.append(Answer(status, body) if code == 200 else Answer(code, reason))
    return answers


def main(archive: str, *bodies: str) -> None:
    """Load an archive, say which modules came out of it, and answer the bodies."""
    with tempfile.TemporaryDirectory(prefix="worker-") as folder:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        sys.path.insert(0, folder)
        worker = load(folder)
        unpacked = [
            name
            for name, module in sys.modules.items()
            if (getattr(module, "__file__", None) or "").startswith(folder)
        ]
        print("modules from the archive:", ", ".join(sorted(unpacked)))
        for body in bodies:
            for status, answer in worker.ask({"body": body}):
                print(status, re.sub(r"\n\s*", "", answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
