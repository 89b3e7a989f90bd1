"""A router in front of TorchServe: it decides which version answers a request.

ROUTER_MODE is one of these.
ab: a share of the clients gets the candidate, the others the stable version.
shadow: all get the stable version; the candidate is asked too, and only watched.
canary: as ab, but the share drops to 0 as soon as the candidate does worse.

Start it at the root of the project: flask --app handlers.router run --port 5002
Change it while it runs: curl -X PUT -d share=20 http://127.0.0.1:5002/settings
"""

import hashlib
import ipaddress
import json
import logging
import math
import os
import queue
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import urllib3
from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

WINDOW = 50  # a candidate is judged by its last 50 answers,
MAX_BAD = 5  # of which 5 may be worse than those of the stable version
TOLERANCE = 0.05  # two numbers agree that differ by 5 percent, or by 0.05 near zero
MAX_WAITING = 100  # requests that wait to be mirrored
MAX_BYTES = 65_536  # of a request; those that wait are kept in memory
FORWARDED = ("Authorization", "Content-Type")
NO_ANSWER = (502, 504)  # what TorchServe.ask() makes of it
LOG = logging.getLogger(__name__)

NAME = r"\w[\w.-]*", "letters, digits, dots and hyphens"
SETTINGS = {  # environment variable: default, pattern, the pattern in words
    "ROUTER_TORCHSERVE": (
        "http://127.0.0.1:8080",
        r"https?://[\w.-]+(:\d+)?",
        "TorchServe's inference address, such as http://127.0.0.1:8080",
    ),
    "ROUTER_MODEL": ("simple_linear", *NAME),
    "ROUTER_STABLE": ("1.0", *NAME),
    "ROUTER_CANDIDATE": ("2.0", *NAME),
    "ROUTER_MODE": ("canary", "ab|shadow|canary", "ab, shadow or canary"),
    "ROUTER_SHARE": ("10", r"\d\d?|100", "a whole number of percent, 0 to 100"),
    "ROUTER_TIMEOUT": ("10", r"[1-9]\d?", "a whole number of seconds, 1 to 99"),
}

AT_START = {"ROUTER_TORCHSERVE", "ROUTER_MODEL", "ROUTER_TIMEOUT"}  # and not later


def read_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """All settings; ValueError says which variable is wrong and what it may be."""
    given = {name: text for name, text in environ.items() if name.startswith("ROUTER_")}
    if unknown := given.keys() - SETTINGS.keys():
        raise ValueError(f"there is no setting {', '.join(sorted(unknown))}")
    settings = {name: given.get(name, row[0]) for name, row in SETTINGS.items()}
    for name, (_, pattern, words) in SETTINGS.items():
        if not re.fullmatch(pattern, settings[name], re.ASCII):
            raise ValueError(f"{name}={settings[name]!r} should be {words}")
    if settings["ROUTER_STABLE"] == settings["ROUTER_CANDIDATE"]:
        raise ValueError("ROUTER_STABLE and ROUTER_CANDIDATE are the same version")
    return settings


class Answer(NamedTuple):
    """What a version answers."""

    status: int
    body: bytes
    content_type: str = "application/json"


def gets_candidate(key: str | None, candidate: str, share: float) -> bool:
    """Whether this client is in the candidate's share, in percent of the clients.

    The same client always gets the same answer. A larger share adds clients and takes
    none away. Each candidate meets other clients first. A client without a key could
    not be recognised the next time, so it stays with the stable version.
    """
    if not key:
        return False
    digest = hashlib.sha256(f"{candidate}/{key}".encode()).digest()
    place = int.from_bytes(digest[:6], "big") / 2**48 * 100  # from 0 to below 100
    return place < share


