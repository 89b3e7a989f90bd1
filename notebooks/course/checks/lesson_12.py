import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import requests
from ts.model_server import load_properties

from course.checks.form import Guess, Hint, call, task, told
from course.lesson import ROOT

PREDICT = "/predictions/simple_linear"
POST = ("POST", "/workflows")

guess_1 = Guess(
    {
        "a": ("405: without the model API nothing is registered", "Nobody asked it."),
        "b": ("fetched, and waiting for its first request", "An import runs code."),
        "c": ("fetched, and its code has run", "Look at the visits."),
    },
    right="c",
)
guess_2 = Guess(
    {
        "a": ("401, Unauthorized", "That is the usual one, and TorchServe's is not."),
        "b": (
            "403, Forbidden",
            "TorchServe says that to http where https is asked for.",
        ),
        "c": ("400, Bad Request", "The type tells it from other bad requests."),
    },
    right="c",
)
guess_3 = Guess(
    {
        "a": ("the model is described", "Then every client could stop your workers."),
        "b": ("400, as without a key", "One kind of key, one kind of door."),
        "c": ("it may look, and change nothing", "A key opens a door or it does not."),
    },
    right="b",
)


class StandIn:
    """Plays a TorchServe for a moment: says what it is told to, notes what is asked.

    say(method, path, body) gives a status; asked lists what came, as these three.
    """

    def __init__(self, say):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = number_in(self.rfile.read(length), self.headers), length
                asked.append((self.command, self.path, body))
                status = say(*asked[-1])
                said = {"code": status, "type": "NoException", "message": "no"}
                said = {"status": "done"} if status == 200 else said
                said = [9.0] if self.path == PREDICT and status == 200 else said
                text = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer

            def log_message(self, *_):
                pass

        self._web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        address = f"http://127.0.0.1:{self._web.server_port}"
        self.server = SimpleNamespace(
            inference=address, management=address, metrics=address
        )

    def __enter__(self):
        thread = threading.Thread(target=self._web.serve_forever, args=(0.01,))
        thread.daemon = True
        thread.start()
        return self

    def __exit__(self, *_):
        self._web.shutdown()
        self._web.server_close()


def number_in(body, headers):
    """The number of a body that the handler of lesson 03 would accept, or None."""
    kind = headers.get("Content-Type") or ""
    try:
        if "json" in kind:
            value = json.loads(body)
        elif "x-www-form" in kind:
            value = parse_qs(body.decode())["data"][0]
        elif "multipart" in kind:
            value = re.search(rb"\r\n\r\n(.*?)\r\n--", body, re.DOTALL)[1].decode()
        else:
            value = body.decode()
        number = float(value)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return number if "_" not in str(value) and -1e38 <= number <= 1e38 else None


def judge(label, found, wanted):
    """A learner's probe says whether a door is open: it has to be a bool, and right."""
    if found is None:
        raise Hint(f"{label} gives None. Is there a return?")
    if not isinstance(found, bool):
        raise Hint(f"{label} gives {told(found)}: return True or False.")
    if found != wanted:
        raise Hint(f"{label} gives {found}, and not {wanted}.")


# Task 1: whether a server runs a stranger's code.


def right_foreign(server, url):
    address = f"{server.management}/workflows"
    answer = requests.post(address, params={"url": url}, timeout=60)
    requests.delete(f"{address}/visitor", timeout=60)
    return answer.ok


def as_model(server, url):
    address = f"{server.management}/models"
    return requests.post(address, params={"url": url}, timeout=60).ok


def by_get(server, url):
    address = f"{server.management}/workflows"
    return requests.get(address, params={"url": url}, timeout=60).ok


def in_the_body(server, url):
    address = f"{server.management}/workflows"
    return requests.post(address, json={"url": url}, timeout=60).ok


def stays(server, url):
    address = f"{server.management}/workflows"
    return requests.post(address, params={"url": url}, timeout=60).ok


def at_inference(server, url):
    address = f"{server.inference}/workflows"
    answer = requests.post(address, params={"url": url}, timeout=60)
    requests.delete(f"{address}/visitor", timeout=60)
    return answer.ok


