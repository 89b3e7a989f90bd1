"""Clients that keep a server busy: while a lesson does something to it, or measures it.

Callers are threads of the notebook:

    with Callers(ask, 4) as callers:  # ask(session) sends one request
        callers.wait_for(50)          # 50 more answers
        ...                           # kill a worker, move the default, …
        callers.wait_for(50)
    callers.results                   # what ask() returned, or the error of requests

measure() lets curl do the asking, which leaves the processor to the server:

    load = measure("curl --parallel …")
    load.per_second, load.median, load.p99, load.statuses
"""

import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import requests

from course.lesson import ROOT, words_of

# What --write-out of curl has to say for measure(): one line for each request.
EACH = r"%{http_code} %{time_total}\n"


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
    """What measure() saw: a status and the seconds of each request, and all seconds.

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

    Raises ValueError if it prints anything else, such as the answers themselves.
    """
    words = words_of(command)
    begin = time.perf_counter()
    finished = subprocess.run(
        [words[0], "--silent", *words[1:]],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # curl draws a meter there
        text=True,
        timeout=timeout,
    )
    seconds = time.perf_counter() - begin
    lines = [line.split() for line in finished.stdout.splitlines()]
    return Load([(int(status), float(took)) for status, took in lines], seconds)
