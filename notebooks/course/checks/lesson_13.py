import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import isclose
from pathlib import Path

import grpc
import requests
from google.protobuf.empty_pb2 import Empty

from course import rpc
from course.checks.form import Guess, Hint, call, task, told

NO_ANSWER = 5  # seconds, for a call that was given no deadline
guess_1 = Guess(
    {
        "a": (
            "INVALID_ARGUMENT",
            "That is the name which fits, but TorchServe 0.12 drops the handler's 400.",
        ),
        "b": (
            "INTERNAL",
            "TorchServe says that where it refuses itself; here your handler refused.",
        ),
        "c": ("OK, with the refusal as the answer", "The refusal is in the answer."),
    },
    right="c",
)
SLOWER = "All three wait for the same worker; the rest is the client's own work."
guess_2 = Guess(
    {
        "a": ("gRPC was the fastest", f"{SLOWER} The stub has some to do, too."),
        "b": ("HTTP with requests was the fastest", f"{SLOWER} requests does much."),
        "c": ("HTTP with http.client was the fastest", SLOWER),
    }
)


# Task 1: the command that makes the modules.

MADE = {
    f"{file.removesuffix('.proto')}_{end}": (file, option)
    for file in rpc.CONTRACTS
    for end, option in [("pb2.py", "python_out"), ("pb2_grpc.py", "grpc_python_out")]
}
OPTIONS = argparse.ArgumentParser(prog="protoc", allow_abbrev=False)
OPTIONS.add_argument("-I", "--proto_path", action="append")
OPTIONS.add_argument("--python_out", nargs="?", const="")
OPTIONS.add_argument("--grpc_python_out", nargs="?", const="")
CLUES = {
    "program not found": "The calls in Python are an option of the table.",
    "Unknown flag": "Long options begin with two dashes.",
    "does not reside": "Each folder has an -I of its own.",
    "": "Each -I names a folder with contracts.",
}
OPTIONS.add_argument("files", nargs="*")


def commands(stubs):
    start, both = "python -m grpc_tools.protoc", " ".join(rpc.CONTRACTS)
    here, google = f'-I "{stubs}"', f'-I "{rpc.GOOGLE}"'
    out, calls = f'--python_out "{stubs}"', f'--grpc_python_out "{stubs}"'
    return [
        (f"{start} {here} {google} {out} {calls} {both}", "Right"),
        (f'{start} {here} -I"{rpc.GOOGLE}" {out} {calls} {both}', "Right"),
        (f"{start} {here} {out} {calls} {both}", "a second -I with {rpc.GOOGLE}"),
        (f"{start} {google} {out} {calls} {both}", "Each -I names a folder with con"),
        (f"{start} {here} {google} {out} {both}", "which option writes the calls?"),
        (f"{start} {here} {google} {calls} {both}", "which option writes the mess"),
        (f"{start} {here} {google} {out} {calls} inference.proto", "management.proto"),
        (f"{start} {here} {google} {out} {calls}", "no contract to read"),
        (f"{start} {here} {google} --python_out . {calls} {both}", "the folder stubs"),
        (f"{start} {here} {google} {out} {calls} {stubs}/*.proto", "No shell reads"),
        (f"{start} {here} {out} {both} && {start} {here} {calls} {both}", "both files"),
        (f"protoc {here} {out} {both}", "python -m grpc_tools.protoc"),
        ("python -m grpc_tools.protoc -I {stubs} --python_out .", "an f before"),
        (start, "no contract to read"),
        (
            f"{start} {here} {google} {out} {calls} {','.join(rpc.CONTRACTS)}",
            "no commas",
        ),
        (f"{start} {here} {google} {out} --grpc_out {stubs} {both}", "of the table"),
        (f"{start} {here} {google} {out[1:]} {calls} {both}", "two dashes"),
        (f"{start} {here} {google} --python_out {calls} {both}", "no folder stands"),
        (f"{start} {here} {google} {out} {calls} inference", "end in .proto"),
        (f'{start} -I "{stubs} {google} {both}', "come in pairs"),
        (f"{start} {here} -I rpc.GOOGLE {out} {calls} {both}", "in braces"),
    ]


