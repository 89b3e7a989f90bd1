"""The checks of the tasks: every hint fits a mistake, and only right is praised."""

import ast
import importlib
import inspect
import json
import pkgutil
import sys
import threading
import zipfile
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import grpc
import numpy as np
import pytest
import requests
import simulated
import torch
import yaml
from conftest import ROOT, TORCHSERVE, TORCHSERVE_READY
from course import checks, lesson, own, pictures, rpc, servers
from course.checks import form, lesson_06, lesson_11
from course.stranger import Stranger
from ts.utils.util import PredictionException

from handlers import digits_handler
from models import answers, train_digits
from models.train import XS, YS, save, train

FOUND = {}
for _, name, _ in pkgutil.iter_modules(checks.__path__):
    module = importlib.import_module(f"course.checks.{name}")
    members = inspect.getmembers(
        module, lambda it: isinstance(it, (form.Task, form.Guess))
    )
    FOUND |= {f"{name}.{called}": check for called, check in members}
TASKS = {name: it for name, it in FOUND.items() if isinstance(it, form.Task)}
GUESSES = {name: it for name, it in FOUND.items() if isinstance(it, form.Guess)}
every_check = pytest.mark.parametrize("check", TASKS.values(), ids=TASKS)
every_guess = pytest.mark.parametrize("guess", GUESSES.values(), ids=GUESSES)


class Odd:
    """Equal to everything, except where that or its text raises."""

    __hash__ = None

    def __eq__(self, other):
        return True

    def __repr__(self):
        sys.exit("no text")

    def __call__(self, *arguments):
        return self


class Broken(Odd):
    def __eq__(self, other):
        raise RuntimeError(self)

    __call__ = __bool__ = __len__ = __iter__ = __getattr__ = __eq__


ODD = [Odd(), Broken(), Odd, Exception("…"), form, ..., True, b"7", {}, [], (), {1, 2}]
ODD += [float("nan"), float("inf"), -1, 10**400, 10**5000, 1j, object(), iter([1])]
ODD += ["", " ", "=", "\ud800", "\0", "7" * 10**5, "{}", "%", "'", "=\ud800", "a=b=c"]
ODD += [np.array([1, 2]), np.float64("nan"), torch.tensor([1.0, 2.0]), torch.zeros(0)]
ODD += [[None] * n for n in (3, 4, 5)] + [[Odd()] * n for n in (3, 4, 5)]
ODD += [dict.fromkeys(["dashboard", "watchdog", "operator", "caretaker"], Broken())]
ODD += [{"linear.weight": thing, "linear.bias": thing} for thing in (Odd(), Broken())]
ODD += [sys.exit, print, len, lambda *_: Odd(), lambda *_: Broken(), lambda: 1]


@pytest.fixture
def management(torchserve):
    return torchserve.management


@pytest.fixture
def inference(torchserve):
    return torchserve.inference


@pytest.fixture
def model():
    """Sure of a 7 as far as the first row of the picture is full of ink."""

    def scores(pictures):
        ink = pictures[:, 0, 0].sum(dim=1, keepdim=True) / 16
        return 3 * ink * torch.eye(10)[7] + 6.5 * torch.eye(10)[1]

    return scores


# Lesson 13


@pytest.fixture
def stubs(tmp_path):
    """A folder with the contracts, as the lesson has it."""
    rpc.unpack(tmp_path)
    return tmp_path.as_posix()


@pytest.fixture
def contracts(stubs, monkeypatch):
    """The modules of both contracts, messages and calls."""
    monkeypatch.syspath_prepend(stubs)
    return [grpc.protos_and_services(name) for name in rpc.CONTRACTS]


@pytest.fixture
def inference_pb2(contracts):
    return contracts[0][0]


@pytest.fixture
def management_pb2(contracts):
    return contracts[1][0]


@pytest.fixture
def predictor(contracts, torchserve):
    with grpc.insecure_channel(f"127.0.0.1:{torchserve.grpc_inference_port}") as way:
        yield contracts[0][1].InferenceAPIsServiceStub(way)


