"""The form of the notebooks: what a reader relies on, and nbval does not look at."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from lessons import (
    INDEX,
    LESSONS,
    NOTEBOOKS,
    cells,
    read,
    statements,
    tags,
    text,
    title,
)

KNOWN_TAGS = {
    "exercise",
    "nbval-ignore-output",
    "nbval-raises-exception",
    "raises-exception",
}
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
RUNNING_SLIDE_TYPES = SLIDE_TYPES - {"skip", "notes"}  # the slides run no others
CHAPTER_FILES = {
    "models/linear.py",
    "handlers/model_handler.py",
    "handlers/flask_app.py",
    "config/config.properties",
}
LINK = re.compile(r'\]\(([^)\s]+)|\b(?:href|src)="([^"]+)"')
NOTEBOOK_LINK = re.compile(r"\[([^\]]+)\]\((?:notebooks/)?(\d\d_\w+\.ipynb)\)")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)


def raises(cell):
    """Whether the cell is meant to end with an error."""
    return tags(cell) & {"raises-exception", "nbval-raises-exception"}


def is_excused(cell):
    """Whether nbval does not compare the cell's output."""
    marker = re.search(r"^\s*#\s*\w+_IGNORE_OUTPUT\s*$", cell.source, re.MULTILINE)
    return bool(marker) or "nbval-ignore-output" in tags(cell)


def asserts(cell):
    return any(
        isinstance(node, ast.Assert)
        for statement in statements(cell)
        for node in ast.walk(statement)
    )


# One real run, in order, is what the stored outputs come from.


@every_notebook
def test_counts_are_those_of_one_run_in_order(path):
    code = cells(path, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@every_notebook
def test_what_prints_has_printed(path):
    """nbval does not compare a cell that has no output and should have one."""
    for cell in cells(path, "code"):
        calls = [
            node.value.func.id
            for node in statements(cell)
            if isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Name)
        ]
        assert cell.outputs or "print" not in calls, cell.source


@every_notebook
def test_what_a_cell_prints_is_in_one_piece(path):
    """Where the pieces end differs from run to run, and JupyterLab shows a gap."""
    for cell in cells(path, "code"):
        names = [output.get("name") for output in cell.outputs]
        streams = [
            name
            for name, before in zip(names, [None, *names], strict=False)
            if name and name == before
        ]
        assert streams == [], cell.source


@every_notebook
def test_errors_are_part_of_the_lesson(path):
    for cell in cells(path, "code"):
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == bool(raises(cell)), cell.source


@every_notebook
def test_nothing_in_the_file_changes_with_every_run(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"slideshow", "tags"}, cell.metadata
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:  # numbered ones would all change when one is inserted
        assert re.fullmatch("[0-9a-f]{8}", cell.id), cell.id


# Which cells nbval excuses, and why that is safe.


@every_notebook
def test_tags_are_known(path):
    for cell in read(path).cells:
        assert tags(cell) <= KNOWN_TAGS, "nbval ignores a misspelt tag silently"
        assert "NBVAL_SKIP" not in cell.source


@every_notebook
def test_few_cells_are_excused_from_comparison(path):
    excused = [cell for cell in cells(path, "code") if is_excused(cell)]
    assert len(excused) <= 0.15 * len(cells(path, "code"))


@every_notebook
def test_what_is_not_compared_is_asserted(path):
    code = cells(path, "code")
    for cell, following in zip(code, [*code[1:], None], strict=True):
        if is_excused(cell):
            assert asserts(cell) or (following and asserts(following)), cell.source


# What a lesson looks like.


@every_notebook
def test_cells_are_short(path):
    code = cells(path, "code")
    assert len(code) <= 25
    for cell in code:
        lines = cell.source.splitlines()
        if lines[0].startswith("%%writefile "):  # ruff measures these, where it can
            continue
        assert len(lines) <= 20, cell.source
        longest = max(lines, key=len)
        assert len(longest) <= 88, longest


@every_notebook
def test_markdown_stands_before_every_code_cell(path):
    everything = read(path).cells
    for before, cell in zip(everything, everything[1:], strict=False):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.source
    assert everything[0].cell_type == "markdown"


@every_notebook
def test_every_cell_has_its_place_on_the_slides(path):
    for cell in read(path).cells:
        place = cell.metadata.get("slideshow", {}).get("slide_type")
        wanted = RUNNING_SLIDE_TYPES if cell.cell_type == "code" else SLIDE_TYPES
        assert place in wanted, cell.source


@every_notebook
def test_figures_are_described(path):
    everything = read(path).cells
    for cell, following in zip(everything, [*everything[1:], None], strict=True):
        for output in cell.get("outputs", []):
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                assert following and following.cell_type == "markdown", cell.source


@pytest.mark.parametrize(
    "path", [*NOTEBOOKS, ROOT / "README.md"], ids=lambda path: path.stem
)
def test_pictures_and_diagrams_have_a_text(path):
    written = text(path) if path in NOTEBOOKS else path.read_text(encoding="utf-8")
    assert "![](" not in written
    for image in re.findall(r"<img\b[^>]*>", written):
        assert re.search(r'\balt="[^"]+"', image), image
    for diagram in re.findall(r"```mermaid\n(.*?)```", written, re.DOTALL):
        for what in ("accTitle", "accDescr"):
            assert re.search(rf"^\s*{what}: \S", diagram, re.MULTILINE), diagram


