"""The contract of every server: one finite number in, one number out.

Anything else is refused with a JSON message that says what was expected, and the next
request is answered. What lessons 06 and 07 ask their servers is not asked again.
"""

import contextlib
import http.client
import importlib
import json
from urllib.parse import urlsplit

import pytest
import requests
from bad_input import NOT_A_NUMBER, NUMBERS, PNG

from models.train import load, predict

JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data"}


# What each server calls for one value, without a server.


@pytest.fixture(params=["model_handler", "flask_app"])
def parse_number(request, weights):
    """The function of each server. Flask's file loads the weights when imported."""
    return importlib.import_module(f"handlers.{request.param}").parse_number


@pytest.mark.parametrize("text", NOT_A_NUMBER.values(), ids=NOT_A_NUMBER)
def test_what_is_no_number_is_refused(parse_number, text):
    """As a text, as bytes, and decoded where it is JSON."""
    values = [text, bytearray(text.encode())]
    with contextlib.suppress(ValueError, RecursionError):
        values.append(json.loads(text))
    for value in values:
        with pytest.raises(ValueError):
            parse_number(value)


@pytest.mark.parametrize("value", [None, b"\xff5", PNG, 5j, (5,)], ids=repr)
def test_what_is_neither_text_nor_json_is_refused(parse_number, value):
    with pytest.raises(ValueError):
        parse_number(value)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_a_number_is_read(parse_number, number):
    for value in (number, repr(number), f" \t{number!r}\r\n", f"{number:+.17e}"):
        read = parse_number(value)
        assert type(read) is float, value
        assert read == number


# The same over HTTP: every way in which a request can carry something else.