@task(commands)
def task_1(command: str, stubs):
    """put a command into answer_1, in quotes"""
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError:
        raise Hint("A quote in the command has no end: they come in pairs.") from None
    if words[1:3] != ["-m", "grpc_tools.protoc"]:
        return f"{told(command)} does not begin with python -m grpc_tools.protoc."
    if "{" in command:
        return "A name in braces is in the text: it needs an f before the quotes."
    if {"&&", ";", "|"} & {*words}:
        return "No shell reads the command: one protoc takes both files at its end."
    options, _ = OPTIONS.parse_known_args(words[3:])
    if none := [name for name, value in vars(options).items() if value == ""]:
        return f"Behind --{none[0]} no folder stands."
    if any("*" in file for file in options.files):
        return "No shell reads the command, so a * finds nothing: name both files."
    if not options.files:
        return "There is no contract to read: their files come last."
    for folder in filter(None, (options.python_out, options.grpc_python_out)):
        if Path(folder).resolve() != Path(stubs).resolve():
            return f"It writes to {told(folder)}; they belong into the folder stubs."
    finished = subprocess.run(
        [sys.executable, *words[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    there = {path.name for path in Path(stubs).glob("*.py")}
    for name in there:
        (Path(stubs) / name).unlink()
    said = finished.stdout.strip().splitlines() or ["nothing"]
    if "google" in said[0] and "rpc.GOOGLE" not in words:
        return (
            f"protoc says: {said[0]} Your contracts import that one of Google's. It "
            "needs a second -I with {rpc.GOOGLE}, its folder."
        )
    if finished.returncode:
        said = said[0].partition("  ")[0].rstrip(".")
        if any("," in word for word in words[3:]):
            return (
                f"protoc says: {said}. Blanks part the words of a command, no commas."
            )
        if "rpc.GOOGLE" in words:
            return f"protoc says: {said}. It is a name, too: {{rpc.GOOGLE}}, in braces."
        bare = any(not file.endswith(".proto") for file in options.files)
        if bare and "relative" in said:
            return f"protoc says: {said}. The files are those that end in .proto."
        clue = next(clue for words, clue in CLUES.items() if words in said)
        return f"protoc says: {said}. {clue}"
    for name, (file, option) in MADE.items():
        if name not in there:
            kind = "messages" if option == "python_out" else "calls"
            missing = f"It made {len(there)} of 4 modules, and not {name}"
            if not getattr(options, option):
                return f"{missing}: which option writes the {kind}?"
            return f"{missing}: is {file} in the command?"
    return "Right: four modules, two for each contract."


# Tasks 2, 3 and 5: clients of the inference port.


class Spy:
    """A stub that notes how Predictions is called, and passes the calls on."""

    def __init__(self, stub):
        self.stub, self.deadlines, self.events = stub, [], []
        self.Predictions = self.Call(self)
        try:
            stub.Ping(Empty(), timeout=NO_ANSWER)
        except grpc.RpcError:
            raise requests.ConnectionError from None

    def __getattr__(self, name):
        return getattr(self.stub, name)

    class Call:
        def __init__(self, spy):
            self.spy = spy

        def __call__(self, request, timeout=None, **more):
            self.spy.deadlines.append(timeout)
            self.spy.events.append("waits")
            given = NO_ANSWER if timeout is None else timeout
            return self.spy.stub.Predictions(request, timeout=given, **more)

        def with_call(self, request, timeout=None, **more):
            self.spy.deadlines.append(timeout)
            self.spy.events.append("waits")
            given = NO_ANSWER if timeout is None else timeout
            return self.spy.stub.Predictions.with_call(request, timeout=given, **more)

        def future(self, request, timeout=None, **more):
            self.spy.deadlines.append(timeout)
            self.spy.events.append("begins")
            given = NO_ANSWER if timeout is None else timeout
            future = self.spy.stub.Predictions.future(request, timeout=given, **more)
            return Future(future, self.spy.events)


class Future:
    """A call under way, which notes when somebody waits for its end."""

    def __init__(self, future, events):
        self.future, self.events = future, events

    def __getattr__(self, name):
        if name in ("result", "code", "exception", "details"):
            self.events.append("waits")
        return getattr(self.future, name)


def right_ask(inference_pb2):
    """The reference solution of task 2, on which other examples stand."""

    def ask(stub, data, model="simple_linear", timeout=5):
        message = inference_pb2.PredictionsRequest(
            model_name=model, input={"data": data}
        )
        try:
            return "OK", stub.Predictions(message, timeout=timeout).prediction
        except grpc.RpcError as error:
            return error.code().name, b""

    return ask


def clients(inference_pb2):
    ask = right_ask(inference_pb2)

    def request(data, model="simple_linear"):
        return inference_pb2.PredictionsRequest(model_name=model, input={"data": data})

    def no_deadline(stub, data, model="simple_linear", timeout=5):
        return "OK", stub.Predictions(request(data, model)).prediction

    def always_five(stub, data, model="simple_linear", timeout=5):
        return "OK", stub.Predictions(request(data, model), timeout=5).prediction

    def catches_nothing(stub, data, model="simple_linear", timeout=5):
        message = request(data, model)
        return "OK", stub.Predictions(message, timeout=timeout).prediction

    def same_model(stub, data, model="simple_linear", timeout=5):
        return ask(stub, data, "simple_linear", timeout)

    def same_number(stub, data, model="simple_linear", timeout=5):
        return ask(stub, b"5", model, timeout)

    def whole(stub, data, model="simple_linear", timeout=5):
        return "OK", stub.Predictions(request(data, model), timeout=timeout)

    def code(stub, data, model="simple_linear", timeout=5):
        try:
            return catches_nothing(stub, data, model, timeout)
        except grpc.RpcError as error:
            return error.code(), b""

    def same_status(stub, data, model="simple_linear", timeout=5):
        status, answer = ask(stub, data, model, timeout)
        return "OK" if status == "OK" else "INTERNAL", answer

    def in_a_list(stub, data, model="simple_linear", timeout=5):
        return [*ask(stub, data, model, timeout)]

    def with_call(stub, data, model="simple_linear", timeout=5):
        try:
            answer, ended = stub.Predictions.with_call(
                request(data, model), timeout=timeout
            )
        except grpc.RpcError as error:
            return error.code().name, b""
        return ended.code().name, answer.prediction

    def not_a_map(stub, data, model="simple_linear", timeout=5):
        message = inference_pb2.PredictionsRequest(model_name=model, input=data)
        return "OK", stub.Predictions(message, timeout=timeout).prediction

    def uncalled(stub, data, model="simple_linear", timeout=5):
        try:
            return catches_nothing(stub, data, model, timeout)
        except grpc.RpcError as error:
            return error.code.name, b""

    def other_field(stub, data, model="simple_linear", timeout=5):
        message = inference_pb2.PredictionsRequest(model=model)
        return "OK", stub.Predictions(message, timeout=timeout).prediction

    def by_keyword(stub, data, model="simple_linear", timeout=5):
        try:
            answer = stub.Predictions(request=request(data, model), timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, b""
        return "OK", answer.prediction

    def numbered(stub, data, model="simple_linear", timeout=5):
        return 200, ask(stub, data, model, timeout)[1]

    def parsed(stub, data, model="simple_linear", timeout=5):
        status, answer = ask(stub, data, model, timeout)
        return status, json.loads(answer) if answer else b""

    def with_deadline(stub, data, model="simple_linear", timeout=5):
        return "OK", stub.Predictions(request(data, model), deadline=timeout)

    def as_text(stub, data, model="simple_linear", timeout=5):
        return "OK", stub.Predictions(request(str(data), model), timeout=timeout)

    def no_status(stub, data, model="simple_linear", timeout=5):
        return "", ask(stub, data, model, timeout)[1]

    def refuses_text(stub, data, model="simple_linear", timeout=5):
        try:
            return catches_nothing(stub, data, model, timeout)
        except grpc.RpcError:
            return "ERROR", None

    return [
        (ask, "Right"),
        (in_a_list, "Right"),
        (with_call, "Right"),
        (not_a_map, "input takes a dictionary"),
        (no_deadline, "no deadline"),
        (always_five, "timeout=7 was asked for"),
        (catches_nothing, "Catch grpc.RpcError"),
        (same_model, "Does model go into the message?"),
        (same_number, "Does data go into the message?"),
        (whole, "its field prediction has the bytes"),
        (code, "its name is a text"),
        (same_status, "a deadline that is over ('INTERNAL'"),
        (uncalled, "The status is error.code().name"),
        (other_field, "The contract above"),
        (numbered, 'it is "OK"'),
        (parsed, "as they came"),
        (with_deadline, "as timeout=…"),
        (as_text, "bytes already"),
        (by_keyword, "Right"),
        (no_status, 'it is "OK"'),
        (refuses_text, "error.code().name"),
        (lambda stub, data: ask(stub, data)[1], "two things, status"),
        (lambda *_: ("OK", b"[9]"), "the stub it was given"),
        (lambda stub, data: ask(stub, data), "raises TypeError"),
    ]


def pair(label, found):
    """The status and the bytes that ask returns."""
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise Hint(f"{label} gives {told(found)}: return two things, status, bytes.")
    status, answer = found
    if hasattr(answer, "prediction"):
        raise Hint(f"{label} gives a message; its field prediction has the bytes.")
    if isinstance(status, grpc.StatusCode):
        raise Hint(f"{label} gives {told(status)}; its name is a text.")
    if status == "" or not isinstance(status, str):
        wrong = f"{label} has the status {told(status)}"
        raise Hint(f'{wrong}: of a call that returns it is "OK".')
    return status, answer


@task(clients)
def task_2(ask: Callable, predictor):
    """write the function ask"""
    spy = Spy(predictor)
    label = 'ask(stub, b"5")'
    try:
        found = call(label, ask, spy, b"5")
    except Hint as hint:
        clues = {
            "unpack": 'input takes a dictionary: {"data": data}.',
            "'deadline'": "The call takes it as timeout=….",
            "expected bytes": "data is made of bytes already: as it is, please.",
            "has no": "The contract above has the names of the fields.",
        }
        more = [clue for word, clue in clues.items() if word in str(hint)]
        return " ".join([str(hint), *more])
    if not spy.deadlines:
        return f"{label} made no call of stub.Predictions, the stub it was given."
    five = pair(label, found)
    if five[0] == "OK" and not isinstance(five[1], bytes):
        return f"{label} gives {told(five)}: the bytes of prediction as they came."
    if spy.deadlines[0] is None:
        return f"{label} calls with no deadline: it would wait for ever."
    label = 'ask(stub, b"-2.75", timeout=7)'
    other = pair(label, call(label, lambda: ask(spy, b"-2.75", timeout=7)))
    if spy.deadlines[-1] != 7:
        return f"timeout=7 was asked for, and the call got {told(spy.deadlines[-1])}."
    label = 'ask(stub, b"5", model="nosuch")'
    try:
        wrong = pair(label, ask(spy, b"5", model="nosuch"))
    except grpc.RpcError:
        return f"{label} raises INTERNAL. Catch grpc.RpcError and return its status."
    except AttributeError as error:
        return f"{label} raises {told(error)}. The status is error.code().name."
    if wrong[0] == "OK":
        return f"{label} gives an answer. Does model go into the message?"
    if wrong != ("INTERNAL", b""):
        return f"{label} gives {told(wrong)}. Return error.code().name and b''."
    if five == other:
        return f"5 and -2.75 get the same: {told(five)}. Does data go into the message?"
    # A short one races: in 1 of 8 calls the server ends it first, with CANCELLED.
    late = 'ask(stub, b"5", timeout=-1)'
    gave_up = pair(late, call(late, lambda: ask(spy, b"5", timeout=-1)))
    if not (near(five, 9) and near(other, -6.5)) or gave_up[0] != "DEADLINE_EXCEEDED":
        return f"5 gives {told(five)}, and a deadline that is over {told(gave_up)}."
    return "Right: OK for 5, INTERNAL for no model, DEADLINE_EXCEEDED when it is over."


def near(found, wanted):
    """Whether the status is OK, and the answer a list with about that number."""
    try:
        status, [value] = found[0], json.loads(found[1])
        return status == "OK" and isclose(value, wanted, abs_tol=0.1)
    except (TypeError, ValueError):
        return False


def predictors(inference_pb2):
    ask = right_ask(inference_pb2)

    def predict(stub, data, **options):
        status, answer = ask(stub, data, **options)
        if status != "OK":
            raise RuntimeError(status)
        answer = json.loads(answer)
        if isinstance(answer, dict):
            raise ValueError(answer["message"])
        return answer[0]

    def trusting(stub, data, **options):
        status, answer = ask(stub, data, **options)
        if status != "OK":
            raise RuntimeError(status)
        return json.loads(answer)[0]

    def believes_ok(stub, data, **options):
        answer = json.loads(ask(stub, data, **options)[1])
        if isinstance(answer, dict):
            raise ValueError(answer["message"])
        return answer[0]

    def silent(stub, data, **options):
        try:
            return predict(stub, data, **options)
        except ValueError:
            return None

    def in_other_words(stub, data, **options):
        status, answer = ask(stub, data, **options)
        if b"message" in answer:
            said = json.loads(answer)
            raise ValueError(f"code {said['code']}: {said['message']}")
        return predict(stub, data, **options)

    def wordy(stub, data, **options):
        status, answer = ask(stub, data, **options)
        if b"message" in answer:
            raise ValueError(json.loads(answer))
        return predict(stub, data, **options)

    def returned(stub, data, **options):
        try:
            return predict(stub, data, **options)
        except ValueError as error:
            return error

    def wordless(stub, data, **options):
        try:
            return predict(stub, data, **options)
        except ValueError:
            raise ValueError from None

    def without_status(stub, data, **options):
        try:
            return predict(stub, data, **options)
        except RuntimeError:
            raise RuntimeError from None

    def alone(stub, data, **options):
        return predict(stub, data)

    def packed(stub, data, **options):
        return json.loads(ask(stub, data, options)[1])[0]

    def other_error(stub, data, **options):
        try:
            return predict(stub, data, **options)
        except RuntimeError:
            return "INTERNAL"

    return [
        (predict, "Right"),
        (trusting, "raises KeyError: 0. A refusal is a dict"),
        (believes_ok, "raises JSONDecodeError"),
        (silent, "gives None, where ValueError"),
        (wordy, "its message alone"),
        (in_other_words, "Right"),
        (returned, "It is returned: raise it"),
        (wordless, "without the handler's message"),
        (without_status, "without the status"),
        (other_error, "gives 'INTERNAL', where RuntimeError"),
        (alone, "do the options reach ask?"),
        (packed, "ask(stub, data, **options)"),
        (lambda stub, data: json.loads(ask(stub, data)[1]), "a list: its first"),
        (lambda stub, data: ask(stub, data)[1], "bytes: json.loads"),
        (lambda stub, data: ask(stub, data), "gives ('OK'"),
        (lambda *_: 8.99, "sent nothing"),
        (lambda stub: 5, "raises TypeError"),
    ]


@task(predictors)
def task_3(predict: Callable, predictor):
    """write the function predict"""
    spy = Spy(predictor)
    label = 'predict(stub, b"5")'
    try:
        found = call(label, predict, spy, b"5")
    except Hint as hint:
        wrong = "bad argument type" in str(hint)
        return f"{hint} {'Is it ask(stub, data, **options)?' if wrong else ''}".strip()
    kind = type(found).__name__
    if not spy.deadlines:
        return f"{label} sent nothing: it has to use its stub."
    if kind == "list":
        return f"{label} gives {told(found)}, a list: its first element is the number."
    if kind == "bytes":
        return f"{label} gives {told(found)}, bytes: json.loads makes a list of them."
    if kind != "float" or not isclose(found, 9, abs_tol=0.1):
        return f"{label} gives {told(found)}, and not the number 8.99."
    label = 'predict(stub, b"five")'
    refused = raised(label, lambda: predict(spy, b"five"), ValueError, "OK")
    if "one finite number" not in str(refused):
        return f"{label} raises ValueError without the handler's message."
    if re.search(r"""['"]message['"]:""", str(refused)):
        return (
            f"{label} raises ValueError with the whole dictionary: its message alone."
        )
    label = 'predict(stub, b"5", model="nosuch")'
    wrong = lambda: predict(spy, b"5", model="nosuch")  # noqa: E731
    failed = raised(label, wrong, RuntimeError, "INTERNAL")
    if "INTERNAL" not in str(failed):
        return f"{label} raises {told(failed)} without the status."
    return "Right: a number for 5, the handler's words for five, INTERNAL for no model."


def raised(label, function, kind, status):
    """The error that a call raises, which has to be of that kind."""
    try:
        found = function()
    except kind as error:
        return error
    except Exception as error:
        more = (
            " A refusal is a dict." if isinstance(error, (KeyError, TypeError)) else ""
        )
        raise Hint(
            f"{label} raises {told(error)}.{more} The call ended with {status}: "
            f"{kind.__name__} is to be raised."
        ) from None
    more = " With a number: do the options reach ask?" if kind is RuntimeError else ""
    more = " It is returned: raise it." if isinstance(found, Exception) else more
    raise Hint(
        f"{label} gives {told(found)}, where {kind.__name__} is to be raised.{more}"
    )


def senders(inference_pb2):
    def begin(stub, data, **more):
        message = inference_pb2.PredictionsRequest(
            model_name="simple_linear", input={"data": data}
        )
        return stub.Predictions.future(message, **{"timeout": 30, **more})

    def ask_all(stub, bodies):
        calls = [begin(stub, data) for data in bodies]
        return [call.result().prediction for call in calls]

    def one_by_one(stub, bodies):
        return [begin(stub, data).result().prediction for data in bodies]

    def no_deadline(stub, bodies):
        calls = [begin(stub, data, timeout=None) for data in bodies]
        return [call.result().prediction for call in calls]

    def last_first(stub, bodies):
        return ask_all(stub, bodies[::-1])

    def callbacks(stub, bodies):
        answers, calls = {}, futures(stub, bodies)
        for data, under_way in zip(bodies, calls, strict=True):
            keep = lambda done, data=data: answers.update({data: done.result()})  # noqa: E731
            under_way.add_done_callback(keep)
        while len(answers) < len(bodies):
            time.sleep(0.01)
        return tuple(answers[data].prediction for data in bodies)

    def generator(stub, bodies):
        yield from ask_all(stub, bodies)

    def numbers(stub, bodies):
        return [json.loads(answer)[0] for answer in ask_all(stub, bodies)]

    def late_deadline(stub, bodies):
        calls = [begin(stub, data, timeout=None) for data in bodies]
        return [call.result(timeout=5).prediction for call in calls]

    def in_threads(stub, bodies):
        def one(data):
            message = inference_pb2.PredictionsRequest(
                model_name="simple_linear", input={"data": data}
            )
            return stub.Predictions(message, timeout=5).prediction

        with ThreadPoolExecutor(20) as pool:
            return [*pool.map(one, bodies)]

    def futures(stub, bodies):
        return [begin(stub, data) for data in bodies]

    def messages(stub, bodies):
        return [call.result() for call in futures(stub, bodies)]

    return [
        (ask_all, "Right"),
        (one_by_one, "1 call was under way"),
        (callbacks, "Right"),
        (generator, "Right"),
        (numbers, "a float, and not the bytes"),
        (late_deadline, "future(message, timeout=…)"),
        (in_threads, "stub.Predictions waits by itself"),
        (no_deadline, "no deadline"),
        (last_first, "out of order"),
        (futures, "wait with result()"),
        (messages, "field prediction"),
        (lambda stub, bodies: ask_all(stub, bodies)[:3], "a list of 20"),
        (lambda stub, bodies: {*ask_all(stub, bodies)}, "a list of 20"),
        (lambda stub, bodies: [b"[9]"] * 20, "sent 0 messages"),
    ]


@task(senders)
def task_5(ask_all: Callable, predictor):
    """write the function ask_all"""
    spy = Spy(predictor)
    bodies = [str(number).encode() for number in range(20)]
    label = "ask_all(stub, bodies) with 20 bodies"
    start = time.perf_counter()
    found = call(label, ask_all, spy, [*bodies])
    if isinstance(found, (tuple, Iterator)):
        found = call(label, list, found)
    took = 1000 * (time.perf_counter() - start)
    if len(spy.deadlines) != 20:
        return f"{label} sent {len(spy.deadlines)} messages, and not 20."
    if not isinstance(found, list) or len(found) != 20:
        return f"{label} gives {told(found)}: return a list of 20 answers."
    if isinstance(found[0], (grpc.Future, Future)):
        return f"{label} gives calls under way: wait with result() for each."
    if hasattr(found[0], "prediction"):
        return f"{label} gives messages: return their field prediction."
    if None in spy.deadlines:
        return f"{label} began calls with no deadline: future(message, timeout=…)."
    if "begins" not in spy.events:
        return "stub.Predictions waits by itself. stub.Predictions.future does not."
    if not isinstance(found[0], (bytes, Exception)):
        kind = type(found[0]).__name__
        return f"{label} gives {told(found[0])}, a {kind}, and not the bytes."
    begun = spy.events.index("waits") if "waits" in spy.events else 20
    if begun < 20:
        calls = "1 call was" if begun == 1 else f"{begun} calls were"
        return (
            f"Only {calls} under way when the first wait began: begin all, then wait."
        )
    if not all(near(("OK", it), 2 * n - 1) for n, it in enumerate(found)):
        return f"An answer is wrong, or out of order: the first is {told(found[0])}."
    return f"Right: 20 calls were under way at once, and took {took:.0f} ms in all."


# Task 4: a request of the management port.

NAME = "check-4"
BATCH = 8


def translations(management_pb2):
    def register(stub, name, **more):
        fields = {"url": "simple_linear.mar", "model_name": name, "batch_size": BATCH}
        fields |= {"synchronous": True, **more}
        message = management_pb2.RegisterModelRequest(**fields)
        return stub.RegisterModel(message, timeout=60).msg

    def at_once(stub, name):
        return register(stub, name, synchronous=False)

    def no_batch(stub, name):
        return register(stub, name, batch_size=0, synchronous=False)

    def other_name(stub, name):
        return register(stub, "check-4-other", synchronous=False)

    def no_archive(stub, name):
        return register(stub, name, url="nosuch.mar")

    def taken(stub, name):
        return register(stub, "simple_linear")

    def no_deadline(stub, name):
        fields = {"model_name": name, "batch_size": BATCH, "synchronous": True}
        fields |= {"url": "simple_linear.mar"}
        stub.RegisterModel(management_pb2.RegisterModelRequest(**fields))

    def polls(stub, name):
        register(stub, name, synchronous=False)
        message = management_pb2.DescribeModelRequest(model_name=name)
        while "READY" not in stub.DescribeModel(message, timeout=5).msg:
            time.sleep(0.1)

    def quoted(stub, name):
        return register(stub, name, synchronous="true")

    def elsewhere(stub, name):
        return register(stub.stub, name, synchronous=False)

    def under_way(stub, name):
        fields = {"model_name": name, "batch_size": BATCH, "synchronous": True}
        message = management_pb2.RegisterModelRequest(url="simple_linear.mar", **fields)
        stub.RegisterModel.future(request=message, timeout=60).result()

    def called(stub, name):
        fields = {"model_name": name, "batch_size": 4}
        message = management_pb2.RegisterModelRequest(url="simple_linear.mar", **fields)
        return stub.RegisterModel.with_call(message, timeout=60)[0]

    def forgot(stub, name):
        management_pb2.RegisterModelRequest(model_name=name)

    return [
        (register, "Right"),
        (polls, "Right"),
        (no_deadline, "no deadline"),
        (quoted, "without quotes"),
        (at_once, "no worker READY"),
        (no_batch, "batchSize 1"),
        (other_name, "has no model check-4"),
        (no_archive, "NOT_FOUND"),
        (taken, "a name that it has"),
        (elsewhere, "the stub it was given"),
        (under_way, "Right"),
        (called, "batchSize 4"),
        (forgot, "has no model check-4"),
        (lambda stub, name: stub.RegisterModel({"url": name}), "serializing"),
        (lambda stub: stub, "raises TypeError"),
    ]


@task(translations)
def task_4(register: Callable, manager, management):
    """write the function register"""
    label = f'register(stub, "{NAME}")'
    spy = Registrar(manager)
    error, described, new = attempt(register, spy, f"{management}/models")
    if isinstance(error, grpc.RpcError):
        said = f"{label} ends with {error.code().name}"
        if error.code() is grpc.StatusCode.UNKNOWN:
            return f"{said}, as for a name that it has. Is name the model_name?"
        return f"{said}: {error.details()}"
    if error:
        quoted = "interpreted as an integer" in str(error)
        more = " A number or a flag stands there without quotes." if quoted else ""
        return f"{label} raises {told(error)}.{more}"
    if not described:
        more = ", ".join(new) or "nothing new"
        return f"The server has no model {NAME}, but {more}."
    if not spy.deadlines:
        return f"{label} made no call of stub.RegisterModel, the stub it was given."
    if None in spy.deadlines:
        return f"{label} calls with no deadline: timeout=60."
    if (size := described["batchSize"]) != BATCH:
        return f"{NAME} has batchSize {size}; the request says {BATCH}."
    if "READY" not in [worker["status"] for worker in described["workers"]]:
        return (
            f"When your function returned, {NAME} had no worker READY. HTTP waits "
            "for it by default; what is synchronous if nobody sets it?"
        )
    return f"Right: {NAME} was READY when your function returned, batchSize {BATCH}."


class Registrar:
    """A stub of the management port that notes the deadlines of RegisterModel."""

    def __init__(self, stub):
        self.stub, self.deadlines = stub, []
        self.RegisterModel = self.Call(self)

    def __getattr__(self, name):
        return getattr(self.stub, name)

    class Call:
        def __init__(self, spy):
            self.spy = spy

        def __call__(self, request, timeout=None, **more):
            return self.begin("__call__", request, timeout, more)

        def with_call(self, request, timeout=None, **more):
            return self.begin("with_call", request, timeout, more)

        def future(self, request, timeout=None, **more):
            return self.begin("future", request, timeout, more)

        def begin(self, way, request, timeout, more):
            self.spy.deadlines.append(timeout)
            given = 60 if timeout is None else timeout
            call = getattr(self.spy.stub.RegisterModel, way)
            return call(request, timeout=given, **more)


def attempt(register, manager, models):
    """The error, how the server describes the model then, and what else is new.

    Whatever is new is unregistered.
    """
    error, described, before = None, None, names(models)
    try:
        register(manager, NAME)
    except (Exception, SystemExit) as raised:
        error = raised
    new = names(models) - before
    if NAME in new:
        [described] = requests.get(f"{models}/{NAME}", timeout=30).json()
    for name in new:
        requests.delete(f"{models}/{name}", timeout=30)
    return error, described, new


def names(models):
    """Of the models on the server."""
    answer = requests.get(models, params={"limit": 100}, timeout=30).json()
    return {model["modelName"] for model in answer["models"]}
