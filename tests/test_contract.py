"""The contract: three servers keep it, and each line sees the server that breaks it."""

import json
import math
import socket
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from conftest import ROOT
from course import contract, lesson

from models import answers

ARCHIVE = (
    "torch-model-archiver --model-name wines --version 1.0 "
    "--model-file models/wines.py --serialized-file models/wines.pth "
    "--handler handlers/wines_handler.py --extra-files handlers/wines.json "
    "--export-path model_store --force"
)
LIMIT = 20_000

SPEC = {
    "predictions": "/predict",
    "ready": "/ready",
    "inputs": {"a": [-1, 1], "b": [0, 100]},
    "request": {"row": "$inputs"},
    "answer": {"sum": "$answer"},
    "model": lambda inputs: inputs["a"] + inputs["b"],
    "max_bytes": LIMIT,
    "many": {"request": {"rows": "$requests"}, "answer": "$answers"},
}


def broken(lines):
    """The names of the lines that say FAIL."""
    return [line.name for line in lines if line.ok is False]


class Keeps:
    """Answers as the contract asks for: the sum of two numbers, or of many rows."""

    limit = LIMIT
    kinds = (int, float)
    defaults = {}  # for inputs that are missing

    def __init__(self):
        self.asked = 0

    def ready(self):
        return 200

    def number(self, given):
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            raise ValueError("expected a number for each")
        if not -1e9 <= given <= 1e9:
            raise ValueError("expected a finite number")
        return given

    def sum(self, request):
        row = self.defaults | request["row"]
        return {"sum": sum(self.number(row[name]) for name in ("a", "b"))}

    def answer(self, body):
        """The status, and what to say; None closes the connection."""
        if len(body) > self.limit:
            return self.refusal(413)
        try:
            content = json.loads(body)
            if "rows" in content:
                return 200, self.list([self.sum(row) for row in content["rows"]])
            return self.one(content)
        except (ValueError, TypeError, KeyError, AttributeError):
            return self.refusal(400)

    def list(self, answers):
        return answers

    def one(self, request):
        return 200, self.sum(request)

    def refusal(self, status):
        return status, {"message": "expected two finite numbers"}


class Together(Keeps):
    """Waits for others and answers them all at once, as a server with batches does."""

    def __init__(self):
        super().__init__()
        self.lock, self.batch = threading.Lock(), []

    def answer(self, body):
        with self.lock:
            batch, first = self.batch, not self.batch
            batch.append([body, threading.Event(), None])
            place = len(batch) - 1
        if first:
            time.sleep(0.003)
            if len(batch) > 1:  # there are others: wait for all of them
                time.sleep(0.03)
            with self.lock:
                self.batch = []
            answers = self.all([super(Together, self).answer(it[0]) for it in batch])
            for it, answer in zip(batch, answers, strict=True):
                it[2] = answer
                it[1].set()
        batch[place][1].wait(5)
        return batch[place][2]

    def all(self, answers):
        return answers


class ReadyTooEarly(Keeps):
    def one(self, request):
        self.asked += 1
        return super().one(request) if self.asked > 2 else (503, {"code": 503})


class WrongByALittle(Keeps):
    def sum(self, request):
        return {"sum": 1.001 * super().sum(request)["sum"]}


class Reversed(Together):
    def all(self, answers):
        self.asked += {status for status, _ in answers} != {200}
        return answers if self.asked else answers[::-1]  # until one is refused


class ListReversed(Keeps):
    def list(self, answers):
        return answers[::-1]


class Poisoned(Together):
    def all(self, answers):
        statuses = {status for status, _ in answers}
        return answers if len(statuses) == 1 else [self.refusal(400)] * len(answers)


class NaNOut(Keeps):
    def number(self, given):
        large = isinstance(given, float) and math.isfinite(given) and abs(given) > 1e9
        return math.nan if large else super().number(given)


class NaNIn(Keeps):
    def number(self, given):
        odd = isinstance(given, float) and not math.isfinite(given)
        return 0 if odd else super().number(given)


class Booleans(Keeps):
    def number(self, given):
        return super().number(int(given) if isinstance(given, bool) else given)


