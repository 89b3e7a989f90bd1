"""The commands that the README prints for a terminal do what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from course.lesson import ROOT
from course.servers import KEEPER, TORCHSERVE, find_free_ports

WAIT = """
for attempt in $(seq 300); do
  curl --silent {url} | grep --quiet {sign} && break; sleep 0.1
done
"""


def commands(heading: str) -> list[str]:
    """The bash blocks below a heading of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the blocks are written for bash")
def test_the_whole_way_in_a_terminal(tmp_path):
    tracked = subprocess.check_output(
        ["git", "ls-files", "models", "handlers", "config", "model_store"],
        cwd=ROOT,
        text=True,
    )
    for name in tracked.splitlines():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)

    environment, serve, ask, flask_run, flask_ask = commands(
        "The whole way in a terminal"
    )
    assert environment.startswith("source .venv/bin/activate\n")
    environment = environment.split("\n", 1)[1]  # the tests run in it already
    script = "set -e\n" + environment + serve
    script += WAIT.format(
        url="http://127.0.0.1:8081/models/simple_linear", sign="READY"
    )
    script += ask + flask_run.strip() + " &\n"
    script += WAIT.format(url="http://127.0.0.1:5001/ping", sign="Healthy")
    script += flask_ask + "kill $!\n"

    # The usual ports may be taken on this machine: the same commands on free ones.
    defaults = {**TORCHSERVE, "flask": "5001"}
    usual = [value.rpartition(":")[2] for value in defaults.values()]
    free = dict(zip(usual, find_free_ports(len(usual)), strict=True))

    def move(text: str) -> str:
        return re.sub("|".join(usual), lambda port: str(free[port[0]]), text)

    moved = {f"TS_{name.upper()}": move(value) for name, value in TORCHSERVE.items()}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folders = dict.fromkeys(["TMPDIR", "TEMP"], str(tmp_path))
    printed = tmp_path / "printed.txt"
    with printed.open("w") as file:
        finished = subprocess.Popen(  # under the keeper, so that nothing is left behind
            [sys.executable, str(KEEPER), "bash", "-c", move(script)],
            cwd=tmp_path,
            env={**os.environ, **folders, **moved, "PATH": programs},
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        with finished:
            status = finished.wait(timeout=120)

    output = printed.read_text()
    assert status == 0, output
    assert "prediction for 5: 8.99" in output
    assert '"status": "Healthy"' in output
    assert re.search(r"^\[\n  8\.99\d*\n\]", output, re.MULTILINE)
    assert '"status": "READY"' in output
    assert "TorchServe has stopped." in output
    assert '{"input":5.0,"prediction":8.99' in output
