"""The form of the notebooks: what a reader relies on, and nbval does not look at."""

import ast
import json
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
    minutes,
    read,
    statements,
    tags,
    text,
    title,
)
from packaging.utils import canonicalize_name

RAISES = {"raises-exception", "nbval-raises-exception"}
KNOWN_TAGS = RAISES | {"exercise", "live", "guess", "nbval-ignore-output"}
RUNNING_SLIDE_TYPES = {"slide", "subslide", "fragment", "-"}
SLIDE_TYPES = RUNNING_SLIDE_TYPES | {"skip", "notes"}  # the slides do not run these
CHAPTER_FILES = {
    "models/linear.py",
    "handlers/model_handler.py",
    "handlers/flask_app.py",
    "config/config.properties",
}
LINK = re.compile(r'\]\(([^)\s]+)|\b(?:href|src)="([^"]+)"')
NOTEBOOK_LINK = re.compile(r"\[([^\]]+)\]\((?:notebooks/)?(\d\d_\w+\.ipynb)\)")
REFERENCE = ROOT / "notebooks" / "reference.ipynb"
PAGES = [*NOTEBOOKS, REFERENCE, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)


def written(path: Path) -> str:
    """The Markdown of a page; of a notebook only that."""
    return text(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")


def is_excused(cell):
    """Whether nbval does not compare the cell's output."""
    marker = re.search(r"^\s*#\s*\w+_IGNORE_OUTPUT\s*$", cell.source, re.MULTILINE)
    return bool(marker) or "nbval-ignore-output" in tags(cell)


def writes_a_file_of_the_project(cell):
    first = cell.source.partition("\n")[0]
    file = first.removeprefix("%%writefile ").strip()
    return first.startswith("%%writefile ") and (ROOT / file).exists()


def is_shown_anew(cell):
    return cell.metadata.slideshow.slide_type in {"slide", "subslide"}


def prints(cell):
    calls = [node.value for node in statements(cell) if isinstance(node, ast.Expr)]
    return "print" in [getattr(getattr(call, "func", None), "id", "") for call in calls]


def asserts(cell):
    nodes = (node for statement in statements(cell) for node in ast.walk(statement))
    return any(isinstance(node, ast.Assert) for node in nodes)


@every_notebook
def test_the_stored_outputs_come_from_one_run_in_order(path):
    code = cells(path, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        # nbval does not compare a cell that has no output and should have one.
        assert cell.outputs or not prints(cell), cell.source
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == bool(tags(cell) & RAISES), cell.source
        # Where pieces of a stream end differs from run to run.
        names = [output.get("name") for output in cell.outputs]
        for name, following in zip(names, names[1:], strict=False):
            assert name is None or name != following, cell.source


@every_notebook
def test_nothing_in_the_file_changes_with_every_run(path):
    notebook = json.loads(
        path.read_text(encoding="utf-8")
    )  # nbformat mends what it reads
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"slideshow", "tags"}, cell["metadata"]
        # Numbered ones would all change when one is inserted.
        assert re.fullmatch("[0-9a-f]{8}", cell["id"]), cell["id"]
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


@every_notebook
def test_little_is_excused_from_comparison_and_that_is_asserted(path):
    code = cells(path, "code")
    assert sum(map(is_excused, code)) <= 0.15 * len(code)
    for cell, following in zip(code, [*code[1:], None], strict=True):
        assert tags(cell) <= KNOWN_TAGS, "nbval ignores a misspelt tag silently"
        assert "NBVAL_SKIP" not in cell.source
        if is_excused(cell):
            assert asserts(cell) or (following and asserts(following)), cell.source


@every_notebook
def test_cells_are_short(path):
    code = cells(path, "code")
    assert len(code) <= 25
    for cell in code:
        lines = cell.source.splitlines()
        if not lines[0].startswith("%%writefile "):  # ruff measures these
            assert len(lines) <= 20, cell.source
            assert max(map(len, lines)) <= 88, cell.source


@every_notebook
def test_markdown_leads_to_every_code_cell_and_follows_every_figure(path):
    everything = read(path).cells
    assert everything[0].cell_type == everything[-1].cell_type == "markdown"
    for before, cell, after in zip(
        everything, everything[1:], everything[2:], strict=False
    ):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.source
        kinds = {
            kind for out in cell.get("outputs", []) for kind in out.get("data", {})
        }
        if any(kind.startswith("image/") for kind in kinds):
            assert after.cell_type == "markdown", cell.source


@every_notebook
def test_every_cell_has_its_place_on_the_slides(path):
    for cell in read(path).cells:
        place = cell.metadata.get("slideshow", {}).get("slide_type")
        # The slides do not run what they skip: a file that is there all the same.
        runs = cell.cell_type == "code" and not writes_a_file_of_the_project(cell)
        assert place in (RUNNING_SLIDE_TYPES if runs else SLIDE_TYPES), cell.source
    # A deck marks the first code cell of a slide that it goes to, not of its first one.
    first = next(cell for cell in read(path).cells[1:] if is_shown_anew(cell))
    assert "code" not in {
        cell.cell_type for cell in read(path).cells[: read(path).cells.index(first)]
    }


@every_page
def test_pictures_diagrams_and_tables_say_what_they_show(path):
    page = written(path)
    assert "![](" not in page
    assert not re.search(r"^\|[\s|]+\|\n\|[-:\s|]+\|$", page, re.MULTILINE), "no header"
    for image in re.findall(r"<img\b[^>]*>", page):
        assert re.search(r'\balt="[^"]+"', image), image
    for diagram in re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL):
        for what in ("accTitle", "accDescr"):
            assert re.search(rf"^\s*{what}: \S", diagram, re.MULTILINE), diagram