def any_answer(server, url):
    right_foreign(server, url)
    return True


def gives_status(server, url):
    address = f"{server.management}/workflows"
    return requests.post(address, params={"url": url}, timeout=60).status_code


@task(
    (right_foreign, "Right"),
    (as_model, "no POST to /workflows"),
    (by_get, "no POST to /workflows"),
    (in_the_body, "without url=… in its query"),
    (any_answer, "says 404 it gives True"),
    (gives_status, "return True or False"),
    (lambda server, url: print(end=""), "Is there a return?"),
    (lambda server, url: len(url) > 9, "got nothing"),
    (lambda server, url: not right_foreign(server, url), "says 404 it gives True"),
    (
        lambda server, url: bool(right_foreign(server, url) * 0),
        "says 200 it gives False",
    ),
    (stays, "stays registered"),
    (at_inference, "Does it ask the management address"),
    (lambda server: True, "raises TypeError"),
)
def task_1(learners: Callable, torchserve, stranger):
    """write the function runs_foreign_code and run both cells"""
    war, paths = stranger.url, []
    for status in (404, 200):
        label = f"On a server that says {status} it"
        with StandIn(lambda *asked, status=status: status) as other:
            found = call(label, learners, other.server, war)
        paths = [(method, urlsplit(path)) for method, path, _ in other.asked]
        posted = [url.query for method, url in paths if (method, url.path) == POST]
        if not posted:
            if found is None:
                raise Hint(f"{label} gives None. Is there a return?")
            seen = ", ".join(f"{method} {url.path}" for method, url in paths)
            if not seen:
                raise Hint(
                    "The check's server got nothing: ask the one that comes into your "
                    "function as server."
                )
            raise Hint(f"It sent no POST to /workflows, but {seen}.")
        if war not in parse_qs(posted[0]).get("url", []):
            raise Hint("It sends POST /workflows without url=… in its query.")
        judge(label, found, wanted=status == 200)
    if ("DELETE", "/workflows/visitor") not in [
        (method, url.path) for method, url in paths
    ]:
        return "The workflow stays registered: DELETE /workflows/visitor afterwards."
    before = stranger.visits()
    try:
        label = "On your own server it"
        found = call(label, learners, torchserve, war)
        if found is False:
            raise Hint(
                f"{label} gives False, and not True. Does it ask the management "
                "address, and wait for up to a minute?"
            )
        judge(label, found, wanted=True)
    finally:
        requests.delete(f"{torchserve.management}/workflows/visitor", timeout=60)
    if stranger.visits() == before:
        raise Hint("It says yes, and the stranger's code has not run on your server.")
    return "Right: your server fetched the archive, and the stranger's code ran."


# Task 2: whether a server takes a large body.

LARGE = " " * 100_000 + "5"
TEXT = {"Content-Type": "text/plain"}


def send(server, body, **more):
    return requests.post(f"{server.inference}{PREDICT}", body, timeout=60, **more)


def right_large(server):
    return send(server, LARGE, headers=TEXT).ok


def small(server):
    return send(server, "5", headers=TEXT).ok


def no_number(server):
    return send(server, "x" * 100_000, headers=TEXT).ok


def not_413(server):
    return send(server, LARGE, headers=TEXT).status_code != 413


def elsewhere(server):
    return requests.post(f"{server.management}/models", LARGE, timeout=60).ok


def by_management(server):
    address = f"{server.management}{PREDICT}"
    return requests.post(address, LARGE, headers=TEXT, timeout=60).ok


