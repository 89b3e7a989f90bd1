import ast
import json
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import requests

from course import servers
from course.background import is_loopback, port_of
from course.checks.form import Guess, Hint, call, function, task, told
from course.lesson import wait_until
from course.torchserve import ADDRESSES, parse, with_port


def yours_if_right(check, answer, *given):
    """The learner's answer if its check praises it; else None."""
    return answer if check.reply(answer, *given).startswith("Right") else None


COMMAND = (
    "torchserve --start --foreground --ncs --model-store model_store "
    "--models simple_linear=simple_linear.mar "
    "--ts-config config/config.properties --disable-token-auth"
)


@task(
    (COMMAND, "Right"),
    (COMMAND.replace(" --models", " \\\n  --models"), "Right"),
    (COMMAND.replace("torchserve", "serve"), "begins with its program"),
    (COMMAND.replace(" --models", "\n--models"), "a backslash"),
    (COMMAND + " '", "cannot be split into words"),
    (COMMAND.replace("-model-store", "-store"), "torchserve refuses it: "),
    (COMMAND.replace(" --foreground", ""), "add --foreground"),
    (COMMAND.replace("--start", "--stop"), "--stop ends a server"),
    (COMMAND.replace("--models simple_linear=simple_linear.mar ", ""), "serves no"),
    (COMMAND.replace("simple_linear=", ""), "would be served as simple_linear.mar"),
    (COMMAND.replace(".mar", ""), "No file model_store/simple_linear"),
    (COMMAND.replace("=simple", "=model_store/simple"), "twice"),
    (COMMAND.replace("--model-store model_store", ""), "Right"),
    (COMMAND.replace("model_store", "models"), "--model-store is models"),
    (COMMAND.replace("config/", ""), "Which file did the cell above write"),
    (COMMAND.replace("--ts-config config/config.properties ", ""), "Which file"),
    (COMMAND.replace(" --disable-token-auth", ""), "wants a token"),
    (COMMAND.replace(" --ncs", ""), "keeps a copy of its state"),
    (COMMAND + " --enable-model-api", "opens more than you need"),
)
def task_1(command: str):
    """put the command into answer_1, in quotes"""
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError as error:
        return f"This cannot be split into words: {error}."
    if words[:1] != ["torchserve"]:
        return f"A command begins with its program: torchserve, not {told(words[:1])}."
    if "\n" in command.strip().replace("\\\n", " "):
        return "A line that goes on in the next one ends with a backslash."
    if "--stop" in words:
        return "--stop ends a server. This one is to start."
    if "--foreground" not in words:
        return "It would return and leave its server behind: add --foreground."
    try:
        found = parse(words[1:])
    except ValueError as error:
        return f"torchserve refuses it: {error}."
    served = found.models or []
    named = [one for one in served if one.partition("=")[0] == "simple_linear"]
    if not served:
        return "It starts a server that serves no model: which option names models?"
    if not named or "=" not in named[0]:
        return f"The model would be served as {served[0].partition('=')[0]}: name=file."
    if found.model_store not in ("model_store", "model_store/", None):
        return f"--model-store is {found.model_store}. Where did lesson 04 put it?"
    archive = named[0].partition("=")[2]
    if archive.startswith("model_store/"):
        return "The folder is named twice: --models counts from --model-store."
    if archive != "simple_linear.mar":
        return f"No file model_store/{archive} is there. What did lesson 04 build?"
    if Path(found.ts_config or "") != Path("config/config.properties"):
        return f"--ts-config is {found.ts_config}. Which file did the cell above write?"
    if not found.token_auth:
        return "This server wants a token with each request: which option says no?"
    if not found.no_config_snapshots:
        return "This server keeps a copy of its state: which option says no?"
    if found.model_mode or len(served) > 1:
        return "It would run, and it opens more than you need: leave the rest out."
    return "Right: it names the program, the archive, the settings, and who may ask."


def _describe(server, model):
    answer = requests.get(f"{server.management}/models/{model}", timeout=5)
    return answer.json()[0] if answer.ok else {"workers": []}


def ready(server, model):
    workers = _describe(server, model)["workers"]
    return any(worker["status"] == "READY" for worker in workers)


def ping(server, model):
    return requests.get(f"{server.inference}/ping", timeout=5).ok


def any_worker(server, model):
    return len(_describe(server, model)["workers"]) > 0


