import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

from course.checks.form import Guess, Hint, call, outcome, task, told
from models.linear import SimpleLinearModel
from models.train import predict, save, train

XS = torch.tensor([[-2.0], [0.0], [1.0], [3.0]])
YS = 2 - 3 * XS  # not the line of the lesson
LOSS = nn.MSELoss()


def hinted(hints, label, function, *arguments):
    """What a learner's function returns; for some exceptions there is a hint more."""
    try:
        return call(label, function, *arguments)
    except Hint as raised:
        more = next((hint for part, hint in hints.items() if part in str(raised)), "")
        raise Hint(f"{raised} {more}".strip()) from None


def right_step(model, optimizer, xs, ys):
    optimizer.zero_grad()
    loss = LOSS(model(xs), ys)
    loss.backward()
    optimizer.step()
    return loss.item()


def adds_up(model, optimizer, xs, ys):
    loss = LOSS(model(xs), ys)
    loss.backward()
    optimizer.step()
    return loss.item()


def without_backward(model, optimizer, xs, ys):
    optimizer.zero_grad()
    loss = LOSS(model(xs), ys)
    optimizer.step()
    return loss.item()


def forgets_at_once(model, optimizer, xs, ys):
    loss = LOSS(model(xs), ys)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def without_step(model, optimizer, xs, ys):
    optimizer.zero_grad()
    loss = LOSS(model(xs), ys)
    loss.backward()
    return loss.item()


def keeps_the_graph(model, optimizer, xs, ys):
    right_step(model, optimizer, xs, ys)
    return LOSS(model(xs), ys)


def whole_training(model, optimizer, xs, ys):
    return [right_step(model, optimizer, xs, ys) for _ in range(9)][-1]


def of_other_points(model, optimizer, xs, ys):
    return right_step(model, optimizer, xs + 1, ys)


def returns_nothing(model, optimizer, xs, ys):
    right_step(model, optimizer, xs, ys)


def twice(model, optimizer, xs, ys):
    loss = right_step(model, optimizer, xs, ys)
    right_step(model, optimizer, xs, ys)
    return loss


def without_brackets(model, optimizer, xs, ys):
    return nn.MSELoss(model(xs), ys).item()


def without_grad(model, optimizer, xs, ys):
    with torch.inference_mode():
        loss = LOSS(model(xs), ys)
    loss.backward()


@task(
    (right_step, "Right"),
    (twice, "otherwise than one optimizer.step()"),
    (without_brackets, "MSELoss() makes a function"),
    (without_grad, "outside inference_mode"),
    (returns_nothing, "Return the loss"),
    (keeps_the_graph, ".item()"),
    (of_other_points, "the xs and ys that it is given"),
    (whole_training, "one step, not a loop"),
    (without_backward, "loss.backward()"),
    (forgets_at_once, "loss.backward()"),
    (without_step, "optimizer.step()"),
    (adds_up, "optimizer.zero_grad()"),
)
def task_1(train_step: Callable):
    """write train_step(model, optimizer, xs, ys) and run both cells"""
    with torch.random.fork_rng():  # the lesson's own random numbers stay
        losses = train(steps=3, seed=1, xs=XS, ys=YS)[1]
        once = predict(train(steps=1, seed=1, xs=XS, ys=YS)[0], 5.0)
        torch.manual_seed(1)
        model = SimpleLinearModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = predict(model, 5.0)

    def step():
        return hinted(
            {
                "Boolean value": "MSELoss() makes a function: "
                "MSELoss()(predicted, ys).",
                "not require grad": "No way leads from this loss to the weights: "
                "predict with the model, outside inference_mode.",
            },
            "train_step",
            train_step,
            model,
            optimizer,
            XS,
            YS,
        )

    loss = step()
    if isinstance(loss, Tensor):
        return "train_step gives a tensor, and all that led to it. Add .item()."
    if not isinstance(loss, float):
        return f"train_step gives {told(loss)}. Return the loss as a number."
    if not abs(loss - losses[0]) < 1e-4:
        return (
            f"The first loss is {loss:.3f}, and not {losses[0]:.3f}: the mean squared "
            "error for the xs and ys that it is given, before one step, not a loop."
        )
    if predict(model, 5.0) == before:
        if all(parameter.grad is None for parameter in model.parameters()):
            return (
                "No weight has moved, and there is no gradient. "
                "Is loss.backward() there, and zero_grad() before it?"
            )
        return "The gradients are there, no weight has moved: optimizer.step() is last."
    if not abs(predict(model, 5.0) - once) < 1e-4:
        return (
            "The loss is right, and the weights have moved otherwise than one "
            "optimizer.step() moves them: leave out what stands there besides."
        )
    if not abs(step() - losses[1]) + abs(step() - losses[2]) < 1e-4:
        return (
            "The first step is right, the next ones are not: gradients "
            "add up unless optimizer.zero_grad() clears them."
        )
    for _ in range(497):
        step()
    return (
        "Right: after 500 of your steps on the points of y = 2 - 3x it says "
        f"{predict(model, 5.0):.2f} for 5; the line says -13."
    )


