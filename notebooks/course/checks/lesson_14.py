import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch
import yaml
from ts.context import Context

from course import chains, local_worker
from course.checks.form import Guess, Hint, call, task, told
from course.lesson import ROOT
from handlers.model_handler import SimpleLinearHandler
from models.linear import SimpleLinearModel
from models.train import load, predict

guess_1 = Guess(
    {
        "a": (
            "a number near 5",
            "What line answers is made for a client, and inverse cannot read it.",
        ),
        "b": (
            "status 200, and a refusal as the answer",
            "A node's status stays with the node; only its body travels on.",
        ),
        "c": (
            "status 400, because a model refused its input",
            "One did, and its status got lost on the way.",
        ),
    },
    right="b",
)
guess_2 = Guess(
    {
        "a": (
            "400 and the reason",
            "The workflow does not know who is at fault: a function raised.",
        ),
        "b": (
            "500 and the name of a node",
            "An exception in a node is the server's fault, whoever caused it.",
        ),
        "c": (
            "200 and the refusal of line",
            "That was so without your function, which stops the workflow now.",
        ),
    },
    right="b",
)

IMPORT = "Import it in your cell, or look at its spelling."

# The function between the models.

NINE = bytearray(b"[\n  8.9932\n]")
REFUSAL = b'{\n  "code": 400,\n  "message": "expected one finite number"\n}'


def first(request):
    return json.loads(request["body"])[0]


def number_of(answer):
    """The number that the handler of inverse would read; None if there is none."""
    if isinstance(answer, (bytes, bytearray)):
        answer = answer.decode()
    text = isinstance(answer, str) or type(answer) in (int, float)
    try:
        return float(answer) if text else None
    except ValueError:
        return None


STOPPED = "Right: two answers in order, and a refusal stops it with"
WHOLE = (
    'Each request is a dictionary, and the answer of line stands in request["body"].'
)


def careful(requests, context):
    """The answer that the text asks for."""
    if requests is None:
        return None
    contents = [json.loads(request["body"]) for request in requests]
    if refused := [it["message"] for it in contents if isinstance(it, dict)]:
        raise ValueError(refused[0])
    return [str(number) for [number] in contents]


@task(
    (lambda requests, _: [str(first(r)) for r in requests or []], "Right"),
    (
        lambda requests, _: [first(r) for r in requests or []],
        f"{STOPPED} KeyError: 0. A Val",
    ),
    (careful, f"{STOPPED} ValueError"),
    (lambda requests, _: [json.loads(r) for r in requests or []], 'request["body"]'),
    (lambda requests: [str(first(r)) for r in requests or []], "None, None) raises"),
    (lambda requests, _: [str(first(r)) for r in requests], "when its worker starts"),
    (lambda requests, _: requests and str(first(requests[0])), "a list"),
    (lambda requests, _: requests and [first(requests[0])], "Answer each of them"),
    (lambda requests, _: [r["body"] for r in requests or []], "takes the brackets off"),
    (
        lambda requests, _: [[first(r)] for r in requests or []],
        "takes the brackets off",
    ),
    (lambda requests, _: [first(r) for r in (requests or [])[::-1]], "in their order"),
    (
        lambda requests, _: [
            r["body"].strip(b"[]\n ").decode().replace("{", "") for r in requests or []
        ],
        "raise ValueError",
    ),
    (lambda requests, _: [first(r) for r in requests or [{}]], "raises KeyError"),
    (lambda requests, _: requests and missing.loads(""), "Import it"),  # noqa: F821
    (
        lambda requests, _: [json.loads(r["body"])["code"] for r in requests or []],
        "makes a list of a good answer",
    ),
    (
        lambda requests, _: [round(first(r)) for r in requests or []],
        "unrounded",
    ),
)
def task_1(to_number: Callable):
    """write the function to_number and run both cells"""
    try:
        to_number(None, None)
    except Exception as error:
        return (
            f"to_number(None, None) raises {told(error)}. "
            "None is what it gets when its worker starts."
        )
    for bodies, numbers in (([NINE], [8.9932]), ([b"[1.5]", b"[-2.0]"], [1.5, -2.0])):
        requests = [{"body": body} for body in bodies]
        label = f"to_number({told(requests)}, None)"
        try:
            answers = to_number(requests, None)
        except Exception as error:
            hint = "json.loads makes a list of a good answer, a dict of a refusal."
            hint = IMPORT if isinstance(error, NameError) else hint
            hint = WHOLE if "not dict" in str(error) else hint
            return f"{label} raises {told(error)}. {hint}"
        if not isinstance(answers, list):
            return f"{label} gives {told(answers)}. It has to be a list of answers."
        if len(answers) != len(bodies):
            return f"{label} gives {told(answers)}. Answer each of them."
        found = [number_of(answer) for answer in answers]
        if None in found:
            return f"{label} gives {told(answers)}. What takes the brackets off?"
        if found != numbers:
            return (
                f"{label} gives {told(answers)}. "
                "The numbers unrounded and in their order, please."
            )
    try:
        answers = to_number([{"body": REFUSAL}], None)
    except Exception as error:
        said = f"{STOPPED} {told(error)}"
        if isinstance(error, ValueError):
            return f"{said}."
        return f"{said}. A ValueError with the message of the refusal would say why."
    return f"A refusal travels on as {told(answers)}: raise ValueError there."


