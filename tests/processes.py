"""Which processes still run, for the tests that end them."""

import contextlib
import ipaddress
import time
from collections.abc import Callable

import psutil


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    """Whether the condition holds within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def family(pid: int | None = None) -> list[psutil.Process]:
    """All that the process with this pid started; without one, this process."""
    return psutil.Process(pid).children(recursive=True)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie has ended. A pid used anew is no survivor."""
    alive = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
        except psutil.NoSuchProcess:
            pass
    return alive


def listening(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """The addresses and ports that these processes listen on, as far as they live."""
    held = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has ended
            held |= {
                tuple(connection.laddr)
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            }
    return held


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address such as 127.0.0.1 or ::1."""
    ip = ipaddress.ip_address(address)
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
