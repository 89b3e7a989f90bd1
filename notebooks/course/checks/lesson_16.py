import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qs, parse_qsl, urlsplit

import requests
import torch
from model_archiver.arg_parser import ArgParser
from ts.context import Context

from course import contract, local_worker, own
from course.checks.form import Guess, Hint, call, task, told
from course.lesson import ROOT, words_of
from models import train_wines
from models.answers import wines as answer_of
from models.train_wines import accuracy, train
from models.wines import WineNet

guess_1 = Guess(
    {
        "a": (
            "it finds nearly all of them",
            "A linear layer could learn the scales, but proline is near 750 and hue "
            "near 1, and the steps that suit one throw the other about.",
        ),
        "b": ("it finds two thirds of them at most", "Proline drowns what hue says."),
        "c": (
            "its weights become NaN",
            "They jump about, and a softmax of large scores is still a number.",
        ),
    },
    right="b",
)

guess_2 = Guess(
    {
        "a": ("it breaks no line", "A caller alone sees no difference."),
        "b": (
            "it breaks one line, a bad one alone",
            "The status and the message are right; who else gets them?",
        ),
        "c": (
            "it breaks three lines: it alone, the refusals, the next one",
            "Asked one by one, it refuses with a message, and answers the next one.",
        ),
    },
    right="b",
)


# What the tests try: files as learners write them.


def changed(name, *pairs):
    """The project's file, with one text replaced by another."""
    text = own.PROJECT[name].read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def files(tmp_path, *pairs):
    """Examples: each text as a file, and what is said to it."""
    for number, (text, says) in enumerate(pairs):
        file = tmp_path / f"{number}.py"
        file.write_text(text, encoding="utf-8")
        yield file, says


def only_class_in(file):
    """The one class that a file defines."""
    with contextlib.redirect_stdout(io.StringIO()):
        module = call(f"own/{file.name}", own.load, file)
    found = own.classes_of(module)
    if len(found) != 1:
        raise Hint(
            f"own/{file.name} defines {len(found)} classes. TorchServe takes the class "
            "of a file by itself, and for that there has to be exactly one."
        )
    return found[0]


BUFFER = 'self.register_buffer("means", torch.zeros(13))'


def models(tmp_path):
    def but(*pairs):
        return changed("model.py", *pairs)

    forward = "self.layer((wines - self.means) / self.scales)"
    return [
        *files(
            tmp_path,
            (but(), "Right"),
            (but((BUFFER, "self.means = torch.zeros(13)")), "stays behind"),
            (but((BUFFER, "pass")), "no means"),
            (
                but((BUFFER, "self.means = nn.Parameter(torch.zeros(13))")),
                "the optimizer would change",
            ),
            (but((BUFFER, BUFFER.replace("13", "1"))), "shape (1,)"),
            (but((forward, "self.layer(wines)")), "It does not change"),
            (
                but((forward, "self.layer(wines / self.scales - self.means)")),
                "Subtract first",
            ),
            (
                but((forward, f"{forward[:-1]} - wines.mean(dim=0))")),
                "alone than among others",
            ),
            (but((forward, f"{forward}.softmax(dim=1)")), "adds up to 1"),
            (but((forward, f"{forward}.squeeze()")), "For 1 wine"),
            (but(("nn.Linear(13, 3)", "nn.Linear(13, 1)")), "(8, 1)"),
            (but(("nn.Linear(13, 3)", "nn.Linear(12, 3)")), "raises RuntimeError"),
            (but(("__init__(self)", "__init__(self, n)")), "WineNet() raises"),
            ("x = 5", "defines 0 classes"),
            ("class A:\n    pass", "no torch.nn.Module"),
            ("import nosuch", "raises ModuleNotFoundError"),
        )
    ]