def careless(server, model):
    [found] = requests.get(f"{server.management}/models/{model}", timeout=5).json()
    return found["workers"][0]["status"] == "READY"


@task(
    (ready, "Right"),
    (ping, "no model of that name"),
    (any_worker, "before that one was READY"),
    (careless, "Look at the status code before the JSON"),
    (lambda server, model: _describe(server, model)["workers"], "True or False"),
    (lambda server, model: print(end=""), "Is there a return?"),
    (lambda server, model: _describe(server, model)["status"], "raises KeyError"),
    (lambda server, model: ready(server, model) is None, "Compare it with"),
)
def task_2(is_ready: Callable, server):
    """write is_ready: True if a worker of that model is READY"""

    def ask(model="simple_linear", hint=""):
        label = f'is_ready(torchserve, "{model}")'
        try:
            given = call(label, is_ready, server, model)
        except Hint as hint_of_call:
            raise Hint(f"{hint_of_call} {hint}".strip()) from None
        if given is None:
            raise Hint(f"{label} gives None. Is there a return?")
        if not isinstance(given, bool):
            raise Hint(f"{label} gives {told(given)}: please give True or False.")
        return given

    model = f"{server.management}/models/simple_linear"
    wait_until(lambda: ready(server, "simple_linear"), every=0.2)
    if not ask():
        status = [
            one["status"] for one in _describe(server, "simple_linear")["workers"]
        ]
        return (
            f"It says False, and its workers are {status}. Compare it with your loop."
        )
    hint = "The answer for a model that is not there is a 404. Look at the status code"
    if ask("nosuch", f"{hint} before the JSON."):
        return (
            'True for "nosuch", and there is no model of that name. /ping knows none.'
        )
    try:  # take the worker away, then be quicker than the one that comes
        zero = {"min_worker": 0, "synchronous": "true"}
        requests.put(model, params=zero, timeout=30).raise_for_status()
        early = ask()
        requests.put(model, params={"min_worker": 1}, timeout=30).raise_for_status()
        early |= ask() and not ready(server, "simple_linear")
    finally:
        requests.put(model, params={"min_worker": 1}, timeout=30)
        wait_until(lambda: ready(server, "simple_linear"), every=0.2)
    if early:
        return (
            "The check took the only worker away and had a new one started. Yours said "
            "True before that one was READY. What is the status of each worker?"
        )
    return (
        "Right: True; False for a model that is not there, for one without a worker, "
        "and while the new worker started. Your server is as before."
    )


def _lines(*ports):
    """The five lines of a right answer, with these ports."""
    urls = {
        name: f"http://127.0.0.1:{port}" if "://" in usual else port
        for (name, usual), port in zip(ADDRESSES.items(), ports, strict=True)
    }
    return "\n".join(f"{name}={address}" for name, address in urls.items())


def _answers(torchserve):
    free = servers.find_free_ports(5)
    right = _lines(*free)
    return (
        (right, "Right"),
        (f"# mine\n\n{right.replace('=', ' = ')}", "Right"),
        (right.replace("=", ": "), 'no "name=value"'),
        (right.replace("inference_address", "TS_INFERENCE_ADDRESS"), "a variable"),
        (right.replace("inference_address", "address"), "knows no address"),
        (right.splitlines()[0], "management_address is missing"),
        (_lines(free[0], *free[:4]), "stands there twice"),
        (_lines(port_of(torchserve.inference), *free[1:]), "is taken"),
        (_lines(80, *free[1:]), "from 1024 to 65535"),
        (_lines("x", *free[1:]), "has no port"),
        (right.replace("127.0.0.1", "0.0.0.0", 1), "everybody in your network"),
        (right.replace("http://127.0.0.1:", "", 1), "such as http://127.0.0.1:"),
        (right.replace(f"={free[3]}", f"=127.0.0.1:{free[3]}"), "a bare number"),
    )


