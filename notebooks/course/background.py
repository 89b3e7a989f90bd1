"""A server in the background: started, waited for, watched, and ended for certain.

Nothing here knows one server from another; torchserve.py and servers.py do. The server
runs under keeper.py, so that it ends with the notebook, however that ends.
"""

import atexit
import contextlib
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

from course.lesson import ROOT, TEMP

KEEPER = Path(__file__).with_name("keeper.py")
DEFAULT_PORTS = {"http": 80, "https": 443}

# Seconds for the keeper to end its server: its own patience, and some to spare.
MAX_STOP = 15.0

# What a server's log says when another process is faster to take its port.
PORT_TAKEN = re.compile(
    r"address already in use|failed to bind|port \d+ is in use"
    r"|only one usage of each socket address",  # so says Windows
    re.I,
)
FIRST_ERROR = re.compile(r"\w(?:Error|Exception): ")

# The port in a word of a command: 5001, --port=5001, 127.0.0.1:5001, http://host:5001/x.
PORT_IN_WORD = re.compile(
    r"""(?P<before>
            (--?[\w-]+=)?
            (?P<host> (\w+://)? ([\w.-]*|\[[\da-fA-F:.]*\]) : )?
        )
        (?P<port>\d+)
        (?P<after> (?(host)(/.*)?) )""",
    re.VERBOSE,
)

_running: dict[str, "Server"] = {}


class ServerError(RuntimeError):
    """A server did not start. The message shows the end of its log and usual causes."""


class Server:
    """A server that runs in the background, from its making to stop().

    Attributes:
        url: the address it is asked at, such as http://127.0.0.1:5001.
        ready: the URL that says when it is ready.
        env: the environment it runs in.
        folder: its temp folder with its logs, until stop().
    """

    says = "is ready"  # what an answer of the ready URL means
    folders = TEMP  # variables that get its temp folder
    usual_causes = """\
Usual causes:
- the port is taken: end the other server, or choose another port
- the command is wrong: the first error in the log says where"""

    def __init__(
        self,
        name: str,
        words: list[str],
        ready: str,
        env: Mapping[str, str] | None = None,
        move_ports: bool = True,
        expose: bool = False,
    ) -> None:
        """Run the command; the arguments are those of servers.start().

        Raises:
            ValueError: the command cannot be run like this; nothing has been started.
        """
        self.name = name
        self.words = words
        self.ready = ready
        self.expose = expose
        given = env or {}
        self.move_ports = move_ports
        # From 3.13 on Python colors a traceback where a notebook is its origin.
        self.env = {**self._inherited(), "PYTHON_COLORS": "0", **given}
        self._read_settings()
        taken = [port for port in self._ports() if not is_free(port)]
        self._moved = {}
        if taken and move_ports:
            self._moved = dict(zip(taken, find_free_ports(len(taken)), strict=True))
            self.ready = move_port(self.ready, self._moved)
            self._move()
        self._bound: list[tuple[str, int]] = []

        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.env |= {n: str(self.folder) for n in self.folders if n not in given}
        try:
            self._launch()
        except BaseException:  # an interrupt too
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _launch(self) -> None:
        keeper = [sys.executable, str(KEEPER), "--remove", str(self.folder)]
        with open(self.folder / "output.log", "wb") as output:
            self._keeper = subprocess.Popen(
                [*keeper, *self.words],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=sys.platform != "win32",
            )

    def __repr__(self) -> str:
        where = ", ".join(f"{host}:{port}" for host, port in self._bound)
        if self._moved:
            taken = ", ".join(map(str, self._moved))
            where += f" (another process holds {taken})"
        return where

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        parts = urlsplit(self.ready)
        return f"{parts.scheme}://{parts.netloc}"

    def is_running(self) -> bool:
        """Whether the server's first process is there."""
        return self._keeper.poll() is None

    def processes(self) -> list[psutil.Process]:
        """The server's processes: its first one and all that those started."""
        return family(self._keeper.pid)

    def log(self, file: str = "output.log") -> str:
        """The text of one of the logs in its folder."""
        return (self.folder / file).read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self, timeout: float) -> None:
        """Return when the server is ready, and enter it in the list of those that run.

        Raises:
            ServerError: it ended, cannot get ready, was not ready within that many
                seconds, or can be reached from other machines and should not be.
        """
        deadline = time.monotonic() + timeout
        # In this order, so that no other process on the same port is asked.
        while not (self._holds_its_ports() and self._answers()):
            problem = self._failure()
            if not self.is_running():
                problem = "ended before it was ready"
            elif not problem and time.monotonic() > deadline:
                problem = f"was not ready within {timeout:.0f} s"
            if problem:
                raise ServerError(
                    f"{self.name} {problem}. {self._end_of_log()}\n\n"
                    f"{self.usual_causes}"
                )
            time.sleep(0.1)
        self._refuse_exposed()

    def stop(self) -> None:
        """End the server and all it started, and remove its temp folder.

        Stopping twice is fine. Raises ServerError, once it has ended, if it had come to
        listen where other machines reach it.
        """
        try:
            self._refuse_exposed()
        finally:
            self.end()

    def end(self) -> None:
        """As stop(), without a look at where it listens."""
        tree = self.processes()
        if self._keeper.stdin and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
        # A process that the kernel has forked may hold the other end of the pipe.
        if sys.platform != "win32":  # where this would end the keeper alone
            self._keeper.terminate()
        try:
            self._keeper.wait(MAX_STOP)
        except subprocess.TimeoutExpired:
            tree += self.processes()
            self._keeper.kill()
            self._keeper.wait()
        for process in tree:  # what has left the server's group
            kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)
        if _running.get(self.name) is self:
            del _running[self.name]

    # What another kind of server says of itself.

    def _inherited(self) -> dict[str, str]:
        """The environment variables that the server takes over from the kernel."""
        return dict(os.environ)

    def _read_settings(self) -> None:
        """Find out what the command means; raise ValueError if it may not be run."""

    def _ports(self) -> list[int]:
        """The ports that it is going to listen on."""
        return [port_of(self.ready)]

    def _move(self) -> None:
        """Give the command the free ports in place of those that are taken."""
        moved = [move_port(word, self._moved) for word in self.words]
        if moved == self.words:
            [port] = self._moved
            raise ValueError(
                f"another process holds port {port}, and the command does not name it: "
                f"say it there, such as --port {port}, so that another can be chosen"
            )
        self.words = moved

    def _is_ready(self, response: requests.Response) -> bool:
        """Whether this answer to the ready URL says so."""
        return response.status_code == 200

    def _failure(self) -> str | None:
        """Why it is never going to be ready although it runs, if that can be seen."""
        return None

    def _may_be_reached(self) -> bool:
        """Whether other machines may connect."""
        return self.expose

    # How it is watched.

    def _answers(self) -> bool:
        try:
            return self._is_ready(requests.get(self.ready, timeout=5))
        except requests.RequestException:
            return False

    def _holds_its_ports(self) -> bool:
        """Whether it is this server that answers, and no other on the same ports."""
        wanted = [self._moved.get(port, port) for port in self._ports()]
        held = sorted(listening(self.processes()))
        ports = {port for _, port in held}
        order = [*wanted, *sorted(ports - {*wanted})]
        self._bound = [pair for port in order for pair in held if pair[1] == port]
        return ports >= {*wanted}

    def _refuse_exposed(self) -> None:
        """Raise ServerError if other machines can connect and should not."""
        held = listening(self.processes())
        beyond = [f"{host}:{port}" for host, port in held if not is_loopback(host)]
        if beyond and not self._may_be_reached():
            raise ServerError(
                f"{self.name} listens on {', '.join(sorted(beyond))}, where everybody "
                "on the network can connect: make it listen on 127.0.0.1"
            )

    def _end_of_log(self) -> str:
        """The last 20 lines, and the first error if it is not among them."""
        lines = self.log().splitlines()
        end = "\n".join(lines[-20:])
        text = f"The end of its log:\n\n{end}"
        first = next((line for line in lines if FIRST_ERROR.search(line)), None)
        if first and first not in end:
            text = f"The first error in its log:\n\n{first}\n\n{text}"
        return text