@task(models)
def task_1(file: Path):
    """write the class into the cell and run both cells"""
    wine_net = only_class_in(file)
    model = call("WineNet()", wine_net)
    if not isinstance(model, torch.nn.Module):
        return "It is no torch.nn.Module: class WineNet(nn.Module)."
    model.eval()
    kept, weights = model.state_dict(), dict(model.named_parameters())
    for name in ("means", "scales"):
        if name in weights:
            return f"{name} is a parameter: the optimizer would change it. A buffer?"
        if name not in kept and hasattr(model, name):
            return (
                f"{name} is not in the state dict: it stays behind when the weights "
                "are saved. register_buffer puts it there."
            )
        if name not in kept:
            return f"The model has no {name}: register_buffer makes it."
        if kept[name].shape != (13,):
            return f"{name} has the shape {(*kept[name].shape,)}, and not (13,)."
    torch.manual_seed(0)
    wines = 1 + torch.rand(8, 13)
    with torch.inference_mode():
        plain = scores_of(model, wines)
        single = torch.cat([scores_of(model, wine[None]) for wine in wines])
        if torch.allclose(plain.sum(dim=1), torch.ones(8), atol=1e-4):
            raise Hint(
                "What comes back adds up to 1 for each wine. Scores are asked for: "
                "cross_entropy takes them, and the handler does the softmax."
            )
        if not torch.allclose(single, plain, atol=1e-4):
            raise Hint(
                "A wine gets another answer alone than among others. Take self.means "
                "and self.scales: the mean of a batch is not the training's."
            )
        model.means.fill_(1.5)
        model.scales.fill_(0.25)
        now, rest = model(wines), (wines - 1.5) / 0.25
        model.means.zero_()
        model.scales.fill_(1)
        wanted = model(rest)
    if torch.allclose(now, plain):
        return "I set means and scales, and the answer is the same. It does not change."
    if not torch.allclose(now, wanted, atol=1e-4):
        return (
            "forward is not (wines - means) / scales, then the layer. Subtract first."
        )
    return "Right: 13 numbers in, 3 scores out; means and scales are in the state dict."


def scores_of(model, wines):
    """What the model says, if it is three numbers for each wine."""
    many = len(wines)
    said = call(f"model(wines), a tensor {(*wines.shape,)},", model, wines)
    if not isinstance(said, torch.Tensor) or said.shape != (many, 3):
        shape = (*getattr(said, "shape", ()),)
        made = f"{type(said).__name__} {shape}"
        raise Hint(f"For {many} wine{'s'[: many - 1]} comes {made}, not ({many}, 3).")
    return said


@cache
def wines():
    """The wines to learn from, and those held out."""
    return train_wines.load_data()


@cache
def trained():
    """A model that has learned."""
    return train_wines.make()


def trainers():
    def fits_only(model, wines, means=True, scales=True):
        train(model, wines, steps=0)
        for buffer, start, keep in ((model.means, 0, means), (model.scales, 1, scales)):
            if not keep:
                buffer.fill_(start)
        return model

    def one_mean(model, wines):
        train(model, wines, steps=0).means.fill_(wines.numbers.mean())
        return model

    def no_steps(model, wines):
        return train(model, wines, steps=0)

    def adds_up(model, wines):
        weights = [*train(model, wines, steps=0).parameters()]
        for _ in range(100):
            loss = torch.nn.functional.cross_entropy(model(wines.numbers), wines.labels)
            loss.backward()
            with torch.no_grad():
                for weight in weights:
                    weight -= 0.1 * weight.grad
        return model

    def stays(model, wines):
        return train(model, wines, steps=0).train()

    return [
        (train, "Right"),
        (
            lambda model, wines: train(model, wines, steps=0) and None,
            "returns NoneType",
        ),
        (
            lambda model, wines: fits_only(model, wines, means=False),
            "means are still 0",
        ),
        (lambda model, wines: fits_only(model, wines, scales=False), "scales are not"),
        (one_mean, "means are not"),
        (no_steps, "of the held-out wines are found"),
        (stays, "still in training mode"),
        (adds_up, "zero_grad before each backward"),
        (lambda model: model, "raises TypeError"),
    ]


