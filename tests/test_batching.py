"""Lesson 10: batches of the MLP, a queue that is full, and clients that come again."""

import math
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import numpy as np
import pytest
import requests
import torch
from conftest import ROOT
from course import lesson, traffic
from course.checks import lesson_10 as check
from requests.adapters import HTTPAdapter
from ts.context import Context, RequestProcessor
from urllib3 import Retry

from handlers.mlp_handler import MLPHandler
from models import mlp
from models.train import save

BYTES = {"Content-Type": "application/octet-stream"}
TEXT = {"Content-Type": "text/plain"}
NAN = float("nan")


@pytest.fixture(scope="module")
def model():
    """The model with the weights of the archive."""
    return mlp.make()


@pytest.fixture(scope="module")
def inputs():
    """Sixteen rows of 128 numbers, no two the same."""
    return torch.rand(16, 128, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def scores(model, inputs):
    """The right answers, (16, 10): far enough from each other to tell them apart."""
    with torch.inference_mode():
        scores = model(inputs).numpy()
    for one, other in permutations(scores, 2):
        assert not agree(one.tobytes(), other)
    return scores


@pytest.fixture(scope="module")
def bodies(inputs):
    """The rows as a client sends them."""
    return [row.tobytes() for row in inputs.numpy().astype("<f4")]


def agree(body: bytes, scores) -> bool:
    """Whether an answer says these scores, but for the rounding of a batch."""
    answered = np.frombuffer(body, dtype="<f4")
    return answered.shape == scores.shape and np.allclose(answered, scores, atol=1e-5)


# The model and the handler, without a server.


def test_the_model_has_1_8_million_parameters(model):
    assert sum(weights.numel() for weights in model.parameters()) == 1_817_610
    assert model(torch.zeros(3, 128)).shape == (3, 10)
    assert not model.training


def test_the_same_seed_gives_the_same_weights(model):
    again, other = mlp.make(), mlp.make(seed=1)
    first, second, third = (next(m.parameters()) for m in (model, again, other))
    assert torch.equal(first, second) and not torch.equal(first, third)


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that hands a batch of requests to the handler: statuses and bytes."""
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

    def ask(*requests):
        context.request_processor = [RequestProcessor({}) for _ in requests]
        context.metrics = NoMetrics()
        answers = handler.handle(list(requests), context)
        statuses = [context.get_response_status(n)[0] for n in range(len(requests))]
        for n, status in enumerate(statuses):
            kind = "octet-stream" if status == 200 else "json"
            assert context.get_response_content_type(n) == f"application/{kind}"
        return statuses, answers

    return ask


class NoMetrics:
    """Stands in for the worker's metrics, which measure the handler's time."""

    def add_time(self, *args, **kwargs):
        pass


@pytest.mark.parametrize("size", [1, 2, 16])
def test_n_in_n_out_in_the_same_order(ask, bodies, scores, size):
    statuses, answers = ask(*[{"body": bytearray(body)} for body in bodies[:size]])
    assert statuses == [200] * size
    assert [agree(a, s) for a, s in zip(answers, scores, strict=False)] == [True] * size


def one_number(number) -> bytes:
    """A row of zeros with this number at its end."""
    return np.array([0] * 127 + [number], dtype="<f4").tobytes()


BAD = {
    "no body": {},
    "empty": {"body": bytearray()},
    "a byte too few": {"body": bytearray(511)},
    "a byte too many": {"body": bytearray(513)},
    "two rows": {"body": bytearray(1024)},
    "text": {"body": "5" * 512},
    "JSON": {"body": [0.0] * 128},
    "null": {"body": None},
    "a form field": {"data": bytearray(512)},
    **{
        f"{number}": {"body": bytearray(one_number(number))}
        for number in (NAN, math.inf, -math.inf, 1.1e6, -1.1e6, 3e38)
    },
}


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_request_is_refused_alone(ask, bodies, scores, bad, place):
    batch = [{"body": bytearray(body)} for body in bodies[:4]]
    batch[place] = bad
    statuses, answers = ask(*batch)
    for n, (status, answer) in enumerate(zip(statuses, answers, strict=True)):
        if n == place:
            assert status == answer["code"] == 400
            assert "expected 128 numbers" in answer["message"]
        else:
            assert status == 200 and agree(answer, scores[n])


@pytest.mark.parametrize("number", [1e6, -1e6, 1e-45, 0])
def test_the_ends_are_numbers(ask, number):
    [status], [answer] = ask({"body": bytearray(one_number(number))})
    assert status == 200 and np.isfinite(np.frombuffer(answer, "<f4")).all()


def test_a_batch_of_nothing_but_bad_requests_and_the_next(ask, bodies, scores):
    assert ask(*BAD.values())[0] == [400] * len(BAD)
    [status], [answer] = ask({"body": bytearray(bodies[0])})
    assert status == 200 and agree(answer, scores[0])


# The same on a server.


def pack(name: str, options: str) -> None:
    """An archive in the model store."""
    said = lesson.output_of(
        f"torch-model-archiver --model-name {name} --version 1.0 {options} "
        "--export-path model_store --force"
    )
    assert not said or "Overwriting" in said, said


@pytest.fixture(scope="module")
def serve(torchserve):
    """A function that registers an archive of the model store, and unregisters it."""
    registered = []

    def serve(name, **settings) -> str:
        url = f"{torchserve.management}/models"
        query = {"url": f"{name}.mar", "initial_workers": 1, **settings}
        requests.post(url, params=query, timeout=60).raise_for_status()
        registered.append(name)
        return f"{torchserve.inference}/predictions/{name}"

    yield serve
    for name in registered:
        requests.delete(f"{torchserve.management}/models/{name}", timeout=30)
        (ROOT / "model_store" / f"{name}.mar").unlink()


@pytest.fixture(scope="module")
def batched(serve):
    """The MLP in batches of sixteen; one that is not full waits for a minute."""
    save(mlp.make(), mlp.WEIGHTS)
    pack(
        "tests_mlp",
        "--model-file models/mlp.py --serialized-file models/mlp.pth "
        "--handler handlers/mlp_handler.py",
    )
    return serve("tests_mlp", batch_size=16, max_batch_delay=60_000)


@pytest.fixture(scope="module")
def short(serve):
    """The linear model with a queue for four."""
    pack(
        "tests_short",
        "--model-file models/linear.py --serialized-file models/model.pth "
        "--handler handlers/model_handler.py --config-file config/short_queue.yaml",
    )
    return serve("tests_short")


def ask_at_once(url, bodies):
    """One caller for each body, all at the same time: one full batch.

    A timeout means that the server waits for more.
    """
    together = threading.Barrier(len(bodies))

    def ask(body):
        together.wait()
        return requests.post(url, data=body, headers=BYTES, timeout=20)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(ask, bodies))


@pytest.mark.parametrize("turn", range(3))
def test_each_caller_of_a_batch_gets_its_own_answer(batched, bodies, scores, turn):
    order = [(5 * n + turn) % 16 for n in range(16)]
    answers = ask_at_once(batched, [bodies[n] for n in order])
    assert [answer.status_code for answer in answers] == [200] * 16
    for n, answer in zip(order, answers, strict=True):
        assert agree(answer.content, scores[n])


def test_bad_requests_in_a_batch_fail_alone(batched, bodies, scores):
    mixed = [*bodies[:3], b"five", *bodies[4:7], one_number(NAN), *bodies[8:]]
    for n, answer in enumerate(ask_at_once(batched, mixed)):
        if n in (3, 7):
            assert answer.status_code == answer.json()["code"] == 400
        else:
            assert answer.status_code == 200 and agree(answer.content, scores[n])


def flood(url: str, callers: int, total: int) -> traffic.Load:
    return traffic.measure(
        f"curl --parallel --parallel-immediate --parallel-max {callers} --data 5 "
        f'--header "Content-Type: text/plain" --output {os.devnull} '
        f'--write-out "{traffic.EACH}" "{url}#[1-{total}]"'
    )


def test_a_full_queue_refuses_at_once_and_recovers(short, torchserve):
    statuses = flood(short, 64, 640).statuses
    assert statuses.keys() == {200, 503} and sum(statuses.values()) == 640
    long = f"{torchserve.inference}/predictions/simple_linear"
    assert flood(long, 64, 640).statuses == {200: 640}
    assert requests.post(short, json=5, timeout=30).status_code == 200


def test_clients_that_come_again_get_through(short):
    """With backoff, jitter and a cap, as the lesson has it; never after a 400."""
    patient = Retry(
        total=12,
        status_forcelist=[503],
        allowed_methods=["POST"],
        backoff_factor=0.01,
        backoff_jitter=0.05,
        backoff_max=0.5,
    )

    def ask(_):
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=patient))
            return [
                session.post(short, data=body, headers=TEXT, timeout=30)
                for body in ["5"] * 10 + ["five"]
            ]

    with ThreadPoolExecutor(16) as pool:
        answers = sum(pool.map(ask, range(16)), [])
    assert Counter(a.status_code for a in answers) == {200: 160, 400: 16}
    repeated = {h.status for a in answers for h in a.raw.retries.history}
    assert repeated == {503}


# Reading what curl says.


def test_a_request_without_an_answer_is_no_answer():
    """Nobody listens on port 9 of this machine, or it says nothing in time."""
    silent = traffic.measure(
        f'curl --max-time 1 --write-out "{traffic.EACH}" "http://127.0.0.1:9/?n=[1-3]"'
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


# The hints of the exercises.


@pytest.mark.parametrize("odd", ["200", [], {}, True, NAN, 10**400, object(), Retry])
def test_odd_answers_get_a_hint(odd, capsys):
    check.exercise_1(odd)
    check.exercise_2(odd)
    said = capsys.readouterr().out
    assert said.count("\n") == 2 and "Right" not in said


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({}, "Right"),
        ({"status_forcelist": [400, 503]}, "4xx"),
        ({"status_forcelist": [500]}, "503"),
        ({"allowed_methods": ["GET"]}, "POST"),
        ({"total": None}, "last try"),
        ({"total": 50}, "last try"),
        ({"backoff_factor": 0}, "backoff_factor"),
        ({"backoff_jitter": 0}, "backoff_jitter"),
        ({"backoff_max": 120}, "backoff_max"),
    ],
)
def test_each_mistake_of_a_retry_gets_its_hint(change, hint, capsys):
    right = {
        "total": 5,
        "status_forcelist": [503],
        "allowed_methods": ["POST"],
        "backoff_factor": 0.1,
        "backoff_jitter": 0.1,
        "backoff_max": 2,
    }
    check.exercise_2(Retry(**{**right, **change}))
    assert hint in capsys.readouterr().out
