"""The contract of every server: one finite number in, one number out.

Anything else is refused with a JSON message that says what was expected, and the next
request is answered.
"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests
import torch

from models.linear import SimpleLinearModel
from models.train import WEIGHTS, predict

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06"
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}

# Not a finite number, neither as text nor as JSON. Both servers get each as a text, as
# a JSON string and as a JSON value, in their own field and body.
NOT_A_NUMBER = {
    "words": "five",
    "empty": "",
    "whitespace": " \t\r\n",
    "NaN": "NaN",
    "nan": "nan",
    "minus nan": "-nan",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "inf": "inf",
    "minus inf": "-inf",
    "beyond float32": "1e39",
    "beyond float32, negative": "-1e39",
    "beyond float64": "1e400",
    "a long integer": "1" + "0" * 400,
    "true": "true",
    "false": "false",
    "null": "null",
    "None": "None",
    "a list": "[5]",
    "an empty list": "[]",
    "an object": '{"a": 5}',
    "an empty object": "{}",
    "underscore": "1_000",
    "hexadecimal": "0x10",
    "two numbers": "5 6",
    "two numbers with a comma": "5,6",
    "decimal comma": "2,5",
    "complex": "1j",
    "a sum": "2+3",
    "SQL": "5; DROP TABLE models; --",
    "Python": "__import__('os').getpid()",
    "template": "{{5}}",
    "HTML": "<script>5</script>",
    "a path": "../../etc/passwd",
    "a null byte": "5\0",
    "an emoji": "🔢",
    "nested 400 deep": "[" * 400 + "]" * 400,
    "a thousand open lists": "[" * 1000,
}

# Bodies that no reader of text, JSON or forms gets a number from.
NOT_READABLE = {
    "no body": {},
    "no body, JSON": {"headers": JSON},
    "binary as text": {"data": b"\xff\xfe\x80", "headers": TEXT},
    "binary as JSON": {"data": b"\xff\xfe\x80", "headers": JSON},
    "binary as a form": {"data": b"\xff\xfe\x80", "headers": FORM},
    "image bytes": {"data": PNG},
    "an image as text": {"data": PNG, "headers": TEXT},
    "broken JSON": {"data": '{"value": 5', "headers": JSON},
    "a comma too many": {"data": '{"value": 5,}', "headers": JSON},
    "an unknown JSON field": {"json": {"number": 5}},
    "an unknown form field": {"data": {"number": "5"}},
    "an unknown multipart field": {"files": {"number": "5"}},
    "a form without a field name": {"data": "5", "headers": FORM},
    "a broken multipart body": {"data": "--x\r\n5", "headers": MULTIPART},
    "multipart without a boundary": {
        "data": "--x\r\n5",
        "headers": {"Content-Type": "multipart/form-data"},
    },
}

TORCHSERVE_BAD = {
    **NOT_READABLE,
    **{
        f"{name}, {kind}": request
        for name, text in NOT_A_NUMBER.items()
        for kind, request in {
            "text": {"data": text.encode(), "headers": TEXT},
            "bytes": {"data": text.encode()},
            "JSON": {"data": text.encode(), "headers": JSON},
            "JSON string": {"json": text},
            "form": {"data": {"data": text}},
            "multipart": {"files": {"data": text}},
        }.items()
    },
    "nested 100,000 deep": {"data": "[" * 100_000 + "]" * 100_000, "headers": JSON},
    "100,000 open lists": {"data": "[" * 100_000, "headers": JSON},
    "a megabyte of digits": {"data": "1" * 1_000_000, "headers": TEXT},
    "a megabyte of digits, JSON": {"data": "1" * 1_000_000, "headers": JSON},
    "an image in the field": {"files": {"data": PNG}},
    "Flask's JSON": {"json": {"value": 5}},
    "Flask's form": {"data": {"value": "5"}},
}

FLASK_BAD = {
    **NOT_READABLE,
    **{
        f"{name}, {kind}": request
        for name, text in NOT_A_NUMBER.items()
        for kind, request in {
            "form": {"data": {"value": text.encode()}},
            "JSON": {"data": f'{{"value": {text}}}'.encode(), "headers": JSON},
            "JSON string": {"json": {"value": text}},
            "whole JSON body": {"data": text.encode(), "headers": JSON},
        }.items()
    },
    "a number as text": {"data": "5", "headers": TEXT},
    "a number as a whole JSON body": {"json": 5},
    "TorchServe's field": {"data": {"data": "5"}},
    "in the URL": {"params": {"value": "5"}},
    "an image in the field": {"files": {"value": PNG}},
}

TOO_LARGE = {
    "a megabyte, form": {"data": {"value": "1" * 1_000_000}},
    "a megabyte, JSON": {"data": '{"value": ' + "1" * 1_000_000 + "}", "headers": JSON},
    "a megabyte, multipart": {"files": {"value": "1" * 1_000_000}},
    "a megabyte, text": {"data": "1" * 1_000_000, "headers": TEXT},
    "2 kilobytes, form": {"data": {"value": "1" * 2_000}},
}

TORCHSERVE_GOOD = {
    "text": {"data": "5", "headers": TEXT},
    "JSON": {"data": "5", "headers": JSON},
    "JSON string": {"json": "5"},
    "form": {"data": {"data": "5"}},
    "multipart": {"files": {"data": "5"}},
    "no content type": {"data": b"5"},
    "whitespace around it": {"data": " \t5\r\n", "headers": TEXT},
    "whitespace around JSON": {"data": "\n 5 \n", "headers": JSON},
    "with a charset": {
        "data": "5",
        "headers": {"Content-Type": "text/plain; charset=utf-8"},
    },
    "an exponent": {"data": "50e-1", "headers": JSON},
    "a sign": {"data": "+5.0", "headers": TEXT},
}

FLASK_GOOD = {
    "form": {"data": {"value": "5"}},
    "multipart": {"files": {"value": (None, "5")}},
    "JSON": {"json": {"value": 5}},
    "JSON string": {"json": {"value": "5"}},
    "whitespace around it": {"data": {"value": " \t5\r\n"}},
    "whitespace around JSON": {"data": '\n{"value" :5 }\n', "headers": JSON},
    "an exponent": {"json": {"value": "50e-1"}},
    "a field more": {"json": {"value": 5, "unit": "m"}},
}

# Up to both ends of what is accepted.
NUMBERS = [0, -0.0, 5, -0.5, 1e-45, 123456.789, -1e10, 3.3e37, 1e38, -1e38]


@pytest.fixture(scope="module")
def model():
    """The model that both servers have loaded."""
    model = SimpleLinearModel()
    model.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return model


def ask_torchserve(server, name="simple_linear", **request):
    return requests.post(
        f"{server.inference}/predictions/{name}", timeout=30, **request
    )


def ask_flask(server, **request):
    return requests.post(f"{server.url}/predict", timeout=30, **request)


def worker_pids(server, name="simple_linear"):
    """The processes that run the handler."""
    described = requests.get(f"{server.management}/models/{name}", timeout=30).json()
    return [worker["pid"] for worker in described[0]["workers"]]


@pytest.fixture(scope="module")
def first_workers(torchserve):
    """The worker before any bad input."""
    return worker_pids(torchserve)


def assert_refused(response, status):
    """The answer is JSON with the status, and says what was expected."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert answer["code"] == status
    assert "number" in answer["message"]