@task(trainers)
def task_2(learners: Callable):
    """write the function and run both cells"""
    learned, held_out = wines()
    torch.manual_seed(0)
    model = call("train(model, wines)", learners, WineNet(), learned)
    if not isinstance(model, WineNet):
        return f"train returns {type(model).__name__}, and not the model."
    if not model.means.any():
        return "The means are still 0: model.means.copy_(…), before the first step."
    if not torch.allclose(model.means, learned.numbers.mean(dim=0)):
        return "The means are not those of the columns: which dim has the 133 wines?"
    usual = [learned.numbers.std(dim=0, correction=n) for n in (0, 1)]
    if not any(torch.allclose(model.scales, right) for right in usual):
        return "The scales are not the standard deviations of the columns: std(dim=0)."
    if model.training:
        return "The model is still in training mode: return model.eval()."
    found = accuracy(model, held_out)
    if found < 0.9:
        return (
            f"{found:.0%} of the held-out wines are found. Does each step call "
            "zero_grad, backward and step? Are there 100 of them, with lr=0.1, and "
            "means and scales before the first?"
        )
    gradients = [w.grad.flatten() for w in model.parameters() if w.grad is not None]
    if gradients and torch.cat(gradients).norm() > 2:  # that of one step is near 0.1
        return (
            f"{found:.0%} of the held-out wines are found, but the gradients of all "
            "steps add up: zero_grad before each backward."
        )
    return f"Right: {found:.0%} of the held-out wines are found."


@contextlib.contextmanager
def model_dir():
    """A folder as TorchServe unpacks it, with the project's model."""
    with tempfile.TemporaryDirectory(prefix="wines-") as folder:
        torch.save(trained().state_dict(), Path(folder, "wines.pth"))
        for file in (own.PROJECT["model.py"], own.PROJECT["wines.json"]):
            shutil.copy(file, folder)
        sys.path.append(folder)  # where TorchServe puts it
        try:
            yield folder
        finally:
            sys.path.remove(folder)


REFUSED = {
    "the text 'five'": {"body": "five"},
    "a list": {"body": [1.0] * 13},
    "an empty object": {"body": {}},
    "no body": {},
}
IN_PLACE = {
    "the text 'five'": "five",
    "true": True,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "1e300": 1e300,
    "a list": [1.0],
}


def handlers(tmp_path):
    def but(*pairs):
        return changed("handler.py", *pairs)

    model_dir = 'context.system_properties["model_dir"]'
    rounded = "[round(share, 2) for share in row]"
    more = '"probabilities": shares, "wine": 5'
    finite = "if not -LARGEST <= number <= LARGEST:  # false for NaN too"
    boolean = "isinstance(number, bool) or "
    names = "[float(body[name]) for name in self.inputs]"
    poison = "self.refused[index] = str(error)"
    status = 'self.context.set_response_status(400, "Bad Request", index)'
    start = "self.refused = {}  # place in the batch -> message"
    return [
        *files(
            tmp_path,
            (but(), "Right"),
            (but((finite, "if False:")), "NaN in place of alcohol"),
            (but((model_dir, '"own"')), "start from model_dir"),
            (but(("(int, float)", "float")), "13 for 13.0"),
            (but(('"probabilities": shares}', '"probabilities": row}')), "is list"),
            (but(("(self.classes, row,", f"(self.classes, {rounded},")), "rounded"),
            (but(("shares = dict", "row.sort(); shares = dict")), "the model says"),
            (but(('"probabilities": shares}', f"{more}}}")), "has wine too"),
            (but((finite, "if number != number:")), "Infinity in place of alcohol"),
            (but((boolean, "")), "true in place of alcohol"),
            (but((names, "[float(it) for it in body.values()]")), "another order"),
            (but((poison, "raise")), "Beside a bad request a good one gets 503"),
            (but((status, "pass")), "a bad request: 200"),
            (but(("{*body} != {*self.inputs}", "not body")), "without alcohol: 503"),
            (
                but((start, 'self.refused = getattr(self, "refused", {})')),
                "still refuse",
            ),
            (
                but(("max(shares, key=shares.get)", "row.index(max(row))")),
                "not the name",
            ),
            (but((".softmax(dim=1)", "")), "do not add up to 1"),
            (but(('"probabilities": shares', '"p": shares')), "lacks probabilities"),
            (but(("return answers", "return answers[:1]")), "3 requests"),
            (but(('"message": message', '"message": "no"')), "does not say"),
            (but(("super().initialize(context)", "pass")), "a good request: 503"),
            ("import nosuch", "raises ModuleNotFoundError"),
        )
    ]


