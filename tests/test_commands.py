"""The commands that a lesson shows are those that the helpers run for other lessons."""

import ast
import json
import shlex

from course.lesson import ARCHIVE_COMMAND, ROOT


def shown_commands(notebook: str) -> list[list[str]]:
    """The words of each command that a notebook passes to lesson.run as plain text."""
    file = ROOT / "notebooks" / notebook
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    calls = [
        node
        for source in code
        if not source.startswith("%%")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lesson.run"
    ]
    arguments = [call.args[0] for call in calls]
    texts = [text.value for text in arguments if isinstance(text, ast.Constant)]
    return [shlex.split(text.replace("\\\n", " ")) for text in texts]


def test_the_archive_of_lesson_04_is_the_one_that_other_lessons_build():
    built = shlex.split(ARCHIVE_COMMAND.format(folder="model_store"))
    assert shown_commands("04_archive_the_model.ipynb") == [built]
