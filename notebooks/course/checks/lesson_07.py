import json
import math
from collections.abc import Callable
from urllib.parse import parse_qs

import requests
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException

from course.checks.form import Guess, Hint, task, told

guess_1 = Guess(
    {
        "a": (
            "400 and JSON",
            "To Flask it is an exception like any other: it knows of no bad client.",
        ),
        "b": (
            "500 and a page in HTML",
            "float() raises ValueError, and nothing in the app catches it.",
        ),
        "c": (
            "200 and the prediction for 0",
            "The 0 is for a missing field. This one is there, and is no number.",
        ),
    },
    right="b",
)
guess_2 = Guess(
    {
        "a": ("the new text at once", "Python has read the file once, at the start."),
        "b": ("the old text until a restart", "The file was read at the start."),
        "c": ("an error", "It does not look at the file again, so it cannot stumble."),
    },
    right="b",
)

# What a client may send, and the number in it; None for what has to be refused.
JSON = {"Content-Type": "application/json"}
TABLE = (
    ("The form value=5", {"data": {"value": "5"}}, 5.0),
    ("No value at all", {}, None),
    ("The form value=abc", {"data": {"value": "abc"}}, None),
    ("The form value=nan", {"data": {"value": "nan"}}, None),
    ('The JSON {"value": 5}', {"json": {"value": 5}}, 5.0),
    ('The JSON {"value": "-2.5"}', {"json": {"value": "-2.5"}}, -2.5),
    ('The JSON {"data": 5}', {"json": {"data": 5}}, None),
    ('The JSON {"value": true}', {"json": {"value": True}}, None),
    ('The JSON {"value": [5]}', {"json": {"value": [5]}}, None),
    ("The JSON 5", {"json": 5}, None),
    ("The JSON [5]", {"json": [5]}, None),
    ("Broken JSON", {"data": "{", "headers": JSON}, None),
)


# Examples: the functions as learners write them. The line is y = 2x - 1.


def sent_value():
    return request.get_json()["value"] if request.is_json else request.form.get("value")


def line(number):
    return {"input": number, "prediction": 2 * number - 1}


def parsed(value):
    if isinstance(value, bool) or not abs(float(value)) <= 1e38:
        raise ValueError("not a number")
    return float(value)


def refusing(*errors, read=sent_value, parse=parsed, refuse=lambda: abort(400)):
    """A view that refuses where one of these errors comes up."""

    def predict():
        try:
            number = parse(read())
        except errors:
            return refuse()
        return line(number)

    return predict


ALL = (ValueError, TypeError, KeyError)


def as_learners_write_it(client, label, sent, path="/predict"):
    """The answer of their app, or a hint on the exception that comes out of it."""
    try:
        return client.post(path, **sent)
    except Exception as error:
        hint = ""
        if "positional argument" in str(error):
            hint = "Flask calls it without arguments: ask request."
        elif "valid response" in str(error):
            hint = "Return a dictionary, which becomes JSON. Is there a return?"
        elif isinstance(error, ALL):
            hint = "Catch it, and answer 400."
        raise Hint(f"{label}: it raises {told(error)}. {hint}".strip()) from None


