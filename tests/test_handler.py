"""The TorchServe handler in a worker of TorchServe, without a server: its batches."""

import json
import shutil

import pytest
from course import local_worker
from course.lesson import ROOT
from ts.context import Context

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
    folder = tmp_path_factory.mktemp("archive")
    shutil.copy(ROOT / "models" / "linear.py", folder)
    save(model, folder / "model.pth")
    manifest = {"model": {"modelFile": "linear.py", "serializedFile": "model.pth"}}
    context = Context("simple_linear", str(folder), manifest, 8, None, "0.12.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        worker = local_worker.start(SimpleLinearHandler(), context)

    def ask(*requests):
        answers = worker.ask(*requests)
        return [(answer.status, json.loads(answer.body)) for answer in answers]

    return ask


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
