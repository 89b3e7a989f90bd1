"""One contract for every server that predicts, examined line by line.

In a terminal at the root of the project, with the server running in another one:

    python notebooks/course/contract.py http://127.0.0.1:8080 config/contract_wines.json

(In the folder notebooks: python -m course.contract …) The file says how this server is
asked. The answer is a table; the exit status is 1 if a line says FAIL, 2 if the file
cannot be used.

The file is JSON:

    predictions   the path that predictions are asked at, such as /predict
    ready         the path that says when the server is ready; with a port in front of
                  it, such as :8081/models/wines, where that is another one
    ready_says    a text that this answer has to hold (optional)
    inputs        the names of the inputs, each with the range [least, most]
    request       the body of one request; "$inputs" stands for the inputs by name,
                  "$values" for a list of them, "$alcohol" for one of them
    answer        the answer to it; "$answer" stands for what the model says
    model         where that comes from: module:function, which takes inputs by name;
                  the module is found from the project or from the folder you are in
    max_bytes     a body longer than this is refused
    many          how a body of many requests looks (optional), such as
                  {"request": {"rows": "$requests"}, "answer": {"rows": "$answers"}}
    archive       a .mar that has to work in any folder (optional)
"""

import argparse
import contextlib
import copy
import importlib
import json
import math
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple
from urllib.parse import urlsplit

if __name__ == "__main__":  # also as a script, from any folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import psutil
import requests

from course.background import family, is_loopback, listening, port_of
from course.lesson import ROOT
from course.traffic import Callers

DEFAULT_FILE = ROOT / "config" / "contract_wines.json"
NEEDED = ("predictions", "ready", "inputs", "request", "answer", "model", "max_bytes")
OPTIONAL = ("ready_says", "many", "archive")

TOLERANCE = 1e-6  # of the largest number in the model's answers
ROWS = 20  # asked one by one
TOGETHER = 16  # asked at the same moment
CALLERS, REQUESTS = 8, 200
MISSING = object()  # takes an input out of a request
JSON = {"Content-Type": "application/json"}


class SpecError(ValueError):
    """The file cannot be used; the message says what is wrong with it."""


class Line(NamedTuple):
    """One line of the contract: ok is None where it could not be examined."""

    name: str
    asked: str
    came: str
    ok: bool | None
    look: str = ""

    def __str__(self) -> str:
        state = {True: "ok", False: "FAIL", None: "-"}[self.ok]
        line = f"{state:5}{self.name:24}{self.asked:34}{self.came}"
        return f"{line}\n{'':5}look at: {self.look}" if self.ok is False else line


