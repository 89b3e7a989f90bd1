import json
import logging
import traceback
from collections.abc import Callable

import torch
from ts.context import Context
from ts.torch_handler.base_handler import BaseHandler

from course import local_worker
from course.checks.form import Guess, Hint, outcome, task, told

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


def in_worker(learners):
    """A worker with the learner's class, and its handler, which notes what happens."""

    class Probe(learners):
        rows, raised = ..., None

        def initialize(self, context):
            self.device = torch.device("cpu")

        def inference(self, rows):
            self.rows = rows
            return 2 * rows - 1 if isinstance(rows, torch.Tensor) else rows

        def handle(self, requests, context):
            try:
                return super().handle(requests, context)
            except Exception as error:
                self.raised = error
                raise

    if not issubclass(learners, BaseHandler):
        raise Hint(f"{told(learners)} is no handler: leave the class's first line.")
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
    finally:
        logging.disable(logging.NOTSET)


def exception(handler):
    """Where a handler's method raised what, in words."""
    frames = [
        frame.name for frame in traceback.extract_tb(handler.raised.__traceback__)
    ]
    names = [name for name in frames if name in METHODS]
    return f"{names[-1] if names else 'The handler'} raises {told(handler.raised)}."


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
    (batch(lambda self, them: 1 / 0), "ZeroDivisionError"),
    (batch(lambda self, them: Batch.preprocess(self, them).sort(0)[0]), "order"),
    (BaseHandler, "raises"),
    (int, "is no handler"),
    (type("Late", (Batch,), {"postprocess": lambda *_: 1}), "Invalid model"),
)
def task_1(batch_handler: type):
    """write preprocess and run both cells"""
    for values in ["5", "7"], [3], [7, "5", bytearray(b"-1")]:
        worker, handler = in_worker(batch_handler)
        answers = asked(worker, *values)
        size, rows = len(values), handler.rows
        sent = f"Of a batch with {', '.join(map(str, map(repr, values)))}:"
        if rows is ...:
            form = size == 3 and isinstance(handler.raised, (KeyError, TypeError))
            hint = ' A form\'s request has no "body": look under "data" then.'
            return f"{sent} {exception(handler)}{hint if form else ''}"
        if not isinstance(rows, torch.Tensor):
            hint = "Is there a return?" if rows is None else "torch.tensor makes one."
            return f"{sent} preprocess gives {told(rows)}, and no tensor. {hint}"
        if rows.shape != (size, 1):
            shape = f"the shape {tuple(rows.shape)} is not ({size}, 1)."
            hint = "One row for each request: a list of lists with one number each."
            if rows.numel() == 1:
                hint = "It has one number: do you read requests[0] alone?"
            return f"{sent} {shape} {hint}"
        if rows.dtype != torch.float32:
            return (
                f"{sent} {rows.dtype} is not the model's float32: float() the values."
            )
        if answers[0].status != 200:
            return f"{sent} {answers[0]}. Leave the other methods as they are."
        if rows.flatten().tolist() != [float(value) for value in values]:
            return f"{sent} the rows are {rows.flatten().tolist()}. Keep the order."
    return "Right: batches of 1, 2 and 3 get 1, 2 and 3 answers, in order."


VALUES = [
    ("5", 5.0, "A text: float() reads it. Is there a return?"),
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
    ("1e39", ValueError, "It is beyond 1e38."),
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
    (lambda value: print(end=""), "Is there a return?"),
    (lambda value: int(value), "It has to give 5.0"),
)
def task_2(parse: Callable):
    """write parse_number and run both cells"""
    for value, wanted, hint in VALUES:
        found = outcome(parse, value)
        refused = isinstance(found, ValueError)
        if wanted is ValueError and refused:
            continue
        if wanted is not ValueError and type(found) is float and found == wanted:
            continue
        does = "raises" if isinstance(found, BaseException) else "gives"
        right = "raise ValueError" if wanted is ValueError else f"give {wanted}"
        call = f"parse_number({told(value)}) {does} {told(found)}."
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


def status_alone(self, outputs):
    for index in self.refused:
        self.context.set_response_status(400, "Bad Request", index)
    return outputs.tolist()