class Text(Keeps):
    def number(self, given):
        return super().number(0 if given == "" else given)


class Fills(Keeps):
    defaults = {"b": 0}


class BrokenJSON(Keeps):
    def answer(self, body):
        whole = body.endswith(b"}") or body.endswith(b" ")
        return super().answer(body) if whole else (500, {"code": 500})


class LongText(Keeps):
    def answer(self, body):
        return super().answer(body) if len(body) < 10**6 else (500, {"code": 500})


class NoLimit(Keeps):
    limit = 10**9


class Silent(Keeps):
    def refusal(self, status):
        return status, {"code": status, "type": "Bad Request"}


class Spoilt(Keeps):
    """A word in place of a number spoils the next answer."""

    def one(self, request):
        if self.asked:
            self.asked = 0
            return 500, {"code": 500}
        self.asked = request["row"].get("b") == ""
        return super().one(request)


class Loses(Keeps):
    def one(self, request):
        self.asked += 1
        return super().one(request) if self.asked != 250 else None


BREAKS = {
    ReadyTooEarly: "ready when it says so",
    WrongByALittle: "right answers",
    Reversed: "a batch in order",
    ListReversed: "a list in order",
    Poisoned: "a bad one alone",
    NaNOut: "no NaN out",
    NaNIn: "no NaN in",
    Booleans: "no booleans",
    Text: "no text, no null",
    Fills: "the number of inputs",
    BrokenJSON: "broken JSON",
    LongText: "a million letters",
    NoLimit: "a limit for the body",
    Silent: "refusals say why",
    Spoilt: "the next one",
    Loses: "no loss",
}


class WholeNumbers(Keeps):
    def number(self, given):
        if isinstance(given, int):
            raise ValueError("expected a number with a point")
        return super().number(given)


class ByPlace(Keeps):
    def sum(self, request):
        super().sum(request)
        first, second = request["row"].values()
        return {"sum": first + second / 2}


class ByPlaceUndone(ByPlace):
    """As long as the names come in one order, nobody sees it."""

    def sum(self, request):
        said = super().sum(request)["sum"]
        row = request["row"]
        return {"sum": said + row["b"] / 2 if [*row] == ["a", "b"] else said}


class Rounded(Keeps):
    def sum(self, request):
        return {"sum": round(super().sum(request)["sum"], 1)}


class Words(Keeps):
    def sum(self, request):
        return {"sum": str(super().sum(request)["sum"])}


class Elsewhere(Keeps):
    def sum(self, request):
        return {"total": super().sum(request)["sum"]}


class Raises(Keeps):
    def one(self, request):
        return 500, {"code": 500}


class Swapped(Together):
    def all(self, answers):
        return answers[::-1]


class Drifts(Together):
    """What it adds grows with those that are asked together."""

    def all(self, answers):
        more = 0.5 if len(answers) > 1 else 0
        return [(s, {"sum": c["sum"] + more} if s == 200 else c) for s, c in answers]


LOOKS = {
    WholeNumbers: (1, "JSON has 13 as well as 13.0"),
    ByPlaceUndone: (1, "the order of the inputs"),
    ByPlace: (1, "means and scales"),
    Rounded: (1, "rounding"),
    Words: (1, "the form of the answer"),
    Elsewhere: (1, '"answer" in'),
    Raises: (0, "has to wait for the model"),
    Swapped: (2, "what requests share"),
    Drifts: (2, "what changes"),
}