@task(
    (right_large, "Right"),
    (lambda server: send(server, {"data": LARGE}).ok, "Right"),
    (lambda server: send(server, None, files={"data": LARGE}).ok, "Right"),
    (lambda server: send(server, None, json=5).ok, "has 1 bytes"),
    (small, "has 1 bytes"),
    (no_number, "it is no number"),
    (lambda server: send(server, "9" * 100_000, headers=TEXT).ok, "beyond 1e38"),
    (elsewhere, "sent POST /models"),
    (lambda server: [small(server), right_large(server)][1], "Right"),
    (lambda server: send(server, LARGE).raise_for_status(), "return False"),
    (by_management, "Which of its addresses"),
    (not_413, "refuses everything with 400"),
    (lambda server: not right_large(server), "gives True"),
    (lambda server: send(server, LARGE, headers=TEXT).status_code, "True or False"),
    (lambda server: print(end=""), "sent nothing"),
    (lambda: True, "raises TypeError"),
)
def task_2(learners: Callable, torchserve):
    """write the function takes_large_bodies and run both cells"""
    limits = {
        "that takes 64 kB at most": lambda size: 413 if size > 65_536 else 200,
        "that refuses everything with 400": lambda size: 400,
        "without a limit": lambda size: 200,
    }
    for what, limit in limits.items():
        with StandIn(lambda *asked, limit=limit: limit(asked[2][1])) as other:
            label = f"On a server {what} it"
            try:
                found = call(label, learners, other.server)
            except Hint as hint:
                more = " A refusal is no error here: return False."
                more = more if "HTTPError" in str(hint) else ""
                raise Hint(f"{hint}{more}") from None
        if not other.asked:
            return "It sent nothing: POST the large body to the inference address."
        method, path, (number, size) = max(other.asked, key=lambda it: it[2][1])
        if method != "POST" or not path.startswith("/predictions/"):
            return f"It sent {method} {path}: send POST {PREDICT}."
        if size < 100_000:
            return f"The body has {size} bytes, and should have 100,000 or more."
        if number is None:
            return (
                "Your handler refuses this body with 400, whatever its size: it is no "
                "number, or one beyond 1e38. Blanks before a number do no harm."
            )
        judge(label, found, wanted=limit(size) == 200)
    requests.get(torchserve.metrics, timeout=10)  # whether it is there at all
    label = "On your own server it"
    found = call(label, learners, torchserve)
    if found is False:
        return f"{label} gives False, and not True. Which of its addresses does it ask?"
    judge(label, found, wanted=True)
    return "Right: your server takes a body of 100 kB from anybody."


# Task 3: the settings that close the doors.

SETTINGS = {
    "disable_token_authorization": "false",
    "allowed_urls": "none",
    "max_request_size": "65536",
    "token_expiration_min": "15",
    "enable_model_api": "false",
}
FOREIGN = (
    "http://127.0.0.1:4711/visitor.war",
    "https://archives.example.org/visitor.war",
    "file:///home/you/visitor.war",
)
LINES = "\n".join(f"{name}={value}" for name, value in SETTINGS.items())


def with_line(name, value):
    return "\n".join(f"{key}={v}" for key, v in {**SETTINGS, name: value}.items())