@task(handlers)
def task_3(file: Path):
    """write the class into the cell and run both cells"""
    handler = call("The handler's class", only_class_in(file))
    manifest = {
        "model": {"modelFile": "wines.py", "serializedFile": "wines.pth"},
    }
    logs = io.StringIO()
    with (
        model_dir() as folder,
        contextlib.redirect_stdout(logs),
        contextlib.redirect_stderr(logs),
        tempfile.TemporaryDirectory(prefix="elsewhere-") as empty,
        contextlib.chdir(empty),  # a server's worker does not run at the root either
    ):
        context = Context("wines", folder, manifest, 8, None, "0.12.0")
        raised = noting(handler)
        try:
            worker = call("initialize(context)", local_worker.start, handler, context)
        except Hint as hint:
            lost = " A server works in another folder: start from model_dir."
            raise Hint(f"{hint}{lost * ('FileNotFound' in str(hint))}") from None
        said = judge_worker(worker.ask)
    if "503" in said and raised:
        said += f" It raises {told(raised[-1])}."
    return said


def noting(handler):
    """The list that gets what the handler raises: the server tells of it in its log."""
    raised, handle = [], handler.handle

    def noted(*arguments):
        try:
            return handle(*arguments)
        except Exception as error:
            raised.append(error)
            raise

    handler.handle = noted
    return raised


def judge_worker(ask):
    """What to say about a worker with the learner's handler."""
    held_out, model = wines()[1], trained()
    inputs = json.loads(own.PROJECT["wines.json"].read_text())["inputs"]
    rows = [
        dict(zip(inputs, numbers, strict=True))
        for numbers in held_out.numbers[:3].tolist()
    ]
    good = [{"body": row} for row in rows]
    wanted = [answer_of(row, model) for row in rows]
    for request, right in zip(good, wanted, strict=True):
        if problem := wrong(ask(request), right, "a good request"):
            return problem
    whole = {name: round(number) for name, number in rows[0].items()}
    exact = {name: float(number) for name, number in whole.items()}
    if said := wrong(ask({"body": whole}), answer_of(exact, model), "whole numbers"):
        return f"{said} JSON may have 13 for 13.0: take int and float."
    shuffled = {"body": dict(reversed(rows[0].items()))}
    if wrong(ask(shuffled), wanted[0], ""):
        return (
            "The same wine with its names in another order gets another answer: take "
            "the numbers in the order of the names in wines.json."
        )
    three = ask(*good)
    for number, right in enumerate(wanted):
        if problem := wrong(three[number : number + 1], right, "one of 3 requests"):
            return problem
    [before, bad, after] = ask(good[0], REFUSED["the text 'five'"], good[2])
    if {before.status, after.status} != {200}:
        return f"Beside a bad request a good one gets {before}. Refuse the bad alone."
    if not 400 <= bad.status < 500:
        return f"The answer to a bad request: {bad}. A 400 is asked for."
    if {answer.status for answer in ask(*good)} != {200}:
        return "After a bad request they still refuse: empty the notes for each batch."
    odd = dict(REFUSED)
    name = inputs[0]
    odd[f"without {name}"] = {"body": {n: x for n, x in rows[0].items() if n != name}}
    for what, value in IN_PLACE.items():
        odd[f"{what} in place of {name}"] = {"body": {**rows[0], name: value}}
    for what, request in odd.items():
        [answer] = ask(request)
        if not 400 <= answer.status < 500:
            return f"{what}: {answer}. It has to be a 400."
        if not contract.says_why(contract.Reply(400, answer.body.encode())):
            return f"{what}: {answer}. It does not say what was expected."
    return f"Right: names in any order, {len(odd)} bad requests refused, each alone."