@pytest.mark.parametrize("request_", TORCHSERVE_BAD.values(), ids=TORCHSERVE_BAD)
def test_torchserve_refuses(torchserve, first_workers, model, request_):
    assert_refused(ask_torchserve(torchserve, **request_), 400)
    good = ask_torchserve(torchserve, data="5", headers=TEXT)
    assert (good.status_code, good.json()) == (200, [predict(model, 5.0)])
    assert worker_pids(torchserve) == first_workers, "the worker was replaced"


@pytest.mark.parametrize("body", ["data=%zz", "=5"])
def test_torchserve_survives_forms_that_java_refuses(torchserve, first_workers, body):
    """No handler sees these: the frontend itself answers 500, in JSON at least."""
    response = ask_torchserve(torchserve, data=body, headers=FORM)
    assert (response.status_code, response.json()["code"]) == (500, 500)
    assert ask_torchserve(torchserve, data="5", headers=TEXT).ok
    assert worker_pids(torchserve) == first_workers


@pytest.mark.parametrize("request_", FLASK_BAD.values(), ids=FLASK_BAD)
def test_flask_refuses(flask_server, model, request_):
    response = ask_flask(flask_server, **request_)
    too_large = len(response.request.body or "") >= 1024
    assert_refused(response, 413 if too_large else 400)
    assert ask_flask(flask_server, json={"value": 5}).json() == {
        "input": 5.0,
        "prediction": predict(model, 5.0),
    }


