import inspect
import json
import math
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager

import requests
import torch
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException, default_exceptions

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


async def awaited(*_):
    return line(5.0)


# Part of an exception's text, and what to say about it.
MEANT = {
    "is not defined": "Import it in your cell, or look at its spelling.",
    "has no attribute 'get'": "That JSON is no dictionary: refuse it with 400.",
    "positional argument": "Flask calls it without arguments: ask request.",
    "valid response": "Return a dictionary, which becomes JSON. Is there a return?",
    "Tensor is not JSON": "item() makes a number of a tensor, tolist() a list.",
    "no exception for": "The status is a number: abort(400, …).",
    "cannot be multiplied": "The model takes rows: reshape(-1, 1) makes them.",
}


def no_coroutine(function):
    """A hint for an async function: Flask needs another package for these."""
    if inspect.iscoroutinefunction(function):
        raise Hint("This Flask awaits nothing: def in place of async def, please.")


def as_learners_write_it(client, label, sent, path="/predict"):
    """The answer of their app, or a hint on the exception that comes out of it."""
    try:
        return client.post(path, **sent)
    except Exception as error:
        catch = "Catch it, and answer 400." if isinstance(error, ALL) else ""
        hint = next((say for part, say in MEANT.items() if part in str(error)), catch)
        raise Hint(f"{label}: it raises {told(error)}. {hint}".strip()) from None


@task(
    (refusing(*ALL), "Right"),
    (refusing(*ALL, refuse=lambda: ({"message": "a number, please"}, 400)), "Right"),
    (lambda: line(float(request.form.get("value", 0))), "no default"),
    (lambda: line(parsed(request.form["value"])), "Catch it, and answer 400."),
    (lambda number: line(number), "Flask calls it without arguments"),
    (lambda: print(end=""), "Is there a return?"),
    (lambda: line(missing), "Import it in your cell"),  # noqa: F821
    (lambda: line(torch.ones(1)), "item() makes a number"),
    (lambda: json.dumps(line(5.0)), "Return the dictionary itself"),
    (lambda: {"input": 5.0, "predictions": 9.0}, "near 9"),
    (lambda: {"input": "5", "prediction": 9}, "the number itself"),
    (refusing(*ALL, parse=lambda value: parsed(value) * 2), "near 9"),
    (refusing(*ALL, read=lambda: request.form.get("value")), "request.get_json()"),
    (lambda: line(5.0), "Does parse_number see it?"),
    (awaited, "in place of async def"),
    (
        refusing(
            *ALL,
            read=lambda: (
                float(request.form["value"]) if request.form else sent_value() + 0
            ),
        ),
        "Text can hold a number",
    ),
    (refusing(*ALL, refuse=lambda: {"message": "a number"}), "says that all is well"),
    (refusing(*ALL, refuse=lambda: abort(422)), "The lesson asks for 400"),
    (refusing(*ALL, refuse=lambda: abort("400")), "The status is a number"),
    (refusing(*ALL, parse=float), "Does parse_number see it?"),
    (refusing(ValueError, TypeError), "Catch it, and answer 400."),
    (
        refusing(*ALL, read=lambda: (request.get_json(silent=True) or {}).get("value")),
        "status 400. It holds a number",
    ),
    (
        refusing(
            *ALL,
            read=lambda: (
                request.get_json().get("value")
                if request.is_json
                else request.form.get("value")
            ),
        ),
        "is no dictionary",
    ),
)
def task_1(predict: Callable):
    """write the function predict and run both cells"""
    no_coroutine(predict)
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
            if not sent and body.get("input") == 0:
                return f"{label}: it predicts {told(body)}. Give get() no default."
            return f"{label}: it predicts {told(body)}. Does parse_number see it?"
        if number is None and status != 400:
            return f"{label}: status {status}. The lesson asks for 400."
        if number is None:
            continue
        if status != 200:
            hint = "It holds a number, in request.form."
            if "json" in sent:
                hint = (
                    'There request.get_json() is the dictionary: ask for its "value".'
                )
                if isinstance(sent["json"]["value"], str):
                    hint = "Text can hold a number: parse_number reads it."
            return f"{label}: status {status}. {hint}"
        if body is None:
            return f"{label}: {answer.mimetype}, no JSON. Return the dictionary itself."
        fields = body if isinstance(body, dict) else {}
        if not is_answer({**fields, "input": number}, number):
            wanted = f"'prediction' is a number near {2 * number - 1:g}"
            return f"{label}: {told(body)}. {wanted}, what the model gives for it."
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


def type_of(status):
    """What the error of this status is called: error.name."""
    return default_exceptions[status]().name