@task(_answers)
def task_3(lines: str, torchserve):
    """put lines "name=value" into answer_3, in triple quotes"""
    rows = [line.strip() for line in lines.strip().splitlines()]
    found, ports = {}, []
    for row in rows:
        name, equals, setting = (part.strip() for part in row.partition("="))
        if not row or row.startswith("#"):
            continue
        if not equals:
            return f'{told(row)} is no "name=value".'
        if name.startswith("TS_"):
            return (
                f"{name} is a variable of the terminal. In the file it is lower case."
            )
        if name not in ADDRESSES:
            return f"TorchServe knows no address {told(name)}, and ignores the line."
        found[name] = setting
    for name, usual in ADDRESSES.items():
        setting = found.get(name)
        if setting is None:
            held = getattr(torchserve, name.removesuffix("_address"), usual)
            return (
                f"{name} is missing: it stays {held}, which your first server has. "
                "The patient needs five addresses of its own."
            )
        if usual.isdecimal() and not setting.isdecimal():
            return f"{name} is a bare number, such as {usual}."
        if not usual.isdecimal() and not setting.startswith("http://"):
            return f"{name} is an address such as {usual}."
        try:
            whole = with_port(name, setting)
            port = int(whole) if whole.isdecimal() else port_of(whole)
        except ValueError:
            return f"{name}={told(setting)} has no port that can be read."
        if not setting.isdecimal() and not is_loopback(
            whole.split("/")[2].split(":")[0]
        ):
            return f"{name}: everybody in your network reaches it. Take 127.0.0.1."
        if not 1024 <= port <= 65535:
            return f"{name}: take a port from 1024 to 65535, and not {port}."
        if port in ports:
            return f"Port {port} stands there twice: one listener each."
        if not servers.is_free(port):
            return f"{name}: port {port} is taken. Every number above 1024 will do."
        ports.append(port)
    return "Right: five addresses of its own, on 127.0.0.1, and all of them free."


guess_1 = Guess(
    {
        "a": ("Healthy", "Java answers /ping, and Java is well."),
        "b": (
            "Unhealthy",
            "That comes when TorchServe gives up on a worker, five minutes later.",
        ),
        "c": ("no answer", "The worker is dead, and Java answers /ping by itself."),
    },
    right="a",
)


def _imports(patient_archive):
    return (
        ("from linear import SimpleLinearModel", "Right"),
        ("from linear import (SimpleLinearModel)", "Right"),
        ("from models.linear import SimpleLinearModel", "has no folder models"),
        ("from models import SimpleLinearModel", "has no folder models"),
        ("from .linear import SimpleLinearModel", "no package"),
        ("from simple_linear import SimpleLinearModel", "no file simple_linear.py"),
        ("from linear import LinearModel", "defines SimpleLinearModel"),
        ("import linear", "does not bring the name"),
        ("import linear from SimpleLinearModel", "Python cannot read"),
        ("linear.SimpleLinearModel", "no import"),
        ("import sys\nimport torch", "One line"),
    )


@task(_imports)
def task_4(line: str, patient_archive):
    """put the mended line of the handler into answer_4, in quotes"""
    try:
        statements = ast.parse(line.strip()).body
    except SyntaxError as error:
        return f"Python cannot read {told(line)}: {error.msg}."
    if len(statements) != 1:
        return f"One line, please: these are {len(statements)} statements."
    [statement] = statements
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return f"{told(line)} is no import."
    if isinstance(statement, ast.Import):
        return "That does not bring the name SimpleLinearModel: from … import …"
    if statement.level:
        return "A dot asks for the handler's package, and an archive is no package."
    with zipfile.ZipFile(patient_archive) as archive:
        files = {
            name: archive.read(name)
            for name in archive.namelist()
            if name.endswith(".py")
        }
    if statement.module.partition(".")[0] == "models":
        return f"The archive has no folder models. It has {', '.join(files)}."
    if f"{statement.module}.py" not in files:
        return f"It has no file {statement.module}.py, but {', '.join(files)}."
    tree = ast.parse(files[f"{statement.module}.py"])
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if [alias.name for alias in statement.names] != classes:
        return f"{statement.module}.py defines {', '.join(classes)}, and not that."
    return "Right: the archive has linear.py, and the class is in it."


def _key(file, name="inference"):
    return json.loads(Path(file).read_text(encoding="utf-8"))[name]["key"]


def _send(url, **headers):
    headers["Content-Type"] = "text/plain"
    return requests.post(url, data="5", headers=headers, timeout=30)


def with_key(url, file):
    return _send(url, Authorization=f"Bearer {_key(file)}")


