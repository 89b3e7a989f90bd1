import ast
import contextlib
import inspect
import io
import json
import shlex
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import requests

from course import servers
from course.background import is_loopback, port_of
from course.checks.form import Guess, Hint, call, outcome, task, told
from course.lesson import wait_until
from course.torchserve import ADDRESSES, GRPC_HOSTS, parse, with_port

LONG = 4  # seconds; a question to a server on this machine is answered sooner
ASYNC = "An async def gives back a coroutine, and no answer: write def."


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
    (COMMAND.replace(" --models", " \\ \n--models"), "nothing after it"),
    (COMMAND + " '", "cannot be split into words"),
    (COMMAND.replace("-model-store", "-store"), "torchserve refuses it: "),
    (COMMAND.replace(" --foreground", ""), "add --foreground"),
    (COMMAND.replace("--start", "--stop"), "--stop ends a server"),
    (COMMAND.replace("--models simple_linear=simple_linear.mar ", ""), "serves no"),
    (COMMAND.replace("simple_linear=", ""), "Right"),
    (COMMAND.replace("simple_linear=", "linear="), "would be served as linear:"),
    (COMMAND.replace("simple_linear=simple_linear.mar", "all"), "every archive"),
    (COMMAND.replace("linear=", "linear = "), "no space"),
    (COMMAND.replace(".mar", ""), "No file model_store/simple_linear"),
    (COMMAND.replace("=simple", "=model_store/simple"), "Right"),
    (COMMAND.replace("--model-store model_store", ""), "Right"),
    (COMMAND.replace("-store model_store", "-store ./model_store"), "Right"),
    (COMMAND.replace("model_store", "models"), "--model-store is models"),
    (COMMAND.replace("config/config", str(Path("config/config").resolve())), "Right"),
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
        return "A line that goes on ends with a backslash, and nothing after it."
    if "--stop" in words:
        return "--stop ends a server. This one is to start."
    if "--foreground" not in words:
        return "It would return and leave its server behind: add --foreground."
    try:
        found = parse(words[1:])
    except ValueError as error:
        return f"torchserve refuses it: {error}."
    served = found.models or []
    if not served:
        return "It starts a server that serves no model: which option names models?"
    name, equals, archive = served[0].partition("=")
    if served[0].lower() == "all":
        return "all serves every archive of the folder. Name the one: name=file."
    if "=" in served or not name or (equals and not archive):
        return "In name=file is no space: a space begins the next word."
    if not equals:  # a file alone is served under the name that its archive has
        name, archive = "simple_linear", name
    if name != "simple_linear":
        return f"The model would be served as {name}: name=file."
    folder = Path(found.model_store or "model_store")
    if folder.resolve() != Path("model_store").resolve():
        return f"--model-store is {found.model_store}. Where did lesson 04 put it?"
    if Path(archive).name != "simple_linear.mar":  # TorchServe asks for no more
        return f"No file model_store/{archive} is there. What did lesson 04 build?"
    settings = Path("config/config.properties").resolve()
    if Path(found.ts_config or "").resolve() != settings:
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


def first_worker(server, model):
    workers = _describe(server, model)["workers"]
    return model != "nosuch" and workers[0]["status"] == "READY"


def every_worker(server, model):
    found = _describe(server, model)["workers"]
    return model != "nosuch" and all(worker["status"] == "READY" for worker in found)


def no_answer(server, model):
    raise requests.ReadTimeout("read timeout=5")


def waiting(server, model):
    time.sleep(LONG if model == "nosuch" else 0)
    return ready(server, model)


def no_version(server, model):
    url = f"{server.management}/models/{model}"
    return requests.get(url, timeout=5).json()["workers"]


def no_model(server, model):
    return requests.get(f"{server.management}/{model}", timeout=5).json()[0]


async def coroutine(*given):
    return given


IS_READY = {
    "raises ReadTimeout": "A prediction may wait for a worker for ever: ask the "
    "management address for the description.",
    "list indices must be": "The description is a list, one entry for each version.",
}