class Mirror:
    """Does jobs in a thread of its own, so that nobody waits for them.

    While max_waiting of them wait, further ones are dropped. The attributes accepted,
    dropped, done and failed count jobs; those that failed are done, too.
    """

    def __init__(self, max_waiting: int) -> None:
        self.accepted = self.dropped = self.done = self.failed = 0
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue(max_waiting)
        self._lock = threading.Lock()
        threading.Thread(target=self._work, daemon=True).start()

    def offer(self, job: Callable[[], None]) -> None:
        """Take the job or drop it, and return at once."""
        with self._lock:
            try:
                self._jobs.put_nowait(job)
                self.accepted += 1
            except queue.Full:
                self.dropped += 1

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except Exception:  # whatever it is, the next job has to be done
                LOG.exception("a mirrored request failed")
                self.failed += 1
            self.done += 1


def complaint(stable: Answer, candidate: Answer) -> str | None:
    """What is worse about the candidate's answer to the same request, if anything."""
    if stable.status >= 500:
        return None  # going back to the stable version would not help
    if candidate.status != stable.status:
        return "errors" if candidate.status >= 500 else "other statuses"
    if stable.status != 200 or candidate.body == stable.body:
        return None
    try:
        pairs = zip(json.loads(stable.body), json.loads(candidate.body), strict=True)
        near = partial(math.isclose, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        same = all(near(*pair) for pair in pairs)
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        same = False  # no lists of numbers, and not the same bytes
    return None if same else "other answers"


class Watch:
    """Judges a candidate by its last answers; note() is for one thread alone.

    reason is None until more than max_bad of the last `window` answers are bad. From
    then on it says why, for good.
    """

    def __init__(self, window: int, max_bad: int) -> None:
        self.reason: str | None = None
        self._max_bad = max_bad
        self._last: deque[str | None] = deque(maxlen=window)

    def note(self, found: str | None) -> None:
        """Take in what complaint() says about one more answer."""
        self._last.append(found)
        bad = Counter(filter(None, self._last))
        if self.reason is None and bad.total() > self._max_bad:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(bad.items()))
            self.reason = f"{kinds} in the last {len(self._last)} compared"


class Router:
    """Answers requests by asking a version; ask(version, body, headers) does that."""

    def __init__(
        self, settings: Mapping[str, str], ask: Callable[..., Answer], mirror: Mirror
    ) -> None:
        self.mode = settings["ROUTER_MODE"]
        self.stable = settings["ROUTER_STABLE"]
        self.candidate = settings["ROUTER_CANDIDATE"]
        self.mirror = mirror
        self.watch = Watch(WINDOW, MAX_BAD)
        self._share = int(settings["ROUTER_SHARE"])
        self._settings = settings
        self._ask = ask
        self._served = Counter({self.stable: 0, self.candidate: 0})
        self._lock = threading.Lock()

    def changed(self, given: Mapping[str, str]) -> "Router":
        """The router that follows this one. ValueError says which setting is wrong.

        While it has the same two versions, it keeps the watch: a candidate that was
        taken back does not return with a larger share.
        """
        if fixed := given.keys() & AT_START:
            raise ValueError(f"{', '.join(sorted(fixed))} is for the start alone")
        settings = read_settings({**self._settings, **given})
        router = Router(settings, self._ask, self.mirror)
        if (router.stable, router.candidate) == (self.stable, self.candidate):
            router.watch = self.watch
        return router

    @property
    def share(self) -> int:
        """Percent of the clients that get the candidate now."""
        return 0 if self.mode == "shadow" or self.watch.reason else self._share

    def answer(self, key: str | None, body: bytes, headers: dict) -> tuple[str, Answer]:
        """The version that this client gets, and its answer."""
        tried = gets_candidate(key, self.candidate, self.share)
        version = self.candidate if tried else self.stable
        answer = self._ask(version, body, headers)
        with self._lock:
            self._served[version] += 1
        if self.mode == "shadow" or (self.mode == "canary" and tried):
            self.mirror.offer(partial(self._compare, tried, answer, body, headers))
        return version, answer

    def _compare(self, tried: bool, answer: Answer, body: bytes, headers: dict) -> None:
        """Ask the other version as well, and watch."""
        other = self._ask(self.stable if tried else self.candidate, body, headers)
        stable, candidate = (other, answer) if tried else (answer, other)
        if candidate.status in NO_ANSWER:  # in a stall that the other was not asked in?
            stable = self._ask(self.stable, body, headers)
            candidate = self._ask(self.candidate, body, headers)
        self.watch.note(complaint(stable, candidate))

    def status(self) -> dict:
        """What the router does, and what it has seen."""
        counts = ("accepted", "dropped", "done", "failed")
        return {
            "mode": self.mode,
            "share": self.share,
            "served": dict(self._served),
            "mirror": {name: getattr(self.mirror, name) for name in counts},
            "reason": self.watch.reason,
        }


