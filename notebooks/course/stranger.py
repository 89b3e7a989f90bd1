"""A stranger somewhere else, with an archive that brings code of theirs.

    stranger = Stranger()
    stranger.url      # http://127.0.0.1:…/visitor.war, the archive of a workflow
    stranger.code     # what is in it
    stranger.fetched  # what somebody has fetched
    stranger.visits() # how often the code has run
    stranger.stop()

It is a web server on 127.0.0.1 that plays one elsewhere. The code does no harm: it
writes a line into a file of the stranger's folder.
"""

import functools
import http.server
import json
import tempfile
import threading
import zipfile
from pathlib import Path

NAME = "visitor"
CODE = """\
with open({visits!r}, "a") as file:
    file.write("I was here\\n")

def visit(data, context):
    return data
"""


class _Elsewhere(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and notes what is fetched instead of printing it."""

    def log_request(self, code="-", size="-"):
        self.server.fetched.append(self.path)

    def log_message(self, *_):
        pass


class Stranger:
    """The web server, which runs until stop().

    Attributes:
        url: where the archive is.
        code: the Python in it, which runs when it is imported.
        fetched: the paths that were asked for.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stranger-")
        self._visits = Path(self._folder.name, "visits.txt")
        self.code = CODE.format(visits=str(self._visits))
        pack(Path(self._folder.name, f"{NAME}.war"), self.code)
        self._web = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0),
            functools.partial(_Elsewhere, directory=self._folder.name),
        )
        self._web.fetched = self.fetched = []
        self.url = f"http://127.0.0.1:{self._web.server_port}/{NAME}.war"
        threading.Thread(target=self._web.serve_forever, daemon=True).start()

    def visits(self) -> int:
        """How often the code has run."""
        if not self._visits.exists():
            return 0
        return len(self._visits.read_text(encoding="utf-8").splitlines())

    def stop(self) -> None:
        """Nothing of it is left, the archive neither."""
        self._web.shutdown()
        self._web.server_close()
        self._folder.cleanup()


def pack(path: Path, code: str) -> None:
    """Make the archive that torch-workflow-archiver would make of this code."""
    manifest = {
        "createdOn": "26/11/2026 12:00:00",
        "runtime": "python",
        "archiverVersion": "0.2.15",
        "workflow": {
            "workflowName": NAME,
            "specFile": f"{NAME}.yaml",
            "handler": f"{NAME}.py",
        },
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("WAR-INF/MANIFEST.json", json.dumps(manifest))
        archive.writestr(f"{NAME}.yaml", "models: {}\ndag: {visit: []}\n")
        archive.writestr(f"{NAME}.py", code)