@pytest.mark.parametrize("request_", TOO_LARGE.values(), ids=TOO_LARGE)
def test_flask_refuses_large_bodies(flask_server, request_):
    assert_refused(ask_flask(flask_server, **request_), 413)
    assert ask_flask(flask_server, json={"value": 5}).ok


def test_flask_refuses_a_large_body_before_it_has_read_it(flask_server):
    connection = http.client.HTTPConnection(
        urlsplit(flask_server.url).netloc, timeout=30
    )
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()  # and no body
    response = connection.getresponse()
    assert response.status == 413
    assert "number" in json.load(response)["message"]
    connection.close()


def test_flask_refuses_large_bodies_of_unknown_length(flask_server):
    """Cut off after 1,024 bytes, this one would be a valid zero."""
    chunks = iter([b"value=", *[b"0" * 1000] * 1000, b"5"])
    assert_refused(ask_flask(flask_server, data=chunks, headers=FORM), 413)
    assert ask_flask(flask_server, json={"value": 5}).ok


@pytest.mark.parametrize("request_", TORCHSERVE_GOOD.values(), ids=TORCHSERVE_GOOD)
def test_torchserve_accepts(torchserve, model, request_):
    response = ask_torchserve(torchserve, **request_)
    assert (response.status_code, response.json()) == (200, [predict(model, 5.0)])
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("request_", FLASK_GOOD.values(), ids=FLASK_GOOD)
def test_flask_accepts(flask_server, model, request_):
    response = ask_flask(flask_server, **request_)
    assert response.status_code == 200, response.text
    assert response.json() == {"input": 5.0, "prediction": predict(model, 5.0)}


@pytest.mark.parametrize("number", NUMBERS)
def test_all_give_the_same_answer(torchserve, flask_server, model, number):
    expected = pytest.approx(predict(model, float(number)), rel=1e-6, abs=1e-6)
    as_json = ask_torchserve(torchserve, json=number)
    as_form = ask_torchserve(torchserve, data={"data": repr(number)})
    assert as_json.json() == as_form.json() == [expected]
    for answer in (
        ask_flask(flask_server, json={"value": number}),
        ask_flask(flask_server, data={"value": repr(number)}),
    ):
        assert answer.json() == {"input": number, "prediction": expected}


@pytest.mark.parametrize("path", ["/", "/predictions/simple_linear", "/predict/5"])
def test_flask_answers_unknown_addresses_in_json(flask_server, path):
    response = requests.post(f"{flask_server.url}{path}", timeout=30)
    assert (response.status_code, response.json()["code"]) == (404, 404)
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_flask_answers_wrong_methods_in_json(flask_server, method):
    response = requests.request(method, f"{flask_server.url}/predict", timeout=30)
    assert (response.status_code, response.json()["code"]) == (405, 405)
    assert response.headers["Content-Type"] == "application/json"


def test_both_say_that_they_are_ready(torchserve, flask_server):
    for address in (torchserve.inference, flask_server.url):
        response = requests.get(f"{address}/ping", timeout=30)
        assert (response.status_code, response.json()["status"]) == (200, "Healthy")


def test_everybody_in_a_batch_gets_their_own_answer(torchserve, model):
    """Good and bad numbers from eight clients at a time; one batch holds eight."""
    texts = [str(n) if n % 3 else f"number {n}" for n in range(40)]
    workers = worker_pids(torchserve, "batched")

    def ask(text):
        return ask_torchserve(torchserve, "batched", data=text, headers=TEXT)

    with ThreadPoolExecutor(8) as clients:
        responses = list(clients.map(ask, texts))
    for text, response in zip(texts, responses, strict=True):
        if text.isdigit():
            expected = pytest.approx(predict(model, float(text)), abs=1e-5)
            assert (response.status_code, response.json()) == (200, [expected])
        else:
            assert_refused(response, 400)
    assert worker_pids(torchserve, "batched") == workers
    batches = [
        line
        for line in torchserve.log("model_log.log").splitlines()
        if "-batched_" in line and "received inference" in line
    ]
    assert 0 < len(batches) < len(texts) / 2, "the requests went in one by one"