@pytest.mark.parametrize(
    "path", [*NOTEBOOKS, ROOT / "README.md"], ids=lambda path: path.stem
)
def test_links_to_files_lead_somewhere(path):
    written = text(path) if path in NOTEBOOKS else path.read_text(encoding="utf-8")
    for groups in LINK.findall(written):
        target = "".join(groups).partition("#")[0]
        if target and not re.match(r"(https?|mailto|attachment):", target):
            assert (path.parent / target).exists(), target


@every_lesson
def test_the_frame_of_a_lesson(path):
    first = read(path).cells[0].source
    assert re.match(r"# \w.*\n\n\S", first), "a title, and a sentence below it"
    for what in ("You will do", "You will learn", "You need"):
        assert what in text(path), what
    headings = re.findall(r"^## (.+)$", text(path), re.MULTILINE)
    wanted = ["You are here", "Recap", "Exercises"]
    assert [heading for heading in headings if heading in wanted] == wanted


@every_notebook
def test_the_last_cell_leads_on(path):
    """To the previous lesson, the index and the next lesson."""
    place = NOTEBOOKS.index(path)
    around = NOTEBOOKS[max(place - 1, 0) : place] + INDEX + NOTEBOOKS[place + 1 :][:1]
    wanted = {other: f"{other.stem[:2]} {title(other)}" for other in around}
    wanted[INDEX[0]] = "Index"
    wanted.pop(path, None)
    last = read(path).cells[-1].source
    found = {
        ROOT / "notebooks" / file: name for name, file in NOTEBOOK_LINK.findall(last)
    }
    assert found == wanted


# What stands in two places says the same.


@pytest.mark.parametrize(
    ("path", "listed"),
    [(INDEX[0], LESSONS), (ROOT / "README.md", NOTEBOOKS)],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_tables_list_the_notebooks(path, listed):
    written = text(path) if path in NOTEBOOKS else path.read_text(encoding="utf-8")
    rows = "\n".join(line for line in written.splitlines() if line.startswith("|"))
    found = [
        (re.sub(r"^\d\d ", "", name), file)
        for name, file in NOTEBOOK_LINK.findall(rows)
    ]
    assert found == [(title(notebook), notebook.name) for notebook in listed]


def test_the_lessons_have_the_names_that_links_rely_on():
    assert [path.stem for path in NOTEBOOKS[:9]] == [
        "00_index",
        "01_set_up_the_environment",
        "02_train_and_save_the_model",
        "03_write_the_handler",
        "04_archive_the_model",
        "05_start_torchserve",
        "06_query_torchserve",
        "07_serve_with_flask",
        "08_compare_the_servers",
    ]


def test_cells_write_the_files_that_the_project_has(project_files):
    """Every %%writefile cell, and the files of the chapter have one."""
    written = set()
    for path in NOTEBOOKS:
        for cell in cells(path, "code"):
            first, _, body = cell.source.partition("\n")
            file = first.removeprefix("%%writefile ").strip()
            if first.startswith("%%writefile ") and Path(file) in project_files():
                assert body + "\n" == (ROOT / file).read_text(encoding="utf-8"), file
                written.add(file)
    assert written >= CHAPTER_FILES


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_minutes_are_the_same_in_the_lesson_the_index_and_the_readme(path):
    read_and_run, practise = re.search(
        r"\| \*\*Time\*\* \| (\d+) minutes to read and run, (\d+) for the exercises \|",
        text(path),
    ).groups()
    link = re.escape(f"({path.name})")
    row = rf"{link} \| {read_and_run} min \| {practise} min \|"
    assert re.search(row, text(NOTEBOOKS[0]))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    link = re.escape(f"(notebooks/{path.name})")
    assert re.search(rf"{link} \| {read_and_run} \+ {practise} \|", readme)


def test_the_readme_and_make_know_the_same_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    mentioned = re.findall(r"(?:^|`)make ([a-z-]+)", readme, re.MULTILINE)
    assert set(mentioned) == targets - {"help"}
    helped = re.findall(r'echo "make ([a-z-]+) ', makefile)
    assert set(helped) == targets - {"help"}


# The project around the notebooks.


@pytest.mark.parametrize("command", ["check --output-format=concise", "format --check"])
def test_one_style_for_all_code(command):
    finished = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stdout


def test_every_requirement_is_pinned_and_has_its_reason():
    """Each stands in a group with a heading, and a group ends with a blank line."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for group in requirements.strip().split("\n\n"):
        heading, *lines = group.splitlines()
        assert re.match(r"# \w", heading), group
        for line in lines:
            assert re.match(r"[\w.-]+==[\d.]+(  # \S.*)?$", line), line


def test_conda_installs_the_same():
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    dependencies = re.findall(r"^ +- (.+)$", environment, re.MULTILINE)
    assert dependencies == [
        "conda-forge",
        "python=3.11",
        "pip",
        "pip:",
        "-r requirements.txt",
    ]


def test_no_file_knows_where_it_was_made(project_files):
    """Neither a folder of this machine nor where its packages come from."""
    places = [ROOT, Path(sys.prefix), Path.home()]
    forbidden = [str(place) for place in places if len(place.parts) > 2]
    forbidden += [".".join(host) for host in (("pypi", "org"), ("pythonhosted", "org"))]
    for file in project_files():
        content = (ROOT / file).read_text(encoding="utf-8", errors="replace")
        for words in forbidden:
            assert words not in content, f"{words} in {file}"