@task(
    (LINES, "Right"),
    (with_line("allowed_urls", "https://nobody[.]example/none"), "Right"),
    (with_line("allowed_urls", "(?!)"), "Right"),
    (LINES.replace("=", " is "), "one NAME=VALUE"),
    (LINES.replace("disable_token", "token"), "'token_authorization' is none of"),
    (LINES + "\ninstall_py_dep_per_model=false", "is none of the five"),
    (LINES + "\ninference_address=http://127.0.0.1:8080", "no address"),
    (LINES.replace("allowed_urls=none\n", ""), "allowed_urls is missing"),
    (with_line("disable_token_authorization", "true"), "would disable"),
    (with_line("disable_token_authorization", "no"), "true or false"),
    (with_line("enable_model_api", "true"), "a door more"),
    (with_line("allowed_urls", ""), "is empty"),
    (with_line("allowed_urls", ".*"), "still fits http://"),
    (with_line("allowed_urls", "https://.*"), "still fits https://"),
    (with_line("allowed_urls", "file://.*"), "still fits file://"),
    (with_line("allowed_urls", "https://example.com/.*"), "still fits https://ex"),
    (LINES.replace("\n", " "), "one line"),
    (LINES.replace("api=false", "api=false  # models"), "nothing behind it"),
    (with_line("allowed_urls", "(a+)+(b+)+"), "one word that is no URL"),
    (with_line("allowed_urls", "["), "no regular expression"),
    (with_line("max_request_size", "64k"), "a whole number"),
    (with_line("max_request_size", "6553500"), "still passes"),
    (with_line("max_request_size", "1"), "refused as well"),
    (with_line("token_expiration_min", "900"), "an hour or less"),
    (with_line("token_expiration_min", "1"), "while you read on"),
    (with_line("token_expiration_min", "never"), "a whole number"),
)
def task_3(text: str):
    """put lines NAME=VALUE into answer_3, in three quotes"""
    with TemporaryDirectory() as folder:
        file = Path(folder, "lines.properties")
        file.write_text(text, encoding="utf-8")
        lines = load_properties(str(file))
    if any(name + "=" in "".join(lines.values()) for name in SETTINGS):
        return "Two settings are on one line: one NAME=VALUE a line."
    if not lines:
        return "There is no setting in it: one NAME=VALUE a line."
    if address := next((name for name in lines if "address" in name), None):
        return f"Leave {address} away: the cells below bring it, no address is needed."
    for name in lines:
        if name not in SETTINGS:
            return (
                f"{told(name)} is none of the five in the table. Look at it again: "
                "TorchServe ignores a wrong name without a word."
            )
    for name in SETTINGS:
        if name not in lines:
            return f"{name} is missing. Write it down, whatever its default is."
    for name in ("disable_token_authorization", "enable_model_api"):
        if lines[name].lower() not in ("true", "false"):
            return f"{name}={lines[name]}: it is true or false, and nothing behind it."
    if lines["disable_token_authorization"].lower() == "true":
        return "disable_token_authorization=true would disable what you want to have."
    if lines["enable_model_api"].lower() == "true":
        return "enable_model_api=true opens a door more: registering and deleting."
    if said := about_urls(lines["allowed_urls"]):
        return said
    for name in ("max_request_size", "token_expiration_min"):
        if not re.fullmatch(r"[0-9]{1,9}", lines[name]):
            return f"{name}={told(lines[name])}: it is a whole number, in digits alone."
    size = int(lines["max_request_size"])
    if size > 100_000:
        return f"max_request_size={size}: the 100,001 bytes of door 3 still passes."
    if size < 100:
        return f"max_request_size={size}: a normal request is refused as well."
    minutes = int(lines["token_expiration_min"])
    if not 15 <= minutes <= 60:
        return (
            f"token_expiration_min={minutes}: an hour or less, in minutes, and 15 or "
            "more, or the keys expire while you read on."
        )
    return "Right: three doors are closed. The server of the next cells proves it."


def about_urls(value):
    """What is wrong with a value of allowed_urls; None if it closes the door."""
    if not value:
        return "allowed_urls is empty: write a word that is no URL, or a pattern."
    repeats = len(re.findall(r"[*+{]", value))
    if repeats > 3 or ("(" in value and repeats) or len(value) > 200:
        return "allowed_urls: shorter, please. Here one word that is no URL is enough."
    for pattern in value.split(","):
        try:
            own = re.sub(r"[.][*+]", "visitor.war", pattern.strip())
            urls = (*FOREIGN, own) if "://" in own and own != pattern else FOREIGN
            found = [url for url in urls if re.fullmatch(pattern.strip(), url, re.I)]
        except re.error as error:
            return f"{pattern} is no regular expression: {error}."
        if found:
            return f"allowed_urls: {pattern.strip()} still fits {found[0]}."


# Task 4: a client that renews its key.


def keys():
    entries = json.loads((ROOT / "key_file.json").read_text(encoding="utf-8"))
    return {kind: entry["key"] for kind, entry in entries.items()}


def with_key(method, url, key, word="Bearer ", **body):
    header = {"Authorization": f"{word}{key}"}
    return requests.request(method, url, headers=header, timeout=30, **body)


def predict(server, key, number, **more):
    return with_key("POST", f"{server.inference}{PREDICT}", key, json=number, **more)


def renew(server, **more):
    url = f"{server.management}/token?type=inference"
    with_key("GET", url, keys()["API"], **more).raise_for_status()
    return keys()["inference"]


def right_ask(server, key, number):
    answer = predict(server, key, number)
    if not answer.ok and answer.json()["type"] == "InvalidKeyException":
        answer = predict(server, renew(server), number)
    return answer