def raises(self, requests):
    return torch.tensor([[parse_number(request.get("body"))] for request in requests])


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
    (refusing(postprocess=lambda *_: print(end="")), "Invalid model predict output"),
    (refusing(postprocess=lambda self, rows: rows), "a list"),
    (refusing(postprocess=lambda self, rows: rows.tolist()[:1]), MATCH),
    (refusing(postprocess=lambda self, rows: rows.tolist()), "for the placeholder"),
    (refusing(postprocess=without_status), "set_response_status"),
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
    for values in ["5", "abc", b"7"], ["abc", True, 7], [None, "1_000"], [3, 4, 5]:
        handler.rows, handler.raised = ..., None
        answers = asked(worker, *values)
        bad = {n for n, value in enumerate(values) if value in ("abc", None, "1_000")}
        bad |= {n for n, value in enumerate(values) if value is True}
        sent = f"Of a batch with {', '.join(map(repr, values))}:"
        size, rows = len(values), handler.rows
        if rows is ...:
            hint = "Catch it for one request: here all of the batch get a 503."
            return f"{sent} {exception(handler)} {hint}"
        if not isinstance(rows, torch.Tensor):
            return f"{sent} preprocess gives {told(rows)}. Is there a return?"
        if rows.shape != (size, 1):
            hint = "One row with one number for each: reshape(-1, 1)."
            if len(rows) < size:
                hint = "A placeholder keeps a refused one's place."
            shape = f"{len(rows)} rows for {size} requests, shape {tuple(rows.shape)}"
            return f"{sent} {shape}. {hint}"
        if handler.raised:
            return f"{sent} {exception(handler)}"
        if answers[0].status == 503:
            hint = "postprocess has to give a list, an entry each."
            if "data type" in answers[0].body:
                hint = "JSON has no tensors and no exceptions: tolist(), str(error)."
            return f"{sent} 503 {answers[0].body.strip('.')}. {hint}"
        for index, (value, answer) in enumerate(zip(values, answers, strict=True)):
            told_it = f"{sent} request {index}, {value!r}, gets {str(answer)[:99]}"
            if index in bad:
                if answer.status == 200 and number_of(answer) is not None:
                    return f"{told_it}, the model's answer for the placeholder."
                if answer.status != 400:
                    return f"{told_it}. set_response_status makes that a 400."
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


def alone(worker):
    return worker.ask({"body": "5"})[0].status == 200


def two_alone(worker):
    both = worker.ask({"body": "5"}, {"body": "7"})
    return [answer.status for answer in both] == [200, 200]


@task(
    (examine, "Right"),
    (lambda worker: True, "answers the first request alone"),
    (alone, "answers the first request alone"),
    (two_alone, "fails a whole batch"),
    (lambda worker: two_alone(worker) and len(asked(worker, "5", "a")) == 2, "whole"),
    (
        lambda worker: two_alone(worker) and asked(worker, "5", "a")[0].status == 200,
        "answers a word with 200",
    ),
    (lambda worker: examine(worker, "odd", "numbers", "after"), "Send these too"),
    (lambda worker: examine(worker, "numbers", "after"), "swaps the answers"),
    (lambda worker: examine(worker, "after"), "after a bad batch"),
    (lambda worker: False, "The project's handler is right"),
    (lambda worker: print(end=""), "True or False"),
    (lambda worker: 1 / 0, "ZeroDivisionError"),
)
def task_4(examine_: Callable):
    """write the function and run both cells"""
    real, wrong = mutants()
    for handler in (real, *wrong):
        said = outcome_of(examine_, handler)
        raised = isinstance(said, BaseException)
        if handler is real and raised:
            return f"With the project's handler it raises {told(said)}."
        if not raised and not isinstance(said, bool):
            return f"It gives {told(said)}. Please give True or False."
        if handler is real and not said:
            return "It gives False. The project's handler is right, and needs a True."
        if handler is not real and said is True:
            return f"It gives True for a handler that {wrong[handler]}"
    return f"Right: the project's handler passes, and {len(wrong)} broken ones do not."


def outcome_of(function, handler):
    """What a function says of a worker; an exception is a way to say no."""
    worker = in_worker(handler)[0]
    try:
        return function(worker)
    except Exception as error:
        return error