@task(
    (refusing(*ALL), "Right"),
    (refusing(*ALL, refuse=lambda: ({"message": "a number, please"}, 400)), "Right"),
    (lambda: line(float(request.form.get("value", 0))), "no default"),
    (lambda: line(parsed(request.form["value"])), "Catch it, and answer 400."),
    (lambda number: line(number), "Flask calls it without arguments"),
    (lambda: print(end=""), "Is there a return?"),
    (lambda: line(missing), "NameError"),  # noqa: F821
    (lambda: {"input": "5", "prediction": 9}, "the number itself"),
    (refusing(*ALL, parse=lambda value: parsed(value) * 2), "the number itself"),
    (refusing(*ALL, read=lambda: request.form.get("value")), "request.is_json"),
    (refusing(*ALL, refuse=lambda: {"message": "a number"}), "says that all is well"),
    (refusing(*ALL, refuse=lambda: abort(422)), "The lesson asks for 400"),
    (refusing(*ALL, parse=float), "Does parse_number see it?"),
    (refusing(ValueError, TypeError), "Catch it, and answer 400."),
)
def task_1(predict: Callable):
    """write the function predict and run both cells"""
    app = Flask("check")
    app.testing = True  # what the function raises comes through
    app.add_url_rule("/predict", "predict", lambda: predict(), methods=["POST"])
    client = app.test_client()
    for label, sent, number in TABLE:
        answer = as_learners_write_it(client, label, sent)
        status, body = answer.status_code, answer.get_json(silent=True)
        if number is None and status == 200:
            if "prediction" not in (body or ()):
                return f"{label}: 200 says that all is well. Refuse with abort(400, …)."
            if not sent:
                return f"{label}: it predicts {told(body)}. Give get() no default."
            return f"{label}: it predicts {told(body)}. Does parse_number see it?"
        if number is None and status != 400:
            return f"{label}: status {status}. The lesson asks for 400."
        if number is None:
            continue
        if status != 200:
            return f"{label}: status {status}. Where request.is_json, the body is JSON."
        if not is_answer(body, number):
            return f"{label}: {told(body)}. 'input' is the number itself, as a float."
    bad = sum(number is None for _, _, number in TABLE)
    return f"Right: {len(TABLE) - bad} good requests answered, {bad} bad ones get 400."


def is_answer(body, number):
    """Whether this is the model's answer for the number, near y = 2x - 1."""
    try:
        near = math.isclose(body["prediction"], 2 * number - 1, abs_tol=0.5)
        return near and type(body["input"]) is float and body["input"] == number
    except (TypeError, KeyError):
        return False


def told_in_json(error):
    body = {"code": error.code, "type": error.name, "message": error.description}
    return body, error.code


def in_its_own_response(error):
    response = error.get_response()
    response.data = json.dumps(told_in_json(error)[0])
    response.content_type = "application/json"
    return response


@task(
    (told_in_json, "Right, as far as"),
    (in_its_own_response, "Right: 400"),
    (lambda error: told_in_json(error)[0], "return the status as well"),
    (lambda: ({}, 404), "raises TypeError"),
    (lambda error: print(end=""), "Is there a return?"),
    (lambda error: (told_in_json(error)[0], 400), "whose code is it?"),
    (lambda error: error, "is text/html"),
    (lambda error: (json.dumps(told_in_json(error)[0]), error.code), "is text/html"),
    (lambda error: ({"message": "sorry"}, error.code), "code, type, message"),
    (
        lambda error: ({**told_in_json(error)[0], "message": "wrong"}, error.code),
        "error.description",
    ),
)
def task_2(as_json: Callable):
    """write the function as_json and run both cells"""
    app = Flask("check")
    app.testing = True
    app.add_url_rule("/refuse", "refuse", lambda: abort(400, "no number"))
    app.register_error_handler(HTTPException, lambda error: as_json(error))
    client = app.test_client()
    for path, method, wanted in (
        ("/refuse", "GET", 400),
        ("/nosuch", "GET", 404),
        ("/refuse", "POST", 405),
    ):
        label = f"For a {wanted}"
        try:
            answer = client.open(path, method=method)
        except Exception as error:
            hint = "Is there a return?" if "valid response" in str(error) else ""
            raise Hint(f"{label} it raises {told(error)}. {hint}".strip()) from None
        if answer.status_code == 200:
            return f"{label} the status is 200: return the status as well."
        if answer.status_code != wanted:
            return f"{label} the status is {answer.status_code}: whose code is it?"
        if answer.mimetype != "application/json":
            return (
                f"{label} the answer is {answer.mimetype}. A dictionary becomes JSON."
            )
        body = answer.get_json(silent=True)
        if not isinstance(body, dict) or not {"code", "type", "message"} <= {*body}:
            return f"{label} it is {told(body)}. Please give it code, type, message."
        if wanted == 400 and body["message"] != "no number":
            return (
                f"{label} the message is lost: what abort() says is error.description."
            )
    if "Allow" not in answer.headers:
        return (
            "Right, as far as statuses and JSON go. The 405 has lost its header Allow, "
            "which names the methods: error.get_response() has it."
        )
    return "Right: 400, 404 and 405 in JSON, and the 405 still says what is allowed."