@pytest.fixture
def manager(contracts, torchserve):
    with grpc.insecure_channel(f"127.0.0.1:{torchserve.grpc_management_port}") as way:
        yield contracts[1][1].ManagementAPIsServiceStub(way)


# Lesson 15


def sure_of_sevens(picture):
    """Of a 7 as far as the first row is full of ink, else of a 1."""
    ink = picture[0, 0].sum() / 16
    return 8 * (ink * torch.eye(10)[7] + 2.3 * torch.eye(10)[1])


def nearest(picture):
    """Scores by the distance to the mean of each digit: nine of ten are right."""
    return -(means() - picture).square().mean(dim=(1, 2, 3)) / 2


@cache
def means():
    learned, _, _ = train_digits.load_data()
    each = [learned.pictures[learned.labels == n].mean(dim=0) for n in range(10)]
    return torch.stack(each)


class DigitsServer(ThreadingHTTPServer):
    """What lesson 15 asks of TorchServe, without its worker's start."""

    def __init__(self, scores):
        super().__init__(("127.0.0.1", 0), DigitsRequest)
        self.scores, self.least = scores, {"digits": 0.9}
        self.inference = self.management = f"http://127.0.0.1:{self.server_port}"
        self.archive = lesson.ROOT / "model_store" / "tests-digits.mar"
        with zipfile.ZipFile(self.archive, "w") as packed:
            packed.writestr("MAR-INF/MANIFEST.json", '{"model": {}}')

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self.archive.unlink()


class DigitsRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, [{"modelUrl": self.server.archive.name}])

    def do_DELETE(self):
        del self.server.least[self.path.rpartition("/")[2]]
        self.answer(200, {})

    def do_POST(self):
        path, _, query = self.path.partition("?")
        file = self.rfile.read(int(self.headers["Content-Length"]))
        if query:
            asked = dict(parse_qsl(query))
            with zipfile.ZipFile(lesson.ROOT / "model_store" / asked["url"]) as packed:
                manifest = json.loads(packed.read("MAR-INF/MANIFEST.json"))
                config = packed.read(manifest["model"]["configFile"])
            settings = yaml.safe_load(config)["handler"]
            self.server.least[asked["model_name"]] = settings["least_probability"]
            return self.answer(200, {})
        try:
            row = self.server.scores(digits_handler.read_picture(file)).softmax(dim=0)
        except PredictionException:
            return self.answer(400, {})
        least = self.server.least[path.rpartition("/")[2]]
        digits = [*"0123456789"]
        return self.answer(200, digits_handler.decide(row.tolist(), digits, least))

    def answer(self, status, what):
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def digits_at():
    with DigitsServer(sure_of_sevens) as server:
        yield f"{server.inference}/predictions/digits"


@pytest.fixture
def digits_server():
    with DigitsServer(nearest) as server:
        yield server
    assert [*server.least] == ["digits"], "the check takes its model out again"


@pytest.fixture
def photo_files():
    _, some, _ = train_digits.load_data()
    return pictures.photos(some.pictures[:20], 30)


@pytest.fixture
def photo_labels():
    _, some, _ = train_digits.load_data()
    return some.labels[:20].tolist()


# Lesson 14


@pytest.fixture
def inverse_weights(weights):
    """models/inverse.pth, as lesson 14 trains it."""
    path = ROOT / "models" / "inverse.pth"
    if not path.exists():
        save(train(xs=YS, ys=XS)[0], path)
    return path


@pytest.fixture
def functions(torchserve, inverse_weights):
    """The file that task 2 packs; the archive of the second model is in the store."""
    archive = lesson.ARCHIVE.with_name("inverse_linear.mar")
    if not archive.exists():
        with (
            zipfile.ZipFile(lesson.ARCHIVE) as line,
            zipfile.ZipFile(archive, "w") as to,
        ):
            for name in line.namelist():
                content = inverse_weights if name == "model.pth" else line.read(name)
                to.writestr(
                    name, getattr(content, "read_bytes", lambda it=content: it)()
                )
    return ROOT / "handlers" / "workflow_functions.py"