@task(
    (ready, "Right"),
    (no_answer, "ask the management address"),
    (waiting, "without waiting"),
    (coroutine, "write def"),
    (lambda server, model: server["management"], "raises TypeError"),
    (no_version, "one entry for each version"),
    (no_model, "which address"),
    (ping, "no model of that name"),
    (any_worker, "before that one was READY"),
    (careless, "Look at the status code before the JSON"),
    (first_worker, "the list of workers is empty"),
    (every_worker, "the list of workers is empty"),
    (lambda server, model: _describe(server, model)["workers"], "True or False"),
    (lambda server, model: print(end=""), "Is there a return?"),
    (lambda server, model: _describe(server, model)["status"], "raises KeyError"),
    (lambda server, model: ready(server, model) is None, "Compare it with"),
)
def task_2(is_ready: Callable, server):
    """write is_ready: True if a worker of that model is READY"""

    if inspect.iscoroutinefunction(is_ready):
        return ASYNC

    def ask(model="simple_linear", hint=""):
        label = f'is_ready(torchserve, "{model}")'
        started = time.monotonic()
        try:
            given = call(label, is_ready, server, model)
        except Hint as hint_of_call:
            says = str(hint_of_call)
            known = [more for error, more in IS_READY.items() if error in says]
            if "KeyError: 0" in says and not hint:
                known = ["It got an error, a dictionary: which address does it ask?"]
            raise Hint(f"{says} {known[0] if known else hint}".strip()) from None
        if (took := time.monotonic() - started) >= LONG:
            raise Hint(
                f"{label} took {took:.0f} s. Ask once, and say what is so now, without "
                "waiting for a worker."
            )
        if given is None:
            raise Hint(f"{label} gives None. {hint or 'Is there a return?'}")
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
            f"It says False, and its workers are {status}. Compare it with your loop, "
            "and the address that you ask with server.management."
        )
    hint = (
        "The answer for a model that is not there is a 404: False. Look at the status "
        "code before the JSON."
    )
    if ask("nosuch", hint):
        return (
            'True for "nosuch", and there is no model of that name. /ping knows none.'
        )
    try:  # take the worker away, then be quicker than the one that comes
        zero = {"min_worker": 0, "synchronous": "true"}
        requests.put(model, params=zero, timeout=30).raise_for_status()
        empty = "The check took the only worker away: the list of workers is empty."
        without = ask(hint=f"{empty} That is False.")
        requests.put(model, params={"min_worker": 1}, timeout=30).raise_for_status()
        early = ask() and not ready(server, "simple_linear")
    finally:
        requests.put(model, params={"min_worker": 1}, timeout=30)
        wait_until(lambda: ready(server, "simple_linear"), every=0.2)
    if without:
        return f"{empty} Yours says True."
    if early:
        return (
            "The check had a new worker started. Yours said True before that one was "
            "READY. What is the status of each worker?"
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
        (right.replace("inference_address", "adress", 1), "none of the five"),
        (f"{right}\nmodel_store=clinic", "none of the five"),
        (f"{right}\n! mine\ngrpc_inference_address=127.0.0.1", "Right"),
        (right.replace("inference_port", "inference_address"), "holds a host"),
        (right.replace(f":{free[0]}", f":{free[0]}/"), "nothing behind the port"),
        (right.replace("\n", "  # mine\n", 1), "nothing behind the port"),
        (right.splitlines()[0], "management_address is missing"),
        (_lines(free[0], *free[:4]), "stands there twice"),
        (_lines(port_of(torchserve.inference), *free[1:]), "is taken"),
        (_lines(80, *free[1:]), "from 1024 to 65535"),
        (_lines("x", *free[1:]), "has no port"),
        (right.replace(f":{free[0]}", ""), "has no port"),
        (right.replace("=http", "='http", 1), "without quotes"),
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
        if not row or row.startswith(("#", "!")):
            continue
        if not equals:
            return f'{told(row)} is no "name=value".'
        if name.startswith("TS_"):
            return (
                f"{name} is a variable of the terminal. In the file it is lower case."
            )
        if name in GRPC_HOSTS:
            if is_loopback(setting):
                continue
            port = name.replace("address", "port")
            return f"{name} holds a host, 127.0.0.1. The port stands in {port}."
        if name not in ADDRESSES:
            return (
                f"{told(name)} is none of the five addresses: look at how it is "
                "written, or leave it out."
            )
        found[name] = setting
    for name, usual in ADDRESSES.items():
        setting = found.get(name)
        if setting is None:
            held = usual
            if "://" in usual:  # the file has those of the first server
                held = getattr(torchserve, name.removesuffix("_address"))
            return (
                f"{name} is missing: it stays {held}, and that is taken. The patient "
                "needs five addresses of its own."
            )
        if usual.isdecimal() and not setting.isdecimal():
            return f"{name} is a bare number, such as {usual}."
        if not usual.isdecimal() and not setting.startswith("http://"):
            return f"{name} is an address such as {usual}, without quotes."
        try:
            whole = with_port(name, setting)
            port = int(whole) if whole.isdecimal() else port_of(whole)
        except ValueError:
            port = None
        if port is None or ("://" in setting and setting.lower() != whole):
            return (
                f"{name}={told(setting)} has no port at its end: one address a line, "
                "and nothing behind the port."
            )
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
        ("from linear import *", "Right"),
        ("from linear import SimpleLinearModel as Model", "calls it Model"),
        ("from linear import SimpleLinearModel as SimpleLinearModel", "Right"),
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
    [first, *more] = statement.names
    if first.asname not in (None, first.name) and first.name in classes:
        return f"That calls it {first.asname}, and the handler {first.name}."
    if more or first.name not in (*classes, "*"):
        return f"{statement.module}.py defines {', '.join(classes)}, and not that."
    return "Right: the archive has linear.py, and the class is in it."


def _key(file, name="inference"):
    return json.loads(Path(file).read_text(encoding="utf-8"))[name]["key"]


def _send(url, **headers):
    headers["Content-Type"] = "text/plain"
    return requests.post(url, data="5", headers=headers, timeout=30)


def with_key(url, file):
    return _send(url, Authorization=f"Bearer {_key(file)}")


FILE = "file is the name of a file: read its text, and make a dictionary of it."
WITH_KEY = {
    "'str' object": FILE,
    "JSONDecodeError": FILE,
    "string indices": FILE,
    "'body' must be": "The body is the text 5, in quotes.",
}


@task(
    (with_key, "Right"),
    (lambda url, file: _send(url), "no header Authorization"),
    (lambda url, file: _send(url, Token=_key(file)), "no header Authorization"),
    (lambda url, file: _send(url, Authorization=_key(file)), "the word Bearer"),
    (lambda url, file: _send(url, Authorization=f"Bearer: {_key(file)}"), "no colon"),
    (
        lambda url, file: _send(url, Authorization=f"Bearer {Path(file)}"),
        "none of the three keys",
    ),
    (
        lambda url, file: _send(url, **{"Authorization: Bearer": _key(file)}),
        "The name of the header is Authorization",
    ),
    (
        lambda url, file: _send(
            url, Authorization=f"Bearer {_key(file, 'management')}"
        ),
        "the key named management",
    ),
    (
        lambda url, file: _send(url, Authorization=f"Bearer {{'key': {_key(file)!r}}}"),
        'lies deeper, at "key"',
    ),
    (
        lambda url, file: requests.post(url, data="5", auth=("Bearer", _key(file))),
        "into headers=",
    ),
    (lambda url, file: with_key(url, file).json(), "the answer of requests.post"),
    (coroutine, "write def"),
    (lambda url, file: [print(_key(file)), with_key(url, file)][1], "prints a key"),
    (lambda url, file: with_key(url, file.read_text()), "is the name of a file"),
    (lambda url, file: json.loads(file), "is the name of a file"),
    (lambda url, file: requests.post(url, data=5), "the text 5, in quotes"),
    (lambda url, file: print(end=""), "Is there a return?"),
    (lambda url, file: _key(file, "predictions"), "raises KeyError: 'predictions'"),
    (lambda url, file: with_key(url.replace("patient", "x"), file), "says 404: "),
)
def task_5(ask_with_key: Callable, url, key_file):
    """write ask_with_key: it sends 5 with the right key, and returns the answer"""
    if inspect.iscoroutinefunction(ask_with_key):
        return ASYNC
    keys = json.loads(Path(key_file).read_text(encoding="utf-8"))
    with contextlib.redirect_stdout(io.StringIO()) as output:
        answer = outcome(ask_with_key, url, str(key_file))
    leaks = any(entry["key"] in output.getvalue() for entry in keys.values())
    print("" if leaks else output.getvalue(), end="")
    if isinstance(answer, requests.exceptions.InvalidHeader):
        return (
            "requests refuses this header. The name of the header is Authorization, "
            "and its text is the word Bearer, a space and one key."
        )
    if isinstance(answer, BaseException):
        says = f"ask_with_key(url, file) raises {told(answer)}."
        hints = [hint for error, hint in WITH_KEY.items() if error in says]
        return " ".join([says, *hints])
    if answer is None:
        return "It returns None. Is there a return?"
    if not isinstance(answer, requests.Response):
        name = type(answer).__name__
        return (
            f"It returns a thing of type {name}: please return the answer of "
            "requests.post."
        )
    status = answer.status_code
    if answer.ok and leaks:
        return f"Status {status}, and it prints a key, for all who see the notebook."
    if answer.ok:
        return f"Right: status {status}, and the answer is {answer.json()[0]:.4f}."
    if "InvalidKey" not in answer.text:
        return f"The server says {status}: {told(answer.json()['message'])}"
    sent = answer.request.headers.get("Authorization")
    if not sent:
        return f"{status}: the request had no header Authorization."
    if sent.startswith("Basic "):
        return f"{status}: auth= sends a name and a password. Put it into headers=."
    if not sent.startswith("Bearer "):
        return f"{status}: the word Bearer and a space precede the key, no colon."
    for name, entry in keys.items():
        if sent == f"Bearer {entry['key']}":
            return f"{status}: that is the key named {name}. Which is for predictions?"
    if "{" in sent:
        return f'{status}: the text of a key lies deeper, at "key": you sent braces.'
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


def _first(log, kind):
    return next((line for line in _errors(log) if line.startswith(kind)), None)


def _whole_message(log):
    """With the second line of a message of two."""
    lines = [line.split(" - ", 1)[1] for line in log.splitlines()]
    first = cause(log)
    start = lines.index(first) if first else 0
    more = [line for line in lines[start + 1 :][:1] if line.startswith("\t")]
    return first and "\n".join([first, *more])


@task(
    (cause, "Right"),
    (_whole_message, "Right"),
    (lambda log: print(end=""), "Is there a return?"),
    (lambda log: (_errors(log) or [None])[-1], "the second traceback"),
    (
        lambda log: next((ln for ln in log.splitlines() if "Error: " in ln), None),
        "what stands before the message",
    ),
    (lambda log: _errors(log), "The first one alone"),
    (
        lambda log: log.split("Error: ")[1].splitlines()[0],
        "The kind of error belongs to the message",
    ),
    (lambda log: log.splitlines()[0], "A message looks like this"),
    (lambda log: (_errors(log, "Error") or [None])[0], '"Error" alone is too little'),
    (lambda log: _errors(log)[0], "no error: None"),
    (lambda log: Path(log * 9).read_text(), "no file's name"),
    (lambda log: log.splitlines()[99], "list index out of range"),
    (lambda log: cause(log) or "", "no quotes"),
    (lambda log: cause(log) or "healthy", "no error: None"),
    (lambda log: _first(log, "ModuleNotFoundError"), "a RuntimeError"),
    (
        lambda log: cause(log) if "During" in log else None,
        "a RuntimeError, and one traceback",
    ),
)
def task_6(cause: Callable):
    """write cause: the message that ends the first traceback of a log, or None"""
    for what, log, wanted in (
        ("a handler that lacks a module", MISSING, _errors(MISSING)[:1]),
        ("a healthy model", WELL, []),
        ("wrong weights", WRONG_WEIGHTS, [_errors(WRONG_WEIGHTS)[0]]),
    ):
        given = outcome(cause, log)
        raised = isinstance(given, BaseException)
        says = (
            f"The log of {what}: yours {'raises' if raised else 'gives'} {told(given)}."
        )
        if not wanted:
            if given is None:
                continue
            if isinstance(given, str) and "agreed" in given:
                return f'{says} "Error" alone is too little: think of the colon.'
            if isinstance(given, str) and given in ("", "None"):
                return f"{says} It has no error: None, the value, with no quotes."
            return f"{says} It has no error: None is the answer."
        if isinstance(given, str) and wanted[0] == given.strip().split("\n")[0].strip():
            continue
        if given is None and log is MISSING:
            return f"{says} Is there a return?"
        if given is None:
            return (
                f"{says} It has a RuntimeError, and one traceback. Does yours look for "
                "one kind of error, or for the second traceback?"
            )
        if isinstance(given, OSError):
            return f"{says} The function is given the text itself, and no file's name."
        if raised:
            return says
        return f"{says} {_difference(given, wanted[0], log)}"
    return "Right: the cause of three logs, the healthy one included, which has none."


def _difference(given, wanted, log):
    if not isinstance(given, str):
        return "The first one alone, as a text."
    if wanted in given:
        return "Leave away what stands before the message."
    if given.strip() and given.strip() in wanted:
        return "The kind of error belongs to the message."
    if any(one in given for one in _errors(log)[1:]):
        return "That comes from the second traceback."
    return f"A message looks like this: {wanted}"
