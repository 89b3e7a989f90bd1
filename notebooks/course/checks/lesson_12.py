import json
import re
import subprocess
import sys

from course.checks.form import parts, task

task_1 = parts(
    "put a dictionary of four programs into answer_1",
    "Right: each has what it needs, and nothing more.",
    ("dashboard", "none", "Look at the row /metrics: does it ask for anything?"),
    ("watchdog", "inference", "Look at the row /ping: which key gets a 200 there?"),
    ("operator", "management", "At which address are workers scaled?"),
    ("caretaker", "API", "Which key does renew() send?"),
    kind=dict,
)

INSIDE = [
    "https://models.example.org/team/prices.mar",
    "https://models.example.org/team/2026/prices.war",
]
OUTSIDE = {
    "https://models.example.org/elsewhere/x.mar": "another folder",
    "http://models.example.org/team/x.mar": "not encrypted",
    "https://models.example.org.evil.example/team/x.mar": "another server",
    "https://models.example.org/team.else/x.mar": "another folder",
    "https://evil.example/?https://models.example.org/team/x.mar": "another server",
    "https://models-example.org/team/x.mar": "a dot fits every character",
    "https://models.example-org/team/x.mar": "a dot fits every character",
    "file:///tmp/x.mar": "a file of this machine",
}
PASSING = """
import json, re, sys
patterns, urls = json.load(sys.stdin)
patterns = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]
print(json.dumps([u for u in urls if any(p.fullmatch(u) for p in patterns)]))
"""
TEAM = "allowed_urls=https://models[.]example[.]org/team/"


@task(
    (f"{TEAM}.*", "Right"),
    (r"allowed_urls = https://models\\.example\\.org/team/.*", "Right"),
    (TEAM.removeprefix("allowed_urls="), "starts with allowed_urls="),
    (TEAM, "does not fit all of it"),
    ("allowed_urls=[", "no regular expression"),
    ("allowed_urls=(([a-z/:.]+)+)+!", "takes too long"),
    ("allowed_urls=https://models[.]example[.]org.*", "/elsewhere/x.mar passes"),
    ("allowed_urls=.*models[.]example[.]org/team/.*", "not encrypted"),
    ("allowed_urls=https://models[.]example[.]org.*/team/.*", "another server"),
    ("allowed_urls=https://models[.]example[.]org/team.*", "/team.else/x.mar"),
    ("allowed_urls=https://.*models[.]example[.]org/team/.*", "/?https:"),
    ("allowed_urls=https://models.example.org/team/.*", "models-example.org"),
    ("allowed_urls=https://models[.]example.org/team/.*", "models.example-org"),
    (r"allowed_urls=https://models\.example\.org/team/.*", "drops a single backslash"),
    (f"{TEAM}.*,file://.*", "a file of this machine"),
)
def task_2(line: str):
    """put a line "allowed_urls=…" into answer_2"""
    if not line.replace(" ", "").startswith("allowed_urls="):
        return "The answer is a text that starts with allowed_urls="
    # What Java makes of the value: a backslash keeps the character behind it.
    value = re.sub(r"\\(.)", r"\1", line.partition("=")[2].strip())
    task = json.dumps([value.split(","), [*INSIDE, *OUTSIDE]])
    command = [sys.executable, "-I", "-c", PASSING]
    try:  # in a process of its own, which can be ended: a pattern may take for ever
        done = subprocess.run(
            command, input=task.encode(), capture_output=True, timeout=3
        )
    except subprocess.TimeoutExpired:
        return "This pattern takes too long: it repeats what is repeated already."
    if done.returncode:
        why = done.stderr.decode().strip().splitlines()[-1]
        return f"{value} is no regular expression: {why}"
    passing = json.loads(done.stdout)
    for url in INSIDE:
        if url not in passing:
            return f"{url} has to pass, and {value} does not fit all of it."
    for url in passing:
        if url in OUTSIDE:
            dots = "every" in OUTSIDE[url] and "\\" in line
            more = " A properties file drops a single backslash." if dots else ""
            return f"{url} passes too: {OUTSIDE[url]}.{more}"
    return "Right: that folder of that server, and nothing else."
