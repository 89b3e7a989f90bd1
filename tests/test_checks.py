"""The checks of the tasks: every hint fits a mistake, and only right is praised."""

import ast
import importlib
import inspect
import pkgutil
import sys
import zipfile
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
import ts
from conftest import ROOT
from course import checks, lesson, own
from course.checks import form, lesson_06, lesson_11

from models import answers
from models.train import XS, YS, save, train

FOUND = {}
for _, name, _ in pkgutil.iter_modules(checks.__path__):
    module = importlib.import_module(f"course.checks.{name}")
    members = inspect.getmembers(
        module, lambda it: isinstance(it, (form.Task, form.Guess))
    )
    FOUND |= {f"{name}.{called}": check for called, check in members}
TASKS = {name: it for name, it in FOUND.items() if isinstance(it, form.Task)}
GUESSES = {name: it for name, it in FOUND.items() if isinstance(it, form.Guess)}
every_check = pytest.mark.parametrize("check", TASKS.values(), ids=TASKS)
every_guess = pytest.mark.parametrize("guess", GUESSES.values(), ids=GUESSES)


class Odd:
    """Equal to everything, except where that or its text raises."""

    __hash__ = None

    def __eq__(self, other):
        return True

    def __repr__(self):
        sys.exit("no text")

    def __call__(self, *arguments):
        return self


class Broken(Odd):
    def __eq__(self, other):
        raise RuntimeError(self)

    __call__ = __bool__ = __len__ = __iter__ = __getattr__ = __eq__


ODD = [Odd(), Broken(), Odd, Exception("…"), form, ..., True, b"7", {}, [], (), {1, 2}]
ODD += [float("nan"), float("inf"), -1, 10**400, 10**5000, 1j, object(), iter([1])]
ODD += ["", " ", "=", "\ud800", "\0", "7" * 10**5, "{}", "%", "'", "=\ud800", "a=b=c"]
ODD += [np.array([1, 2]), np.float64("nan"), torch.tensor([1.0, 2.0]), torch.zeros(0)]
ODD += [[None] * n for n in (3, 4, 5)] + [[Odd()] * n for n in (3, 4, 5)]
ODD += [dict.fromkeys(["dashboard", "watchdog", "operator", "caretaker"], Broken())]
ODD += [{"linear.weight": thing, "linear.bias": thing} for thing in (Odd(), Broken())]
ODD += [sys.exit, print, len, lambda *_: Odd(), lambda *_: Broken(), lambda: 1]


@pytest.fixture
def management(torchserve):
    return torchserve.management


@pytest.fixture
def model():
    """Sure of a 7 as far as the first row of the picture is full of ink."""

    def scores(pictures):
        ink = pictures[:, 0, 0].sum(dim=1, keepdim=True) / 16
        return 3 * ink * torch.eye(10)[7] + 6.5 * torch.eye(10)[1]

    return scores


@pytest.fixture
def management_pb2(tmp_path, monkeypatch):
    """What lesson 13 makes of the contract in the server's jar."""
    with zipfile.ZipFile(Path(ts.__file__).parent / "frontend/model-server.jar") as jar:
        jar.extract("proto/management.proto", tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "proto")
    yield grpc.protos("management.proto")
    sys.modules.pop("management_pb2", None)


# Lesson 14


@pytest.fixture
def inverse_weights(weights):
    """models/inverse.pth, as lesson 14 trains it."""
    path = ROOT / "models" / "inverse.pth"
    if not path.exists():
        save(train(xs=YS, ys=XS)[0], path)
    return path


@pytest.fixture
def functions(torchserve, inverse_weights):
    """The file that task 2 packs; the archive of the second model is in the store."""
    archive = lesson.ARCHIVE.with_name("inverse_linear.mar")
    if not archive.exists():
        with (
            zipfile.ZipFile(lesson.ARCHIVE) as line,
            zipfile.ZipFile(archive, "w") as to,
        ):
            for name in line.namelist():
                content = inverse_weights if name == "model.pth" else line.read(name)
                to.writestr(
                    name, getattr(content, "read_bytes", lambda it=content: it)()
                )
    return ROOT / "handlers" / "workflow_functions.py"


