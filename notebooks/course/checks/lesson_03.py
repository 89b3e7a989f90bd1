import copy
import json
import logging
import struct
import traceback
from collections.abc import Callable

import torch
from ts.context import Context
from ts.torch_handler.base_handler import BaseHandler

from course import local_worker
from course.checks.form import TYPICAL, Guess, Hint, outcome, task, told

METHODS = ("preprocess", "inference", "postprocess")
MATCH = "number of batch response mismatched"

guess_1 = Guess(
    {
        "a": (
            "both get the answer for 5",
            "There is one answer, and nothing says that it is for both.",
        ),
        "b": (
            "5 gets its answer, 7 an error",
            "There is one answer, and nothing says that it belongs to the first.",
        ),
        "c": ("both get an error", ""),
    },
    right="c",
)
guess_2 = Guess(
    {
        "a": ("none of them", "float reads all four, and nobody else looks."),
        "b": ('True and "1_000"', "nan and infinity are floats too, and they pass."),
        "c": ("all four", ""),
    },
    right="c",
)


FORM = ' A form\'s request has no "body": look under "data" then.'
ZERO = ' 0 counts as false, so "or" passes it over: get("body", …) does not.'
ONE_KEY = ' Only a form\'s request has "data": get("data") gives None elsewhere.'
TYPES = {**TYPICAL, "coroutine": "Write def alone, without async."}


def in_worker(learners, model=lambda rows: 2 * rows - 1):
    """A worker with the learner's class, and its handler, which notes what happens."""

    class Probe(learners):
        rows, raised = ..., None

        def initialize(self, context):
            self.device = torch.device("cpu")

        def inference(self, rows):
            self.rows = rows
            return model(rows) if isinstance(rows, torch.Tensor) else rows

        def handle(self, requests, context):
            try:
                return super().handle(requests, context)
            except Exception as error:
                self.raised = error
                raise

    if not issubclass(learners, BaseHandler):
        raise Hint(f"{told(learners)} is no handler: leave the class's first line.")
    Probe.__name__ = learners.__name__
    handler = Probe()
    context = Context("probe", "", {}, 8, None, "", model_yaml_config={})
    return local_worker.start(handler, context), handler


def asked(worker, *values):
    """Answers to a batch: text and JSON in the body, bytes in a form's field."""
    form = (bytes, bytearray)
    batch = [{"data" if isinstance(it, form) else "body": it} for it in values]
    logging.disable()  # TorchServe logs what it cannot write as JSON, at length
    try:
        return worker.ask(*batch)
    except struct.error:
        raise Hint("The status is a number: 400, without quotes.") from None
    finally:
        logging.disable(logging.NOTSET)


def exception(handler):
    """Where a handler's method raised what, in words."""
    frames = [
        frame.name for frame in traceback.extract_tb(handler.raised.__traceback__)
    ]
    names = [name for name in frames if name in METHODS]
    return f"{names[-1] if names else 'The handler'} raises {told(handler.raised)}."


def why(handler, values):
    """A hint for what a handler's method raised, if it is a usual one."""
    error, text = handler.raised, str(handler.raised)
    if isinstance(error, AttributeError) and error.name == "refused":
        return " Begin self.refused in preprocess, anew for every batch."
    if "positional argument" in text:
        return " Its parameters are self and one more."
    if "cannot unpack" in text or "too many values to unpack" in text:
        return " Of a dictionary, .items() gives both: index and message."
    if "'NoneType' object is not callable" in text and handler.rows is ...:
        return " preprocess makes the tensor, and inference asks the model."
    if isinstance(error, (KeyError, TypeError)) and 0 in values:
        return ZERO
    if isinstance(error, KeyError) and error.args == ("data",):
        return ONE_KEY
    if isinstance(error, (KeyError, TypeError)):
        return FORM if any(isinstance(it, (bytes, bytearray)) for it in values) else ""
    if "dimensions 'str'" in text:
        return " float() reads each of them."
    return " The placeholder is a number: 0.0." if "NoneType" in text else ""


