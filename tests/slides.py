"""The lessons as slides in a browser: which are too high, and what the tests look at.

    python tests/slides.py          every lesson
    python tests/slides.py 05 07    these two

It opens a lesson as `make slides` does, at 1280x720, steps through it and prints how
many slides are too high, by how much, and the smallest label of its diagrams.

It needs an installed Chromium or Chrome, and its driver: `pip install playwright`,
which is no part of requirements.txt, because a learner needs none of it. No browser is
downloaded.
"""

# ruff: noqa: E402 (the helpers lie in another folder: the path to them comes first)

import contextlib
import importlib.util
import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [path for path in (str(ROOT / "notebooks"),) if path not in sys.path]

from course import lesson, servers

SIZE = {"width": 1280, "height": 720}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
OPTIONS = ("--disable-gpu", "--disable-quic", "--disable-sync")
LAB = (
    "jupyter lab --config {config} --no-browser --allow-root "
    "--port {port} --ServerApp.port_retries=0"
)

# The slide that shows: a section of a section. Reveal calls both present.
SHOWN = "section.present > section.present"

# Until pictures are there and five frames in a row have the same height.
STEADY = f"""async () => {{
    const slide = document.querySelector("{SHOWN}");
    await Promise.all([...slide.querySelectorAll("img")].map(
        image => image.decode().catch(() => null)));
    for (let same = 0, height = 0; same < 5; same++) {{
        await new Promise(requestAnimationFrame);
        if (slide.scrollHeight !== height) same = 0;
        height = slide.scrollHeight;
    }}
    return slide.scrollHeight - slide.clientHeight;
}}"""

# How high the labels of the slide's diagrams are written, in pixels.
LABELS = f"""() => {{
    const diagrams = document.querySelectorAll("{SHOWN} .jp-RenderedMermaid img");
    return [...diagrams].map(image => {{
        const svg = decodeURIComponent(image.src);
        const width = svg.match(/viewBox="[-\\d.]+ [-\\d.]+ ([\\d.]+)/)[1];
        return 16 * image.getBoundingClientRect().width / width;
    }});
}}"""


def browser_path() -> str | None:
    """An installed browser that Playwright can drive."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def what_is_missing() -> str | None:
    """Why no slides can be shown here; None if they can."""
    if not browser_path():
        return "no Chromium or Chrome is installed"
    if not importlib.util.find_spec("playwright"):
        return "the browser's driver is missing: pip install playwright"
    return None


class Deck:
    """A lesson in the browser, shown as slides.

    Attributes:
        page: Playwright's page.
        slides: the names of the slides in order, such as slide-3-1.
    """

    def __init__(self, page, url: str) -> None:
        self.page = page
        page.goto(url)
        page.wait_for_selector(SHOWN, timeout=90_000)
        self.slides = page.eval_on_selector_all(
            ".slides > section > section", "found => found.map(slide => slide.id)"
        )
        self.wait_for(self.slides[0])

    @property
    def shown(self) -> str:
        """The name of the slide that shows."""
        return self.page.eval_on_selector(SHOWN, "slide => slide.id")

    def wait_for(self, slide: str) -> None:
        """Until this slide shows."""
        self.page.wait_for_selector(f"{SHOWN}#{slide}")

    def steps(self) -> Iterator[str]:
        """Go from slide to slide, with the space bar."""
        for slide in self.slides:
            if slide != self.slides[0]:
                self.page.keyboard.press("Space")
                self.wait_for(slide)
            yield slide

    def overflow(self) -> int:
        """By how many pixels the slide is too high."""
        return self.page.evaluate(STEADY)

    def labels(self) -> list[float]:
        """The height of the letters in each diagram of the slide."""
        return self.page.evaluate(LABELS)


class Slides:
    """A JupyterLab and a browser: open() shows a lesson.

    Attributes:
        asked: the hosts that the pages have asked for something.
    """

    def __init__(self, context, url: str, token: str) -> None:
        self.asked = set()
        self._context, self._url, self._token = context, url, token
        context.on("request", lambda request: self._asks(request.url))

    def open(self, notebook: str, **size: int) -> Deck:
        """Show notebooks/<notebook>; height=300 for a window of another height."""
        page = self._context.new_page()
        page.set_viewport_size({**SIZE, **size})
        page.on("websocket", lambda socket: self._asks(socket.url))
        url = f"{self._url}/rise/notebooks/{notebook}?token={self._token}"
        return Deck(page, url)

    def _asks(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme not in ("data", "blob", "about"):
            self.asked.add(address.hostname)


@contextlib.contextmanager
def slideshow(root: Path = ROOT) -> Iterator[Slides]:
    """Slides of the project at root, with none of the user's own settings."""
    from playwright.sync_api import sync_playwright

    token = secrets.token_hex(16)
    [port] = servers.find_free_ports(1)  # two of these may run at once
    config = shlex.quote((root / "config/jupyter_lab.py").as_posix())
    with tempfile.TemporaryDirectory() as folder:
        server = servers.start(
            LAB.format(config=config, port=port),
            ready=f"http://127.0.0.1:{port}/api",
            name="slides",
            env={
                "JUPYTER_TOKEN": token,
                "JUPYTER_CONFIG_DIR": folder,
                "JUPYTER_DATA_DIR": folder,
            },
        )
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=browser_path(), args=OPTIONS
                )
                yield Slides(browser.new_context(), server.url, token)
                browser.close()
        finally:
            server.stop()


def main(wanted: list[str]) -> None:
    if missing := what_is_missing():
        sys.exit(missing)
    lesson.begin()
    notebooks = sorted(path.name for path in Path("notebooks").glob("[0-9]*.ipynb"))
    with slideshow() as slides:
        print(f"{'lesson':8}{'slides':>7}{'too high':>9}{'label':>7}  by, in pixels")
        for name in notebooks:
            if wanted and name[:2] not in wanted:
                continue
            deck = slides.open(name)
            high, labels = {}, []
            for slide in deck.steps():
                if (over := deck.overflow()) > 0:
                    high[slide.removeprefix("slide-")] = over
                labels += deck.labels()
            deck.page.close()
            smallest = f"{min(labels):.0f}" if labels else "-"
            by = ", ".join(f"{slide} +{over}" for slide, over in high.items())
            print(f"{name[:2]:8}{len(deck.slides):>7}{len(high):>9}{smallest:>7}  {by}")


if __name__ == "__main__":
    main(sys.argv[1:])
