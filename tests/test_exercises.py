"""The exercises: unanswered they stop nothing, and every folded solution is right.

An exercise is a cell tagged `exercise`. The next code cell checks it with a function of
course.checks. Below that stands the solution, folded: a Python block in <details>,
which takes the place of the tagged cell.
"""

import copy
import re

import pytest
from conftest import ROOT
from lessons import LESSONS, printed, read, tags
from nbclient import NotebookClient

SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)


def exercises_of(notebook):
    """Each exercise: the cell to fill in, the one that checks it, and the solution."""
    found = []
    for number, task in enumerate(notebook.cells):
        if "exercise" in tags(task):
            rest = notebook.cells[number + 1 :]
            check = next(n for n, cell in enumerate(rest) if cell.cell_type == "code")
            solution = SOLUTION.search(rest[check + 1].source)
            found.append((task, rest[check], solution and solution[1]))
    return found


every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@every_lesson
def test_two_exercises_wait_for_an_answer(path):
    found = exercises_of(read(path))
    assert len(found) == 2
    for task, check, solution in found:
        assert re.search(r"\bcheck\.exercise_\d\(", check.source), check.source
        assert printed(check).startswith("Not answered yet")
        assert solution and solution.strip() != task.source


@pytest.mark.slow
@every_lesson
def test_solutions_are_right(path, project_copy):
    """The lesson with its solutions filled in, run as JupyterLab runs it."""
    folder = project_copy() / path.parent.relative_to(ROOT)
    notebook = copy.deepcopy(read(path))
    found = exercises_of(notebook)
    for task, _, solution in found:
        task.source = solution
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=180, resources=place).execute()
    for _, check, _ in found:
        assert printed(check).startswith("Right")
