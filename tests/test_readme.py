"""The commands that the README prints do what it says, here and elsewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from course import preflight, servers
from course.lesson import ROOT

WAIT = """
for attempt in $(seq 300); do
  curl --silent {url} | grep --quiet {sign} && break; sleep 0.1
done
"""


def commands(heading: str, language: str = "bash") -> list[str]:
    """The blocks of commands below a heading of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.mark.slow
def test_the_address_that_jupyterlab_prints_opens_the_index():
    """What a browser opens by itself is of no use on a server without a screen."""
    by_hand = commands("Start", "powershell")[0].splitlines()[-1]
    assert f"/{by_hand} $(LAB_OPTIONS)\n" in (ROOT / "Makefile").read_text()
    [port] = servers.find_free_ports(1)
    lab = servers.start(
        f"{by_hand} --no-browser --allow-root --port {port}",
        ready=f"http://127.0.0.1:{port}/api",
        name="tests-lab",
    )
    try:
        printed = re.search(rf"http://127\.0\.0\.1:{port}/\S+", lab.log())[0]
        with requests.Session() as browser:
            page = browser.get(printed, timeout=30)
    finally:
        lab.stop()
    assert page.ok
    assert '"treePath": "notebooks/00_index.ipynb"' in page.text


def test_every_way_to_start_is_the_one_of_the_readme():
    """The workflow, the dev container and conda: nothing here runs them."""
    shell, conda = commands("Start")
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    job = workflow["jobs"]["test"]
    runs = "\n".join(step.get("run", "") for step in job["steps"])
    by_hand = commands("Start", "powershell")[0] + "pytest --nbval"
    for line in (shell + by_hand).splitlines():
        command = line.partition("#")[0].strip().replace("py -3.11", "python")
        assert re.search(rf"^{re.escape(command)}( |$)", runs, re.MULTILINE), command
    for file, test in re.findall(r"--deselect=(\S+)::(\w+)", runs):
        assert f"def {test}(" in (ROOT / file).read_text()

    said = re.search(r"You need Python (.+?) with", (ROOT / "README.md").read_text())[1]
    makefile = (ROOT / "Makefile").read_text()
    versions = re.findall(r"3\.\d+", said)
    assert versions == job["strategy"]["matrix"]["python"]
    assert f"for python in python{' python'.join(versions)} python3;" in makefile

    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["image"].endswith(f":{versions[0]}")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert f"conda activate {environment['name']}\n" in conda
    *_, packages = environment["dependencies"]
    assert f"python={versions[0]}" in environment["dependencies"]
    assert packages == {"pip": ["-r requirements.txt"]}


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

    # The usual ports may be taken on this machine: the same on free ones.
    usual = preflight.PORTS
    free = dict(zip(usual, servers.find_free_ports(len(usual)), strict=True))

    def move(text: str) -> str:
        ports = rf"\b({'|'.join(map(str, usual))})\b"
        return re.sub(ports, lambda port: str(free[int(port[0])]), text)

    config = tmp_path / "config" / "config.properties"
    grpc = "\ngrpc_inference_port=7070\ngrpc_management_port=7071\n"
    config.write_text(move(config.read_text() + grpc))
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folders = dict.fromkeys(["TMPDIR", "TEMP"], str(tmp_path))
    printed = tmp_path / "printed.txt"
    with printed.open("w") as file:
        finished = subprocess.Popen(  # under the keeper, so that nothing is left behind
            [sys.executable, str(servers.KEEPER), "bash", "-c", move(script)],
            cwd=tmp_path,
            env={**os.environ, **folders, "PATH": programs},
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