class TorchServe:
    """The server behind the router. Any number of threads may ask it."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._path = f"/predictions/{settings['ROUTER_MODEL']}"
        self._pool = urllib3.connection_from_url(
            settings["ROUTER_TORCHSERVE"],
            maxsize=32,
            timeout=int(settings["ROUTER_TIMEOUT"]),
            retries=False,
        )

    def ask(self, version: str, body: bytes, headers: dict) -> Answer:
        """Its answer as it is, or 502 or 504 where there is none."""
        try:
            got = self._pool.urlopen("POST", f"{self._path}/{version}", body, headers)
        except urllib3.exceptions.ReadTimeoutError:
            return problem(504, "Gateway Timeout", "TorchServe did not answer in time")
        except urllib3.exceptions.HTTPError:
            return problem(502, "Bad Gateway", "TorchServe cannot be reached")
        return Answer(got.status, got.data, got.headers.get("Content-Type", ""))


def problem(code: int, kind: str, message: str) -> Answer:
    """An error, in the form that TorchServe gives to its own."""
    body = {"code": code, "type": kind, "message": message}
    return Answer(code, json.dumps(body).encode())


def create_app(environ: Mapping[str, str] = os.environ) -> Flask:
    """The app that `flask run` starts. A wrong setting ends it with one line."""
    try:
        settings = read_settings(environ)
        router = Router(settings, TorchServe(settings).ask, Mirror(MAX_WAITING))
    except ValueError as error:
        raise SystemExit(f"router: {error}") from None
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES

    @app.post(f"/predictions/{settings['ROUTER_MODEL']}")
    def predict():
        body = request.get_data()
        if len(body) >= MAX_BYTES:  # where no length was announced, Flask cuts it here
            raise RequestEntityTooLarge
        headers = {n: request.headers[n] for n in FORWARDED if n in request.headers}
        version, got = router.answer(request.headers.get("X-Client-Id"), body, headers)
        headers = {"X-Model-Version": version, "Content-Type": got.content_type}
        return Response(got.body, got.status, headers)

    @app.get("/status")
    def status():
        return router.status()

    @app.put("/settings")
    def change():
        """New settings without a restart, for whoever is on this machine."""
        nonlocal router
        if not ipaddress.ip_address(request.remote_addr).is_loopback:
            abort(403, "settings are changed on the router's own machine")
        given = {f"ROUTER_{name.upper()}": text for name, text in request.form.items()}
        if not given:
            abort(400, "expected a form with settings, such as share=20")
        try:
            changed = router.changed(given)
        except ValueError as error:
            abort(400, str(error))
        if changed.watch is router.watch and router.watch.reason:
            abort(409, f"{router.candidate} was taken back: {router.watch.reason}")
        router = changed
        return router.status()

    @app.errorhandler(HTTPException)
    def as_json(error):
        """Answer Flask's own errors in JSON, and keep their headers."""
        response = error.get_response()
        response.data = problem(error.code, error.name, error.description).body
        response.content_type = "application/json"
        return response

    return app
