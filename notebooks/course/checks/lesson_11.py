import ast
import dis
import inspect
import json
import logging
import re
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, ModuleType, SimpleNamespace
from unittest import mock

import requests
import yaml

from course import samples
from course.checks.form import Guess, Hint, call, function, is_stub, task, told
from course.lesson import ARCHIVE, ROOT, wait_until

# The import of a handler looks for optional packages, and warns that they are missing.
logging.getLogger("ts").setLevel(logging.ERROR)

guess_1 = Guess(
    {
        "a": ("by 1, for the model that does not exist", "A refused input is a 400."),
        "b": ("by 2, for what the handler refuses", "A wrong path is a 404."),
        "c": ("by 3, for both", "It counts every status from 400 to 499."),
    },
    right="c",
)
guess_2 = Guess(
    {
        "a": ("both get their answer", "Nobody knows how far the first one came."),
        "b": ("the first an error at once, the second an answer", "Look at both."),
        "c": ("both get an error", "What waits in the queue is in no worker's hands."),
    },
    right="b",
)

# Task 1: what the metrics page is to show.

WANTED = {"refused_inputs_total": "counter", "input_distance": "histogram"}
LABELS = ["ModelName", "Level"]
NEEDED = ("unit", "dimensions")
DECLARED = """
model_metrics:
  counter:
    - {name: refused_inputs_total, unit: count, dimensions: [ModelName, Level]}
  histogram:
    - {name: input_distance, unit: number, dimensions: [ModelName, Level]}
"""


@task(
    (DECLARED, "Right"),
    ("ts_metrics: {counter: []}\n" + DECLARED, "Right"),
    ("model_metrics:\n  counter: [", "is no YAML"),
    ("model_metrics", "begins with the line model_metrics:"),
    (DECLARED.replace("model_", "ts_"), "begins with the line model_metrics:"),
    ("model_metrics:\n  - counter", "Below model_metrics stand the kinds"),
    (DECLARED.replace("counter:", "counters:"), "no kind"),
    (DECLARED.replace("    - {name: i", "    {name: i"), "is a list"),
    (DECLARED.replace("    - {name: i", "    - - {name: i"), "lacks a name"),
    (DECLARED.replace("unit: number, ", ""), "input_distance lacks unit"),
    (DECLARED.replace("number", ""), "An empty unit"),
    (DECLARED.replace("number,", "number, buckets: [1, 2],"), "knows no 'buckets'"),
    (DECLARED.replace("[ModelName, Level]", "ModelName"), "dimensions is a list"),
    (DECLARED.replace("ModelName, L", "Hostname, ModelName, L"), "adds it by itself"),
    (DECLARED.replace("ModelName, Level", "Level, ModelName"), "in this order"),
    (DECLARED.replace("histogram", "gauge"), "input_distance is a gauge"),
    (DECLARED.replace("refused_", "Refused_"), "refused_inputs_total is missing"),
)
def task_1(text: str):
    """put the section model_metrics into answer_1, as YAML in three quotes"""
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        return f"That is no YAML: {told(error)}"
    others = {"dimensions", "ts_metrics"}  # what such a file may hold besides
    if not isinstance(read, dict) or {*read} - others != {"model_metrics"}:
        return "It is one section: it begins with the line model_metrics:"
    section = read["model_metrics"]
    if not isinstance(section, dict):
        return "Below model_metrics stand the kinds: counter: and histogram:"
    found = {}
    for kind, metrics in section.items():
        if kind not in ("counter", "gauge", "histogram"):
            return f"{told(kind)} is no kind: counter, gauge or histogram."
        if not isinstance(metrics, list):
            return (
                f"What stands below {kind}: is a list: each metric has a - before it."
            )
        for metric in metrics:
            if not isinstance(metric, dict) or "name" not in metric:
                return f"{told(metric)} below {kind}: lacks a name."
            name = metric["name"]
            if missing := {*NEEDED} - {*metric}:
                return f"{name} lacks {min(missing)}."
            if more := [key for key in metric if key not in ("name", *NEEDED)]:
                return (
                    f"{name}: TorchServe knows no {told(more[0])} here, and drops the "
                    "whole file. The bounds of a histogram are fixed."
                )
            if not metric["unit"]:
                return f"{name}: An empty unit makes TorchServe drop the whole file."
            labels = metric["dimensions"]
            if not isinstance(labels, list):
                return f"{name}: dimensions is a list, in brackets: [A, B]"
            if "Hostname" in labels:
                return f"{name}: leave Hostname away, TorchServe adds it by itself."
            if labels != LABELS:
                return (
                    f"{name} has {labels}. Please [ModelName, Level], in this order: "
                    "the handler's values come in it."
                )
            found[name] = kind
    for name, kind in WANTED.items():
        if name not in found:
            return f"{name} is missing; there is {', '.join(map(told, found))}."
        if found[name] != kind:
            return f"{name} is a {found[name]}, and should be a {kind}."
    return "Right: a counter and a histogram, each for every model of its own."