def raised_again(error):
    raise error


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
    (lambda error: told_in_json(error)[::-1], "The dictionary comes first"),
    (lambda error: ({"code": error.type}, error.code), "error.code, error.name"),
    (lambda error: ({**told_in_json(error)[0], "code": 400}, error.code), "code is"),
    (lambda error: print(end=""), "Is there a return?"),
    (lambda error: (told_in_json(error)[0], 400), "whose code is it?"),
    (lambda error: error, "is text/html"),
    (lambda error: (json.dumps(told_in_json(error)[0]), error.code), "is text/html"),
    (lambda error: ({"message": "sorry"}, error.code), "code, type, message"),
    (lambda error: (*told_in_json(error), dict(error.get_headers())), "of your own"),
    (lambda error: ({**told_in_json(error)[0], "type": "error"}, error.code), "name"),
    (raised_again, "return an answer to it"),
    (awaited, "in place of async def"),
    (
        lambda error: ({**told_in_json(error)[0], "message": "wrong"}, error.code),
        "error.description",
    ),
)
def task_2(as_json: Callable):
    """write the function as_json and run both cells"""
    no_coroutine(as_json)
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
            hint = ""
            if "valid response" in str(error):
                hint = "Is there a return? The dictionary comes first, then the status."
            elif "has no attribute" in str(error):
                hint = "It has error.code, error.name and error.description."
            elif isinstance(error, NameError):
                hint = MEANT["is not defined"]
            elif isinstance(error, HTTPException):
                hint = "That is the error itself: return an answer to it."
            raise Hint(f"{label} it raises {told(error)}. {hint}".strip()) from None
        if answer.status_code == 200:
            return f"{label} the status is 200: return the status as well."
        if answer.status_code != wanted:
            return f"{label} the status is {answer.status_code}: whose code is it?"
        if answer.mimetype != "application/json":
            return (
                f"{label} the answer is {answer.mimetype}. A returned dictionary "
                "becomes JSON; headers of your own would say something else."
            )
        body = answer.get_json(silent=True)
        if not isinstance(body, dict) or not {"code", "type", "message"} <= {*body}:
            return f"{label} it is {told(body)}. Please give it code, type, message."
        if str(body["code"]) != str(wanted):
            return f"{label} the code is {told(body['code'])}: error.code has it."
        if str(body["type"]).replace(" ", "") != type_of(wanted).replace(" ", ""):
            return f"{label} the type is {told(body['type'])}: error.name has it."
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
READER = Flask("reader")


def kind_of(sent):
    """What is wrong with a request, read by Flask; None if it holds a number."""
    prepared = requests.Request("POST", "http://127.0.0.1", **sent).prepare()
    body = prepared.body or b""
    body = body if isinstance(body, bytes) else body.encode()
    if len(body) >= 1024:
        return "too many bytes"
    media = prepared.headers.get("Content-Type")
    with READER.test_request_context(method="POST", data=body, content_type=media):
        if request.is_json:
            try:
                fields = json.loads(body)
            except (ValueError, RecursionError):
                return "broken JSON"
            if not isinstance(fields, dict):
                return "JSON without fields"
        else:
            fields = request.form.to_dict()
            if body and not fields:
                return "neither form nor JSON"
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
    ({**ATTEMPTS, "part": {"files": {"value": (None, "5")}}}, "holds a number"),
    ({"nan": {"json": {"value": math.nan}}}, "as text"),
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
    """put five or more wrong requests into attempts, by name, and run both cells"""
    kinds = {}
    for name, sent in attempts.items():
        if not isinstance(sent, dict):
            name = told(name)[1:-1]
            return f"{name}: {told(sent)} is no dictionary, such as {{'data': …}}."
        if odd := [
            key for key in sent if key not in {"data", "json", "headers", "files"}
        ]:
            return f"{name}: leave out {told(odd[0])}. Use data, json and headers."
        try:
            kinds[name] = kind_of(sent)
        except Exception as error:
            text = isinstance(error, requests.exceptions.InvalidJSONError)
            hint = " Write the value as text, in quotes." if text else ""
            return f"{name}: cannot be sent: {told(error)}.{hint}"
        if kinds[name] is None:
            return f"{name}: this one holds a number, and is right to be answered."
    found = [kind for kind in KINDS if kind in kinds.values()]
    if len(found) < 5:
        missing = [ask for kind, ask in KINDS.items() if kind not in found]
        asks = " ".join(missing[: min(2, 5 - len(found))])
        count = f"{len(found)} kind{'s' * (len(found) != 1)} of 5"
        return f"{': '.join(filter(None, [count, ', '.join(found)]))}. {asks}"
    refused_by(flask_server, attempts)
    refused_by(flask_server, {name: sent for name, sent, wanted in TABLE if not wanted})
    return (
        f"Right: {len(found)} kinds, all refused, and a good request after each works."
    )