def wrong(answers, right, what):
    """What is wrong with the first of these answers, or nothing."""
    if len(answers) != 1:
        return f"{what}: {len(answers)} answers."
    [answer] = answers
    if answer.status != 200:
        return f"The answer to {what}: {answer}."
    content = json.loads(answer.body)
    if not isinstance(content, dict) or {*content} != {*right}:
        has = {*content} if isinstance(content, dict) else set()
        lacks = [name for name in right if name not in has]
        what = f"lacks {lacks[0]}" if lacks else f"has {min(has - {*right})} too"
        return f"{answer}: the answer {what}."
    if not isinstance(content["class"], str):
        return f"class is {content['class']!r}, and not the name of the class."
    shares = content["probabilities"]
    if not isinstance(shares, dict):
        kind = type(shares).__name__
        return f"{answer}: probabilities is {kind}, and not one for each class by name."
    exact = right["probabilities"]
    for digits in range(1, 5):
        if shares == {name: round(share, digits) for name, share in exact.items()}:
            return f"{answer}: rounded. Answer what the model says, {told(exact)}."
    if abs(sum(shares.values()) - 1) > 1e-3:
        return f"{answer}: the probabilities do not add up to 1. Softmax, by name?"
    if not contract.agree(content, right, 1e-5):
        return f"The answer to {what} is {answer}, and the model says {told(right)}."
    return None


OPTIONS = {
    "model_name": ("wines", "The requests go to /predictions/wines."),
    "model_file": ("own/model.py", "Where is the class of the model?"),
    "serialized_file": ("own/wines.pth", "Where has the last cell saved the weights?"),
    "handler": ("own/handler.py", "Where is your handler?"),
    "extra_files": (None, "Your handler reads the names from a file."),
    "export_path": ("model_store", "Where does the server look for archives?"),
}


def options_of(command):
    """What the archiver itself reads from a command."""
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError as error:
        raise Hint(f"A terminal cannot read it: {str(error).lower()}.") from None
    if words[:1] != ["torch-model-archiver"]:
        raise Hint("The command starts with torch-model-archiver.")
    says = io.StringIO()
    with contextlib.redirect_stderr(says), contextlib.redirect_stdout(says):
        try:
            with mock.patch.object(sys, "argv", words):
                return vars(ArgParser.export_model_args_parser())
        except SystemExit:
            line = says.getvalue().strip().splitlines()[-1]
            raise Hint(f"The archiver refuses: {line.split('error: ')[-1]}.") from None


def commands():
    def but(old, new):
        assert old in own.ARCHIVE_COMMAND
        return own.ARCHIVE_COMMAND.replace(old, new)

    return [
        (own.ARCHIVE_COMMAND, "Right"),
        (but("--extra-files own/wines.json ", ""), "--extra-files is None. Your"),
        (but("--serialized-file own/wines.pth ", ""), "--serialized-file is None."),
        (but("own/handler", "handlers/handler"), "--handler is 'handlers/handler.py'"),
        (but("model_store", "own"), "--export-path is 'own'. Where does"),
        (but("--model-name wines", "--model-name wine"), "--model-name is 'wine'."),
        (but("--version 1.0", ""), "arguments are required: -v/--version"),
        (but("torch", "pytorch"), "starts with torch-model-archiver"),
        (but("--force", "--force --config-file nosuch"), "No such file"),
        (but(" --force", ""), "write over an archive"),
        (but("--version 1.0", "--version 1"), "--version is '1'"),
        (but("--extra-files own/wines.json", "--extra-files own"), "Right"),
        (but("own/wines.json", "own/model.py"), "has no wines.json"),
        (but("--force", "--force '"), "no closing quotation"),
    ]