# Task 2: a handler that emits both, tried here first and then on the server.

BATCH = [{"body": body} for body in ("1", "three", "9", "", "-3.5")]
HEADER = """
import math
import torch
from model_handler import SimpleLinearHandler
from ts.metrics.dimension import Dimension
from ts.metrics.metric_type_enum import MetricTypes

HISTOGRAM = MetricTypes.HISTOGRAM
"""
KNOWN = {*re.findall(r"\w+", HEADER)}
VALUE = re.compile(
    r"[0-9\-,.e]+"
)  # the values that TorchServe 0.12 reads (Metric.java)


class Recorder:
    """Notes what a handler counts, in place of TorchServe's metrics."""

    def __init__(self):
        self.counted, self.put = 0, []

    def add_counter(self, name, value, idx=None, dimensions=()):
        if name == "input_distance":
            raise Hint("input_distance is a histogram: take add_metric for it.")
        if name != "refused_inputs_total":
            raise Hint(f"{told(name)} is not declared: TorchServe drops it.")
        if not isinstance(value, (int, float)):
            raise Hint(
                f"refused_inputs_total is raised by a number, not by {told(value)}: "
                "look at len(self.refused)."
            )
        self.counted += value

    def add_metric(self, name, value, unit, idx=None, dimensions=(), metric_type=None):
        if name != "input_distance":
            raise Hint(f"{told(name)} is not declared as a histogram: it is dropped.")
        if getattr(metric_type, "value", None) != "histogram":
            raise Hint(
                "input_distance needs metric_type=HISTOGRAM, without quotes: left out, "
                "it is a counter."
            )
        if not VALUE.fullmatch(f"{value}"):
            raise Hint(
                f"input_distance got {told(value)}. TorchServe reads what the worker "
                "prints, and drops what is no plain number: one number a call, and "
                ".item() of a tensor."
            )
        self.put.append(round(float(value), 3))


def preprocess(handler, batch):
    """What the handler returns; a hint of the recorder is a hint."""
    try:
        return handler.preprocess(batch)
    except Hint as hint:
        return hint


NOT_YET = {
    "no attribute 'refused'": "super().preprocess(requests) makes it: call that first.",
    "name 'metrics' is": "metrics stands for self.context.metrics.",
}


def begun(learners, recorder):
    """A handler as TorchServe makes it, but for the model, which is not loaded."""
    handler = learners()
    handler.device = "cpu"
    handler.context = SimpleNamespace(
        metrics=recorder, model_name="yours", manifest={}, system_properties={}
    )
    [*_, base] = [it for it in learners.__mro__ if it.__name__ == "SimpleLinearHandler"]
    with mock.patch.object(base, "initialize", lambda self, context: None):
        call("Its initialize", handler.initialize, handler.context)
    return handler


def try_alone(learners):
    """Hand it one batch, without a server."""
    recorder = Recorder()
    handler = begun(learners, recorder)
    batch = [dict(request) for request in BATCH]
    try:
        inputs = call("On five requests preprocess", preprocess, handler, batch)
    except Hint as hint:
        more = [says for part, says in NOT_YET.items() if part in str(hint)]
        raise Hint(" ".join([str(hint), *more])) from None
    if isinstance(inputs, Hint):
        raise inputs
    if getattr(inputs, "shape", None) != (5, 1):
        raise Hint(
            f"preprocess gives {told(inputs)}: the tensor that super().preprocess "
            "returned has to come back, or nothing is predicted."
        )
    told_it = "Of five requests, 2 refused and 1, 9, -3.5,"
    if recorder.counted != 2:
        raise Hint(
            f"{told_it} refused_inputs_total rose by {recorder.counted}: "
            "look at len(self.refused)."
        )
    if sorted(recorder.put) == [0, 0, 0, 2.5, 5]:
        raise Hint(
            f"{told_it} the refused ones went into input_distance too: in the tensor "
            "a 0 holds their place."
        )
    if sorted(recorder.put) != [0, 2.5, 5]:
        raise Hint(
            f"{told_it} input_distance got {told(recorder.put)}, and not [0, 5, 2.5]: "
            "9 lies 5 beyond 4, -3.5 lies 2.5 below -1."
        )