def launch(server_class: type[Server], name: str, *arguments, timeout: float) -> Server:
    """Make a server of that class, wait until it is ready, and return it.

    A server of the same name that still runs is ended first. Raises what that class
    raises.
    """
    if name in _running:
        _running[name].stop()
    for attempts_left in (2, 1, 0):
        server = _running[name] = server_class(name, *arguments)
        try:
            server.wait_until_ready(timeout)
        except BaseException as error:  # an interrupt too: leave nothing behind
            taken = isinstance(error, ServerError) and PORT_TAKEN.search(str(error))
            server.end()
            if taken and server.move_ports and attempts_left:
                continue  # somebody took a port between our look and the server's bind
            raise
        return server


@atexit.register
def stop_all() -> None:
    """End every server that this kernel started."""
    for server in list(_running.values()):
        server.end()


# Ports and addresses.


def port_of(url: str) -> int:
    """The port of a URL, also where it goes without saying."""
    parts = urlsplit(url)
    return parts.port or DEFAULT_PORTS[parts.scheme]


def move_port(word: str, moved: Mapping[int, int]) -> str:
    """A word of a command, or a URL, with its port replaced if that one has moved."""
    found = PORT_IN_WORD.fullmatch(word)
    if not found or int(found["port"]) not in moved:
        return word
    return f"{found['before']}{moved[int(found['port'])]}{found['after']}"


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


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host such as 127.0.0.1, ::1 or localhost."""
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
    except ValueError:  # a name
        return host == "localhost"
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


# Processes.


def family(pid: int | None = None) -> list[psutil.Process]:
    """All that the process with this pid started; without one, this process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def listening(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """The hosts and ports that these processes listen on, as far as they live."""
    held = set()
    for process in processes:
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:  # it has ended
            continue
        held |= {
            (c.laddr.ip.removeprefix("::ffff:"), c.laddr.port)
            for c in connections
            if c.status == psutil.CONN_LISTEN
        }
    return held


def kill(process: psutil.Process) -> None:
    """Kill a process that may have ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