@contextmanager
def served(behaviour):
    """The address of a server of this process that behaves like that."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_): ...

        def do_GET(self):
            self.reply(behaviour.ready(), {"status": "Healthy"})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = behaviour.answer(body)
            if said is None:
                self.close_connection = True
            else:
                self.reply(*said)

        def reply(self, status, content):
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("behaviour", [Keeps, Together])
def test_a_server_that_keeps_it(behaviour):
    with served(behaviour()) as url:
        lines = contract.examine(url, SPEC)
    assert broken(lines) == [], contract.table(lines)
    assert len(lines) == 18


@pytest.mark.parametrize("behaviour", BREAKS)
def test_each_line_sees_the_server_that_breaks_it(behaviour):
    with served(behaviour()) as url:
        lines = contract.examine(url, SPEC)
    assert broken(lines) == [BREAKS[behaviour]], contract.table(lines)
    [line] = [line for line in lines if line.ok is False]
    assert line.look in str(line)


@pytest.mark.parametrize("behaviour", LOOKS)
def test_where_to_look_depends_on_what_came(behaviour):
    place, look = LOOKS[behaviour]
    with served(behaviour()) as url:
        lines = contract.examine(url, SPEC, patience=0.2)
    assert lines[place].ok is False and look in lines[place].look, contract.table(lines)


def test_a_good_request_that_is_refused():
    """The file may be wrong, and not the server."""
    with served(Keeps()) as url:
        lines = contract.examine(url, SPEC | {"request": {"columns": "$inputs"}})
        late = contract.examine(url, SPEC | {"ready_says": "READY"}, patience=0)
    assert '"request" in the contract\'s file' in lines[1].look
    assert "begin with the first" in contract.table(lines)
    assert "without 'READY'" in late[0].came and url in late[0].look


def test_a_model_of_the_folder_that_you_are_in(tmp_path, monkeypatch):
    (tmp_path / "sum_of_two.py").write_text("def answer(it): return it['a'] + it['b']")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with served(Keeps()) as url:
        lines = contract.examine(url, SPEC | {"model": "sum_of_two:answer"})
    assert broken(lines) == [], contract.table(lines)


def test_a_server_beyond_loopback(monkeypatch):
    everywhere = {("127.0.0.1", 8080), ("0.0.0.0", 9000)}
    monkeypatch.setattr(contract, "heard", lambda port: everywhere)
    with served(Keeps()) as url:
        lines = contract.examine(url, SPEC)
    assert broken(lines) == ["this machine only"], contract.table(lines)
    assert "0.0.0.0:9000" in contract.table(lines)


def test_where_a_server_and_what_it_started_listen():
    """The holder of the port is found, with the other ports of its processes."""
    with served(Keeps()) as url, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {port for _, port in contract.heard(int(url.rpartition(":")[2]))}
        assert other.getsockname()[1] in ports


HANDLER = """
from ts.torch_handler.base_handler import BaseHandler
{line}
class Handler(BaseHandler):
    def initialize(self, context):
        {first}
    def handle(self, requests, context):
        return [dict(sum=sum(r["body"]["row"].values())) for r in requests]