def names_in(code):
    """The names that a function uses, and the functions and comprehensions in it."""
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL":
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names_in(inner)


def plain(member):
    """Whether a value can be written down: a number, a text, or a list of them."""
    if not isinstance(member, (int, float, str, tuple, list, dict, set)):
        return False
    try:
        return ast.literal_eval(repr(member)) == member
    except (ValueError, SyntaxError):
        return False


def written(names, code, known):
    """The source of what code uses of its cell: functions, modules and values."""
    for name in names_in(code):
        member = names.get(name)
        if name in known:
            continue
        if inspect.isfunction(member):
            known.add(name)
            yield from written(member.__globals__, member.__code__, known)
            yield textwrap.dedent(inspect.getsource(member))
        elif isinstance(member, ModuleType):
            known.add(name)
            yield f"import {member.__name__} as {name}\n"
        elif plain(member):
            known.add(name)
            yield f"{name} = {member!r}\n"


def source_of(learners):
    """The file of a handler with this class, and what the class uses of its cell."""
    before, body, known = [], [], {*KNOWN}
    for key, member in vars(learners).items():
        member = getattr(member, "__func__", member)  # below @staticmethod
        member = getattr(member, "fget", member)  # below @property
        if inspect.isfunction(member):
            before += written(member.__globals__, member.__code__, known)
            body.append(textwrap.dedent(inspect.getsource(member)))
        elif key[:2] != "__" and plain(member):
            body.append(f"{key} = {member!r}\n")
    head = f"\nclass {learners.__name__}(SimpleLinearHandler):\n"
    return HEADER + "".join(before) + head + textwrap.indent("\n".join(body), "    ")


def try_as_file(code, name):
    """Whether the file alone does what the class does in the notebook."""
    names = {}
    try:
        exec(code.replace("from model_handler", "from handlers.model_handler"), names)
        try_alone(names[name])
    except Hint as hint:
        raise Hint(
            f"It runs in the notebook, and not from a file of its own: {hint} A worker "
            "gets this class, and the functions, numbers and lists that it uses: "
            "TorchServe takes no second class in a handler's file."
        ) from None


def pack(code, name):
    """An archive of lesson 04's parts with this file as its handler."""
    path = ROOT / "model_store" / f"{name}.mar"
    with zipfile.ZipFile(ARCHIVE) as made, zipfile.ZipFile(path, "w") as archive:
        manifest = json.loads(made.read("MAR-INF/MANIFEST.json"))
        manifest["model"] |= {"modelName": name, "handler": "learners.py"}
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        archive.writestr("learners.py", code)
        for file in ("linear.py", "model.pth", "model_handler.py"):
            archive.writestr(file, made.read(file))
    return path


def try_on(server, code):
    """What the metrics page says after the batch, with a model of its own name."""
    path = pack(code, "yours")
    url = f"{server.management}/models"
    query = {"url": path.name, "initial_workers": 1}
    try:
        registered = requests.post(url, params=query, timeout=30)
        if not registered.ok:
            raise Hint(
                f"TorchServe says {registered.status_code}, the worker did not start. "
                "Use the imports of this cell alone."
            )

        def total(name):
            return samples.read(server.metrics).total(name, ModelName="yours")

        names = ("refused_inputs_total", "input_distance_count")
        before = [total(name) for name in names]
        for request in BATCH:
            answer = requests.post(
                f"{server.inference}/predictions/yours",
                request["body"],
                headers={"Content-Type": "text/plain"},
                timeout=30,
            )
            if answer.status_code == 503:
                raise Hint("It runs here, and fails on the server with a 503.")

        def risen():
            return [total(n) - b for n, b in zip(names, before, strict=True)]

        try:
            wait_until(lambda: risen() == [2, 3], timeout=5)
        except TimeoutError:
            raise Hint(
                f"The page of your server rose by {risen()}, and not by [2, 3]: is "
                "each metric counted once for each batch, also where it is 0?"
            ) from None
    finally:
        path.unlink(missing_ok=True)
        requests.delete(f"{url}/yours", timeout=30)


