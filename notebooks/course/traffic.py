"""Clients that keep a server busy: while a lesson does something to it, or measures it.

Callers are threads of the notebook:

    with Callers(ask, 4) as callers:  # ask(session) sends one request
        callers.wait_for(50)          # 50 more answers
        ...                           # kill a worker, move the default, …
        callers.wait_for(50)
    callers.results                   # what ask() returned, or the error of requests

measure() lets curl do the asking, which leaves the processor to the server. That is a
closed loop as well; arrive() sends requests that do not wait for each other:

    load = measure("curl --parallel …")
    load = arrive(url, body, [0.004, 0.019, …])  # seconds from now
    load.per_second, load.median, load.p99, load.statuses
"""

import asyncio
import re
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from course.lesson import ROOT, words_of

# What --write-out of curl has to say for measure(): one line for each request.
EACH = r"%{http_code} %{time_total}\n"

# curl's exit status when the last request that failed got no answer: no connection, out
# of time, nothing received, not sent, cut off.
NO_ANSWER = {7, 18, 28, 52, 55, 56}


class Callers:
    """Several clients in a closed loop: each asks again as soon as it has its answer.

    Attributes:
        results: what ask() returned, in the order in which the answers came. For a
            request that got no answer the requests.RequestException stands there.
    """

    def __init__(self, ask: Callable[[requests.Session], Any], count: int = 2) -> None:
        self.results: list[Any] = []
        self._ask = ask
        self._count = count
        self._ended = threading.Event()

    def __enter__(self) -> "Callers":
        self._pool = ThreadPoolExecutor(self._count)
        self._clients = [self._pool.submit(self._call) for _ in range(self._count)]
        return self

    def __exit__(self, *_) -> None:
        """Let every client get its last answer; an error in ask() itself is raised."""
        self._ended.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()

    def wait_for(self, more: int, timeout: float = 60) -> None:
        """Return after that many more results; raise TimeoutError if they do not come.

        An error that ends all clients ends the waiting as well.
        """
        wanted = len(self.results) + more
        deadline = time.monotonic() + timeout
        while len(self.results) < wanted:
            if all(client.done() for client in self._clients):
                return  # leaving the block raises their error
            if time.monotonic() > deadline:
                missing = wanted - len(self.results)
                raise TimeoutError(f"{missing} of {more} answers did not come")
            time.sleep(0.01)

    def _call(self) -> None:
        with requests.Session() as session:
            while not self._ended.is_set():
                try:
                    self.results.append(self._ask(session))
                except requests.RequestException as error:
                    self.results.append(error)


class Load(NamedTuple):
    """What was seen: a status and the seconds of each request, and all seconds.

    A request that got no answer has the status 0.
    """

    requests: list[tuple[int, float]]
    seconds: float

    @property
    def statuses(self) -> dict[int, int]:
        """How many requests ended with each status."""
        return dict(sorted(Counter(status for status, _ in self.requests).items()))

    @property
    def answered(self) -> list[float]:
        """The milliseconds of each request that ended with 200."""
        return [1e3 * seconds for status, seconds in self.requests if status == 200]

    @property
    def per_second(self) -> float:
        """Throughput: requests that ended with 200, in one second."""
        return len(self.answered) / self.seconds

    @property
    def median(self) -> float:
        """Half of the answers took no longer than this, in milliseconds."""
        return statistics.median(self.answered)

    @property
    def p99(self) -> float:
        """99 of 100 answers took no longer than this, in milliseconds."""
        return statistics.quantiles(self.answered, n=100)[98]


def measure(command: str, timeout: float = 120) -> Load:
    """Run a curl command that sends many requests with `--write-out EACH`.

    Raises:
        RuntimeError: curl could not run the command, and this is what it said. Requests
            without an answer are no error.
        ValueError: it printed anything else, such as the answers themselves.
    """
    begin = time.perf_counter()
    finished = subprocess.run(
        # At the end, so that a curl too old for the command names the command's option.
        [*words_of(command), "--no-progress-meter"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
    )
    seconds = time.perf_counter() - begin
    if finished.returncode not in NO_ANSWER | {0}:
        said = finished.stderr.strip()
        raise RuntimeError(f"curl ended with exit status {finished.returncode}: {said}")
    lines = re.findall(r"^(\d{3}) (\d+\.\d+)$", finished.stdout, re.MULTILINE)
    if not lines or len(lines) != finished.stdout.count("\n"):
        raise ValueError(
            "curl has to print a line for each request and nothing else: "
            f"--write-out EACH, and --output. It printed: {finished.stdout[:80]!r}"
        )
    return Load([(int(status), float(took)) for status, took in lines], seconds)


def arrive(
    url: str,
    body: bytes,
    due: Iterable[float],
    content_type: str = "application/octet-stream",
    timeout: float = 30,
) -> Load:
    """POST the body at each of these times, in seconds from now: an open loop.

    A request waits for no answer to another one. Its seconds count from when it was
    due, so that a client that is late hides nothing.
    """
    address = urlsplit(url)
    path = f"{address.path or '/'}{'?' * bool(address.query)}{address.query}"
    message = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    idle = []  # connections that wait for their next request

    async def answer() -> int:
        if not idle:
            host, port = address.hostname, address.port
            idle.append(await asyncio.open_connection(host, port))
        reader, writer = idle.pop()
        try:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
            await reader.readexactly(int(length[1]))
        except BaseException:
            writer.close()
            raise
        if re.search(rb"(?i)^HTTP/1\.0|\nconnection: *close", head):
            writer.close()
        else:
            idle.append((reader, writer))
        return int(head.split()[1])

    async def ask(at: float, start: float) -> tuple[int, float]:
        await asyncio.sleep(start + at - time.perf_counter())
        try:
            status = await asyncio.wait_for(answer(), timeout)
        except (OSError, EOFError, TimeoutError):
            status = 0
        return status, time.perf_counter() - start - at

    async def ask_all() -> Load:
        start = time.perf_counter()
        seen = await asyncio.gather(*(ask(at, start) for at in due))
        for _, writer in idle:
            writer.close()
        return Load(list(seen), time.perf_counter() - start)

    with ThreadPoolExecutor(1) as pool:  # a notebook's own thread has a loop already
        return pool.submit(asyncio.run, ask_all()).result()
