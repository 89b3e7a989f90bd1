"""Clients that keep a server busy while a lesson does something to it.

    with Callers(ask, 4) as callers:  # ask(session) sends one request
        callers.wait_for(50)          # 50 more answers
        ...                           # kill a worker, move the default, …
        callers.wait_for(50)
    callers.results                   # what ask() returned, or the error of requests
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests


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
