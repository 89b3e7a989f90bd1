"""Finds the server that the learner has started with their own hands, in a terminal."""

from contextlib import suppress
from pathlib import Path

import psutil
import requests

from course.background import KEEPER, listening
from course.lesson import ROOT

# A word of the command line by which the process that listens can be told.
MARKS = {"torchserve": "org.pytorch.serve.ModelServer"}


def find(program: str, path: str = "/ping") -> str | None:
    """The address of your server, such as http://127.0.0.1:8080; a line says what is.

    Your server is one that you started with this program at the root of the project and
    outside of a lesson, and that answers the path with 200. None if there is none.
    """
    mine = psutil.Process().username()
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # one that has ended, or is somebody else's
            if process.username() == mine and _is_yours(process, program):
                for _, port in sorted(listening([process]), reverse=True):
                    if _answers(f"http://127.0.0.1:{port}{path}"):
                        print(f"Your {program} answers at 127.0.0.1:{port}.")
                        return f"http://127.0.0.1:{port}"
    print(
        f"No {program} of yours answers yet. Start it in a terminal, at the root of "
        "the project, and run this cell again; or go on."
    )
    return None


def _is_yours(process: psutil.Process, program: str) -> bool:
    """Whether it runs this program in this project, and no lesson started it."""
    words = process.cmdline()
    if MARKS.get(program, program) not in {*words, *(Path(w).stem for w in words)}:
        return False
    if Path(process.cwd()) != ROOT:
        return False
    parents = [word for parent in process.parents() for word in parent.cmdline()]
    return str(KEEPER) not in parents


def _answers(url: str) -> bool:
    """Whether it is HTTP that answers 200; a gRPC port does not."""
    with suppress(requests.RequestException):
        return requests.get(url, timeout=5).status_code == 200
    return False