# The specification.

ARCHIVES = {"line": "simple_linear.mar", "inverse": "inverse_linear.mar"}
DAG = {"line": ["to_number"], "to_number": ["inverse"]}
NAME = "yours"
SETTINGS = {
    "min-workers",
    "max-workers",
    "batch-size",
    "max-batch-delay",
    "timeout-ms",
    "retry-attempts",
}
EXAMPLE = """
models:
  timeout-ms: 400
  retry-attempts: 1
  line:
    url: simple_linear.mar
  inverse:
    url: inverse_linear.mar
dag:
  line: [to_number]
  to_number: [inverse]
"""


def settings_of(specification):
    """The timeout and the attempts of every node, of a specification that can work."""
    try:
        content = yaml.safe_load(specification)
        models, dag = content["models"], content["dag"]
    except yaml.YAMLError as error:
        raise Hint(f"That is no YAML: {told(error)}.") from None
    except (TypeError, KeyError):
        raise Hint("It needs two parts, models and dag, each at the margin.") from None
    if odd := [name for name in content if name in SETTINGS]:
        raise Hint(
            f"{odd[0]} is at the margin: it belongs below models, two blanks in."
        )
    if not isinstance(models, dict) or not isinstance(dag, dict):
        raise Hint("Below models and dag stand names with a colon, two spaces in.")
    nodes = {name: node for name, node in models.items() if isinstance(node, dict)}
    found = {name: node.get("url") for name, node in nodes.items()}
    if odd := [name for name in models if name not in nodes and name in ARCHIVES]:
        raise Hint(f"{odd[0]} has no part of its own: below it, indented, stands url.")
    if odd := [name for name in models if name not in nodes and name not in SETTINGS]:
        raise Hint(f"{told(odd[0])} is no setting: timeout-ms, retry-attempts.")
    if "to_number" in nodes:
        raise Hint("to_number is no model, but a function: it stands in dag alone.")
    if found != ARCHIVES:
        raise Hint(f"The models are {told(found)}, and should be {told(ARCHIVES)}.")
    if "to_number" not in str(dag):
        raise Hint("to_number is nowhere in dag: it stands between line and inverse.")
    if "inverse" in (dag.get("line") or ()):
        raise Hint("From line it goes straight to inverse: where is to_number?")
    if {name: after for name, after in dag.items() if after != []} != DAG:
        raise Hint(f"dag is {told(dag)}: of each node, a list of those after it.")
    names = list(models)
    plain = [name for name in names if name not in nodes]
    if plain != names[: len(plain)]:
        raise Hint(f"{plain[-1]} stands below a model, which is made without it.")
    timeout, retries = models.get("timeout-ms", 10_000), models.get("retry-attempts", 1)
    if not all(type(it) is int and it >= 0 for it in (timeout, retries)):
        raise Hint("timeout-ms and retry-attempts are whole numbers.")
    if any({"timeout-ms", "retry-attempts"} & {*node} for node in nodes.values()):
        raise Hint("Say timeout-ms and retry-attempts for all nodes, above the models.")
    if retries < 1:
        raise Hint("Without a retry, one lost attempt is a failure for the caller.")
    if (wait := (1 + retries) * timeout / 1000) > 3:
        raise Hint(
            f"{1 + retries} attempts of {timeout} ms: a caller waits {wait:g} s."
        )
    if timeout < 300:
        raise Hint(f"{timeout} ms are short: a busy machine needs more for an answer.")
    return wait


