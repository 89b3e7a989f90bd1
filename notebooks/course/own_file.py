"""A copy of a project's file in which the functions are the learner's.

    write("handlers/flask_app.py", Path(folder, "mine.py"), predict, as_json)

A server that runs the copy runs what was written in cells. A function that still waits
for an answer stays the project's, so that the copy always works.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType

from course.checks.form import Task, is_stub
from course.lesson import ROOT


def write(
    project_file: str,
    copy: Path,
    *functions: Callable,
    only_if: Task | None = None,
) -> Path:
    """Write the copy, print whose functions are in it, and return its path.

    A function takes the place of the project's function of the same name; with only_if,
    where this check praises it. What it uses of the notebook and the file does not have
    comes along: imports, other functions and plain values.
    """
    text = (ROOT / project_file).read_text(encoding="utf-8")
    yours, project = [], []
    for function in functions:
        name = getattr(function, "__name__", "?")
        try:
            waits = is_stub(function)
            if only_if and not waits:
                waits = not only_if.reply(function).startswith("Right")
            text = text if waits else _with(text, function)
            (project if waits else yours).append(name)
        except Exception:  # it has no source, or another name: the copy works anyway
            project.append(name)
    copy.write_text(text, encoding="utf-8")
    parts = [
        f"{' and '.join(names)}: {whose}"
        for names, whose in ((yours, "yours"), (project, "the project's"))
        if names
    ]
    print(f"{copy.name} written. " + "; ".join(parts))
    return copy


def _with(text: str, function: Callable) -> str:
    """The text with this function in the place of its own of that name."""
    [old] = [node for node in _functions(text) if node.name == function.__name__]
    lines = text.splitlines()
    lines[old.lineno - 1 : old.end_lineno] = _source(function)
    first = next(
        n for n, line in enumerate(lines) if line.startswith(("import", "from"))
    )
    lines[first:first] = _brought(function, _names(text), set())
    return "\n".join(lines) + "\n"


def _functions(text: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


def _names(text: str) -> set[str]:
    """What the file defines or imports at its top level."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(it.asname or it.name).partition(".")[0] for it in node.names}
        elif isinstance(node, ast.Assign):
            found |= {it.id for it in node.targets if isinstance(it, ast.Name)}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
    return found


def _source(function: Callable) -> list[str]:
    """The lines of the function, without decorators: the file has its own."""
    text = textwrap.dedent(inspect.getsource(function))
    [node] = _functions(text)
    return text.splitlines()[node.lineno - 1 : node.end_lineno]


def _brought(function: Callable, had: set[str], seen: set[str]) -> list[str]:
    """Lines that define what the function uses and the file does not have."""
    lines = []
    for name in sorted(_used(function.__code__) & {*function.__globals__}):
        if name in had | seen or name == function.__name__:
            continue
        value = function.__globals__[name]
        seen.add(name)
        if isinstance(value, ModuleType):
            lines.append(f"import {value.__name__} as {name}")
        elif isinstance(value, (str, int, float, tuple, dict, list)):
            lines.append(f"{name} = {value!r}")
        elif origin := _origin(value):
            lines.append(f"from {origin} import {value.__name__} as {name}")
        elif inspect.isfunction(value):
            lines += [*_brought(value, had, seen), *_source(value)]
    return lines


def _used(code: CodeType) -> set[str]:
    """The names that the code uses, and the code in it: a comprehension, a lambda."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return {*code.co_names}.union(*map(_used, inner))


def _origin(value) -> str | None:
    """The module that a class or function can be imported from."""
    module = getattr(value, "__module__", None)
    if module in (None, "__main__"):
        return None
    found = getattr(
        importlib.import_module(module), getattr(value, "__name__", ""), None
    )
    return module if found is value else None
