"""The exercises: unanswered they stop nothing, and every folded solution is right.

An exercise is a cell tagged `exercise`. The next code cell checks it with a function of
course.checks. Below that stands the solution, folded: a Python block in <details>,
which takes the place of the tagged cell.
"""

import copy
import re
from dataclasses import dataclass

import pytest
from conftest import ROOT
from lessons import LESSONS, printed, read, tags
from nbclient import NotebookClient

SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)


@dataclass
class Exercise:
    """The places of its cells in the notebook, and the solution."""

    task: int
    check: int
    solution: str | None


def exercises_of(notebook):
    """All exercises of a notebook, in order."""
    found = []
    for task, cell in enumerate(notebook.cells):
        if "exercise" in tags(cell):
            rest = range(task + 1, len(notebook.cells))
            check = next(n for n in rest if notebook.cells[n].cell_type == "code")
            below = notebook.cells[check + 1]
            solution = SOLUTION.search(below.source)
            found.append(Exercise(task, check, solution and solution[1]))
    return found


every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@every_lesson
def test_two_exercises_wait_for_an_answer(path):
    notebook = read(path)
    found = exercises_of(notebook)
    assert len(found) == 2
    for exercise in found:
        check = notebook.cells[exercise.check]
        assert re.search(r"\bcheck\.exercise_\d\(", check.source), check.source
        assert printed(check).startswith("Not answered yet")
        assert exercise.solution, "no folded solution below the check"
        assert exercise.solution.strip() != notebook.cells[exercise.task].source


@pytest.mark.slow
@every_lesson
def test_solutions_are_right(path, project_copy):
    """The lesson with its solutions filled in, run as JupyterLab runs it."""
    folder = project_copy() / path.parent.relative_to(ROOT)
    notebook = copy.deepcopy(read(path))
    found = exercises_of(notebook)
    for exercise in found:
        notebook.cells[exercise.task].source = exercise.solution
    client = NotebookClient(
        notebook, timeout=180, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    for exercise in found:
        assert printed(notebook.cells[exercise.check]).startswith("Right")