@task(
    (EXAMPLE, "Right"),
    (EXAMPLE + "  inverse: []\n", "Right"),
    (EXAMPLE.replace("to_number", "show"), "nowhere in dag"),
    ("timeout-ms: 400" + EXAMPLE.replace("  timeout-ms: 400\n", ""), "at the margin"),
    (EXAMPLE.replace("400", "3000"), "a caller waits 6 s"),
    (EXAMPLE.replace("timeout-ms", "timeout_ms"), "is no setting"),
    (EXAMPLE.replace("\n    url:", ""), "stands url"),
    (EXAMPLE.replace("dag:", "  to_number:\n    url: f.py\ndag:"), "a function"),
    (EXAMPLE.replace("400", "100"), "are short"),
    (EXAMPLE.replace("attempts: 1", "attempts: 0"), "Without a retry"),
    (EXAMPLE.replace("attempts: 1", "attempts: one"), "whole numbers"),
    (EXAMPLE.replace("  timeout-ms: 400\n", ""), "a caller waits 20 s"),
    (EXAMPLE.replace("[to_number]", "[inverse]"), "where is to_number?"),
    (EXAMPLE.replace("[to_number]", "to_number"), "a list of those after it"),
    (EXAMPLE.replace("  to_number: [inverse]", ""), "a list of those after it"),
    (EXAMPLE.replace("simple_linear", "simple"), "should be"),
    (EXAMPLE.replace("dag:", "  dag:"), "two parts"),
    (EXAMPLE.replace("models:", "models: ["), "no YAML"),
    (EXAMPLE[: EXAMPLE.index("dag")] + "dag: line", "two spaces in"),
    (
        EXAMPLE.replace("  timeout-ms: 400\n", "").replace(
            "dag:", "  timeout-ms: 400\ndag:"
        ),
        "stands below a model",
    ),
    (
        EXAMPLE.replace("r.mar\ndag", "r.mar\n    timeout-ms: 400\ndag"),
        "above the models",
    ),
)
def task_2(specification: str, torchserve, functions):
    """put the text of the specification into specification and run both cells"""
    wait = settings_of(specification)
    try:
        try:
            chains.put(torchserve, NAME, specification, functions)
        except RuntimeError as error:
            raise Hint(f"TorchServe refuses it: {told(error)}") from None
        back = asked(torchserve)
        started = time.monotonic()
        with chains.hanging(torchserve, NAME, "to_number"):
            status = chains.ask(torchserve, NAME, "5").status_code
        seconds = time.monotonic() - started
    finally:
        chains.take_away(torchserve, NAME)
    if status != 500 or not wait - 0.2 < seconds < wait + 5:
        raise Hint(f"to_number hangs, and the caller gets {status} in {seconds:.1f} s.")
    return (
        f"Right: 5 comes back as {back:.4f}. With to_number hanging the caller gets "
        f"{status} after {wait:g} s. It is unregistered again."
    )


def asked(server):
    """What the workflow answers to 5; a busy machine may lose the first."""
    for _ in range(3):
        answer = chains.ask(server, NAME, "5")
        if answer.ok:
            break
    body = answer.json()
    if not isinstance(body, list) or not abs(body[0] - 5) < 0.5:
        raise Hint(f"For 5 the workflow answers {answer.status_code}: {told(body)}")
    return body[0]


