"""A copy of a project's file in which the functions are the learner's.

    write("handlers/flask_app.py", Path(folder, "mine.py"), predict, as_json)

A server that runs the copy runs what was written in cells. A function that still waits
for an answer stays the project's, so that the copy always works.
"""

import ast
import dis
import importlib
import inspect
import linecache
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
    comes along: imports, other functions, plain values, and the classes of its cell.
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
        except LookupError as error:
            print(f"{name} needs {error}")
            project.append(name)
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
    first = min(node.lineno for node in (old, *old.decorator_list))
    lines = text.splitlines()
    lines[old.lineno - 1 : old.end_lineno] = _source(function)
    # Just above the function, where all that the file imports is there already.
    lines[first - 1 : first - 1] = _brought(
        _node(function), function, {*_names(text), function.__name__}
    )
    return "\n".join(lines) + "\n"


def _functions(text: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


def _names(text: str) -> set[str]:
    """What the file defines or imports at its top level."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(it.asname or it.name).partition(".")[0] for it in node.names}
        else:
            found |= _bound(node)
    return found


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement defines, if it is a definition."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return {it.id for it in targets if isinstance(it, ast.Name)}


def _node(function: Callable) -> ast.FunctionDef:
    """The function as it was written, without decorators: the file has its own."""
    [node] = _functions(textwrap.dedent(inspect.getsource(function)))
    node.decorator_list.clear()
    return node


def _source(function: Callable) -> list[str]:
    node = _node(function)
    text = textwrap.dedent(inspect.getsource(function))
    return text.splitlines()[node.lineno - 1 : node.end_lineno]


def _brought(node: ast.stmt, function: Callable, had: set[str]) -> list[str]:
    """Lines that define what this code of the function's cell uses beyond `had`.

    Annotations and defaults count as well: they are evaluated when the file is read.
    Raises LookupError for what cannot be copied.
    """
    lines = []
    for name in sorted(_used(node) & {*function.__globals__} - had):
        value = function.__globals__[name]
        had.add(name)
        if isinstance(value, ModuleType):
            lines.append(f"import {value.__name__} as {name}")
        elif _is_plain(value):
            lines.append(f"{name} = {value!r}")
        elif origin := _origin(value):
            lines.append(f"from {origin} import {value.__name__} as {name}")
        elif inspect.isfunction(value):
            lines += [*_brought(_node(value), value, had), *_source(value)]
        else:
            lines += _defined(name, function, had)
    return lines


def _defined(name: str, function: Callable, had: set[str]) -> list[str]:
    """The statement of the function's cell that makes a class or a value."""
    file = function.__code__.co_filename
    cell = "".join(linecache.getlines(file))
    found = [node for node in ast.parse(cell).body if name in _bound(node)]
    if not found:
        raise LookupError(f"{name}: define it in the same cell.")
    node = found[-1]
    top = min(it.lineno for it in (node, *getattr(node, "decorator_list", ())))
    own = cell.splitlines()[top - 1 : node.end_lineno]
    return [*_brought(node, function, had), *own]


def _used(node: ast.stmt) -> set[str]:
    """The global names that the code reads; its own variables are none of them."""
    codes, found = [compile(ast.Module([node], []), "<copied>", "exec")], set()
    while codes:
        code = codes.pop()
        codes += [part for part in code.co_consts if isinstance(part, CodeType)]
        found |= {
            step.argval
            for step in dis.get_instructions(code)
            if step.opname in ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
        }
    return {name for name in found if not name.startswith("__")}


def _is_plain(value) -> bool:
    """Whether its repr() makes it again."""
    try:
        return ast.literal_eval(repr(value)) == value
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return False


def _origin(value) -> str | None:
    """The module that a class or function can be imported from."""
    module = getattr(value, "__module__", None)
    if module in (None, "__main__"):
        return None
    found = getattr(
        importlib.import_module(module), getattr(value, "__name__", ""), None
    )
    return module if found is value else None