# What can be wrong with a request, and a question on each that was not thought of.
KINDS = {
    "no value": "What if the field has another name?",
    "a value that is no number": "What if the value is a word?",
    "not finite or too large": "What does float() read that is no finite number?",
    "broken JSON": "What if a bracket is missing?",
    "JSON without fields": "What if the JSON is a bare number or a list?",
    "neither form nor JSON": "What if Content-Type is text/plain?",
    "too many bytes": "What if it is 2,000 digits long?",
}


def kind_of(sent):
    """What is wrong with a request; None if it holds a number."""
    prepared = requests.Request("POST", "http://127.0.0.1", **sent).prepare()
    body = prepared.body or b""
    body = body if isinstance(body, bytes) else body.encode()
    media = prepared.headers.get("Content-Type", "").partition(";")[0]
    if len(body) >= 1024:
        return "too many bytes"
    if media == "application/json":
        try:
            fields = json.loads(body)
        except ValueError:
            return "broken JSON"
        if not isinstance(fields, dict):
            return "JSON without fields"
    elif body and media != "application/x-www-form-urlencoded":
        return "neither form nor JSON"
    else:
        parts = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
        fields = {name: values[0] for name, values in parts.items()}
    value = fields.get("value")
    if value is None:
        return "no value"
    try:
        odd = isinstance(value, bool) or "_" in str(value)
        number = None if odd else float(value)
    except (ValueError, TypeError):
        number = None
    except OverflowError:
        number = math.inf
    if number is None:
        return "a value that is no number"
    return None if abs(number) <= 1e38 else "not finite or too large"


ATTEMPTS = {
    "another name": {"data": {"data": 5}},
    "a word": {"data": {"value": "five"}},
    "nan": {"json": {"value": "nan"}},
    "a list": {"json": [5]},
    "half": {"data": '{"value": ', "headers": JSON},
    "text": {"data": "5", "headers": {"Content-Type": "text/plain"}},
    "long": {"data": {"value": "1" * 2000}},
}


@task(
    (ATTEMPTS, "Right: 7 kinds"),
    ({name: ATTEMPTS[name] for name in list(ATTEMPTS)[1:6]}, "Right: 5 kinds"),
    ({}, "0 kinds of 5. What if the field"),
    ({"nothing": {}, "a file": {"files": {"value": "5"}}}, "2 kinds of 5: no value"),
    ({n: {"json": {"value": n}} for n in ("a", "b", "c", "d", "e")}, "1 kind of 5"),
    ({**ATTEMPTS, "ok": {"json": {"value": 5}}}, "holds a number"),
    ({**ATTEMPTS, "true": {"json": {"value": True}}}, "Right: 7 kinds"),
    ({**ATTEMPTS, "1_0": {"data": {"value": "1_0"}}}, "Right: 7 kinds"),
    ({**ATTEMPTS, "long": {"json": {"value": 10**400}}}, "Right: 6 kinds"),
    ({"five": 5}, "five: 5 is no dictionary"),
    ({"five": {"value": "five"}}, "leave out 'value'"),
    ({"five": {"data": 5}}, "cannot be sent"),
)
def task_3(attempts: dict, flask_server):
    """put at least five wrong requests into attempts and run both cells"""
    kinds = {}
    for name, sent in attempts.items():
        if not isinstance(sent, dict):
            return f"{told(name)[1:-1]}: {told(sent)} is no dictionary of arguments."
        if odd := [
            key for key in sent if key not in {"data", "json", "headers", "files"}
        ]:
            return f"{name}: leave out {told(odd[0])}. Use data, json and headers."
        try:
            kinds[name] = kind_of(sent)
        except Exception as error:
            return f"{name}: cannot be sent: {told(error)}."
        if kinds[name] is None:
            return f"{name}: this one holds a number, and is right to be answered."
    found = [kind for kind in KINDS if kind in kinds.values()]
    if len(found) < 5:
        missing = next(ask for kind, ask in KINDS.items() if kind not in found)
        count = f"{len(found)} kind{'s' * (len(found) != 1)} of 5"
        return f"{': '.join(filter(None, [count, ', '.join(found)]))}. {missing}"
    refused_by(flask_server, attempts)
    refused_by(flask_server, {name: sent for name, sent, wanted in TABLE if not wanted})
    return (
        f"Right: {len(found)} kinds, all refused, and a good request after each works."
    )