# Both models in one handler.


class Both(SimpleLinearHandler):
    def initialize(self, context):
        super().initialize(context)
        self.inverse = load(ROOT / "models" / "inverse.pth")

    def inference(self, inputs):
        with torch.inference_mode():
            return self.inverse(super().inference(inputs))


class Unprepared(Both):
    def initialize(self, context):
        self.inverse = load(ROOT / "models" / "inverse.pth")


class Broken(Both):
    def initialize(self, context):
        super().initialize()


class Lenient(Both):
    def preprocess(self, requests):
        inputs = super().preprocess(requests)
        self.refused = {}
        return inputs


class Graded(Both):
    def inference(self, inputs):
        return self.inverse(super().inference(inputs))


class Trainable(Both):
    def inference(self, inputs):
        return self.inverse(self.model(inputs))


LENT = SimpleLinearModel()  # in the place of the inverse that the lesson has trained
LENT.load_state_dict(
    {"linear.weight": torch.tensor([[0.5]]), "linear.bias": torch.tensor([0.5])}
)


class Borrowing(Both):
    def inference(self, inputs):
        with torch.inference_mode():
            return LENT(self.model(inputs))


class Reloading(Both):
    def inference(self, inputs):
        with torch.inference_mode():
            return load(ROOT / "models" / "inverse.pth")(self.model(inputs))


class Swapped(Both):
    def inference(self, inputs):
        with torch.inference_mode():
            return self.model(self.inverse(inputs))


class Undefined(Both):
    def inference(self, inputs):
        return missing(inputs)  # noqa: F821


class Unloaded(Both):
    def inference(self, inputs):
        return self.inverse.state_dict()(inputs)


class Predicting(Both):
    def inference(self, inputs):
        return predict(self.inverse, predict(self.model, inputs))


class Itemized(Both):
    def inference(self, inputs):
        return super().inference(inputs).item()


class Silent(Both):
    def inference(self, inputs):
        super().inference(inputs)


class Twice(Both):
    def inference(self, inputs):
        with torch.inference_mode():
            return self.model(self.model(inputs))


class Inverse(Both):
    def inference(self, inputs):
        with torch.inference_mode():
            return self.inverse(inputs)


class Listed(Both):
    def inference(self, inputs):
        return super().inference(inputs).tolist()


class Forgetful(Both):
    def inference(self, inputs):
        return super().inference(inputs[:1])


class Picky(Both):
    def inference(self, inputs):
        return super().inference(inputs[:3])


class Backwards(Both):
    def inference(self, inputs):
        return super().inference(inputs).flip(0)


@contextmanager
def quiet_worker(both):
    """A worker with this handler, and the project's folder of models as its archive."""
    logging.disable(logging.CRITICAL)
    sys.path.insert(0, str(ROOT / "models"))
    try:
        context = Context(
            model_name="both",
            model_dir=str(ROOT / "models"),
            manifest={
                "model": {"modelFile": "linear.py", "serializedFile": "model.pth"}
            },
            batch_size=4,
            gpu=None,
            mms_version="0.12.0",
            model_yaml_config={},
        )
        handler = call("Both()", both)
        yield handler, call("initialize", local_worker.start, handler, context)
    finally:
        sys.path.remove(str(ROOT / "models"))
        logging.disable(logging.NOTSET)


@contextmanager
def noted(register):
    """A list of the modules of PyTorch to which this happens meanwhile."""
    seen = []
    note = register(lambda module, *_: seen.append(module))
    try:
        yield seen
    finally:
        note.remove()


MADE = torch.nn.modules.module.register_module_parameter_registration_hook
ASKED = torch.nn.modules.module.register_module_forward_hook


