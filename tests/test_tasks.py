"""The tasks: unanswered they stop nothing, and every folded solution is right.

A task is a cell tagged `exercise`, and `live` where its check asks a running server.
The next code cell checks it with a function of course.checks. Below that stands the
solution, folded: a Python block in <details>, which takes the place of the tagged cell.
A guess is a cell tagged `guess`; a later cell hands it to its check.
"""

import copy
import re

import pytest
from conftest import ROOT
from lessons import LESSONS, guesses_of, minutes, printed, read, tags, tasks_of
from nbclient import NotebookClient

every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
SERVERLESS = {"01", "02", "03", "04"}  # lessons without a server


@every_lesson
def test_tasks_wait_for_an_answer(path):
    found = tasks_of(read(path))
    for number, task in enumerate(found, 1):
        assert f"check.task_{number}(" in task.check.source, task.check.source
        assert printed(task.check).startswith("Not answered yet")
        assert task.solution and task.solution.strip() != task.cell.source
        if "live" in tags(task.cell):  # it is given more than the answer: a server
            assert re.search(r"check\.task_\d\(\w+, [^)]", task.check.source)


@every_lesson
def test_tasks_stand_where_the_idea_is_born(path):
    """And one of them asks something of a live server, where there is one."""
    number = path.name[:2]
    cells = read(path).cells
    recap = next(
        n for n, cell in enumerate(cells) if cell.source.startswith("## Recap")
    )
    middle = [task for task in tasks_of(read(path)) if task.place < recap]
    assert len(middle) >= (1 if number == "01" else 2)
    live = [task for task in middle if "live" in tags(task.cell)]
    assert live or number in SERVERLESS


@every_lesson
def test_guesses_come_before_what_happens(path):
    cells = read(path).cells
    for number, place in enumerate(guesses_of(read(path)), 1):
        assert re.match(rf"guess_{number} = None  # ", cells[place].source)
        later = [c for c in cells[place + 1 :] if f"check.guess_{number}(" in c.source]
        assert len(later) == 1 and "No guess. It was" in printed(later[0])


@every_lesson
def test_a_third_of_the_minutes_is_doing(path):
    reading, doing, further = minutes(path)
    assert reading + doing <= 40
    assert 3 * doing >= reading + doing


def test_the_first_part_takes_four_hours():
    first = [path for path in LESSONS if path.name < "09"]
    assert sum(sum(minutes(path)[:2]) for path in first) <= 240


@pytest.mark.slow
@every_lesson
def test_solutions_are_right(path, project_copy):
    """The lesson with its solutions filled in, run as JupyterLab runs it."""
    folder = project_copy() / path.parent.relative_to(ROOT)
    notebook = copy.deepcopy(read(path))
    found = tasks_of(notebook)
    for task in found:
        task.cell.source = task.solution
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=180, resources=place).execute()
    for task in found:
        assert printed(task.check).startswith("Right"), task.check.source
