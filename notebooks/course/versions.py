"""Versions of one model on a running TorchServe, for lesson 09."""

import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from course.lesson import ROOT, run_quietly, wait_until

HANDLER = ROOT / "handlers" / "model_handler.py"
INFERENCE = "        with torch.inference_mode():\n"  # a line of that handler


def show(models: str, model: str = "simple_linear") -> None:
    """Wait until every version has a worker that is READY, and list the versions.

    models is the management address with /models.
    """

    def all_ready():
        found = requests.get(f"{models}/{model}/all", timeout=30).json()
        ready = [
            any(worker["status"] == "READY" for worker in each["workers"])
            for each in found
        ]
        return found if all(ready) else None

    described = wait_until(all_ready)
    [default] = requests.get(f"{models}/{model}", timeout=30).json()
    for each in sorted(described, key=lambda each: each["modelVersion"]):
        mark = "  default" * (each["modelVersion"] == default["modelVersion"])
        print(f"{each['modelVersion']}  {each['modelUrl']}{mark}")


def settled(status: str) -> dict:
    """What the router says at this address, when all that it mirrors is compared."""

    def found():
        now = requests.get(status, timeout=30).json()
        return now if now["mirror"]["done"] == now["mirror"]["accepted"] else None

    return wait_until(found, timeout=60)


def judge(results: list[tuple[int, float]], limit: float) -> str:
    """What to do with a candidate that gave these statuses, in so many milliseconds."""
    if len(results) < 50:
        return "wait"
    errors = sum(status >= 500 for status, _ in results)
    if errors / len(results) > 0.05:
        return "take back"
    times = [took for status, took in results if status == 200]
    slow = len(times) > 1 and statistics.quantiles(times, n=100)[98] > limit
    return "take back" if slow else "go on"


def failing(handler: str) -> str:
    """The handler's text with a new line in it, which fails for 0 and below."""
    assert handler.count(INFERENCE) == 1
    logarithm = "        math.log10(inputs.min())  # how large?\n"
    return "import math\n\n" + handler.replace(INFERENCE, logarithm + INFERENCE)


def archive_bad_ones(folder: Path) -> None:
    """Archive two versions that nobody should get, with what they need in the folder.

    3.0 was trained for 10 steps: it answers, and wrong. 4.0 has the failing handler.
    """
    from models.train import save, train  # only where begin() has shown the root

    handler = folder / "new_handler.py"
    handler.write_text(failing(HANDLER.read_text(encoding="utf-8")), encoding="utf-8")
    for version, steps in (("3.0", 10), ("4.0", 1000)):
        save(train(steps=steps)[0], folder / f"{version}.pth")

    def archive(version: str, handler: Path) -> None:
        run_quietly(rf"""
        torch-model-archiver --model-name simple_linear_{version} --version {version} \
            --model-file models/linear.py \
            --serialized-file "{(folder / version).as_posix()}.pth" \
            --handler "{handler.as_posix()}" --export-path model_store --force
        """)

    with ThreadPoolExecutor() as pool:
        list(pool.map(archive, ("3.0", "4.0"), (HANDLER, handler)))
