"""`make slides`: in a browser the lessons run, can be read, and need no network.

Skipped where no Chromium or Chrome is installed, or its driver is missing:
`.venv/bin/pip install playwright` brings the driver.
"""

import nbformat
import pytest
from lessons import NOTEBOOKS, tags
from slides import SHOWN, slideshow, what_is_missing

missing = what_is_missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing is not None, reason=str(missing)),
]

TRAIN = "02_train_and_save_the_model.ipynb"
TORCHSERVE = "05_start_torchserve.ipynb"
FLASK = "07_serve_with_flask.ipynb"

# Cells are named by their place in the notebook.
CODE_CELLS = f"""() => {{
    const all = [...document.querySelectorAll(".jp-Cell")];
    const code = document.querySelectorAll("{SHOWN} .jp-CodeCell");
    return [...code].map(cell => all.indexOf(cell));
}}"""
ACTIVE_CELL = """() => {
    const all = [...document.querySelectorAll(".jp-Cell")];
    return all.findIndex(cell => cell.classList.contains("jp-mod-active"));
}"""
HAS_RUN = """([place, count]) => {
    const cell = document.querySelectorAll(".jp-Cell")[place];
    return cell.querySelector(".jp-InputPrompt").textContent === `[${count}]:`;
}"""
RAN_AGAIN = """([prompt, before]) =>
    prompt.textContent !== before && /\\d/.test(prompt.textContent)"""

# What is written smaller than 20 pixels, and can be seen.
TOO_SMALL = f"""() => ["p", "li", "td", "th", "summary", "code", ".cm-line", "pre"]
    .flatMap(kind => [...document.querySelectorAll(`{SHOWN} ${{kind}}`)])
    .filter(found => found.checkVisibility() && found.textContent.trim())
    .filter(found => parseFloat(getComputedStyle(found).fontSize) < 20)
    .map(found => found.textContent)"""

# How far the end of the slide's last cell is below the window, after scrolling there.
UNREACHED = f"""() => {{
    const slide = document.querySelector("{SHOWN}");
    slide.scrollTop = slide.scrollHeight;
    const ends = [...slide.querySelectorAll(".jp-Cell")].map(
        cell => cell.getBoundingClientRect().bottom);
    return Math.max(...ends) - window.innerHeight;
}}"""

# The labels of the slide's diagrams that need more height than they were given. A
# diagram is a picture: what a label needs shows outside the page, in a frame.
CUT_LABELS = f"""() => {{
    const diagrams = document.querySelectorAll("{SHOWN} .jp-RenderedMermaid img");
    return [...diagrams].flatMap(image => {{
        const frame = document.body.appendChild(document.createElement("iframe"));
        const drawing = frame.contentDocument.body;
        drawing.innerHTML = decodeURIComponent(image.src.replace(/^[^,]*,/, ""));
        const cut = [...drawing.querySelectorAll("foreignObject")].filter(
            label => label.firstElementChild.offsetHeight > label.height.baseVal.value);
        frame.remove();
        return cut.map(label => label.textContent);
    }});
}}"""


@pytest.fixture(scope="module")
def copy(project_copy):
    """A copy of the project: a lesson writes files, and JupyterLab its notebook."""
    return project_copy()


@pytest.fixture(scope="module")
def slides(copy):
    with slideshow(copy) as slides:
        yield slides


def is_shown(cell):
    """Not by a deck: what is for reading, and files that the project has anyway."""
    return cell.metadata.slideshow.slide_type != "skip"


def code_cells(notebook):
    return [it for it in notebook.cells if it.cell_type == "code" and is_shown(it)]


def clear(path):
    """Forget what the cells have printed, so that only this run counts."""
    notebook = nbformat.read(path, as_version=4)
    for cell in code_cells(notebook):
        cell.update(outputs=[], execution_count=None)
    nbformat.write(notebook, path)


@pytest.mark.parametrize("notebook", [TRAIN, TORCHSERVE, FLASK])
def test_a_lesson_runs_as_slides(slides, copy, notebook):
    """With the keys that the README names, and without a click."""
    path = copy / "notebooks" / notebook
    clear(path)
    shown = [is_shown(cell) for cell in nbformat.read(path, as_version=4).cells]
    deck = slides.open(notebook)
    page, count = deck.page, 0
    for slide in deck.steps():
        places = [place for place in page.evaluate(CODE_CELLS) if shown[place]]
        for number, place in enumerate(places):
            while number and page.evaluate(ACTIVE_CELL) < place:
                page.keyboard.press("ArrowDown")
            page.wait_for_function(f"place => ({ACTIVE_CELL})() === place", arg=place)
            page.keyboard.press("Shift+Enter")
            count += 1
            page.wait_for_function(HAS_RUN, arg=[place, count], timeout=120_000)
            assert deck.shown == slide, "what it prints is to be seen"
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        page.keyboard.press("Control+s")
    page.close()
    code = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        failed = any(out.output_type == "error" for out in cell.outputs)
        assert failed == ("raises-exception" in tags(cell)), cell.source


def test_the_output_of_the_last_cell_is_seen_after_a_click_too(slides, copy):
    """Shift+Enter stays on the slide, from inside the cell and from beside its text."""
    clear(copy / "notebooks" / TRAIN)
    deck = slides.open(TRAIN)
    last = deck.page.locator(f"{SHOWN} > .jp-CodeCell:last-child")
    slide = next(slide for slide in deck.steps() if last.count())
    prompt = last.locator(".jp-InputPrompt").element_handle()  # of this slide for good
    last.locator(".cm-content").click()
    for mode in ("jp-mod-editMode", "jp-mod-commandMode"):
        deck.page.wait_for_selector(f".jp-Notebook.{mode}")
        before = prompt.text_content()
        deck.page.keyboard.press("Shift+Enter")
        deck.page.wait_for_function(RAN_AGAIN, arg=[prompt, before])
        assert deck.shown == slide
    deck.page.close()


@pytest.fixture(scope="module")
def deck(slides):
    """A lesson in a window so low that every slide with code is too high for it."""
    deck = slides.open(TORCHSERVE, height=200)
    yield deck
    deck.page.close()


def test_a_slide_can_be_read_to_its_end_from_the_back_row(deck):
    high = 0
    for slide in deck.steps():
        high += deck.overflow() > 0
        assert deck.page.evaluate(TOO_SMALL) == [], slide
        assert deck.page.evaluate(UNREACHED) <= 0, slide
        assert deck.page.evaluate(CUT_LABELS) == [], slide
    assert high


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_slide_is_too_high(slides, path):
    deck = slides.open(path.name)
    high = {slide: over for slide in deck.steps() if (over := deck.overflow()) > 0}
    deck.page.close()
    assert high == {}


def test_nothing_is_asked_of_another_host(slides, deck):
    assert slides.asked == {"127.0.0.1"}
