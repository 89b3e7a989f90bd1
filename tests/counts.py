"""How much of a lesson the learner does: `python tests/counts.py` prints a table.

tasks    cells to fill in; live: those whose check looks at a running server
lines    lines of the solutions that the stubs do not have already
guesses  letters to give before a run
words    of Markdown, diagrams apart; open: without what is folded away
minutes  stated: to read and run, for the tasks, and to go further
"""

import re
import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).parents[1] / "notebooks"),
    str(Path(__file__).parent),
]
from lessons import LESSONS, guesses_of, minutes, read, tags, tasks_of, text  # noqa: E402

COLUMNS = ("tasks", "live", "lines", "guesses", "words", "open")
COLUMNS += ("reading", "doing", "further")


def words(markdown: str) -> int:
    return len(re.sub(r"```mermaid.*?```", "", markdown, flags=re.DOTALL).split())


def counts(path: Path) -> list[int]:
    """The columns of one lesson."""
    notebook, markdown = read(path), text(path)
    tasks = tasks_of(notebook)
    lines = 0
    for task in tasks:
        given = {line.strip() for line in task.cell.source.splitlines()}
        written = [line.strip() for line in (task.solution or "").splitlines()]
        lines += sum(bool(line) and line not in given for line in written)
    return [
        len(tasks),
        sum("live" in tags(task.cell) for task in tasks),
        lines,
        len(guesses_of(notebook)),
        words(markdown),
        words(re.sub(r"<details>.*?</details>", "", markdown, flags=re.DOTALL)),
        *minutes(path),
    ]


def main() -> None:
    print("lesson" + "".join(f"{name:>9}" for name in COLUMNS))
    rows = {path.name[:2]: counts(path) for path in LESSONS}
    first = [row for number, row in rows.items() if number <= "08"]
    for number, row in [
        *rows.items(),
        ("01-08", [sum(column) for column in zip(*first, strict=True)]),
        ("all", [sum(column) for column in zip(*rows.values(), strict=True)]),
    ]:
        print(f"{number:6}" + "".join(f"{count:>9}" for count in row))


if __name__ == "__main__":
    main()