def refused_by(server, attempts):
    """Send each, and a good request after it; a hint if the server gets one wrong."""
    for name, sent in attempts.items():
        answer = requests.post(f"{server.url}/predict", **sent, timeout=30)
        try:
            fields = {*answer.json()}
        except (ValueError, TypeError):
            fields = set()
        if answer.status_code not in (400, 413):
            whose = "as_json" if fields >= {"code", "message"} else "predict"
            raise Hint(
                f"You found a hole. {name}: status {answer.status_code}, "
                f"{told(answer.text)}. Mend {whose}, and run all cells from there on."
            )
        if "message" not in fields:
            mend = "That is the work of as_json"
            if fields:
                mend = "as_json sees what abort(400, …) refuses, not what you return"
            raise Hint(
                f"{name}: {answer.status_code} is right, and the answer is "
                f"{told(answer.text)}, without a message. "
                f"{mend}. Mend it, and run all cells from there on."
            )
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


@contextmanager
def calls_of_models():
    """Counts how often each module of PyTorch is called."""
    calls = Counter()
    note = torch.nn.modules.module.register_module_forward_hook(
        lambda module, *_: calls.update([id(module)])
    )
    try:
        yield calls
    finally:
        note.remove()


def saying_so_elsewhere():
    try:
        return many(listed())
    except HTTPException as error:
        return {"error": error.description}, 400


def one_by_one():
    model = torch.nn.Identity()
    return many([model(value) for value in listed()])


def otherwise_refusing():
    try:
        return many(listed())
    except HTTPException:
        abort(422)


@task(
    (lambda: many(listed()), "Right"),
    (one_by_one, "3 calls of the model"),
    (
        lambda: many(listed()) if "7" not in listed() else abort(400),
        "parse_number reads them",
    ),
    (awaited, "in place of async def"),
    (lambda: many(torch.nn.Linear(1, 1)(torch.ones(3)).tolist()), "reshape(-1, 1)"),
    (lambda: many([parsed(it) for it in listed()]), "Catch it, and answer 400."),
    (lambda: many(request.get_json()["values"]), "An empty list"),
    (lambda: many(listed()[:1]), "one prediction for each"),
    (lambda: many(sorted(listed(), key=str)), "In the order"),
    (lambda: {"predictions": many(listed())}, "a list of numbers"),
    (lambda: many(listed(), places=False), "which of them"),
    (saying_so_elsewhere, "under message"),
    (otherwise_refusing, "422, "),
    (lambda: many([it for it in listed() if it != "abc"]), "left out"),
    (lambda: print(end=""), "Is there a return?"),
)
def task_4(predict_many: Callable):
    """write the function predict_many and run both cells"""
    no_coroutine(predict_many)
    app = Flask("check")
    app.testing = True
    app.add_url_rule("/many", "many", lambda: predict_many(), methods=["POST"])
    app.register_error_handler(HTTPException, told_in_json)
    client = app.test_client()

    def ask(label, content):
        # Written out by hand: Flask's own writer refuses nothing either.
        sent = {"data": json.dumps(content), "headers": JSON}
        with calls_of_models() as calls:
            answer = as_learners_write_it(client, label, sent, "/many")
        return (
            answer.status_code,
            answer.get_json(silent=True),
            max(calls.values(), default=0),
        )

    for values, place in MANY:
        label = f"With {json.dumps(values)}"
        status, body, calls = ask(label, {"values": values})
        if place is None:
            if status == 400:
                return f"{label}: {status}. These are numbers: parse_number reads them."
            got = body.get("predictions") if isinstance(body, dict) else None
            if not isinstance(got, list) or not all(type(it) is float for it in got):
                return (
                    f"{label}: {status}, {told(body)}. "
                    "predictions is a list of numbers, one for each value."
                )
            if len(got) != len(values):
                return f"{label}: {told(got)}. There is one prediction for each."
            if not all(
                math.isclose(it, 2 * float(value) - 1, abs_tol=0.5)
                for it, value in zip(got, values, strict=True)
            ):
                return f"{label}: {told(got)}. In the order of the values, please."
            if calls > 1:
                return f"{label}: {calls} calls of the model. Give it one tensor."
        elif status == 200:
            return f"{label}: {told(body)}. The bad one was left out, or read as one."
        elif status != 400:
            return f"{label}: {status}, {told(body)}. Refuse it with 400."
        elif not isinstance(body, dict) or "message" not in body:
            return f"{label}: {told(body)}. abort(400, …) puts the text under message."
        elif str(place) not in str(body["message"]):
            return f"{label}: {told(body)}. Say which of them: place {place}."
    for label, content in (
        ("An empty list", {"values": []}),
        ("No list", {"values": 5}),
    ):
        status, body, _ = ask(label, content)
        if status != 400:
            return f"{label}: {status}, {told(body)}. Refuse it with 400."
    return f"Right: {len(MANY)} lists, answered in order, or refused with the place."