@every_page
def test_links_to_files_lead_somewhere(path):
    for groups in LINK.findall(written(path)):
        target, _, anchor = "".join(groups).partition("#")
        if re.match(r"(https?|mailto|attachment):", target):
            continue
        page = path.parent / target if target else path
        assert page.exists(), target
        if anchor and page.suffix == ".ipynb":  # as JupyterLab makes them of headings
            headings = re.findall(r"^#+ (.+)$", written(page), re.MULTILINE)
            assert anchor in [heading.replace(" ", "-") for heading in headings], anchor


@every_lesson
def test_the_frame_of_a_lesson(path):
    first = read(path).cells[0].source
    assert re.match(r"# \w.*\n\n\S", first), "a title, and a sentence below it"
    for what in ("You will do", "You will learn", "You need", "You are here"):
        assert what in first, what
    headings = re.findall(r"^## (.+)$", text(path), re.MULTILINE)
    wanted = ["Recap", "Go further"]
    assert [heading for heading in headings if heading in wanted] == wanted


@every_notebook
def test_the_last_cell_leads_on(path):
    """To the previous lesson, the index and the next lesson."""
    place = NOTEBOOKS.index(path)
    around = NOTEBOOKS[max(place - 1, 0) : place] + INDEX + NOTEBOOKS[place + 1 :][:1]
    wanted = {other: f"{other.stem[:2]} {title(other)}" for other in around}
    wanted[INDEX[0]] = "Index"
    wanted.pop(path, None)
    links = NOTEBOOK_LINK.findall(read(path).cells[-1].source)
    assert {ROOT / "notebooks" / file: name for name, file in links} == wanted


# What stands in two places says the same.


@pytest.mark.parametrize(
    ("path", "listed"), [(INDEX[0], LESSONS), (ROOT / "README.md", NOTEBOOKS)]
)
def test_tables_list_the_notebooks(path, listed):
    rows = "\n".join(re.findall(r"^\|.*", written(path), re.MULTILINE))
    rows = re.sub(r"\[\d\d ", "[", rows)
    assert NOTEBOOK_LINK.findall(rows) == [(title(one), one.name) for one in listed]


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


@every_lesson
def test_minutes_are_the_same_in_the_lesson_the_index_and_the_readme(path):
    reading, doing, further = minutes(path)
    row = rf"\({path.name}\) \| {reading} min \| {doing} min \| {further} min \|"
    assert re.search(row, text(INDEX[0]))
    row = rf"\(notebooks/{path.name}\) \| {reading} \+ {doing} \|"
    assert re.search(row, written(ROOT / "README.md"))


def test_the_readme_and_make_know_the_same_targets():
    makefile = written(ROOT / "Makefile")
    helped = set(re.findall(r'echo "make ([a-z-]+) ', makefile))
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert helped == targets - {"help", "same-python"}
    pages = written(ROOT / "README.md") + written(ROOT / "CONTRIBUTING.md")
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", pages, re.MULTILINE)) == helped


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


def test_every_package_is_pinned_once():
    files = (ROOT / "requirements.txt", ROOT / "constraints.txt")
    lines = [line for file in files for line in written(file).splitlines()]
    pins = [line for line in lines if line and not line.startswith("#")]
    pins.remove("-c constraints.txt")
    for pin in pins:
        assert re.fullmatch(r"[\w.-]+==[\d.]+(post\d+)?(  # \S.*)?", pin), pin
    names = [canonicalize_name(pin.partition("==")[0]) for pin in pins]
    assert len(set(names)) == len(names)


def test_no_file_knows_where_it_was_made(project_files):
    """Neither a folder of this machine nor where its packages come from."""

    def pip(*arguments):
        words = [sys.executable, "-m", "pip", *arguments]
        return subprocess.check_output(words, text=True, timeout=60)

    places = [ROOT, Path.home()]
    if sys.prefix != sys.base_prefix:  # else it is the system's, such as /usr/local
        places.append(Path(sys.prefix))
    forbidden = {str(place) for place in places if len(place.parts) > 2}
    [index] = re.findall(r"Index\s+\(default\s+(\S+?)\)", pip("install", "--help"))
    configured = " ".join(re.findall("'(.*?)'", pip("config", "list")))
    for url in [index, *re.findall(r"\S*/\w\S+", configured)]:
        forbidden.add(re.sub(r"^\w+://|/simple/?$", "", url))
    package_file = re.compile(r"https?://\S+\.(whl|tar\.gz)\b")
    for file in project_files():
        content = (ROOT / file).read_text(encoding="utf-8", errors="replace")
        for words in forbidden:
            assert not re.search(rf"{re.escape(words)}(?![\w-])", content), file
        assert not package_file.search(content), file


@every_notebook
def test_what_listens_is_looked_after(path):
    """Servers are started by servers.start, which looks where they listen."""
    for cell in cells(path, "code"):
        for node in (n for line in statements(cell) for n in ast.walk(line)):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in {"Popen", "popen", "system"}, cell.source
            if name.endswith(("HTTPServer", "create_server", "TCPServer")):
                host, _ = ast.literal_eval(node.args[0])
                assert host == "127.0.0.1", cell.source
