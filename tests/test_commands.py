"""The commands that a lesson shows are those that the helpers run for other lessons."""

import ast
import shlex

from course.lesson import ARCHIVE_COMMAND, ROOT
from lessons import cells, statements


def test_the_archive_of_lesson_04_is_the_one_that_other_lessons_build():
    shown = [
        shlex.split(call.args[0].value.replace("\\\n", " "))
        for cell in cells(ROOT / "notebooks" / "04_archive_the_model.ipynb", "code")
        for statement in statements(cell)
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "lesson.run"
        and isinstance(call.args[0], ast.Constant)
    ]
    assert shown == [shlex.split(ARCHIVE_COMMAND.format(folder="model_store"))]