def no_tensor(rows):
    """A hint for what preprocess gives instead."""
    return TYPES.get(type(rows).__name__, "torch.tensor makes one.")


def number_of(answer):
    """What the model said, or None if the body says something else."""
    said = body_of(answer) if answer.status == 200 else None
    return said[0] if isinstance(said, list) and said else None


def body_of(answer):
    """What JSON says, or the text if it is none."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body


class Batch(BaseHandler):
    """What an answer to task 1 does right; the others leave one thing out."""

    def preprocess(self, requests):
        values = [request.get("body", request.get("data")) for request in requests]
        return torch.tensor([[float(value)] for value in values])


def batch(preprocess):
    return type("Learners", (BaseHandler,), {"preprocess": preprocess})


def bodies_first(self, requests):
    forms = [it for it in requests if "data" in it]
    return Batch.preprocess(self, [it for it in requests if "body" in it] + forms)


def bodies(requests):
    return [float(request.get("body", request.get("data"))) for request in requests]


@task(
    (Batch, "Right"),
    (batch(lambda self, them: torch.tensor([bodies(them)[:1]])), "alone"),
    (batch(lambda self, them: torch.tensor(bodies(them))), "(2,) is not (2, 1)"),
    (batch(lambda self, them: torch.tensor([bodies(them)])), "(1, 2) is not (2, 1)"),
    (batch(lambda self, them: [[it] for it in bodies(them)]), "torch.tensor"),
    (batch(lambda self, them: print(end="")), "Is there a return?"),
    (batch(lambda self, them: Batch.preprocess(self, them).long()), "float()"),
    (
        batch(lambda self, them: torch.tensor([[float(it["body"])] for it in them])),
        'has no "body"',
    ),
    (
        batch(
            lambda self, them: torch.tensor([[float(it.get("body"))] for it in them])
        ),
        'has no "body"',
    ),
    (
        batch(
            lambda self, them: torch.tensor(
                [[float(it.get("body") or it.get("data"))] for it in them]
            )
        ),
        "0 counts as false",
    ),
    (
        batch(lambda self, them: torch.tensor([[it.get("body")] for it in them])),
        "float() reads each",
    ),
    (batch(lambda self, them: Batch.preprocess(self, them).double()), "NumPy"),
    (batch(lambda self, them: 1 / 0), "ZeroDivisionError"),
    (
        batch(
            lambda self, them: torch.tensor(
                [[float(it.get("body", it["data"]))] for it in them]
            )
        ),
        "gives None elsewhere",
    ),
    (
        batch(
            lambda self, them: torch.tensor(
                [[float(it["body"] or it["data"])] for it in them]
            )
        ),
        "0 counts as false",
    ),
    (batch(lambda them: them), "self and one more"),
    (batch(lambda self, them: self.model(Batch.preprocess(self, them))), "inference"),
    (batch(lambda self, them: (yield)), "not yield"),
    (batch(bodies_first), "Keep the order"),
    (batch(lambda self, them: Batch.preprocess(self, them).sort(0)[0]), "order"),
    (BaseHandler, "raises"),
    (int, "is no handler"),
    (type("Late", (Batch,), {"postprocess": lambda *_: 1}), "Invalid model"),
)
def task_1(batch_handler: type):
    """write preprocess and run both cells"""
    for values in ["5", "7"], [0], [7, bytearray(b"-1"), "5"]:
        worker, handler = in_worker(batch_handler)
        answers = asked(worker, *values)
        size, rows = len(values), handler.rows
        sent = f"Of a batch with {', '.join(map(str, map(repr, values)))}:"
        if rows is ...:
            return f"{sent} {exception(handler)}{why(handler, values)}"
        if not isinstance(rows, torch.Tensor):
            gives = f"preprocess gives {told(rows)}, and no tensor."
            return f"{sent} {gives} {no_tensor(rows)}"
        if rows.shape != (size, 1):
            shape = f"the shape {tuple(rows.shape)} is not ({size}, 1)."
            hint = "One row for each request: a list of lists with one number each."
            if rows.numel() == 1:
                hint = "It has one number: do you read requests[0] alone?"
            return f"{sent} {shape} {hint}"
        if rows.dtype != torch.float32:
            hint = "float() the values."
            if rows.dtype == torch.float64:
                hint = "torch.tensor makes that of floats, and NumPy does not."
            return f"{sent} {rows.dtype} is not the model's float32. {hint}"
        if answers[0].status != 200:
            return f"{sent} {answers[0]}. Leave the other methods as they are."
        if rows.flatten().tolist() != [float(value) for value in values]:
            return f"{sent} the rows are {rows.flatten().tolist()}. Keep the order."
    return "Right: batches of 1, 2 and 3 get 1, 2 and 3 answers, in order."


HUGE = 10**400
VALUES = [
    ("5", 5.0, "A text: float() reads it."),
    ("-2.5e1", -25.0, "Leave the reading to float(): it knows how numbers look."),
    (-0.5, -0.5, "JSON arrives as a number already."),
    (5, 5.0, "Give a float for a whole number too."),
    (bytearray(b"7"), 7.0, "Bytes come first: decode() makes text of them."),
    ("abc", ValueError, "float() raises it for you: let it through."),
    (bytearray(b"\xff"), ValueError, "decode() raises it for you."),
    (None, ValueError, "A request may be empty. Only ValueError is a refusal here."),
    ([5], ValueError, "JSON may be a list. Ask for the type before float()."),
    ({"value": 5}, ValueError, "JSON may be an object. Ask for the type."),
    (True, ValueError, "A boolean is an int in Python: ask for bool too."),
    ("1_000", ValueError, "float() skips underscores: look for one in a text."),
    (bytearray(b"1_000"), ValueError, "Bytes come as bytearray: decode() them first."),
    ("1e39", ValueError, "It is beyond 1e38."),
    (HUGE, ValueError, "JSON has such integers. Compare first, then float()."),
    ("-1e39", ValueError, "It is beyond -1e38."),
    ("inf", ValueError, "It is beyond 1e38."),
    ("nan", ValueError, "Comparing with nan is always False: not (low <= it <= high)."),
]


def parse_number(value, leave_out=()):
    """What an answer to task 2 does, but for what is left out."""
    if isinstance(value, (bytes, bytearray)) and "decode" not in leave_out:
        value = value.decode()
    if isinstance(value, str):
        if "_" in value and "underscore" not in leave_out:
            raise ValueError("not a number")
        value = float(value)
    if "type" not in leave_out and not isinstance(value, (int, float)):
        raise ValueError("not a number")
    if isinstance(value, bool) and "bool" not in leave_out:
        raise ValueError("not a number")
    if "nan" in leave_out and abs(value) > 1e38:
        raise ValueError("too large")
    if not {"nan", "large"} & {*leave_out} and not -1e38 <= value <= 1e38:
        raise ValueError("too large or not finite")
    return float(value)


def without(*names):
    return lambda value: parse_number(value, names)


def bytes_alone(value):
    return float(value) if isinstance(value, bytearray) else parse_number(value)


def digits_alone(value):
    if isinstance(value, str) and not value.replace(".", "").isdigit():
        raise ValueError("not a number")
    return parse_number(value)


def float_first(value):
    return parse_number(float(value) if type(value) is int else value)


def returns_it(value):
    try:
        return parse_number(value)
    except ValueError as error:
        return error


def catches_all(value):
    try:
        return parse_number(value)
    except ValueError:
        return None


@task(
    (parse_number, "Right"),
    (without("decode"), "Bytes come first"),
    (without("underscore"), "skips underscores"),
    (without("type"), "Only ValueError"),
    (without("bool"), "A boolean"),
    (without("nan"), "Comparing with nan"),
    (without("large"), "beyond 1e38"),
    (lambda value: value if value == "5" else float(value), "parse_number('5') gives"),
    (catches_all, "let it through"),
    (bytes_alone, "decode() them first"),
    (digits_alone, "Leave the reading to float()"),
    (float_first, "parse_number(10**400) raises OverflowError"),
    (returns_it, "raise it, do not return it"),
    (lambda value: ValueError if value is True else parse_number(value), "raise it"),
    (lambda value: print(end=""), "Is there a return?"),
    (lambda value: int(value), "It has to give 5.0"),
    (lambda value: float(value.get("body")), "not the request around it"),
)
def task_2(parse: Callable):
    """write parse_number and run both cells"""
    for value, wanted, hint in VALUES:
        try:
            does, found = "gives", parse(copy.deepcopy(value))
        except (Exception, SystemExit) as error:
            does, found = "raises", error
        if wanted is ValueError and does == "raises" and isinstance(found, ValueError):
            continue
        if wanted is not ValueError and type(found) is float and found == wanted:
            continue
        right = "raise ValueError" if wanted is ValueError else f"give {wanted}"
        if value == "5" and does == "raises":
            hint = "It is given a value, not the request around it."
        elif wanted is not ValueError:
            hint = TYPES.get(type(found).__name__, hint)
        returned = found is ValueError or isinstance(found, ValueError)
        if returned and wanted is ValueError:
            hint = "raise it, do not return it."
        shown = "10**400" if value == HUGE else told(value)
        call = f"parse_number({shown}) {does} {told(found)}."
        return f"{call} It has to {right}. {hint}"
    refused = sum(wanted is ValueError for _, wanted, _ in VALUES)
    return f"Right: {len(VALUES) - refused} values are read, {refused} are refused."


class Refusing(BaseHandler):
    """What an answer to task 3 does right; the others change one thing."""

    def preprocess(self, requests):
        self.refused, numbers = {}, []
        for index, request in enumerate(requests):
            try:
                value = request.get("body", request.get("data"))
                numbers.append(parse_number(value))
            except ValueError as error:
                self.refused[index] = str(error)
                numbers.append(0.0)
        return torch.tensor(numbers).reshape(-1, 1)

    def postprocess(self, outputs):
        answers = outputs.tolist()
        for index, message in self.refused.items():
            self.context.set_response_status(400, "Bad Request", index)
            answers[index] = {"message": message}
        return answers


def refusing(**methods):
    return type("Learners", (Refusing,), methods)


def drops(self, requests):
    rows = Refusing.preprocess(self, requests)
    return rows[[index not in self.refused for index in range(len(rows))]]


def keeps_notes(self, requests):
    before = getattr(self, "refused", {})
    rows = Refusing.preprocess(self, requests)
    self.refused = before | self.refused
    return rows


def shifted(self, outputs):
    answers = outputs.tolist()
    for place, (index, message) in enumerate(self.refused.items()):
        self.context.set_response_status(400, "Bad Request", place)
        answers[index] = {"message": message}
    return answers


def without_status(self, outputs):
    answers = outputs.tolist()
    for index, message in self.refused.items():
        answers[index] = {"message": message}
    return answers


def text_status(self, outputs):
    self.context.set_response_status("400", "Bad Request", 1)
    return outputs.tolist()


def unpacks(self, outputs):
    for index, message in self.refused:
        self.context.set_response_status(400, message, index)


def status_alone(self, outputs):
    for index in self.refused:
        self.context.set_response_status(400, "Bad Request", index)
    return outputs.tolist()


def raises(self, requests):
    return torch.tensor([[parse_number(request.get("body"))] for request in requests])


def by_body(self, requests):
    only = [{"body": it.get("body")} for it in requests]
    return Refusing.preprocess(self, only)


def by_key(self, requests):
    return Refusing.preprocess(self, [{"body": it["body"]} for it in requests])


def by_or(self, requests):
    either = [{"body": it.get("body") or it.get("data")} for it in requests]
    return Refusing.preprocess(self, either)


def whole_requests(self, requests):
    return Refusing.preprocess(self, [{"body": request} for request in requests])


def whole_placeholder(self, requests):
    rows = Refusing.preprocess(self, requests)
    return rows.long() if len(self.refused) == len(rows) else rows


def no_placeholder(self, requests):
    rows = Refusing.preprocess(self, requests).tolist()
    return torch.tensor(
        [None if n in self.refused else it for n, it in enumerate(rows)]
    )


def never_begun(self, requests):
    try:
        return raises(self, requests)
    except ValueError as error:
        self.refused[0] = str(error)


def says_text(self, outputs):
    answers = Refusing.postprocess(self, outputs)
    return [it if isinstance(it, list) else it["message"] for it in answers]


def bare_numbers(self, outputs):
    answers = Refusing.postprocess(self, outputs)
    return [it[0] if isinstance(it, list) else it for it in answers]


def says_nothing(self, outputs):
    answers = Refusing.postprocess(self, outputs)
    return [it if isinstance(it, list) else {} for it in answers]


@task(
    (Refusing, "Right"),
    (refusing(preprocess=raises), "Catch it for one request"),
    (refusing(preprocess=drops), "keeps a refused one's place"),
    (refusing(preprocess=lambda *_: print(end="")), "Is there a return?"),
    (
        refusing(preprocess=lambda *them: Refusing.preprocess(*them).flatten()),
        "reshape(-1, 1)",
    ),
    (refusing(preprocess=keeps_notes), "the batch before"),
    (refusing(preprocess=by_body), 'has no "body"'),
    (refusing(preprocess=by_key), 'has no "body"'),
    (refusing(preprocess=by_or), "0 counts as false"),
    (refusing(preprocess=whole_placeholder), "torch.int64"),
    (refusing(preprocess=no_placeholder), "The placeholder is a number"),
    (refusing(preprocess=never_begun), "Begin self.refused in preprocess"),
    (refusing(postprocess=lambda *_: print(end="")), "Invalid model predict output"),
    (refusing(postprocess=lambda self, rows: rows), "a list"),
    (refusing(postprocess=lambda self, rows: rows.tolist()[:1]), MATCH),
    (refusing(postprocess=lambda self, rows: rows.tolist()), "the placeholder's. Here"),
    (refusing(postprocess=without_status), "self.context.set_response_status"),
    (refusing(postprocess=text_status), "without quotes"),
    (refusing(postprocess=unpacks), ".items() gives both"),
    (refusing(preprocess=whole_requests), "All are refused"),
    (
        refusing(preprocess=lambda *them: Refusing.preprocess(*them).tolist()),
        "torch.tensor makes one",
    ),
    (refusing(postprocess=status_alone), "its body is [-1.0]"),
    (refusing(postprocess=shifted), "Is that its index?"),
    (refusing(postprocess=says_nothing), "says nothing"),
    (refusing(postprocess=lambda self, rows: [[*row] for row in rows]), "tolist()"),
    (refusing(postprocess=lambda self, rows: [*rows]), "Give a list with its number"),
    (refusing(postprocess=says_text), "into a dictionary"),
    (refusing(postprocess=bare_numbers), "Give a list with its number"),
    (refusing(postprocess=lambda self, rows: 1 / 0), "ZeroDivisionError"),
    (Batch, "ValueError"),
)
def task_3(refusing_handler: type):
    """write both methods and run both cells"""
    worker, handler = in_worker(refusing_handler)
    for values in ["5", "abc", b"7"], ["abc", True, 0], [None, "1_000"], [3, 4, 5]:
        handler.rows, handler.raised = ..., None
        answers = asked(worker, *values)
        bad = {n for n, value in enumerate(values) if value in ("abc", None, "1_000")}
        bad |= {n for n, value in enumerate(values) if value is True}
        sent = f"Of a batch with {', '.join(map(repr, values))}:"
        size, rows = len(values), handler.rows
        if rows is ...:
            hint = why(handler, values)
            if isinstance(handler.raised, ValueError) and not hint:
                hint = " Catch it for one request: here all of the batch get a 503."
            return f"{sent} {exception(handler)}{hint}"
        if not isinstance(rows, torch.Tensor):
            return f"{sent} preprocess gives {told(rows)}. {no_tensor(rows)}"
        if rows.shape != (size, 1):
            hint = "One row with one number for each: reshape(-1, 1)."
            if len(rows) < size:
                hint = "A placeholder keeps a refused one's place."
            shape = f"{len(rows)} rows for {size} requests, shape {tuple(rows.shape)}"
            return f"{sent} {shape}. {hint}"
        if rows.dtype != torch.float32:
            hint = "the model wants float32. A placeholder of 0.0 makes it so."
            return f"{sent} the rows are {rows.dtype}, and {hint}"
        if handler.raised:
            return f"{sent} {exception(handler)}{why(handler, values)}"
        if answers[0].status == 503:
            hint = "postprocess has to give a list, an entry each."
            if "data type" in answers[0].body:
                hint = "JSON has no tensors and no exceptions: tolist(), str(error)."
            return f"{sent} 503 {answers[0].body.strip('.')}. {hint}"
        for index, (value, answer) in enumerate(zip(values, answers, strict=True)):
            told_it = f"{sent} request {index}, {value!r}, gets {str(answer)[:99]}"
            if index in bad:
                if answer.status == 200 and number_of(answer) is not None:
                    return f"{told_it}, the placeholder's. Here belongs the message."
                if answer.status != 400:
                    hint = "self.context.set_response_status makes that a 400."
                    return f"{told_it}. {hint}"
                body = body_of(answer)
                if isinstance(body, list):
                    return f"{told_it}: its body is {body}, the placeholder's answer."
                if not isinstance(body, dict):
                    return f"{told_it}: put the message into a dictionary."
                if not any(body.values()):
                    return f"{told_it}: a 400 that says nothing. Put the message in."
            elif number_of(answer) != 2 * float(value) - 1:
                hint = "Is that its index?"
                if answer.status == 200 and number_of(answer) is None:
                    hint = "Give a list with its number."
                if not bad:
                    hint = "Notes of the batch before? Begin anew in preprocess."
                if all(other.status == 400 for other in answers) and bad:
                    hint = "All are refused: parse_number wants a value, no request."
                if answer.status == 400 and isinstance(value, bytes):
                    hint = FORM.strip()
                if answer.status == 400 and value == 0:
                    hint = ZERO.strip()
                return f"{told_it}. It sent a number. {hint}"
    return "Right: 4 batches, 11 requests, each with its own status and answer."


def mutants():
    """Handlers that are wrong in one way each, and what to say of a test that nods."""
    from handlers.model_handler import SimpleLinearHandler as Real

    class First(Real):
        def preprocess(self, requests):
            return super().preprocess(requests[:1])

    class Whole(Real):
        def preprocess(self, requests):
            rows = super().preprocess(requests)
            if self.refused:
                raise ValueError("one of them is no number")
            return rows

    class Placeholder(Real):
        def postprocess(self, outputs):
            return outputs.tolist()

    class Swapped(Real):
        def postprocess(self, outputs):
            return super().postprocess(outputs.flip(0))

    class Forgetful(Real):
        def preprocess(self, requests):
            before = getattr(self, "refused", {})
            rows = super().preprocess(requests)
            self.refused = before | self.refused
            return rows

    class Lenient(Real):
        def preprocess(self, requests):
            self.refused = {}
            floats = [outcome(float, request.get("body", "")) for request in requests]
            for index, number in enumerate(floats):
                if isinstance(number, Exception):
                    self.refused[index], floats[index] = (400, "no number"), 0.0
            return torch.tensor(floats).reshape(-1, 1)

    return Real, {
        First: "answers the first request alone. Send two at once.",
        Whole: "fails a whole batch for one bad request. Send both kinds at once.",
        Placeholder: "answers a word with 200. Look at the status.",
        Lenient: 'answers "nan" and True with 200. Send these too.',
        Swapped: "swaps the answers. Look at the numbers: 5 gets about 9.",
        Forgetful: "refuses good requests after a bad batch. Send one more, good.",
    }


def examine(worker, *leave_out):
    """What an answer to task 4 does, but for what is left out."""
    sent = ["5", "abc", True, "nan", "7"]
    if "odd" in leave_out:
        sent = ["5", "abc", "7"]
    answers = worker.ask(*({"body": value} for value in sent))
    wanted = [200, *[400] * (len(sent) - 2), 200]
    if [answer.status for answer in answers] != wanted:
        return False
    if "numbers" not in leave_out and abs(number_of(answers[0]) - 9) > 0.05:
        return False
    return "after" in leave_out or worker.ask({"body": "5"})[0].status == 200


def with_numpy(worker):
    """As a comparison of arrays gives it: a boolean of another kind."""
    return torch.tensor([examine(worker)]).all().numpy()[()]


def alone(worker):
    return worker.ask({"body": "5"})[0].status == 200


def two_alone(worker):
    both = worker.ask({"body": "5"}, {"body": "7"})
    return [answer.status for answer in both] == [200, 200]


def to_the_digit(worker):
    return examine(worker) and str(worker.ask({"body": "5"})[0]) == "200 [8.9932]"


@task(
    lambda weights: [
        (examine, "Right"),
        (to_the_digit, "Right"),
        (with_numpy, "Right"),
        (lambda worker: torch.tensor(examine(worker)), "Right"),
        (lambda worker: worker.ask([{"body": "5"}]), "no list around them"),
        (lambda worker: True, "answers the first request alone"),
        (alone, "answers the first request alone"),
        (two_alone, "fails a whole batch"),
        (
            lambda worker: two_alone(worker) and len(asked(worker, "5", "a")) == 2,
            "whole",
        ),
        (
            lambda worker: (
                two_alone(worker) and asked(worker, "5", "a")[0].status == 200
            ),
            "answers a word with 200",
        ),
        (lambda worker: examine(worker, "odd", "numbers", "after"), "Send these too"),
        (lambda worker: examine(worker, "numbers", "after"), "swaps the answers"),
        (lambda worker: examine(worker, "after"), "after a bad batch"),
        (lambda worker: False, "which is right. A status"),
        (lambda worker: print(end=""), "True or False"),
        (lambda worker: 1 / 0, "ZeroDivisionError"),
    ]
)
def task_4(examine_: Callable):
    """write the function and run both cells"""
    real, wrong = mutants()
    for handler in (real, *wrong):
        said = outcome_of(examine_, handler)
        raised = isinstance(said, BaseException)
        if handler is real and raised:
            lists = isinstance(said, AttributeError) and said.name == "items"
            hint = " ask(one, another): no list around them." if lists else ""
            return f"With the project's handler it raises {told(said)}.{hint}"
        if getattr(said, "dtype", None) in (bool, torch.bool) and said.ndim == 0:
            said = said.item()  # of NumPy or PyTorch, as a comparison gives it
        if not raised and not isinstance(said, bool):
            return f"It gives {told(said)}. Please give True or False."
        if handler is real and not said:
            hint = "A status is a number. Of a body json.loads makes [8.99…]: a list."
            return f"It gives False for the project's handler, which is right. {hint}"
        if handler is not real and said is True:
            return f"It gives True for a handler that {wrong[handler]}"
    return f"Right: the project's handler passes, and {len(wrong)} broken ones do not."


def outcome_of(function, handler):
    """What a function says of a worker; an exception is a way to say no."""
    from models import train

    worker = in_worker(handler, train.load())[0]
    try:
        return function(worker)
    except Exception as error:
        return error
