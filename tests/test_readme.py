"""The commands that the README prints for a terminal do what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from course import servers
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


def test_the_address_that_jupyterlab_prints_opens_the_index():
    """What a browser opens by itself is of no use on a server without a screen."""
    by_hand = commands("Start", "powershell")[0].splitlines()[-1]
    assert (
        f"$(BIN)/{by_hand.split('notebooks/')[0].strip()}"
        in (ROOT / "Makefile").read_text()
    )
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