def right_save(model, path):
    unfinished = path.with_name("unfinished.pth")
    torch.save(model.state_dict(), unfinished)
    unfinished.replace(path)


def leaves_a_copy(model, path):
    torch.save(model.state_dict(), path.with_name("unfinished.pth"))
    right_save_as(model, path, "other.pth")


def right_save_as(model, path, name):
    torch.save(model.state_dict(), path.with_name(name))
    path.with_name(name).replace(path)


def takes_it_away(model, path):
    torch.save(model.state_dict(), path)
    path.replace(path.with_name("unfinished.pth"))


def deletes_first(model, path):
    path.unlink()
    right_save(model, path)


def saves(make):
    """A learner's function that saves something else."""

    def save_model(model, path):
        torch.save(make(model), path)

    return save_model


def moves_in(model, path):
    with tempfile.TemporaryDirectory() as folder:
        torch.save(model.state_dict(), Path(folder, "unfinished.pth"))
        shutil.move(Path(folder, "unfinished.pth"), path)


@task(
    (right_save, "Right"),
    (moves_in, "from another folder"),
    (lambda m, path: torch.save(m.state_dict(), path.with_name("x")), "still the old"),
    (takes_it_away, "no file at path"),
    (saves(lambda model: model), "holds the whole model"),
    (saves(lambda model: list(model.parameters())), "names of a state dict"),
    (saves(lambda model: SimpleLinearModel().state_dict()), "other numbers"),
    (saves(lambda model: model.state_dict()), "half a file"),
    (leaves_a_copy, "unfinished.pth is left"),
    (deletes_first, "for a moment there was no file"),
)
def task_2(save_model: Callable):
    """write save_model(model, path) and run both cells"""
    model = SimpleLinearModel()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.pth")
        torch.save({}, path)  # what an earlier training has left
        old, real = path.stat().st_ino, os.path.realpath(path)
        with (
            mock.patch("os.unlink", wraps=os.unlink) as unlink,
            mock.patch("os.remove", wraps=os.remove) as remove,
            mock.patch("os.rename", wraps=os.rename) as rename,
            mock.patch("os.replace", wraps=os.replace) as replace,
        ):
            call("save_model(model, path)", save_model, model, path)
        deleted = [str(it.args[0]) for it in unlink.mock_calls + remove.mock_calls]
        sources = [
            os.path.realpath(it.args[0])
            for it in rename.mock_calls + replace.mock_calls
            if len(it.args) == 2 and os.path.realpath(it.args[1]) == real
        ]
        if not path.exists():
            raise Hint("There is no file at path now: unfinished.replace(path).")
        try:
            state = torch.load(path, weights_only=True)
        except pickle.UnpicklingError:
            raise Hint(
                "The file holds the whole model, code by its name: take state_dict()."
            ) from None
        if state == {}:
            raise Hint("The file at path is still the old one: replace it at the end.")
        wanted = model.state_dict()
        if not isinstance(state, dict) or {*state} != {*wanted}:
            raise Hint(
                f"The file holds {told(state)}, without the names of a state dict."
            )
        if not all(torch.equal(state[name], wanted[name]) for name in wanted):
            raise Hint(
                "The file holds other numbers than those of the model it was given."
            )
        if str(path) in deleted:
            raise Hint(
                "It is right, and for a moment there was no file: "
                "replace takes the place of the old one by itself."
            )
        if path.stat().st_ino == old:
            raise Hint(
                "It is right, and written in place: a reader may find half a file."
            )
        if not all(it.startswith(os.path.dirname(real) + os.sep) for it in sources):
            raise Hint(
                "It is right, and the file came from another folder: that may be on "
                "another disk, and no single step leads from there to path."
            )
        left = [file.name for file in Path(folder).iterdir() if file != path]
        if left:
            raise Hint(
                f"It is right, and {left[0]} is left over: rename it, do not copy."
            )
    return "Right: path holds the state dict, and never held half of one."