def shortened(thing: Any) -> str:
    """A text on one line, and no more than a reader takes in."""
    text = " ".join(str(thing).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


class Failed(Exception):
    """What came back, where that is not what the contract asks for.

    look: where to look, if this tells more than the line knows by itself.
    """

    def __init__(self, came: str, look: str = "") -> None:
        super().__init__(came)
        self.look = look


class NotExamined(Exception):
    """Why a line cannot be examined here."""


class Reply(NamedTuple):
    """An answer of the server; a request that got none has the status 0."""

    status: int
    body: bytes

    def content(self) -> Any:
        """The JSON in it. ValueError: it is none, or holds NaN or Infinity."""

        def refuse(word: str) -> None:
            raise ValueError(f"{word} is no JSON")

        return json.loads(self.body, parse_constant=refuse)

    def is_not_there(self) -> bool:
        """Whether no model is behind it, or nobody: no matter of what was asked."""
        return self.status in (0, 404) or self.status >= 500

    def __str__(self) -> str:
        if not self.status:
            return f"no answer ({self.body.decode()})"
        return f"{self.status} {shortened(self.body.decode(errors='replace'))}".strip()


def read(file: Path | str) -> dict:
    """The contract's file. SpecError: it is missing, no JSON, or a part is missing."""
    try:
        return checked(json.loads(Path(file).read_text(encoding="utf-8")))
    except OSError:
        raise SpecError(f"there is no file {file}") from None
    except json.JSONDecodeError as error:
        raise SpecError(f"{file} is no JSON: {error}") from None


def checked(spec: dict) -> dict:
    """The same, if all that is needed is there and can be used."""
    if not isinstance(spec, dict):
        raise SpecError("the file is one JSON object")
    missing = [name for name in NEEDED if name not in spec]
    unknown = [name for name in spec if name not in NEEDED + OPTIONAL]
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"may not have {unknown[0]}"
        raise SpecError(f"the file {what}")
    inputs = spec["inputs"]
    if not isinstance(inputs, dict) or not inputs:
        raise SpecError('inputs has names and ranges: {"alcohol": [11, 15]}')
    for name, ends in inputs.items():
        if not (
            isinstance(ends, (list, tuple))
            and [type(end) in (int, float) for end in ends] == [True, True]
            and -math.inf < ends[0] < ends[1] < math.inf
        ):
            raise SpecError(f"the range of {name} is [least, most], not {ends}")
    for name in ("predictions", "ready"):
        if not isinstance(spec[name], str) or "/" not in spec[name]:
            raise SpecError(f"{name} is a path such as /predict")
    if not spec["predictions"].startswith("/"):
        raise SpecError("predictions is a path such as /predict, without the server")
    if not places(spec["request"], {"$inputs", "$values", *(f"${n}" for n in inputs)}):
        raise SpecError(
            'request holds no input: "$inputs", "$values" or "$" and a name'
        )
    if not places(spec["answer"], {"$answer"}):
        raise SpecError('answer does not hold "$answer"')
    if type(spec["max_bytes"]) is not int or not 0 < spec["max_bytes"] < 10**8:
        raise SpecError("max_bytes is a whole number")
    return spec


def places(template: Any, words: set[str]) -> int:
    """How often one of these words stands in a template."""
    if isinstance(template, dict):
        return sum(places(part, words) for part in template.values())
    if isinstance(template, list):
        return sum(places(part, words) for part in template)
    return int(isinstance(template, str) and template in words)


def fill(template: Any, parts: dict[str, Any]) -> Any:
    """A template with a value in each place; MISSING leaves the place out."""
    if isinstance(template, dict):
        filled = {key: fill(part, parts) for key, part in template.items()}
        return {key: part for key, part in filled.items() if part is not MISSING}
    if isinstance(template, list):
        filled = [fill(part, parts) for part in template]
        return [part for part in filled if part is not MISSING]
    return parts.get(template, template) if isinstance(template, str) else template


def find(template: Any, content: Any, word: str) -> Any:
    """What stands in an answer where the template has the word. LookupError: nothing.

    What the template has beside it has to be there; more than that may be.
    """
    if template == word:
        return content
    if isinstance(template, dict) and isinstance(content, dict):
        for key, part in template.items():
            if places(part, {word}):
                return find(part, content[key], word)
    if isinstance(template, list) and isinstance(content, list):
        for place, part in enumerate(template):
            if places(part, {word}):
                return find(part, content[place], word)
    raise LookupError(word)


def numbers_in(content: Any) -> Iterator[float]:
    """Every number in an answer, at whatever depth."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from numbers_in(part)
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield content


def agree(given: Any, wanted: Any, tolerance: float) -> bool:
    """Whether two answers are the same, and their numbers within the tolerance."""
    if isinstance(wanted, dict):
        return (
            isinstance(given, dict)
            and {*given} == {*wanted}
            and all(agree(given[key], wanted[key], tolerance) for key in wanted)
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(given, list)
            and len(given) == len(wanted)
            and all(agree(g, w, tolerance) for g, w in zip(given, wanted, strict=True))
        )
    if isinstance(wanted, float) and isinstance(given, (int, float)):
        return abs(given - wanted) <= tolerance
    return type(given) is type(wanted) and given == wanted


def alike(given: Any, wanted: Any) -> bool:
    """Whether two answers have one form, whatever the numbers in it."""
    return agree(given, wanted, math.inf)


def says_why(reply: Reply) -> bool:
    """Whether a refusal is JSON with a sentence in it: three words, at any depth."""

    def sentence(content: Any) -> bool:
        if isinstance(content, dict):
            content = list(content.values())
        if isinstance(content, list):
            return any(map(sentence, content))
        return isinstance(content, str) and len(content.split()) >= 3

    try:
        return sentence(reply.content())
    except ValueError:
        return False


def heard(port: int) -> set[tuple[str, int]]:
    """Where the processes listen that hold a port, with all that they started."""
    try:
        pids = {c.pid for c in psutil.net_connections("tcp") if is_held(c, port)}
    except psutil.AccessDenied:  # macOS tells of one process at a time
        pids = {
            process.pid
            for process in psutil.process_iter()
            if any(held == port for _, held in listening([process]))
        }
    processes = []
    for pid in pids - {None}:  # of somebody else's process it is not told
        with contextlib.suppress(psutil.Error):
            processes += [psutil.Process(pid), *family(pid)]
    return listening(processes)


def is_held(connection: Any, port: int) -> bool:
    """Whether it is somebody who listens on this port."""
    return connection.status == psutil.CONN_LISTEN and connection.laddr.port == port


# Loads an archive in the folder that it lies in, as TorchServe does, without a server
# and without the project; a file that it opens there is named.
ELSEWHERE = """
import importlib.util, json, os, sys, zipfile
_, worker_file, root, archive, *bodies = sys.argv
found = importlib.util.spec_from_file_location("local_worker", worker_file)
local_worker = importlib.util.module_from_spec(found)
found.loader.exec_module(local_worker)
outside = os.path.realpath(sys.prefix)  # where the packages are
root, worker_file = map(os.path.realpath, (root, worker_file))

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        file = os.path.realpath(arguments[0])
        inside = file.startswith(root + os.sep) and file != worker_file
        if inside and not file.startswith(outside + os.sep):
            print("opened", os.path.relpath(file, root), flush=True)

with zipfile.ZipFile(archive) as packed:
    packed.extractall("unpacked")
os.chdir("unpacked")
sys.path.insert(0, os.getcwd())
sys.addaudithook(watch)
worker = local_worker.load(os.getcwd())
for body in bodies:
    value = local_worker.received("application/json", body.encode())
    for status, answer in worker.ask({"body": value}):
        print("answered", json.dumps([status, answer]), flush=True)
"""


def elsewhere(archive: Path | str, bodies: list[bytes]) -> list[Reply]:
    """What an archive answers in another folder, in a process that has no project.

    Failed says what went wrong: an import, a file of the project that it opens.
    """
    if not Path(archive).is_file():
        raise Failed("there is no such file")
    worker = Path(__file__).with_name("local_worker.py")
    with tempfile.TemporaryDirectory(prefix="elsewhere-") as folder:
        shutil.copy(archive, folder)
        finished = subprocess.run(
            [sys.executable, "-I", "-c", ELSEWHERE, worker, ROOT, Path(archive).name]
            + [body.decode() for body in bodies],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
        )
    if opened := re.findall(r"(?m)^opened (.+)", finished.stdout):
        raise Failed(f"it opens {opened[0]} of the project")
    if finished.returncode:
        errors = re.findall(r"(?m)^\w+(?:Error|Exception): .+", finished.stderr)
        raise Failed((errors or ["it does not load"])[0])
    answers = re.findall(r"(?m)^answered (.+)", finished.stdout)
    return [Reply(code, body.encode()) for code, body in map(json.loads, answers)]


class Examination:
    """A server under examination: its methods are the lines of the contract."""

    def __init__(self, url: str, spec: dict, patience: float) -> None:
        self.spec = checked(spec)
        self.patience = patience
        parts = urlsplit(url if "//" in url else f"http://{url}")
        self.host, self.port = parts.hostname or "127.0.0.1", port_of(parts.geturl())
        self.url = f"http://{self.host}:{self.port}"
        ready = spec["ready"]
        at = f"http://{self.host}" if ready.startswith(":") else self.url
        self.ready_url = ready if "//" in ready else at + ready
        self.model = self._model()
        self.names = list(spec["inputs"])
        chance = random.Random(0)
        self.rows = [
            {name: round(chance.uniform(*ends), 4) for name, ends in ranges}
            for ranges in [spec["inputs"].items()] * ROWS
        ]
        exact = [dict(row) for row in self.rows]
        for name, (least, most) in spec["inputs"].items():  # JSON has 13 for 13.0 too
            if least <= (whole := int(self.rows[-1][name])) <= most:
                self.rows[-1][name], exact[-1][name] = whole, float(whole)
        for place in range(1, ROWS, 2):  # a JSON object has no order
            self.rows[place] = dict(reversed(self.rows[place].items()))
        try:
            self.wanted = [self.model(row) for row in exact]
        except Exception as error:
            raise SpecError(f"the model raises {error!r} for {self.rows[0]}") from error
        largest = max(map(abs, numbers_in(self.wanted)), default=1.0)
        self.tolerance = TOLERANCE * largest
        self.said: list[Any] = []  # to each row, asked alone
        self.refusals: list[tuple[str, Reply]] = []  # and what was asked
        self.next: list[tuple[str, Reply]] = []  # the answer to the good one after it

    def _model(self) -> Callable[[dict], Any]:
        """What gives the right answers."""
        model = self.spec["model"]
        if callable(model):
            return model
        module, _, name = str(model).partition(":")
        for folder in (ROOT, ROOT / "notebooks", Path.cwd()):
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise SpecError(
                f"model is module:function, found from the project or from the folder "
                f"that you are in, and {model}: {error}"
            ) from None

    # How the server is asked.

    def body(self, inputs: dict, **instead: Any) -> bytes:
        """One request with these inputs; instead puts something else in a place."""
        parts = {f"${name}": number for name, number in inputs.items()}
        given = {name: part for name, part in inputs.items() if part is not MISSING}
        values = [given[name] for name in self.names if name in given]
        parts |= {"$inputs": given, "$values": values}
        filled = fill(self.spec["request"], parts)
        return json.dumps([] if filled is MISSING else filled).encode()

    def wrong(self, value: Any, place: int = 0) -> bytes:
        """The first request with something else in place of one input."""
        name = self.names[place % len(self.names)]
        return self.body({**self.rows[0], name: value})

    def ask(self, body: bytes, session: Any = requests) -> Reply:
        """POST a body."""
        try:
            answer = session.post(
                self.url + self.spec["predictions"],
                data=body,
                headers=JSON,
                timeout=20,
            )
        except requests.RequestException as error:
            return Reply(0, type(error).__name__.encode())
        return Reply(answer.status_code, answer.content)

    def ask_together(self, bodies: list[bytes]) -> list[Reply]:
        """POST them at the same moment; the answers in the order of the bodies."""
        gate = Barrier(len(bodies))

        def ask(body: bytes) -> Reply:
            with requests.Session() as session:
                gate.wait()
                return self.ask(body, session)

        with ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(ask, bodies))

    def answer_in(self, reply: Reply) -> Any:
        """What the server says to one request. Failed: no answer of the known form."""
        try:
            if reply.status == 200:
                return find(self.spec["answer"], reply.content(), "$answer")
        except (ValueError, LookupError):
            raise Failed(str(reply), OTHER_FORM) from None
        raise Failed(str(reply), REFUSES if 400 <= reply.status < 500 else LOG)

    def needs_answers(self, rows: int = TOGETHER) -> None:
        """NotExamined: the server has not answered each of these rows alone."""
        if len(self.said) < rows:
            raise NotExamined("not examined: no right answers")

    def must_be_as_alone(self, replies: Iterable[tuple[int, Reply]]) -> None:
        """Failed: one row, asked with others, has not the answer that it has alone."""
        for row, reply in replies:
            given = self.answer_in(reply)
            if not self.agree(given, self.said[row]):
                others = [n for n, it in enumerate(self.said) if self.agree(given, it)]
                if others:
                    raise Failed(f"request {row} got that of {others[0]}", MIXED)
                raise Failed(f"request {row}, other than alone: {reply}", CHANGES)

    def agree(self, given: Any, wanted: Any) -> bool:
        return agree(given, wanted, self.tolerance)

    def refused(self, *bodies: tuple[str, bytes]) -> str:
        """All of these, named, have to be refused: a 4xx. A good one comes after each.

        What the refusals say, and what comes after, are lines of their own.
        """
        wrong = []
        for name, body in bodies:
            reply = self.ask(body)
            self.refusals.append((name, reply))
            self.next.append((name, self.ask(self.body(self.rows[0]))))
            if not 400 <= reply.status < 500:
                wrong.append(f"{name}: {reply}")
        if wrong:
            more = f"; {len(wrong) - 1} more" if wrong[1:] else ""
            raise Failed(wrong[0] + more)
        return f"{len(bodies)} refused"

    # The lines. Each returns what came back, or raises Failed.

    def ready(self) -> str:
        deadline = time.monotonic() + self.patience
        while came := self._not_ready():
            if time.monotonic() > deadline:
                raise Failed(
                    f"not ready within {self.patience:g} s: {came}",
                    f"the server's log; is {self.ready_url} what tells it?",
                )
            time.sleep(0.1)
        good = self.body(self.rows[0])
        came = first = self.ask(good)
        while came.is_not_there() and time.monotonic() < deadline:
            time.sleep(0.1)  # the other lines wait until it is
            came = self.ask(good)
        if first.is_not_there():
            raise Failed(f"ready, and the next answer: {first}")
        return f"ready, and the next answer: {first.status}"

    def _not_ready(self) -> str:
        """What the ready path says instead, or nothing."""
        try:
            answer = requests.get(self.ready_url, timeout=10)
        except requests.RequestException as error:
            return f"no answer ({type(error).__name__})"
        sign = self.spec.get("ready_says", "")
        if answer.status_code == 200 and sign not in answer.text:
            return f"200 without {sign!r}"
        if answer.status_code == 200:
            return ""
        return str(Reply(answer.status_code, answer.content))

    def right(self) -> str:
        wrong = {}
        for place, (row, wanted) in enumerate(zip(self.rows, self.wanted, strict=True)):
            reply = self.ask(self.body(row))
            if place == ROWS - 1 and not wrong and 400 <= reply.status < 500:
                raise Failed(f"whole numbers: {reply}", WHOLE)
            self.said.append(self.answer_in(reply))
            if not self.agree(self.said[-1], wanted):
                wrong[place] = f"{reply}, and the model says {shortened(wanted)}"
        if not wrong:
            return f"{ROWS} right, within {TOLERANCE:g}"
        pairs = [(self.said[place], self.wanted[place]) for place in wrong]
        look = ""
        if not alike(*pairs[0]):
            look = OTHER_FORM
        elif all(agree(*pair, 1000 * self.tolerance) for pair in pairs):
            look = ROUNDED
        elif len(wrong) > 3 and all(place % 2 for place in wrong):
            look = TURNED
        raise Failed(f"{len(wrong)} of {ROWS} wrong: {[*wrong.values()][0]}", look)

    def order(self) -> str:
        self.needs_answers()
        rows = range(TOGETHER)
        for _ in range(2):
            replies = self.ask_together([self.body(self.rows[row]) for row in rows])
            self.must_be_as_alone(zip(rows, replies, strict=True))
        return f"{TOGETHER} answers, each as alone"

    def many(self) -> str:
        if "many" not in self.spec:
            raise NotExamined("not in the file")
        self.needs_answers(ROWS)
        many = self.spec["many"]
        bodies = [json.loads(self.body(row)) for row in self.rows]
        body = json.dumps(fill(many["request"], {"$requests": bodies})).encode()
        reply = self.ask(body)
        try:
            answers = find(many["answer"], reply.content(), "$answers")
            given = [find(self.spec["answer"], part, "$answer") for part in answers]
        except (ValueError, LookupError, TypeError):
            raise Failed(str(reply)) from None
        if not self.agree(given, self.said):
            raise Failed(f"{len(given)} answers, not each as alone")
        return f"{len(given)} answers, each as alone"

    def alone(self) -> str:
        self.needs_answers()
        bad = TOGETHER // 3
        for _ in range(2):
            bodies = [self.body(row) for row in self.rows[:TOGETHER]]
            bodies[bad] = self.wrong("a word")
            replies = dict(enumerate(self.ask_together(bodies)))
            refusal = replies.pop(bad)
            statuses = sorted({reply.status for reply in replies.values()})
            if not 400 <= refusal.status < 500:
                raise Failed(f"the bad one: {refusal}")
            if statuses != [200]:
                raise Failed(f"the bad one {refusal.status}, the others {statuses}")
            self.must_be_as_alone(replies.items())
        self.refusals.append(("a bad one beside good ones", refusal))
        return f"it is a {refusal.status}, {len(replies)} others as alone"

    def finite(self) -> str:
        for number in (1e38, -1e38, 1e39, 1e300):
            reply = self.ask(self.body(dict.fromkeys(self.names, number)))
            if not (reply.status == 200 or 400 <= reply.status < 500):
                raise Failed(f"{number:g}: {reply}")
            try:
                content = reply.content()
                finite = all(map(math.isfinite, numbers_in(content)))
            except (ValueError, OverflowError):
                finite = reply.status != 200
            if not finite:
                raise Failed(f"{number:g}: {reply}")
        return "numbers, or a refusal"

    def nan(self) -> str:
        odd = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
        return self.refused(*((name, self.wrong(it, -1)) for name, it in odd.items()))

    def booleans(self) -> str:
        return self.refused(("true", self.wrong(True)), ("false", self.wrong(False)))

    def text(self) -> str:
        words = [("a word", self.wrong("five")), ("no text", self.wrong("", -1))]
        return self.refused(*words, ("null", self.wrong(None)))

    def number_of_inputs(self) -> str:
        two = self.wrong([1.0, 2.0])
        return self.refused(
            ("one missing", self.wrong(MISSING, -1)), ("two in one", two)
        )

    def no_json(self) -> str:
        return self.refused(("half of it", self.body(self.rows[0])[:-1] + b"{"))

    def size(self) -> str:
        return self.refused(("a million letters", self.wrong("x" * 10**6)))

    def limit(self) -> str:
        """A good request with blanks behind it, sent as far as the server takes it.

        A server may close the connection on such a body: that is a refusal as well.
        """
        body = self.body(self.rows[0])
        body += b" " * (self.spec["max_bytes"] + 1 - len(body))
        link = HTTPConnection(self.host, self.port, timeout=20)
        try:
            link.putrequest("POST", self.spec["predictions"])
            for name, value in {**JSON, "Content-Length": str(len(body))}.items():
                link.putheader(name, value)
            with contextlib.suppress(OSError):  # it may answer before it has read all
                link.endheaders(body)
            answer = link.getresponse()
            came = Reply(answer.status, answer.read())
        except (OSError, HTTPException):
            came = Reply(0, b"closed")
        finally:
            link.close()
        self.next.append(("too long", self.ask(self.body(self.rows[0]))))
        if came.status and not 400 <= came.status < 500:
            raise Failed(str(came))
        return "refused"

    def why(self) -> str:
        silent = [
            f"{name}: {reply}"
            for name, reply in self.refusals
            if 400 <= reply.status < 500 and not says_why(reply)
        ]
        if silent:
            raise Failed(silent[0])
        return f"{len(self.refusals)} refusals, each with a sentence"

    def after(self) -> str:
        wrong = [
            f"after {name}: {reply}" for name, reply in self.next if reply.status != 200
        ]
        if wrong:
            raise Failed(wrong[0])
        return f"{len(self.next)} of {len(self.next)} answered"

    def loss(self) -> str:
        body = self.body(self.rows[0])
        with Callers(lambda session: self.ask(body, session), CALLERS) as callers:
            callers.wait_for(REQUESTS)
        lost = [reply for reply in callers.results if reply.status != 200]
        if lost:
            raise Failed(f"{len(lost)} lost, the first: {lost[0]}")
        return "none lost"

    def loopback(self) -> str:
        held = heard(self.port) if is_loopback(self.host) else set()
        beyond = sorted(f"{host}:{at}" for host, at in held if not is_loopback(host))
        if beyond:
            raise Failed(f"it listens on {', '.join(beyond)}")
        if not held:
            raise NotExamined("not to be seen from here")
        return "loopback only"

    def archive(self) -> str:
        if "archive" not in self.spec:
            raise NotExamined("not in the file")
        self.needs_answers()
        rows = range(3)
        file = ROOT / self.spec["archive"]
        replies = elsewhere(file, [self.body(self.rows[row]) for row in rows])
        self.must_be_as_alone(zip(rows, replies, strict=True))
        return f"{len(replies)} answers, each as the server's"


# Where to look, if what came back tells more than the line does.
HERE = "the contract's file"
OTHER_FORM = f'the form of the answer, and "answer" in {HERE}'
REFUSES = f'why it refuses a good request: its message, and "request" in {HERE}'
MIXED = "what requests share: a global variable, a batch in another order"
CHANGES = "what changes from one request to the next: eval(), what is kept between them"
WHOLE = "the type of each input: JSON has 13 as well as 13.0, so int and float"
TURNED = "the order of the inputs: every second request names them the other way round"
LOG = "the server's log at this moment"
ROUNDED = "rounding, of inputs or of the answer"

# name, what is asked, where to look; the method's name
LINES: dict[str, tuple[str, str, str]] = {
    "ready": (
        "ready when it says so",
        "a prediction right after ready",
        "what the ready path looks at: it has to wait for the model",
    ),
    "right": (
        "right answers",
        f"{ROWS} requests, beside the model",
        "inputs to tensor: means and scales, eval(); scores to answer: softmax, names",
    ),
    "order": (
        "a batch in order",
        f"{TOGETHER} requests at one moment",
        "whether answer n belongs to request n of the batch",
    ),
    "many": (
        "a list in order",
        f"{ROWS} rows in one body",
        "the order of the answers in the list",
    ),
    "alone": (
        "a bad one alone",
        f"{TOGETHER} at one moment, one is bad",
        "an exception for the whole batch; the status belongs to one request",
    ),
    "finite": (
        "no NaN out",
        "1e38, 1e39, 1e300 as inputs",
        "float32 ends at 3.4e38: refuse what is larger than your model can take",
    ),
    "nan": (
        "no NaN in",
        "NaN, Infinity, -Infinity",
        "float() and json.loads() read NaN: look at the range of each number",
    ),
    "booleans": (
        "no booleans",
        "true, false as an input",
        "isinstance(True, int) is true in Python",
    ),
    "text": (
        "no text, no null",
        'a word, "", null as an input',
        "the type of each input, before it becomes a tensor",
    ),
    "number_of_inputs": (
        "the number of inputs",
        "one missing, two in one place",
        "whether every input is there once, and a number",
    ),
    "no_json": (
        "broken JSON",
        "half a body",
        "what the handler gets when the body cannot be read",
    ),
    "size": (
        "a million letters",
        "a megabyte as an input",
        "what is done with a long text before it is refused",
    ),
    "limit": (
        "a limit for the body",
        "one byte more than max_bytes",
        "the server's setting for the largest body",
    ),
    "why": (
        "refusals say why",
        "the message of each refusal",
        "an error's body: JSON with a sentence that tells what was expected",
    ),
    "after": (
        "the next one",
        "a good request after each bad one",
        "what a bad request leaves behind in the handler",
    ),
    "loss": (
        "no loss",
        f"{REQUESTS} requests from {CALLERS} callers",
        "the server's log at this moment; its queue; its workers",
    ),
    "loopback": (
        "this machine only",
        "where its processes listen",
        "the address it binds: 127.0.0.1, on every port",
    ),
    "archive": (
        "the archive elsewhere",
        "in another folder, no project",
        "imports and paths in the handler; --extra-files",
    ),
}


def examine(url: str, spec: dict, patience: float = 30) -> list[Line]:
    """Examine the server at a URL; the spec is what read() returns.

    Its model may also be the function itself. patience: seconds to wait until the
    server says that it is ready. If it never does, the other lines are not examined.
    Raises SpecError.
    """
    examination = Examination(url, copy.copy(spec), patience)
    lines: list[Line] = []
    for method, (name, asked, look) in LINES.items():
        if lines and lines[0].ok is False and "not ready within" in lines[0].came:
            lines.append(Line(name, asked, "not examined", None))
            continue
        try:
            lines.append(Line(name, asked, getattr(examination, method)(), True))
        except Failed as failed:
            lines.append(Line(name, asked, str(failed), False, failed.look or look))
        except NotExamined as why:
            lines.append(Line(name, asked, str(why), None))
    return lines


def table(lines: list[Line]) -> str:
    """The lines for a reader, and how many of them are kept."""
    failed = sum(line.ok is False for line in lines)
    kept = sum(line.ok is True for line in lines)
    first = ": begin with the first of them" if failed > 1 else ""
    return "\n".join([*map(str, lines), f"{kept} lines kept, {failed} broken{first}"])


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course.contract",
        description="Examine a server for the contract, line by line.",
    )
    parser.add_argument("url", help="such as http://127.0.0.1:8080")
    parser.add_argument("file", nargs="?", default=DEFAULT_FILE)
    parser.add_argument("--ready", help="in place of the file's: a path or a URL")
    parser.add_argument("--model", help="in place of the file's: module:function")
    given = parser.parse_args(words)
    instead = {"ready": given.ready, "model": given.model}
    try:
        spec = read(given.file) | {name: it for name, it in instead.items() if it}
        lines = examine(given.url, spec)
    except SpecError as error:
        print(f"The contract cannot be examined: {error}.", file=sys.stderr)
        return 2
    print(table(lines))
    return int(any(line.ok is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