BAD = {
    "no body": {},
    "no body, JSON": {"headers": JSON},
    "binary as text": {"data": b"\xff\xfe\x80", "headers": TEXT},
    "binary as JSON": {"data": b"\xff\xfe\x80", "headers": JSON},
    "binary as a form": {"data": b"\xff\xfe\x80", "headers": FORM},
    "image bytes": {"data": PNG},
    "a comma too many": {"data": '{"value": 5,}', "headers": JSON},
    "null": {"data": "null", "headers": JSON},
    "an unknown JSON field": {"json": {"number": 5}},
    "an unknown multipart field": {"files": {"number": "5"}},
    "a form without a field name": {"data": "5", "headers": FORM},
    "multipart without a boundary": {"data": "--x\r\n5", "headers": MULTIPART},
    "broken multipart": {
        "data": "--x\r\n5",
        "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    },
}

TORCHSERVE_BAD = {
    **BAD,
    "an underscore as text": {"data": "1_000", "headers": TEXT},
    "an infinity as bytes": {"data": b"-inf"},
    "NaN as JSON": {"data": "NaN", "headers": JSON},
    "true as JSON": {"json": True},
    "a word as JSON": {"json": "five"},
    "too large in a form": {"data": {"data": "1e39"}},
    "an image in the field": {"files": {"data": PNG}},
    "nested 100,000 deep": {"data": "[" * 100_000 + "]" * 100_000, "headers": JSON},
    "a megabyte of digits": {"data": "1" * 1_000_000, "headers": JSON},
    "Flask's form": {"data": {"value": "5"}},
}

FLASK_BAD = {
    **BAD,
    "an underscore in a form": {"data": {"value": "1_000"}},
    "NaN as JSON": {"data": '{"value": NaN}', "headers": JSON},
    "true as JSON": {"json": {"value": True}},
    "too large as JSON": {"json": {"value": "-1e39"}},
    "an image in the field": {"files": {"value": PNG}},
    "a thousand open lists": {"data": '{"value": ' + "[" * 1000, "headers": JSON},
    "in the URL": {"params": {"value": "5"}},
}

TORCHSERVE_GOOD = {
    "text": {"data": "+5.0", "headers": TEXT},
    "text with a charset": {
        "data": "5",
        "headers": {"Content-Type": "text/plain; charset=utf-8"},
    },
    "JSON": {"data": "\n 50e-1 \n", "headers": JSON},
    "JSON string": {"json": "5"},
    "form": {"data": {"data": "5"}},
    "multipart": {"files": {"data": "5"}},
    "no content type": {"data": b"5"},
}

FLASK_GOOD = {
    "form": {"data": {"value": " \t5\r\n"}},
    "multipart": {"files": {"value": (None, "5")}},
    "JSON": {"data": '\n{"value" :50e-1 }\n', "headers": JSON},
    "JSON string": {"json": {"value": "5"}},
    "a field more": {"json": {"value": 5, "unit": "m"}},
}


@pytest.fixture(scope="module")
def model(weights):
    """The model that both servers have loaded."""
    return load()


@pytest.fixture(scope="module")
def worker(torchserve):
    """A function that names the process of the worker: refusing must not replace it."""

    def pid():
        url = f"{torchserve.management}/models/simple_linear"
        [described] = requests.get(url, timeout=30).json()
        return [worker["pid"] for worker in described["workers"]]

    return pid


@pytest.fixture(scope="module")
def first_worker(worker):
    """The worker before any bad input."""
    return worker()


def ask_torchserve(server, **request):
    url = f"{server.inference}/predictions/simple_linear"
    return requests.post(url, timeout=30, **request)


def ask_flask(server, **request):
    return requests.post(f"{server.url}/predict", timeout=30, **request)


def assert_refused(response, status):
    """The answer is JSON with the status, and says what was expected."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert answer["code"] == status
    assert "number" in answer["message"]


def assert_answered(response, answer):
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == answer


@pytest.mark.parametrize("request_", TORCHSERVE_BAD.values(), ids=TORCHSERVE_BAD)
def test_torchserve_refuses(torchserve, worker, first_worker, model, request_):
    assert_refused(ask_torchserve(torchserve, **request_), 400)
    good = ask_torchserve(torchserve, data="5", headers=TEXT)
    assert_answered(good, [predict(model, 5.0)])
    assert worker() == first_worker, "the worker was replaced"


@pytest.mark.parametrize("body", ["data=%zz", "=5"])
def test_torchserve_survives_forms_that_java_refuses(torchserve, body):
    """No handler sees these: the frontend itself answers 500, in JSON at least."""
    response = ask_torchserve(torchserve, data=body, headers=FORM)
    assert (response.status_code, response.json()["code"]) == (500, 500)
    assert ask_torchserve(torchserve, data="5", headers=TEXT).ok


@pytest.mark.parametrize("request_", FLASK_BAD.values(), ids=FLASK_BAD)
def test_flask_refuses(flask_server, model, request_):
    assert_refused(ask_flask(flask_server, **request_), 400)
    good = ask_flask(flask_server, json={"value": 5})
    assert_answered(good, {"input": 5.0, "prediction": predict(model, 5.0)})


@pytest.mark.parametrize("size", [1023, 1024, 1025, 1_000_000])
@pytest.mark.parametrize("announced", [True, False])
def test_flask_reads_less_than_1024_bytes(flask_server, size, announced):
    """Each body is a valid 5; cut off somewhere it would be a valid 0."""
    body = b"value=" + b"0" * (size - 7) + b"5"
    sent = body if announced else iter([body])
    response = ask_flask(flask_server, data=sent, headers=FORM)
    if size < 1024:
        assert (response.status_code, response.json()["input"]) == (200, 5)
    else:
        assert_refused(response, 413)
    assert ask_flask(flask_server, json={"value": 5}).ok


def test_flask_refuses_a_large_body_before_it_has_read_it(flask_server):
    address = urlsplit(flask_server.url).netloc
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as client:
        client.putrequest("POST", "/predict")
        client.putheader("Content-Length", str(10**9))
        client.endheaders()  # and no body
        response = client.getresponse()
        assert response.status == 413
        assert "number" in json.load(response)["message"]


@pytest.mark.parametrize("request_", TORCHSERVE_GOOD.values(), ids=TORCHSERVE_GOOD)
def test_torchserve_accepts(torchserve, model, request_):
    assert_answered(ask_torchserve(torchserve, **request_), [predict(model, 5.0)])


@pytest.mark.parametrize("request_", FLASK_GOOD.values(), ids=FLASK_GOOD)
def test_flask_accepts(flask_server, model, request_):
    answer = {"input": 5.0, "prediction": predict(model, 5.0)}
    assert_answered(ask_flask(flask_server, **request_), answer)


@pytest.mark.parametrize("number", NUMBERS)
def test_all_give_the_same_answer(torchserve, flask_server, model, number):
    expected = pytest.approx(predict(model, float(number)), rel=1e-6, abs=1e-6)
    assert_answered(ask_torchserve(torchserve, json=number), [expected])
    answer = {"input": number, "prediction": expected}
    assert_answered(ask_flask(flask_server, json={"value": number}), answer)