@task(commands)
def task_4(command: str):
    """put the command into answer_4 and run both cells"""
    given = options_of(command)
    if given["version"] != "1.0":
        return f"--version is {given['version']!r}, and 1.0 is asked for."
    if not given["force"]:
        return "It refuses to write over an archive that is there: --force."
    for name, (right, hint) in OPTIONS.items():
        said = given[name]
        if said is None or (right and Path(said) != Path(right)):
            return f"--{name.replace('_', '-')} is {said!r}. {hint}"
    with tempfile.TemporaryDirectory(prefix="own-") as folder:
        home, there = Path(folder), Path(folder, "own")
        there.mkdir()
        (home / "model_store").mkdir()
        for name, project in own.PROJECT.items():
            shutil.copy(project, there / name)
        torch.save(trained().state_dict(), there / "wines.pth")
        finished = subprocess.run(
            words_of(command), cwd=folder, capture_output=True, text=True, timeout=60
        )
        made = home / "model_store" / "wines.mar"
        if finished.returncode or not made.exists():
            said = re.findall(r"(?m)^.*(?:ERROR|Error).*", finished.stderr)
            raise Hint(f"The archiver says: {' '.join(said[-1:])}"[:200])
        names = zipfile.ZipFile(made).namelist()
        if "wines.json" not in names:
            extra = given["extra_files"]
            raise Hint(f"--extra-files is {extra!r}: the archive has no wines.json.")
        row = dict(zip(own_inputs(), wines()[1].numbers[0].tolist(), strict=True))
        [answer] = contract.elsewhere(made, [json.dumps(row).encode()])
    return f"Right: in another folder the archive answers {answer.status}."


def own_inputs():
    return json.loads(own.PROJECT["wines.json"].read_text())["inputs"]


WANTED = {
    "url": ("wines.mar", "which archive of the model store?"),
    "batch_size": ("8", "how many requests may come together?"),
    "max_batch_delay": ("20", "how many milliseconds may they wait?"),
    "initial_workers": ("1", "how many workers does it start with?"),
}