# Lesson 16


@pytest.fixture
def inference(torchserve):
    return torchserve.inference


@pytest.fixture
def wines_management(torchserve):
    """With an archive wines.mar in its model store."""
    if not (own.MODEL_STORE / "wines.mar").exists():
        if not answers.WINES.exists():
            lesson.run_quietly("python -m models.train_wines")
        command = own.ARCHIVE_COMMAND.replace("own/handler.py", "own/wines_handler.py")
        command = command.replace("own/model.py", "models/wines.py")
        command = command.replace("own/wines.pth", "models/wines.pth")
        lesson.run_quietly(command.replace("own/", "handlers/"))
    return torchserve.management


@pytest.fixture
def given(request):
    """Finds what a function wants of the lesson, by the names of its arguments."""
    return lambda function, skip=0: [
        request.getfixturevalue(name)
        for name in [*inspect.signature(function).parameters][skip:]
    ]


@every_check
def test_each_mistake_gets_its_hint(check, given):
    """And a check has no hint that none of its examples gets."""
    rest, examples = given(check.judge, 1), check.examples
    if callable(examples[0]):
        examples = examples[0](*given(examples[0]))
    file = check.judge.__code__.co_filename
    reached = set()

    def trace(frame, event, _):
        if event == "return" and frame.f_code.co_filename == file:
            reached.add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    said = [(check.reply(answer, *rest), hint) for answer, hint in examples]
    sys.settrace(before)
    assert [(reply, hint) for reply, hint in said if hint not in reply] == []
    praised = [reply.startswith("Right") for reply, _ in said]
    assert praised == [hint.startswith("Right") for _, hint in said]
    assert any(praised) and not all(praised)
    assert len({reply for reply, _ in said if not reply.startswith("Right")}) >= 4
    if file == form.__file__:
        assert len({reply for reply, _ in said if reply.startswith("Right")}) == 1
    else:
        lines, first = inspect.getsourcelines(check.judge)
        parsed = ast.walk(ast.parse("".join(lines)))
        returns = [node for node in parsed if isinstance(node, ast.Return)]
        assert {first + node.lineno - 1 for node in returns} <= reached


@every_check
def test_no_answer_stops_the_notebook(check, given, capsys):
    assert check.reply(None).startswith("Not answered yet: ")
    rest = given(check.judge, 1)
    for odd in ODD:
        capsys.readouterr()
        check(odd, *rest)
        said = capsys.readouterr().out
        assert said.strip() and "Right" not in said


@every_guess
def test_a_guess_is_answered_whatever_it_is(guess):
    assert len(guess.choices) >= 2
    for happened in [guess.right] if guess.right else guess.choices:
        told = guess.reply(None, happened)
        assert told.startswith("No guess") and guess.choices[happened][0] in told
        for letter, (meant, why) in guess.choices.items():
            told = guess.reply(letter.upper(), happened)
            assert meant in told and ("so it was" in told) == (letter == happened)
            assert letter == happened or (why and told.endswith(why))
        for odd in ODD:
            assert "so it was" not in guess.reply(odd, happened)


def test_a_stub_waits_for_its_answer():
    class Stub:
        def run(self): ...

    class Written(Stub):
        def run(self):
            return 1

    def stub(value):
        """What it is to do."""

    waiting = [None, stub, Stub, lambda _: ...]
    assert [form.is_stub(it) for it in waiting] == [True, True, True, False]
    assert not any(map(form.is_stub, [Written, lambda: 0, 0, "", [], print, int]))


def test_the_learner_may_interrupt():
    def interrupted(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lesson_11.task_2(interrupted)


def test_a_stopped_server_is_no_mistake():
    [right, *_], *_ = lesson_06.task_2.examples
    assert "not answer" in lesson_06.task_2.reply(right, "http://127.0.0.1:9")
