"""TorchServe's contracts for gRPC, out of its own jar, and what calls of it cost.

unpack(folder)            # inference.proto and management.proto
outline(file, "Message")  # a contract without its comments, or some messages of it
GOOGLE                    # the folder with the contracts that these two import
"""

import re
import statistics
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import ts
from google.rpc import status_pb2

JAR = Path(ts.__file__).parent / "frontend" / "model-server.jar"
CONTRACTS = ("inference.proto", "management.proto")
GOOGLE = Path(status_pb2.__file__).parents[2].as_posix()


def unpack(folder: Path) -> None:
    """Put both contracts into a folder."""
    with zipfile.ZipFile(JAR) as jar:
        for name in CONTRACTS:
            (Path(folder) / name).write_bytes(jar.read(f"proto/{name}"))


def outline(file: Path, *names: str) -> str:
    """The messages and services of a contract that have one of the names.

    Without names all of them; without comments and empty lines.
    """
    text = re.sub(r"\s*//.*", "", Path(file).read_text(encoding="utf-8"))
    found = []
    for kind, name, body in re.findall(
        r"(?ms)^(message|service) (\w+) \{(.*?)^\}", text
    ):
        if not names or name in names:
            lines = [line.rstrip() for line in body.splitlines() if line.strip()]
            found.append("\n".join([f"{kind} {name} {{", *lines, "}"]))
    return "\n".join(found)


def medians(
    ways: dict[str, Callable], rounds: int = 3, calls: int = 60
) -> dict[str, float]:
    """The median time of one call of each way, in milliseconds; they take turns."""
    for call in ways.values():
        call()  # opens the connection
    times = {way: [] for way in ways}
    for _ in range(rounds):
        for way, call in ways.items():
            for _ in range(calls):
                start = time.perf_counter()
                call()
                times[way].append(1000 * (time.perf_counter() - start))
    return {way: statistics.median(taken) for way, taken in times.items()}


def cancelled(log: str) -> list[str]:
    """What TorchServe's log says of calls whose caller waits no more, once each."""
    lines = [
        line.split(" - ", 1)[1] for line in log.splitlines() if "cancelled" in line
    ]
    return sorted({line.partition(" for requestId")[0] for line in lines})