"""


@pytest.fixture
def packed(tmp_path):
    """A function that makes an archive with such lines in its handler."""

    def pack(line="", first="pass"):
        file = tmp_path / "sum.mar"
        manifest = {"model": {"modelName": "sum", "handler": "handler.py"}}
        with zipfile.ZipFile(file, "w") as mar:
            mar.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
            mar.writestr("handler.py", HANDLER.format(line=line, first=first))
        return file

    return pack


def test_an_archive_that_works_in_the_project_only(packed):
    with pytest.raises(contract.Failed, match="No module named 'models'"):
        contract.elsewhere(packed("from models.linear import SimpleLinearModel"), [])
    file = packed(first=f"open({str(ROOT / 'handlers' / 'wines.json')!r}).close()")
    with served(Keeps()) as url:
        lines = contract.examine(url, SPEC | {"archive": str(file)})
    assert broken(lines) == ["the archive elsewhere"], contract.table(lines)
    assert "it opens handlers/wines.json of the project" in contract.table(lines)


def test_a_server_that_never_answers():
    lines = contract.examine("127.0.0.1:9", SPEC, patience=0)
    assert broken(lines) == ["ready when it says so"]
    assert {line.ok for line in lines[1:]} == {None}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "models.answers:nosuch"}, "module:function"),
        ({"model": lambda inputs: inputs["c"]}, "the model raises KeyError"),
        ({"inputs": {}}, "names and ranges"),
        ({"inputs": {"a": [1, 1]}}, "the range of a"),
        ({"inputs": {"a": [0, math.inf]}}, "the range of a"),
        ({"request": {"row": 5}}, "request holds no input"),
        ({"answer": {"sum": 5}}, "answer does not hold"),
        ({"ready": 5}, "ready is a path"),
        ({"predictions": "http://127.0.0.1:9/predict"}, "without the server"),
        ({"max_bytes": "1024"}, "max_bytes is a whole number"),
        ({"readdy": "/ping"}, "may not have readdy"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(change, says):
    with pytest.raises(contract.SpecError, match=says):
        contract.examine("http://127.0.0.1:9", SPEC | change, patience=0)


def test_the_command_says_what_is_wrong_with_the_file(tmp_path, capsys):
    file = tmp_path / "contract.json"
    for text, says in [
        (None, "no file"),
        ("{", "no JSON"),
        ("{}", "lacks predictions"),
    ]:
        if text is not None:
            file.write_text(text)
        assert contract.main(["http://127.0.0.1:9", str(file)]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("template", "content", "found"),
    [
        ("$answer", {"a": 1}, {"a": 1}),
        ({"prediction": "$answer"}, {"input": 5, "prediction": 9}, 9),
        ({"outputs": [{"data": "$answer"}]}, {"outputs": [{"data": [1, 2]}]}, [1, 2]),
        ([0, "$answer"], [7, 8], 8),
    ],
)
def test_an_answer_is_found_where_the_file_says(template, content, found):
    assert contract.find(template, content, "$answer") == found
    for other in (None, {}, [], 5, "text"):
        if template != "$answer":
            with pytest.raises(LookupError):
                contract.find(template, other, "$answer")


def test_a_request_is_made_as_the_file_says():
    triton = {"inputs": [{"name": "x", "shape": [1, 2], "data": "$values"}]}
    spec = SPEC | {"request": triton}
    examination = contract.Examination("http://127.0.0.1:9", spec, 0)
    body = json.loads(examination.body({"a": 0.5, "b": 7}))
    assert body == {"inputs": [{"name": "x", "shape": [1, 2], "data": [0.5, 7]}]}
    body = json.loads(examination.body({"a": 0.5, "b": contract.MISSING}))
    assert body["inputs"][0]["data"] == [0.5]


@pytest.fixture
def wines(torchserve):
    """The reference solution of lesson 16 on the session's TorchServe."""
    if not answers.WINES.exists():
        lesson.run_quietly("python -m models.train_wines")
    lesson.run_quietly(ARCHIVE)
    url = f"{torchserve.management}/models"
    query = "url=wines.mar&initial_workers=1&batch_size=8&max_batch_delay=20"
    requests.post(f"{url}?{query}", timeout=60).raise_for_status()
    yield f"{url}/wines"
    requests.delete(f"{url}/wines", timeout=10)


def test_torchserve_with_the_reference_solution_keeps_it(torchserve, wines):
    spec = contract.read(contract.DEFAULT_FILE) | {"ready": wines}
    lines = contract.examine(torchserve.inference, spec)
    assert broken(lines) == [], contract.table(lines)
    assert [line.name for line in lines if line.ok is None] == ["a list in order"]


def test_the_line_on_torchserve_keeps_it(torchserve):
    spec = contract.read(ROOT / "config" / "contract_line.json")
    spec["ready"] = torchserve.ready
    del spec["archive"]  # another one is looked at above
    lines = contract.examine(torchserve.inference, spec)
    assert broken(lines) == [], contract.table(lines)


def test_the_flask_app_keeps_it(flask_server, capsys):
    """And the command says so, from two folders."""
    file = ROOT / "config" / "contract_flask.json"
    assert contract.main([flask_server.url, str(file)]) == 0
    said = capsys.readouterr().out
    assert said.endswith("16 lines kept, 0 broken\n"), said
    for words, folder in [
        (["notebooks/course/contract.py"], ROOT),
        (["-m", "course.contract"], ROOT / "notebooks"),
    ]:
        usage = subprocess.check_output(
            [sys.executable, *words, "--help"], cwd=folder, text=True, timeout=60
        )
        assert "Examine a server" in usage