def any_400(server, key, number):
    answer = predict(server, key, number)
    return answer if answer.ok else predict(server, renew(server), number)


def same_key(server, key, number):
    answer = predict(server, key, number)
    if not answer.ok and answer.json()["type"] == "InvalidKeyException":
        renew(server)
        answer = predict(server, key, number)
    return answer


def reads_only(server, key, number):
    answer = predict(server, key, number)
    if not answer.ok and answer.json()["type"] == "InvalidKeyException":
        answer = predict(server, keys()["inference"], number)
    return answer


def type_of_a_list(server, key, number):
    answer = predict(server, key, number)
    return answer if answer.json()["type"] != "InvalidKeyException" else None


def key_of_the_answer(server, key, number):
    answer = predict(server, key, number)
    if "InvalidKeyException" in answer.text:
        url = f"{server.management}/token?type=inference"
        new = with_key("GET", url, keys()["API"]).json()["key"]
        answer = predict(server, new, number)
    return answer


def renews_always(server, key, number):
    return predict(server, renew(server), number)


@task(
    (right_ask, "Right"),
    (predict, "the key is old"),
    (same_key, "the key is old"),
    (any_400, "no reason for a new key"),
    (reads_only, "no new one was made"),
    (type_of_a_list, "A prediction is a list"),
    (renews_always, "no reason for a new key"),
    (lambda server, key, number: right_ask(server, key, 5), "another number"),
    (lambda server, key, number: predict(server, key, [number]), "refused the body"),
    (key_of_the_answer, "The answer of /token is empty"),
    (lambda server, key, number: predict(server, key, number, word=""), "Bearer"),
    (lambda server, key, number: predict(server, keys()["API"], number), "Bearer"),
    (lambda server, key, number: predict(server, key, number).json(), "the answer"),
    (lambda server, key, number: print(end=""), "Is there a return?"),
    (lambda server, key: 1, "raises TypeError"),
)
def task_4(learners: Callable, locked, certificate):
    """write the function ask and run both cells"""

    def asked(label, key, number):
        try:
            answer = call(label, learners, locked, key, number)
        except Hint as hint:
            if "JSONDecodeError" in str(hint) or "InvalidHeader" in str(hint):
                text = f"{hint} The answer of /token is empty: the key is in the file."
                raise Hint(text) from None
            if "list" not in str(hint):
                raise
            raise Hint(f"{hint} A prediction is a list: no type is in it.") from None
        if answer is None:
            raise Hint(f"{label} gives None. Is there a return?")
        if not isinstance(answer, requests.Response):
            raise Hint(f"{label} gives {told(answer)}: return the answer of requests.")
        return answer

    requests.get(locked.metrics, timeout=10)  # whether it is there at all
    fresh = renew(locked, verify=certificate)
    answer = asked("With the right key it", fresh, 7)
    if not answer.ok and "InvalidKey" not in answer.text:
        return "The key was right, and the handler refused the body: json=number."
    if not answer.ok:
        return (
            f"With the right key the status is {answer.status_code}: the header is "
            "Authorization: Bearer, a blank, and the key that your function got."
        )
    if keys()["inference"] != fresh:
        return "The key was right, and is replaced: no reason for a new key."
    if answer.text != predict(locked, fresh, 7, verify=certificate).text:
        return "For 7 came the answer to another number: send the one that it gets."
    answer = asked("With the right key and no number it", fresh, "five")
    if keys()["inference"] != fresh:
        return (
            "'five' is no number: the handler's 400 is no reason for a new key. Look "
            "at the type in the answer."
        )
    newer = renew(locked, verify=certificate)
    answer = asked("With an old key it", fresh, 5)
    if not answer.ok:
        return (
            f"The status is {answer.status_code} where the key is old: ask for a new "
            "one (type=inference) with the key API, read the file again, send its key."
        )
    if keys()["inference"] == newer:
        return (
            "It sends the key of the file, and no new one was made: that one may be "
            "old too. Ask GET /token?type=inference with the key API first."
        )
    return "Right: an old key is renewed, and a right one left alone."
