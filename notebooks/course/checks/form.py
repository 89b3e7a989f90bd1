"""The form of every check: what is asked, what is right, a hint for each mistake.

A lesson's task_1 is made by value, parts or function, or is a function below @task(…)
that returns what to say. Called with an answer, it prints one thing and never stops the
notebook. Praise begins with "Right", and nothing else does; what waits for an answer
is None, or a function or class whose bodies are still empty.
Examples are pairs of an answer and a part of what is said to it; tests/test_checks.py
tries them all, and finds a hint that has none.
A lesson's guess_1 is a Guess: after the run it says what was guessed and what happened.
"""

import copy
import dis
import inspect
from collections.abc import Callable
from numbers import Real

import numpy as np
import requests

ANY = "any other answer"
TYPICAL = {"NoneType": "Is there a return?", "generator": "Take return, not yield."}
TYPICAL["coroutine"] = "Leave async out: nobody awaits it."


class Hint(Exception):
    """What to say to the learner; raised where a check cannot go on."""


class Task:
    """One check. Of the lesson it may be given more, such as a server's handle."""

    def __init__(self, todo, kind, judge, examples):
        self.todo, self.kind = todo, kind
        self.judge, self.examples = judge, examples

    def __call__(self, answer, *given):
        # A text may hold what cannot be printed, such as half of a character.
        print(self.reply(answer, *given).encode(errors="backslashreplace").decode())

    def reply(self, answer, *given) -> str:
        if is_stub(answer):
            return f"Not answered yet: {self.todo}."
        try:
            odd = bool if self.kind is type else (bool, type)
            if isinstance(answer, odd) or not isinstance(answer, self.kind):
                name = type(answer).__name__
                has = "is text, in quotes" if name == "str" else f"has the type {name}"
                has = "is a class" if isinstance(answer, type) else has
                return f"{told(answer)} {has}. Please {self.todo}."
            return self.judge(answer, *given)
        except Hint as hint:
            return str(hint)
        except requests.RequestException:
            return "The server does not answer: run the notebook again from the top."
        except (Exception, SystemExit) as error:
            return f"That cannot be checked: {told(error)}. Please {self.todo}."


def task(*examples):
    """Makes a check of the function below it, which returns what to say.

    Its text says what to do, its first argument is the answer and names the type; the
    others come from the lesson. Examples that need these are a function of them.
    """

    def make(judge):
        kind = next(iter(inspect.signature(judge).parameters.values())).annotation
        return Task(judge.__doc__, kind, judge, examples)

    return make


def value(todo, *replies):
    """A number or a text: pairs of an answer, or several, or ANY, and what to say."""
    texts = isinstance(replies[0][0], str)
    odd = "something else" if texts else -987.5
    table = [(key if isinstance(key, tuple) else (key,), say) for key, say in replies]

    def judge(answer):
        for keys, say in table:
            if any(same(answer, key) for key in keys):
                return say

    examples = [(odd if k is ANY else k, say) for keys, say in table for k in keys]
    return Task(todo, str if texts else Real, judge, examples)


def parts(todo, praise, *table, kind=list):
    """Several answers, in a list or by name: triples of name, right one and hint."""
    right = {name: part for name, part, _ in table}

    def judge(answer):
        given = answer if kind is dict else dict(zip(right, answer, strict=False))
        if len(answer) != len(right) or {*given} != {*right}:
            raise Hint(f"The parts are {', '.join(right)}. Please {todo}.")
        wrong = [row for row in table if not same(given[row[0]], row[1])]
        if not wrong:
            return praise
        [(name, part, hint), *_] = wrong
        if isinstance(given[name], str) and isinstance(part, Real):
            hint = "A number has no quotes."
        score = f"{len(right) - len(wrong)} of {len(right)} are right."
        return f"{score} {name}: not {told(given[name])}. {hint}"

    named = [(right, praise), ({**right, "more": 0}, "The parts are")]
    named += [({**right, name: 0}, hint) for name, _, hint in table]
    shaped = [(all_ if kind is dict else [*all_.values()], say) for all_, say in named]
    return Task(todo, (kind, tuple), judge, shaped)


