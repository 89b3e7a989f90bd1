"""The TorchServe handler in a worker of TorchServe, without a server: its batches."""

import json
import sys
from pathlib import Path

import pytest
from course import local_worker
from course.lesson import ROOT

from handlers.model_handler import EXPECTED, SimpleLinearHandler
from models.train import predict, save, train

BAD = [{}, {"data": b"five"}, {"body": None}, {"body": [5]}, {"body": {"data": 5}}]


@pytest.fixture(scope="module")
def model():
    """The trained model."""
    return train()[0]


@pytest.fixture(scope="module")
def ask(model, tmp_path_factory):
    """A function that sends a batch: statuses and decoded answers come back."""
    weights = tmp_path_factory.mktemp("weights") / "model.pth"
    save(model, weights)
    context = local_worker.prepare(str(ROOT / "models" / "linear.py"), str(weights))
    worker = local_worker.start(SimpleLinearHandler(), context)

    def ask(*requests):
        answers = worker.ask(*requests)
        return [(answer.status, json.loads(answer.body)) for answer in answers]

    yield ask
    local_worker.clear(context)


@pytest.fixture(scope="module")
def right(model):
    """What a good request with this number gets."""
    return lambda number: (200, pytest.approx([predict(model, float(number))]))


@pytest.mark.parametrize("size", [2, 8, 100])
def test_n_in_n_out_in_the_same_order(ask, right, size):
    assert ask(*[{"body": -n} for n in range(size)]) == [right(-n) for n in range(size)]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_request_is_refused_alone(ask, right, bad, place):
    batch = [{"body": n} for n in range(4)]
    batch[place] = bad
    refused = {"code": 400, "type": "BadRequestException", "message": EXPECTED}
    expected = [right(n) for n in range(4)]
    expected[place] = (400, refused)
    assert ask(*batch) == expected


def test_a_batch_of_nothing_but_bad_requests_and_the_next(ask, right):
    assert [status for status, _ in ask(*BAD)] == [400] * len(BAD)
    assert ask({"body": 5}) == [right(5)]


def test_nothing_stays_of_a_worker_s_folder(tmp_path):
    weights = tmp_path / "model.pth"
    save(train(steps=1)[0], weights)
    context = local_worker.prepare(str(ROOT / "models" / "linear.py"), str(weights))
    folder = Path(context.system_properties["model_dir"])
    SimpleLinearHandler().initialize(context)
    assert {path.name for path in folder.glob("*.p*")} == {"linear.py", "model.pth"}
    for _ in range(2):
        local_worker.clear(context)
        assert not folder.exists() and str(folder) not in sys.path
        assert "linear" not in sys.modules