def look_at_inference(handler, loaded):
    """Ask it alone, without a worker; a hint on what a worker would not say.

    loaded are the modules with parameters that initialize has made.
    """
    try:
        with noted(MADE) as made, noted(ASKED) as asked:
            outputs = handler.inference(torch.tensor([[5.0], [7.0]]))
    except Exception as error:
        hint = ""
        if isinstance(error, NameError):
            hint = IMPORT
        elif "not callable" in str(error):
            hint = "A state dict is no model: load(path) of models.train makes one."
        elif "Python scalars" in str(error):
            hint = "predict takes one number. Here comes a batch: self.model(inputs)."
        elif "to Scalar" in str(error):
            hint = "A batch has several rows: return the tensor, without item()."
        elif "nference tensor" in str(error):
            hint = "Is it below `with torch.inference_mode():`, as in lesson 03?"
        raise Hint(f"inference raises {told(error)}. {hint}".strip()) from None
    if not isinstance(outputs, torch.Tensor) or len(outputs) != 2:
        raise Hint(
            f"inference returns {told(outputs)} for two rows. "
            "Return the tensor, with a row for each."
        )
    if outputs.requires_grad:
        raise Hint("The answer has gradients: `with torch.inference_mode():` is at it.")
    if made:
        raise Hint("It loads a model for each batch. Load it once, in initialize.")
    if any(it._parameters and not any(it is one for one in loaded) for it in asked):
        raise Hint(
            "A model that the notebook has loaded answers, and a worker has no "
            "notebook. Load it in initialize."
        )


@task(
    (Both, "Right"),
    (Trainable, "has gradients"),
    (Borrowing, "a worker has no notebook"),
    (Reloading, "once, in initialize"),
    (Swapped, "inverse comes last"),
    (Undefined, "Import it"),
    (Unloaded, "A state dict is no model"),
    (Itemized, "without item()"),
    (Predicting, "predict takes one number"),
    (Silent, "Return the tensor"),
    (SimpleLinearHandler, "That is what line answers"),
    (Unprepared, "super().initialize(context)"),
    (Lenient, "only 'five' is bad"),
    (Broken, "initialize raises"),
    (Twice, "(y + 1) / 2"),
    (Graded, "with torch.inference_mode()"),
    (Inverse, "(y + 1) / 2"),
    (Listed, "Return the tensor"),
    (Forgetful, "with a row for each"),
    (Picky, "503"),
    (Backwards, "in their order"),
    (Path, "has to inherit"),
)
def task_3(both: type, inverse_weights):
    """write the class Both and run both cells"""
    if not issubclass(both, SimpleLinearHandler):
        return "Both has to inherit: class Both(SimpleLinearHandler)."
    bodies, numbers = ["5", "-2.75", "five", "100"], [5, -2.75, 100]
    with noted(MADE) as loaded, quiet_worker(both) as (handler, worker):
        if getattr(handler, "model", None) is None:
            raise Hint("No model: does initialize call super().initialize(context)?")
        look_at_inference(handler, [*loaded])
        answers = worker.ask(*({"body": body} for body in bodies))
    statuses = [answer.status for answer in answers]
    if 503 in statuses:
        return f"All get {answers[0]}. inference takes and returns a row for each."
    if statuses != [200, 200, 400, 200]:
        return f"{bodies} get the statuses {statuses}, and only 'five' is bad."
    found = [json.loads(answer.body)[0] for answer in answers if answer.status == 200]
    if abs(found[0] - 9) < 0.1:
        return f"'5' gives {found[0]:.4f}. That is what line answers: and inverse?"
    if not all(abs(one - two) < 0.5 for one, two in zip(found, numbers, strict=True)):
        return f"{bodies} give {told(found)}: inverse is (y + 1) / 2, in their order."
    line, inverse = load(), load(inverse_weights)
    right, swapped = (
        predict(inverse, predict(line, 5.0)),
        predict(line, predict(inverse, 5.0)),
    )
    if abs(found[0] - swapped) < abs(found[0] - right):
        return f"'5' gives {found[0]:.4f}, and should {right:.4f}: inverse comes last."
    return (
        f"Right: '5' gives {found[0]:.4f}, and only 'five' gets a 400 with its reason."
    )