@task(
    (with_key, "Right"),
    (lambda url, file: _send(url), "no header Authorization"),
    (lambda url, file: _send(url, Token=_key(file)), "no header Authorization"),
    (lambda url, file: _send(url, Authorization=_key(file)), "the word Bearer"),
    (
        lambda url, file: _send(
            url, Authorization=f"Bearer {_key(file, 'management')}"
        ),
        "the key named management",
    ),
    (
        lambda url, file: _send(url, Authorization=f"Bearer {{'key': {_key(file)!r}}}"),
        "none of the three keys",
    ),
    (lambda url, file: with_key(url, file).json(), "the answer itself"),
    (lambda url, file: print(end=""), "Is there a return?"),
    (lambda url, file: _key(file, "predictions"), "raises KeyError: 'predictions'"),
    (lambda url, file: with_key(url.replace("patient", "x"), file), "says 404: "),
)
def task_5(ask_with_key: Callable, url, key_file):
    """write ask_with_key: it sends 5 with the right key, and returns the answer"""
    answer = call("ask_with_key(url, file)", ask_with_key, url, key_file)
    if answer is None:
        return "It returns None. Is there a return?"
    if not isinstance(answer, requests.Response):
        name = type(answer).__name__
        return f"It returns a thing of type {name}: please return the answer itself."
    status = answer.status_code
    if answer.ok:
        return f"Right: status {status}, and the answer is {answer.json()[0]:.4f}."
    if "InvalidKey" not in answer.text:
        return f"The server says {status}: {told(answer.json()['message'])}"
    sent = answer.request.headers.get("Authorization")
    if not sent:
        return f"{status}: the request had no header Authorization."
    if not sent.startswith("Bearer "):
        return f"{status}: in the header the word Bearer and a space precede the key."
    keys = json.loads(Path(key_file).read_text(encoding="utf-8"))
    for name, entry in keys.items():
        if sent == f"Bearer {entry['key']}":
            return f"{status}: that is the key named {name}. Which is for predictions?"
    return f"{status}: what follows Bearer is none of the three keys, letter by letter."


STAMP = "2026-03-01T09:00:00,000 [INFO ] W-9000-prices_1.0-stdout MODEL_LOG - "
MISSING = """\
Torch worker started.
Backend worker process died.
Traceback (most recent call last):
  File "/srv/ts/model_loader.py", line 153, in _load_handler_file
    module = importlib.import_module(module_name)
  File "/tmp/models/7a0f/prices_handler.py", line 1, in <module>
    import pandas
ModuleNotFoundError: No module named 'pandas'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/ts/model_loader.py", line 159, in _load_default_handler
    module = importlib.import_module(module_name, "ts.torch_handler")
ModuleNotFoundError: No module named 'ts.torch_handler.prices_handler'"""
WRONG_WEIGHTS = """\
Torch worker started.
Backend worker process died.
Traceback (most recent call last):
  File "/srv/torch/nn/modules/module.py", line 2593, in load_state_dict
    raise RuntimeError(
RuntimeError: Error(s) in loading state_dict for Prices:
\tMissing key(s) in state_dict: "layer.weight"."""
WELL = """\
Torch worker started.
Errors are answered with 400 - as agreed
Backend is ready"""
MISSING, WRONG_WEIGHTS, WELL = (
    "\n".join(STAMP + line for line in log.splitlines())
    for log in (MISSING, WRONG_WEIGHTS, WELL)
)


def cause(log):
    for line in log.splitlines():
        if "Error: " in line:
            return line.split(" - ", 1)[1]


def _errors(log, mark="Error: "):
    return [line.split(" - ", 1)[1] for line in log.splitlines() if mark in line]


task_6 = function(
    "write cause: the message that ends the first traceback of a log, or None",
    "Right: the cause of three logs, the healthy one included, which has none.",
    cause,
    [(MISSING,), (WELL,), (WRONG_WEIGHTS,)],
    (lambda log: (_errors(log) or [None])[-1], "That is the second traceback"),
    (
        lambda log: next((ln for ln in log.splitlines() if "Error: " in ln), None),
        "Leave away what stands before the message",
    ),
    (lambda log: (_errors(log, "Error") or [None])[0], '"Error" alone is too little'),
    (
        lambda log: [None, *(ln for ln in log.splitlines() if "Error: " in ln)][-1],
        "That is the second traceback, and with what stands before the message",
    ),
    (lambda log: _errors(log)[0], "A healthy log has no error: give None"),
    (lambda log: _errors(log), "The first one alone"),
    (
        lambda log: log.split("Error: ")[1].splitlines()[0],
        "The kind of error belongs to the message",
    ),
)