BOUNDS = [-1, 4]  # a list and a function beside a class, for examples


def beyond(number):
    low, high = BOUNDS
    return max(low - number, 0, number - high)


@dataclass(frozen=True)
class Range:
    low: float = -1.0
    high: float = 4.0

    def beyond(self, number):
        return max(self.low - number, 0.0, number - self.high)


LEARNED = Range()


def examples_2():
    import torch
    from ts.metrics.metric_type_enum import MetricTypes

    from handlers.model_handler import SimpleLinearHandler

    class Right(SimpleLinearHandler):
        def preprocess(self, requests):
            inputs = super().preprocess(requests)
            metrics = self.context.metrics
            metrics.add_counter("refused_inputs_total", len(self.refused))
            for index, number in enumerate(inputs.flatten().tolist()):
                if index not in self.refused:
                    metrics.add_metric(
                        "input_distance",
                        max(-1 - number, 0.0, number - 4),
                        unit="number",
                        metric_type=MetricTypes.HISTOGRAM,
                    )
            return inputs

    class OtherForm(SimpleLinearHandler):
        @staticmethod
        def distances(numbers):
            return [beyond(number) for number in numbers]

        def preprocess(self, requests):
            inputs = super(OtherForm, self).preprocess(requests)  # noqa: UP008
            metrics, good = self.context.metrics, []
            for index, [number] in enumerate(inputs):
                if index in self.refused:
                    metrics.add_counter("refused_inputs_total", 1)
                else:
                    good.append(number)
            for distance in self.distances(good):
                kind = MetricTypes.HISTOGRAM
                metrics.add_metric("input_distance", distance, "", metric_type=kind)
            return inputs

    class Local(Right):
        def preprocess(self, requests):
            return Right.preprocess(self, requests)

    class Begins(SimpleLinearHandler):
        def initialize(self, context):
            super(Begins, self).initialize(context)  # noqa: UP008
            self.low, self.high = BOUNDS

        def preprocess(self, requests):
            inputs = super(Begins, self).preprocess(requests)  # noqa: UP008
            metrics, kind = self.context.metrics, MetricTypes.HISTOGRAM
            metrics.add_counter("refused_inputs_total", len(self.refused))
            for index, number in enumerate(inputs.flatten().tolist()):
                if index not in self.refused:
                    far = max(self.low - number, 0, number - self.high)
                    metrics.add_metric("input_distance", far, "", metric_type=kind)
            return inputs

    class TooEarly(SimpleLinearHandler):
        def preprocess(self, requests):
            return len(self.refused)

    class Shortened(SimpleLinearHandler):
        def preprocess(self, requests):
            super().preprocess(requests)
            metrics.add_counter("refused_inputs_total", 1)  # noqa: F821

    class WithObject(SimpleLinearHandler):
        def preprocess(self, requests):
            inputs = super(WithObject, self).preprocess(requests)  # noqa: UP008
            metrics, kind = self.context.metrics, MetricTypes.HISTOGRAM
            metrics.add_counter("refused_inputs_total", len(self.refused))
            for index, number in enumerate(inputs.flatten().tolist()):
                if index not in self.refused:
                    far = LEARNED.beyond(number)
                    metrics.add_metric("input_distance", far, "", metric_type=kind)
            return inputs

    class NoReturn(Right):
        def preprocess(self, requests):
            super().preprocess(requests)

    class AllRequests(SimpleLinearHandler):
        def preprocess(self, requests):
            inputs = super().preprocess(requests)
            self.context.metrics.add_counter("refused_inputs_total", len(requests))
            return inputs

    class Misspelt(SimpleLinearHandler):
        def preprocess(self, requests):
            inputs = super().preprocess(requests)
            self.context.metrics.add_counter("refused_total", len(self.refused))
            return inputs

    class WithRefused(SimpleLinearHandler):
        distance = staticmethod(lambda number: max(-1 - number, 0.0, number - 4))
        kind = MetricTypes.HISTOGRAM

        def preprocess(self, requests):
            inputs = super().preprocess(requests)
            metrics = self.context.metrics
            metrics.add_counter("refused_inputs_total", len(self.refused))
            for number in inputs.flatten().tolist():
                metrics.add_metric(
                    "input_distance", self.distance(number), "", metric_type=self.kind
                )
            return inputs

    class NoKind(WithRefused):
        kind = None

        def preprocess(self, requests):
            return super().preprocess(requests)

    class Quoted(WithRefused):
        kind = "histogram"

        def preprocess(self, requests):
            return super().preprocess(requests)

    class Rows(WithRefused):
        distance = staticmethod(lambda number: torch.tensor([number]))

        def preprocess(self, requests):
            return super().preprocess(requests)

    class ByDict(SimpleLinearHandler):
        def preprocess(self, requests):
            inputs = super().preprocess(requests)
            self.context.metrics.add_counter("refused_inputs_total", self.refused)
            return inputs

    class OneSide(WithRefused):
        distance = staticmethod(lambda number: max(0.0, number - 4))

        def preprocess(self, requests):
            return super().preprocess(requests)

    class Distances(SimpleLinearHandler):
        def preprocess(self, requests):
            self.context.metrics.add_counter("input_distance", 5)

    class OtherMetric(SimpleLinearHandler):
        def preprocess(self, requests):
            self.context.metrics.add_metric("distance", 5, "number")

    class Raises(SimpleLinearHandler):
        def preprocess(self, requests):
            return self.nosuch

    return [
        (Right, "Right"),
        (Local, "the functions, numbers and lists"),
        (WithObject, "no second class"),
        (Begins, "Right"),
        (TooEarly, "call that first"),
        (Shortened, "stands for self.context.metrics"),
        (OtherForm, "Right"),
        (Rows, "of a tensor"),
        (Quoted, "without quotes"),
        (ByDict, "look at len(self.refused)"),
        (NoReturn, "has to come back"),
        (AllRequests, "rose by 5"),
        (Misspelt, "not declared"),
        (OtherMetric, "not declared as a histogram"),
        (Distances, "take add_metric"),
        (WithRefused, "holds their place"),
        (OneSide, "2.5 below -1"),
        (NoKind, "it is a counter"),
        (Raises, "has no attribute 'nosuch'"),
        (type("Empty", (), {"run": lambda self: 1}), "preprocess is not there"),
        (type("Odd", (), {"preprocess": lambda self, requests: 1}), "SimpleLinear"),
    ]