def right_load(path):
    model = SimpleLinearModel()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def unfilled(path):
    torch.load(path, weights_only=True)
    return SimpleLinearModel().eval()


def still_training(path):
    return right_load(path).train()


ONE = SimpleLinearModel()


def always_the_same(path):
    ONE.load_state_dict(torch.load(path, weights_only=True))
    return ONE.eval()


def trusts(path):
    model = SimpleLinearModel()
    model.load_state_dict(torch.load(path, weights_only=False))
    return model.eval()


def report(path):
    return SimpleLinearModel().load_state_dict(torch.load(path, weights_only=True))


def of_the_report(path):
    return report(path).eval()


def of_the_state(path):
    return torch.load(path, weights_only=True).eval()


def of_the_class(path):
    model = SimpleLinearModel
    model.load_state_dict(torch.load(path, weights_only=True))


def of_python(path):
    return eval(right_load(path))


class Program:
    """A file of it does something while it is read."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return Path.write_text, (self.proof, "ran")


@task(
    (right_load, "Right"),
    (lambda path: torch.load(path, weights_only=True), "gives the state dict"),
    (report, "what load_state_dict says"),
    (lambda path: 8.99, "Return the model"),
    (of_the_report, "a report"),
    (of_the_state, "is the state dict"),
    (of_the_class, "with brackets"),
    (of_python, "model.eval()"),
    (unfilled, "Where does load_state_dict stand?"),
    (lambda path: train()[0], "Where does load_state_dict stand?"),
    (always_the_same, "the same object"),
    (still_training, "eval()"),
    (trusts, "weights_only=True"),
)
def task_3(load_model: Callable):
    """write load_model(path) and run both cells"""
    with tempfile.TemporaryDirectory() as folder:
        saved, paths = [], [Path(folder, "one.pth"), Path(folder, "two.pth")]
        for path in paths:
            saved.append(SimpleLinearModel())
            save(saved[-1], path)
        hints = {
            "_IncompatibleKeys": "load_state_dict fills the model, and returns a "
            "report: give the model a name first.",
            "Dict' object has no": "What torch.load returns is the state dict: "
            "fill it into a new model.",
            "argument: 'state_dict'": "SimpleLinearModel() with brackets builds one.",
            "TypeError: eval": "That eval is Python's own: model.eval().",
        }
        first = hinted(hints, "load_model(path)", load_model, paths[0])
        if isinstance(first, dict):
            raise Hint("load_model gives the state dict. Fill it into a new model.")
        if "matched" in told(first):
            raise Hint("load_model gives what load_state_dict says. Return the model.")
        if not isinstance(first, nn.Module):
            raise Hint(f"load_model gives {told(first)}. Return the model.")
        answer, wanted = (predict(one, 5.0) for one in (first, saved[0]))
        if answer != wanted:
            raise Hint(
                f"For 5 it says {answer:.3f}, the saved model {wanted:.3f}. Is it "
                "the file at path? Where does load_state_dict stand?"
            )
        if call("load_model(path)", load_model, paths[1]) is first:
            raise Hint(
                "Two files, and the same object: build the model in the function."
            )
        if first.training:
            raise Hint(
                "The weights are right, and it is still set for training: eval()."
            )
        proof = Path(folder, "proof.txt")
        torch.save(Program(proof), paths[0])
        outcome(load_model, paths[0])  # it has to raise
        if proof.exists():
            raise Hint(
                "A file that was a program ran while it was read: weights_only=True."
            )
    return "Right: the saved answers come back, and no file can run anything."


def right_names(checkpoint):
    state = checkpoint.get("state_dict", checkpoint)
    return {name.removeprefix("module."): state[name] for name in state}


def named(change):
    """A learner's function that makes other names."""

    def weights_of(checkpoint):
        state = checkpoint.get("state_dict", checkpoint)
        return {change(name): state[name] for name in state}

    return weights_of


