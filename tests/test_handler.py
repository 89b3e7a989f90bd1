"""The TorchServe handler on its own, in TorchServe's own Context, without a server."""

import shutil

import pytest
from course.lesson import ROOT
from ts.context import Context, RequestProcessor

from handlers.model_handler import EXPECTED, SimpleLinearHandler, parse_number
from models.train import predict, save, train

BAD = [{}, {"data": b"five"}, {"body": None}, {"body": [5]}, {"body": {"data": 5}}]


@pytest.fixture(scope="module")
def model():
    """The trained model."""
    return train()[0]


@pytest.fixture(scope="module")
def context(model, tmp_path_factory):
    """What TorchServe hands over: an unpacked archive, which is flat."""
    folder = tmp_path_factory.mktemp("archive")
    shutil.copy(ROOT / "models" / "linear.py", folder)
    save(model, folder / "model.pth")
    manifest = {"model": {"modelFile": "linear.py", "serializedFile": "model.pth"}}
    return Context(
        "simple_linear", str(folder), manifest, 8, None, "0.12.0", model_yaml_config={}
    )


@pytest.fixture(scope="module")
def ask(context):
    """A function that hands requests to the handler: answers and statuses come back."""
    handler = SimpleLinearHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(context.system_properties["model_dir"])
        handler.initialize(context)

    def ask(*requests):
        context.request_processor = [RequestProcessor({}) for _ in requests]
        context.metrics = NoMetrics()
        answers = handler.handle(list(requests), context)
        statuses = [context.get_response_status(n)[0] for n in range(len(requests))]
        for n in range(len(requests)):
            assert context.get_response_content_type(n) == "application/json"
        return answers, statuses

    return ask


class NoMetrics:
    """Stands in for the worker's metrics, which measure the handler's time."""

    def add_time(self, *args, **kwargs):
        pass


@pytest.mark.parametrize(
    "request_",
    [{"body": 5}, {"body": "5"}, {"body": bytearray(b"5")}, {"data": b" 5\n"}],
    ids=["JSON", "text", "bytes", "form field"],
)
def test_one_number_in_one_number_out(ask, model, request_):
    assert ask(request_) == ([[predict(model, 5.0)]], [200])


@pytest.mark.parametrize("request_", BAD, ids=repr)
def test_one_bad_request(ask, request_):
    refused = {"code": 400, "type": "BadRequestException", "message": EXPECTED}
    assert ask(request_) == ([refused], [400])


@pytest.mark.parametrize("size", [2, 8, 100])
def test_n_in_n_out_in_the_same_order(ask, model, size):
    answers, statuses = ask(*[{"body": -n} for n in range(size)])
    expected = [pytest.approx([predict(model, float(-n))]) for n in range(size)]
    assert answers == expected
    assert statuses == [200] * size


def test_a_bad_request_is_refused_alone(ask, model):
    """Each bad one at each place of a batch of good ones."""
    for bad in BAD:
        for place in range(4):
            batch = [{"body": n} for n in range(4)]
            batch[place] = bad
            answers, statuses = ask(*batch)
            assert len(answers) == 4
            for n, (answer, status) in enumerate(zip(answers, statuses, strict=True)):
                if n == place:
                    assert (status, answer["message"]) == (400, EXPECTED)
                else:
                    assert status == 200
                    assert answer == pytest.approx([predict(model, float(n))])


def test_nothing_is_left_of_an_earlier_batch(ask, model):
    ask(*BAD)
    assert ask({"body": 5}) == ([[predict(model, 5.0)]], [200])


def test_a_batch_of_nothing_but_bad_requests(ask):
    answers, statuses = ask(*BAD)
    assert [answer["code"] for answer in answers] == statuses == [400] * len(BAD)


@pytest.mark.parametrize("value", [1e38, -1e38, "1e38", 0, "-0.0", "5e-324"])
def test_the_ends_are_numbers(value):
    assert parse_number(value) == float(value)


@pytest.mark.parametrize("value", [1.1e38, 10**400, float("nan"), True, "1_0", b"\xff"])
def test_beyond_the_ends_are_none(value):
    with pytest.raises(ValueError):
        parse_number(value)