@task(examples_2)
def task_2(learners: type, watching):
    """complete the class CountingHandler and run both cells"""
    if "preprocess" not in vars(learners) or is_stub(vars(learners)["preprocess"]):
        return "preprocess is not there, or still empty: that is the method to write."
    if not any(it.__name__ == "SimpleLinearHandler" for it in learners.__mro__):
        return "It has to inherit: class CountingHandler(SimpleLinearHandler)."
    try_alone(learners)
    code = source_of(learners)
    try_as_file(code, learners.__name__)
    try_on(watching, code)
    return "Right: on your server 2 refused and 3 distances came, for the model yours."


# Task 3: an alert, and the mistakes of those who look at totals.


def came(before, now, name):
    return now[name] - before[name] * (now[name] >= before[name])


def fires(before, now):
    requests, refused = (came(before, now, name) for name in ("requests", "refused"))
    return requests >= 10 and refused > 0.2 * requests


def looks(*numbers):
    before = dict(zip(("requests", "refused"), numbers[:2], strict=True))
    return before, dict(zip(("requests", "refused"), numbers[2:], strict=True))


def by_totals(before, now):
    return now["requests"] >= 10 and now["refused"] > 0.2 * now["requests"]


def by_difference(before, now):
    requests, refused = (now[key] - before[key] for key in ("requests", "refused"))
    return requests >= 10 and refused > 0.2 * requests


def without_least(before, now):
    requests, refused = (came(before, now, name) for name in ("requests", "refused"))
    return requests > 0 and refused > 0.2 * requests


def divides(before, now):
    return came(before, now, "refused") / came(before, now, "requests") > 0.2


def by_count(before, now):
    return came(before, now, "refused") >= 10


def of_nothing(before, now):
    requests, refused = (came(before, now, name) for name in ("requests", "refused"))
    return requests == 0 or fires(before, now)


def silent_after_restart(before, now):
    return now["requests"] >= before["requests"] and fires(before, now)


def from_ten(before, now):
    return came(before, now, "requests") > 10 and fires(before, now)