# Lesson 16


@pytest.fixture
def wines_management(torchserve):
    """With an archive wines.mar in its model store."""
    if not (own.MODEL_STORE / "wines.mar").exists():
        if not answers.WINES.exists():
            lesson.run_quietly("python -m models.train_wines")
        command = own.ARCHIVE_COMMAND.replace("own/handler.py", "own/wines_handler.py")
        command = command.replace("own/model.py", "models/wines.py")
        command = command.replace("own/wines.pth", "models/wines.pth")
        lesson.run_quietly(command.replace("own/", "handlers/"))
    return torchserve.management


# Lesson 05


@pytest.fixture
def server(torchserve):
    return torchserve


@pytest.fixture
def patient_archive(tmp_path):
    """What the worker of lesson 05's clinic finds in its archive."""
    with zipfile.ZipFile(tmp_path / "patient.mar", "w") as archive:
        archive.write(ROOT / "models/linear.py", "linear.py")
        archive.writestr("patient_handler.py", "from models.linear import …")
    return tmp_path / "patient.mar"


@pytest.fixture
def key_file(tmp_path):
    keys = {name: {"key": f"{name}-7"} for name in ("API", "inference", "management")}
    (tmp_path / "key_file.json").write_text(json.dumps(keys))
    return tmp_path / "key_file.json"


@pytest.fixture
def url():
    """A model behind tokens, as the third server of lesson 05 has it."""

    class Locked(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802 (the library calls it so)
            status, says = 200, [8.9932]
            if self.headers["Authorization"] != "Bearer inference-7":
                status, says = 400, {"type": "InvalidKeyException"}
            elif not self.path.endswith("/patient"):
                status, says = 404, {"message": "Model not found: x"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(says).encode())

        def log_message(self, *_): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Locked) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/predictions/patient"
        server.shutdown()
        thread.join()


# Lesson 11
@pytest.fixture(scope="session")
def watching(archive):
    """TorchServe as lesson 11 starts it: what config/metrics.yaml declares."""
    server = servers.start(
        TORCHSERVE.replace("config/config.", "config/watch."),
        ready=TORCHSERVE_READY,
        name="tests-watching",
    )
    yield server
    server.stop()


# Lesson 12
@pytest.fixture
def stranger():
    """What lesson 12 is visited by. Its archive lands in the model store here."""
    someone = Stranger()
    yield someone
    someone.stop()
    (ROOT / "model_store" / "visitor.war").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def locked(archive):
    """TorchServe that asks for a key."""
    command = TORCHSERVE.replace("--disable-token-auth --enable-model-api ", "")
    ready = "http://127.0.0.1:8082/metrics"
    server = servers.start(command, ready=ready, name="tests-keys")
    yield server
    server.stop()
    (ROOT / "key_file.json").unlink(missing_ok=True)


@pytest.fixture
def certificate():
    """Over http there is none."""
    return None


# Lesson 09


@pytest.fixture
def with_archive_2(torchserve):
    """A management address, and simple_linear_2.0.mar in its model store."""
    made = lesson.ARCHIVE.with_name("simple_linear_2.0.mar")
    manifest = "MAR-INF/MANIFEST.json"
    with zipfile.ZipFile(lesson.ARCHIVE) as first, zipfile.ZipFile(made, "w") as second:
        for name in {*first.namelist()} - {manifest}:
            second.writestr(name, first.read(name))
        said = json.loads(first.read(manifest))
        said["model"] |= {"modelName": "simple_linear_2.0", "modelVersion": "2.0"}
        second.writestr(manifest, json.dumps(said))
    return torchserve.management