def function(todo, praise, right, calls, *mistakes):
    """A function that has to give in every call what the right one gives.

    mistakes: pairs of a function as learners write it and a hint. It is for those who
    get from a call what such a function gets from it.
    """

    def judge(learners):
        for arguments in calls:
            wanted, found = outcome(right, *arguments), outcome(learners, *arguments)
            if same(found, wanted):
                continue
            call = f"{right.__name__}({', '.join(map(told, arguments))})"
            right_one = "" if wanted is ANY else f", and not {told(wanted)}"
            says = f"{call} gives {told(found)}{right_one}."
            hints = [TYPICAL.get(type(found).__name__, "")] + [
                hint
                for wrong, hint in mistakes
                if same(found, outcome(wrong, *arguments))
            ]
            return f"{says} {next(filter(None, hints), '')}".strip()
        return praise

    usual = [(lambda *_: print(end=""), "return?"), (lambda *_: (yield), "not yield")]
    return Task(todo, Callable, judge, [(right, praise), *usual, *mistakes])


class Guess:
    """A letter that is given before the run, and talked about after it.

    choices is {letter: (what it stands for, why it did not happen)}. Where the run
    itself decides, the lesson hands over what happened, and right stays None.
    """

    def __init__(self, choices: dict[str, tuple[str, str]], right: str | None = None):
        self.choices, self.right = choices, right

    def __call__(self, guessed, happened: str | None = None):
        print(self.reply(guessed, happened))

    def reply(self, guessed, happened: str | None = None) -> str:
        happened = happened or self.right
        was = f"{happened}: {self.choices[happened][0]}."
        if guessed is None:
            return f"No guess. It was {was}"
        letter = guessed.strip().lower() if isinstance(guessed, str) else None
        if letter not in self.choices:
            letters = ", ".join(f'"{letter}"' for letter in self.choices)
            return f"{told(guessed)} is none of {letters}. It was {was}"
        if letter == happened:
            return f"You guessed {letter}, and so it was: {self.choices[letter][0]}."
        meant, why = self.choices[letter]
        return f"You guessed {letter}, {meant}. It was {was} {why}"


def is_stub(answer) -> bool:
    """Whether it still waits: None, or a function or class with empty bodies alone."""
    if inspect.isfunction(answer):
        code = answer.__code__
        steps = {step.opname for step in dis.get_instructions(code)}
        empty = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
        doc = answer.__doc__
        return steps <= empty and {*code.co_consts} <= {None, doc}
    if inspect.isclass(answer):
        own = [it for it in vars(answer).values() if inspect.isfunction(it)]
        return bool(own) and all(map(is_stub, own))
    return answer is None


def outcome(function, *arguments):
    """What a function returns, or the exception. It may change its arguments."""
    try:
        return function(*copy.deepcopy(arguments))
    except (Exception, SystemExit) as error:
        return error


def call(label, function, *arguments):
    """What a learner's function returns; if it raises, that is the hint.

    A server that does not answer is no mistake of the learner's: Task says so.
    """
    try:
        return function(*arguments)
    except requests.ConnectionError:
        raise
    except (Exception, SystemExit) as error:
        raise Hint(f"{label} raises {told(error)}.") from None


def same(given, wanted) -> bool:
    """Whether a learner's value is the one wanted, of whatever type it is."""
    if isinstance(given, np.generic):  # numpy's own numbers and truths
        given = given.item()
    if wanted is ANY:
        return not isinstance(given, BaseException)
    if isinstance(wanted, BaseException):
        return isinstance(given, type(wanted))
    if isinstance(wanted, Real) and isinstance(given, Real):
        return wanted - 1e-9 * abs(wanted) <= given <= wanted + 1e-9 * abs(wanted)
    if isinstance(wanted, str) and isinstance(given, str):
        return given.strip().rstrip("/") == wanted
    if type(given) is not type(wanted):
        return False
    if isinstance(wanted, dict):
        return {*given} == {*wanted} and all(same(given[k], wanted[k]) for k in wanted)
    if isinstance(wanted, (list, tuple)):
        return len(given) == len(wanted) and all(map(same, given, wanted))
    return given == wanted


def told(thing) -> str:
    """A value or an exception in one short line, whatever a learner made of it."""
    name = type(thing).__name__
    try:
        text = f"{name}: {thing}" if isinstance(thing, BaseException) else repr(thing)
    except (Exception, SystemExit):
        text = f"<{name}>"
    text = " ".join(text.split()).removesuffix(":")
    return text if len(text) <= 120 else f"{text[:119]}…"