def in_place(checkpoint):
    state = checkpoint.get("state_dict", checkpoint)
    for name in list(state):
        state[name.removeprefix("module.")] = state.pop(name)
    return state


@task(
    (right_names, "Right"),
    (lambda checkpoint: list(checkpoint), "Return a dictionary"),
    (lambda checkpoint: right_names(torch.load(checkpoint)), "loaded already"),
    (in_place, "has changed"),
    (lambda c: {name.removeprefix("module."): c[name] for name in c}, "inner"),
    (lambda c: right_names({"state_dict": c["state_dict"]}), "without checkpoint"),
    (named(lambda name: name), "still begin with module."),
    (named(lambda name: name.lstrip("module.")), "lstrip takes letters"),
    (named(lambda name: name.replace("module.", "")), "in the middle"),
    (named(lambda name: name.removeprefix("module")), "the dot goes too"),
    (named(lambda name: name[7:]), "without checkpoint"),
    (lambda c: {name: 0 for name in right_names(c)}, "the tensors as they are"),
)
def task_4(weights_of: Callable):
    """write weights_of(checkpoint) and run both cells"""
    model = nn.ModuleDict({"linear": nn.Linear(1, 1), "submodule": nn.Linear(1, 1)})
    wanted = dict(model.state_dict())
    state = {f"module.{name}": wanted[name] for name in wanted}
    checkpoint = {"epoch": 3, "state_dict": dict(state)}
    hints = {"seek": "What it gets is loaded already: a dictionary, no file."}
    found = hinted(hints, "weights_of(checkpoint)", weights_of, checkpoint)
    if not isinstance(found, dict):
        return f"weights_of gives {told(found)}. Return a dictionary."
    if checkpoint["state_dict"].keys() != state.keys():
        return "The checkpoint that you were given has changed: make a new dictionary."
    if "epoch" in found or "state_dict" in found:
        return "Take the inner dictionary where there is a name state_dict."
    if found.keys() == state.keys():
        return "The names still begin with module., and the model has none of them."
    if any(name.startswith("inear") for name in map(str, found)):
        return f"{told([*found])}: lstrip takes letters away, not a word."
    if any(name.startswith(".") for name in map(str, found)):
        return f"{told([*found])}: the dot goes too."
    if found.keys() != wanted.keys():
        return f"{told([*found])}: module. may also stand in the middle of a name."
    if not all(found[name] is wanted[name] for name in wanted):
        return "The names are right. Keep the tensors as they are."
    plain = call("weights_of, without checkpoint around it,", weights_of, dict(wanted))
    if not isinstance(plain, dict) or plain.keys() != wanted.keys():
        return f"A state dict without checkpoint or prefix gives {told(plain)}."
    model.load_state_dict(found)
    return f"Right: the model took all {len(found)}, and plain files stay as they are."


guess_1 = Guess(
    {
        "a": (
            "less than 0.01 off, as for 5",
            "The weight is off by 0.0036, and x multiplies it: by 1000 here.",
        ),
        "b": ("about 4 off", ""),
        "c": (
            "more than 100 off",
            "The weight is off by 0.0036 only; 1000 times that is 3.6.",
        ),
    },
    right="b",
)

guess_2 = Guess(
    {
        "a": (
            "an error, because there is no model in the file",
            "torch.load looks for no model: it does what the pickle says.",
        ),
        "b": (
            "a Surprise, and no more",
            "What comes back is what the function returned that the file named.",
        ),
        "c": ("what the file says: there is a new file", ""),
    },
    right="c",
)