@pytest.fixture
def with_version_2(with_archive_2):
    """A management address, and version 2.0 registered there, without a worker."""
    models = f"{with_archive_2}/models"
    query = {"url": "simple_linear_2.0.mar", "model_name": "simple_linear"}
    query["initial_workers"] = 0
    requests.post(models, params=query, timeout=60).raise_for_status()
    yield with_archive_2
    requests.delete(f"{models}/simple_linear/2.0", timeout=60).raise_for_status()


# Lesson 10


@pytest.fixture
def batching():
    """The addresses of a server with the model mlp, that batches as it is told."""
    with simulated.batching() as server:
        yield server


@pytest.fixture
def given(request):
    """Finds what a function wants of the lesson, by the names of its arguments."""
    return lambda function, skip=0: [
        request.getfixturevalue(name)
        for name in [*inspect.signature(function).parameters][skip:]
    ]


@every_check
def test_each_mistake_gets_its_hint(check, given):
    """And a check has no hint that none of its examples gets."""
    rest, examples = given(check.judge, 1), check.examples
    if callable(examples[0]):
        examples = examples[0](*given(examples[0]))
    file = check.judge.__code__.co_filename
    reached = set()

    def trace(frame, event, _):
        if event == "return" and frame.f_code.co_filename == file:
            reached.add(frame.f_lineno)
        return trace if frame.f_code.co_filename == file else None

    before = sys.gettrace()
    sys.settrace(trace)
    said = [(check.reply(answer, *rest), hint) for answer, hint in examples]
    sys.settrace(before)
    assert [(reply, hint) for reply, hint in said if hint not in reply] == []
    praised = [reply.startswith("Right") for reply, _ in said]
    assert praised == [hint.startswith("Right") for _, hint in said]
    assert any(praised) and not all(praised)
    assert len({reply for reply, _ in said if not reply.startswith("Right")}) >= 4
    if file == form.__file__:
        assert len({reply for reply, _ in said if reply.startswith("Right")}) == 1
    else:
        lines, first = inspect.getsourcelines(check.judge)
        parsed = ast.walk(ast.parse("".join(lines)))
        returns = [node for node in parsed if isinstance(node, ast.Return)]
        assert {first + node.lineno - 1 for node in returns} <= reached


@every_check
def test_no_answer_stops_the_notebook(check, given, capsys):
    assert check.reply(None).startswith("Not answered yet: ")
    rest = given(check.judge, 1)
    for odd in ODD:
        capsys.readouterr()
        check(odd, *rest)
        said = capsys.readouterr().out
        assert said.strip() and "Right" not in said


@every_guess
def test_a_guess_is_answered_whatever_it_is(guess):
    assert len(guess.choices) >= 2
    for happened in [guess.right] if guess.right else guess.choices:
        told = guess.reply(None, happened)
        assert told.startswith("No guess") and guess.choices[happened][0] in told
        for letter, (meant, why) in guess.choices.items():
            told = guess.reply(letter.upper(), happened)
            assert meant in told and ("so it was" in told) == (letter == happened)
            assert letter == happened or (why and told.endswith(why))
        for odd in ODD:
            assert "so it was" not in guess.reply(odd, happened)


def test_numpys_numbers_and_truths_count_as_pythons():
    assert form.same(np.True_, True) and form.same(np.float64(0.5), 0.5)
    assert not form.same(np.False_, True) and not form.same(np.array([True]), True)


def test_a_stub_waits_for_its_answer():
    class Stub:
        def run(self): ...

    class Written(Stub):
        def run(self):
            return 1

    def stub(value):
        """What it is to do."""

    waiting = [None, stub, Stub, lambda _: ...]
    assert [form.is_stub(it) for it in waiting] == [True, True, True, False]
    assert not any(map(form.is_stub, [Written, lambda: 0, 0, "", [], print, int]))


def test_the_learner_may_interrupt():
    def interrupted(before, now):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lesson_11.task_3(interrupted)


def test_a_stopped_server_is_no_mistake():
    [right, *_], *_ = lesson_06.task_2.examples
    assert "not answer" in lesson_06.task_2.reply(right, "http://127.0.0.1:9")