def refused_by(server, attempts):
    """Send each, and a good request after it; a hint if the server gets one wrong."""
    for name, sent in attempts.items():
        answer = requests.post(f"{server.url}/predict", **sent, timeout=30)
        if answer.status_code not in (400, 413):
            raise Hint(
                f"You found a hole. {name}: status {answer.status_code}, "
                f"{told(answer.text)}. Mend predict, and run all cells from there on."
            )
        try:
            answer.json()["message"]
        except (ValueError, TypeError, KeyError):
            raise Hint(
                f"{name}: {answer.status_code} is right, and the answer is "
                f"{told(answer.text)}. Mend as_json, and run all cells from there on."
            ) from None
        good = requests.post(f"{server.url}/predict", json={"value": 5}, timeout=30)
        if not (good.ok and is_answer(good.json(), 5.0)):
            raise Hint(f"After {name} a good request gets {told(good.text)}.")


# Several numbers in one request.

MANY = (
    ([5], None),
    ([1, 2.5, -3], None),
    (["7", 5], None),
    ([1, "abc", 2], 1),
    ([1, 2, float("nan")], 2),
    ([True], 0),
)


def many(values, places=True):
    """What the view of an example answers."""
    numbers = []
    for place, value in enumerate(values):
        try:
            numbers.append(parsed(value))
        except (ValueError, TypeError):
            abort(400, f"value {place} is no number" if places else "no number")
    return {"predictions": [2 * number - 1 for number in numbers]}


def listed():
    values = (request.get_json(silent=True) or {}).get("values")
    if not isinstance(values, list) or not values:
        abort(400, "expected a list of numbers as values")
    return values


@task(
    (lambda: many(listed()), "Right"),
    (lambda: many([parsed(it) for it in listed()]), "Catch it, and answer 400."),
    (lambda: many(request.get_json()["values"]), "An empty list"),
    (lambda: many(listed()[:1]), "one prediction for each"),
    (lambda: many(sorted(listed(), key=str)), "In the order"),
    (lambda: {"predictions": many(listed())}, "a list of numbers"),
    (lambda: many(listed(), places=False), "which of them"),
    (lambda: many([it for it in listed() if it != "abc"]), "left out"),
    (lambda: print(end=""), "Is there a return?"),
)
def task_4(predict_many: Callable):
    """write the function predict_many and run both cells"""
    app = Flask("check")
    app.testing = True
    app.add_url_rule("/many", "many", lambda: predict_many(), methods=["POST"])
    app.register_error_handler(HTTPException, told_in_json)
    client = app.test_client()

    def ask(label, content):
        # Written out by hand: Flask's own writer refuses nothing either.
        sent = {"data": json.dumps(content), "headers": JSON}
        answer = as_learners_write_it(client, label, sent, "/many")
        return answer.status_code, answer.get_json(silent=True)

    for values, place in MANY:
        label = f"With {json.dumps(values)}"
        status, body = ask(label, {"values": values})
        if place is None:
            got = body.get("predictions") if isinstance(body, dict) else None
            if not isinstance(got, list) or not all(type(it) is float for it in got):
                return f"{label}: {status}, {told(body)}. It takes a list of numbers."
            if len(got) != len(values):
                return f"{label}: {told(got)}. There is one prediction for each."
            if not all(
                math.isclose(it, 2 * float(value) - 1, abs_tol=0.5)
                for it, value in zip(got, values, strict=True)
            ):
                return f"{label}: {told(got)}. In the order of the values, please."
        elif status == 200:
            return f"{label}: {told(body)}. The bad one was left out, or read as one."
        elif status != 400 or str(place) not in str((body or {}).get("message")):
            return f"{label}: {status}, {told(body)}. Say which of them: place {place}."
    for label, content in (
        ("An empty list", {"values": []}),
        ("No list", {"values": 5}),
    ):
        status, body = ask(label, content)
        if status != 400:
            return f"{label}: {status}, {told(body)}. Refuse it with 400."
    return f"Right: {len(MANY)} lists, answered in order, or refused with the place."