def a_fifth(before, now):
    requests, refused = (came(before, now, name) for name in ("requests", "refused"))
    return requests >= 10 and refused >= 0.2 * requests


task_3 = function(
    "write the function fires and run both cells",
    "Right: it looks at what came between the scrapes, and survives a restart.",
    fires,
    [
        looks(1000, 20, 1050, 40),
        looks(100, 90, 200, 95),
        looks(5000, 0, 5100, 15),
        looks(500, 80, 500, 80),
        looks(500, 80, 503, 82),
        looks(900, 80, 40, 30),
        looks(900, 80, 40, 2),
        looks(0, 0, 10, 5),
        looks(0, 0, 50, 10),
    ],
    (by_totals, "The totals since the start say nothing of now: take what came since."),
    (from_ten, "At least ten requests, not more than ten, however many were refused."),
    (a_fifth, "Exactly a fifth is not more than a fifth."),
    (by_count, "A share is asked for: refused of those that came."),
    (of_nothing, "No request came in between: no data is no alarm."),
    (without_least, "Fewer than ten requests came in between: nobody is to be woken."),
    (divides, "Nothing came in between: then no alarm, and no division."),
    (
        by_difference,
        "After a restart the counter began at 0: what it shows came since.",
    ),
    (
        silent_after_restart,
        "After a restart the counter began at 0: what it shows came",
    ),
)


# Task 4: whether a model is fit, whatever /ping says.


def right_fit(management, model):
    answer = requests.get(f"{management}/models/{model}", timeout=10)
    if not answer.ok:
        return False
    [described] = answer.json()
    states = [worker["status"] for worker in described["workers"]]
    return states.count("READY") >= max(described["minWorkers"], 1)


def describe(management, model):
    return requests.get(f"{management}/models/{model}", timeout=10).json()[0]


def states(management, model):
    return [worker["status"] for worker in describe(management, model)["workers"]]


def asks_status(management, model):
    return requests.get(f"{management}/models/{model}", timeout=10).ok


def all_listed(management, model):
    if not asks_status(management, model):
        return False
    described = describe(management, model)
    return len(described["workers"]) >= max(described["minWorkers"], 1)


def any_ready(management, model):
    return asks_status(management, model) and "READY" in states(management, model)


def no_least(management, model):
    if not asks_status(management, model):
        return False
    least = describe(management, model)["minWorkers"]
    return states(management, model).count("READY") >= least


@task(
    (right_fit, "Right"),
    (asks_status, "minWorkers 0"),
    (no_least, "minWorkers 0"),
    (lambda management, model: describe(management, model), "no such model"),
    (lambda management, model: True, "no such model"),
    (lambda management, model: False, "all its workers are READY"),
    (lambda management, model: print(end=""), "Is there a return?"),
    (all_listed, "stands in the list"),
    (any_ready, "one more worker was ordered"),
)
def task_4(learners: Callable, torchserve):
    """write the function fit and run both cells"""
    management, name = torchserve.management, "simple_linear"
    url = f"{management}/models/{name}"

    def ask(model, wanted, what):
        label = f"fit(…, {model!r}), where {what},"
        found = call(label, learners, management, model)
        if found is None:
            raise Hint(f"{label} gives None. Is there a return?")
        if not isinstance(found, bool):
            raise Hint(f"{label} gives {told(found)}: it has to be True or False.")
        if found != wanted:
            raise Hint(f"{label} gives {found}, and not {wanted}.")

    requests.get(management, timeout=10)  # whether it is there at all
    ask("nosuch", False, "there is no such model")
    least = describe(management, name)["minWorkers"]
    wait_until(lambda: states(management, name).count("READY") >= least)
    ask(name, True, "all its workers are READY")
    query = {"url": ARCHIVE.name, "model_name": "empty", "initial_workers": 0}
    try:
        requests.post(f"{management}/models", params=query, timeout=30)
        ask("empty", False, "minWorkers 0 leaves nobody to answer")
    finally:
        requests.delete(f"{management}/models/empty", timeout=30)
    try:
        requests.put(url, params={"min_worker": least + 1}, timeout=30)
        starting = "one more worker was ordered, and stands in the list, not READY yet"
        ask(name, False, starting)
    finally:
        requests.put(url, params={"min_worker": least, "max_worker": least}, timeout=30)
    return "Right: it says more than /ping, for a model that is not there as well."