def asks_for(register):
    """Method, path, parameters of what a function asks of a server that is none.

    It says that all is done, so that a function that waits for it comes back.
    """
    seen = []

    class Listens(BaseHTTPRequestHandler):
        def note(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            is_json = "json" in (self.headers["Content-Type"] or "")
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            with contextlib.suppress(ValueError, AttributeError):
                said = json.loads(body) if is_json else {}
                query |= {name: str(value) for name, value in said.items()}
            form = bool(body) and not is_json
            seen.append((self.command, parts.path.rstrip("/"), query, form))
            worker = {"id": "9000", "status": "READY"}
            model = {"modelName": "wines", "workers": [worker]}
            says = [model] if self.command == "GET" else {"status": "registered"}
            content = json.dumps(says).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = note

        def log_message(self, *_): ...

    with HTTPServer(("127.0.0.1", 0), Listens) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            call(
                "register(management)",
                register,
                f"http://127.0.0.1:{server.server_port}",
            )
        finally:
            server.shutdown()
            thread.join()
    return seen


def registrations(wines_management):
    def register(query, path="/models", ask=requests.post):
        return lambda management: ask(f"{management}{path}?{query}", timeout=60)

    right = "url=wines.mar&batch_size=8&max_batch_delay=20&initial_workers=1"
    return [
        (register(right), "Right"),
        (lambda management: management, "It asks nothing"),
        (register(right, ask=requests.get), "GET /models. Which method"),
        (register(right, path="/model"), "POST /model. Which path"),
        (
            lambda management: requests.post(
                f"{management}/models", json=dict(parse_qsl(right)), timeout=60
            ),
            "Right",
        ),
        (
            lambda management: requests.post(
                f"{management}/models", data=dict(parse_qsl(right)), timeout=60
            ),
            "It sends a form",
        ),
        (register(right.replace(".mar", "")), "url is 'wines': which archive"),
        (register(right.replace("_size", "")), "batch_size is not there: how many"),
        (register(right.replace("20", "0.02")), "max_batch_delay is '0.02'"),
        (register(right.replace("=1", "=0")), "initial_workers is '0'"),
        (register(right + "&model_name=wine"), "model_name is 'wine'"),
        (register(right + "&runtime=nosuch"), "TorchServe says 400"),
        (register(right + "&synchronous=false"), "wait for them"),
    ]


@task(registrations)
def task_5(register: Callable, wines_management: str):
    """write the function and run both cells"""
    seen = asks_for(register)
    if not seen:
        return "It asks nothing of the management address: requests.post(…)?"
    posts = [request for request in seen if request[0] == "POST"]
    method, path, query, form = (posts or seen)[0]
    if method != "POST":
        return f"It sends {method} {path}. Which method makes something?"
    if path != "/models":
        return f"It sends POST {path}. Which path registers a model?"
    if form and not query:
        return "It sends a form. TorchServe reads the query: params= instead of data=."
    for name, (right, hint) in WANTED.items():
        if query.get(name) != right:
            is_ = repr(query[name]) if name in query else "not there"
            return f"{name} is {is_}: {hint}"
    if query.get("model_name", "wines") != "wines":
        return f"model_name is {query['model_name']!r}: requests go to wines."
    url = f"{wines_management}/models/wines"
    requests.delete(url, timeout=30)
    with mock.patch.object(requests.Response, "raise_for_status", lambda _: None):
        answer = call("register(management)", register, wines_management)
    described = requests.get(url, timeout=10).json()
    requests.delete(url, timeout=30)
    if not isinstance(described, list):
        status = getattr(answer, "status_code", None) or described.get("code")
        return f"TorchServe says {status}: there is no model wines. Read its answer."
    [model] = described
    ready = [worker["status"] for worker in model["workers"]]
    if ready != ["READY"]:
        return f"Its workers are {ready}: wait for them, synchronous is the default."
    return (
        f"Right: one worker is READY, for batches of {model['batchSize']} after "
        f"{model['maxBatchDelay']} ms. It is unregistered again."
    )


def line_spec(management):
    file = ROOT / "config" / "contract_line.json"
    spec = json.loads(file.read_text(encoding="utf-8"))
    del spec["archive"]
    return {**spec, "ready": f"{management}/models/simple_linear"}


def specs(management, inference):
    right = line_spec(management)

    def but(**change):
        return {**right, **change}

    return [
        (right, "Right"),
        ({**right, "predictions": "/predictions/nosuch"}, "ready when it says so"),
        (but(answer="$answer"), "right answers: "),
        (but(model="models.answers:nosuch"), "module:function"),
        (but(request={"value": "$number"}), "right answers: "),
        (but(inputs={"number": 5}), "the range of number"),
        (but(more=5), "may not have more"),
        ({name: right[name] for name in ("ready", "model")}, "lacks predictions"),
    ]


@task(specs)
def task_6(spec: dict, inference: str, management: str):
    """put the dictionary into answer_6 and run both cells"""
    try:
        lines = contract.examine(inference, spec, patience=1)
    except contract.SpecError as error:
        return f"The contract cannot be examined: {error}."
    broken = [line for line in lines if line.ok is False]
    if broken:
        [first, *_] = broken
        return (
            f"{len(broken)} broken. {first.name}: {first.came}. Look at {first.look}."
        )
    return f"Right: {sum(line.ok is True for line in lines)} lines kept, none broken."
