"""Lesson 10: batches of the MLP, and the clients that measure a server."""

import math
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ROOT
from course import traffic
from ts.context import Context, RequestProcessor

from handlers.mlp_handler import MLPHandler
from models import mlp
from models.train import save

INPUTS = torch.rand(16, 128, generator=torch.Generator().manual_seed(1))
BODIES = [row.tobytes() for row in INPUTS.numpy().astype("<f4")]


@pytest.fixture(scope="module")
def scores():
    """The right answers, (16, 10): far enough from each other to tell them apart."""
    with torch.inference_mode():
        scores = mlp.make()(INPUTS).numpy()
    for one, other in permutations(scores, 2):
        assert not agree(one.tobytes(), other)
    return scores


def agree(body: bytes, scores) -> bool:
    """Whether an answer says these scores, but for the rounding of a batch."""
    answered = np.frombuffer(body, dtype="<f4")
    return answered.shape == scores.shape and np.allclose(answered, scores, atol=1e-5)


# The handler, without a server: the lesson asks the same of one that runs.


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that hands bodies to the handler as a batch: statuses and answers.

    A dict is a request as a whole.
    """
    folder = tmp_path_factory.mktemp("archive")
    (folder / "mlp.py").write_bytes((ROOT / "models" / "mlp.py").read_bytes())
    save(mlp.make(), folder / "mlp.pth")
    manifest = {"model": {"modelFile": "mlp.py", "serializedFile": "mlp.pth"}}
    handler, threads = MLPHandler(), torch.get_num_threads()
    context = Context(
        "mlp", str(folder), manifest, 16, None, "0.12.0", model_yaml_config={}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        handler.initialize(context)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(threads)

    def ask(*bodies):
        context.request_processor = [RequestProcessor({}) for _ in bodies]
        context.metrics = SimpleNamespace(add_time=lambda *args: None)
        batch = [b if isinstance(b, dict) else {"body": b} for b in bodies]
        answers = handler.handle(batch, context)
        statuses = [context.get_response_status(n)[0] for n in range(len(bodies))]
        for n, status in enumerate(statuses):
            kind = "octet-stream" if status == 200 else "json"
            assert context.get_response_content_type(n) == f"application/{kind}"
        return statuses, answers

    return ask


def one_number(number) -> bytearray:
    """A row of zeros with this number at its end."""
    return bytearray(np.array([0] * 127 + [number], dtype="<f4").tobytes())


BAD = {
    "no body": {},
    "null": None,
    "empty": bytearray(),
    "a byte too few": bytearray(511),
    "a byte too many": bytearray(513),
    "two rows": bytearray(1024),
    "text": "5" * 512,
    "JSON": [0.0] * 128,
    "a form field": {"data": bytearray(512)},
    **{
        f"{number}": one_number(number)
        for number in (math.nan, math.inf, -math.inf, 1.1e6, -1.1e6, 3e38)
    },
}


@pytest.mark.parametrize("size", [1, 2, 16])
def test_n_in_n_out_in_the_same_order(ask, scores, size):
    statuses, answers = ask(*map(bytearray, BODIES[:size]))
    assert statuses == [200] * size
    assert [agree(a, s) for a, s in zip(answers, scores, strict=False)] == [True] * size


@pytest.mark.parametrize("places", [{0, 2}, {1, 3}, {0, 1, 2, 3}], ids=str)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_requests_are_refused_alone(ask, scores, bad, places):
    batch = [bad if n in places else bytearray(BODIES[n]) for n in range(5)]
    for n, (status, answer) in enumerate(zip(*ask(*batch), strict=True)):
        if n in places:
            assert status == answer["code"] == 400
            assert "expected 128 numbers" in answer["message"]
        else:
            assert status == 200 and agree(answer, scores[n])


@pytest.mark.parametrize("number", [1e6, -1e6, 1e-45, 0])
def test_the_ends_are_numbers(ask, number):
    [status], [answer] = ask(one_number(number))
    assert status == 200 and np.isfinite(np.frombuffer(answer, "<f4")).all()


# Reading what curl says.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--no-such-option", "exit status 2: .*option --no-such-option: is unknown"),
        ("http://127.0.0.1:9/[2-1]", "exit status 3: .*bad range"),
        ("--parallel nope://127.0.0.1", r"exit status 1: .*nope"),
    ],
)
def test_curl_says_itself_what_is_wrong_with_a_command(options, words):
    """As an old one does, which does not know --parallel-immediate."""
    with pytest.raises(RuntimeError, match=words) as raised:
        traffic.measure(f'curl --write-out "{traffic.EACH}" {options}')
    assert "Dled" not in str(raised.value), "the meter of --parallel"


@pytest.mark.parametrize("options", ["", f"--output {os.devnull}"])
def test_without_write_out_nothing_can_be_read(options):
    with pytest.raises(ValueError, match="--write-out EACH"):
        traffic.measure(f'curl {options} "{(ROOT / "README.md").as_uri()}"')


@pytest.mark.parametrize("options", ["", "--parallel --parallel-immediate"])
def test_a_request_without_an_answer_is_no_error_of_the_command(options):
    """Nobody listens on port 9 of this machine, or it says nothing in time."""
    silent = traffic.measure(
        f'curl {options} --max-time 1 --write-out "{traffic.EACH}" '
        '"http://127.0.0.1:9/?n=[1-3]"'
    )
    assert silent.statuses == {0: 3}
    assert silent.answered == [] and silent.per_second == 0


def test_percentiles_count_answers_alone():
    answers = [(200, 0.001 * n) for n in range(1, 101)] + [(503, 9.0)] * 50
    seen = traffic.Load(answers, seconds=2.0)
    assert seen.statuses == {200: 100, 503: 50}
    assert seen.per_second == 50
    assert seen.median == pytest.approx(50.5)
    assert seen.p99 == pytest.approx(99.99)


# Callers that do not wait for each other.


@pytest.fixture
def meeting():
    """A server that answers 200 to five requests at once, and 503 to fewer."""
    together = threading.Barrier(5, timeout=10)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                together.wait()
                self.send_response(200 if body == b"row" else 400)
            except threading.BrokenBarrierError:
                self.send_response(503)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/meet"
        server.shutdown()
        thread.join()


def test_in_an_open_loop_nobody_waits_for_an_answer(meeting):
    seen = traffic.arrive(meeting, b"row", [0.01 * n for n in range(10)])
    assert seen.statuses == {200: 10}


def test_in_an_open_loop_time_counts_from_when_a_request_was_due(meeting):
    """Five that were due a minute ago, by a client that was late, and are sent now."""
    late = traffic.arrive(meeting, b"row", [-60.0] * 5)
    assert min(late.answered) >= 60_000


def test_in_an_open_loop_too_no_answer_is_the_status_0(meeting):
    lonely = traffic.arrive(meeting, b"row", [0.0] * 4, timeout=0.5)
    refused = traffic.arrive("http://127.0.0.1:9/", b"row", [0.0] * 3)
    assert (lonely.statuses, refused.statuses) == ({0: 4}, {0: 3})
