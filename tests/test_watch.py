"""Lesson 11: the metrics of WatchedHandler, and what a killed worker costs."""

import importlib
import logging
import re

import psutil
import pytest
import requests
from conftest import ROOT
from course import local_worker, samples
from course.lesson import wait_until
from course.traffic import Callers
from ts.context import Context

# The form in which TorchServe 0.12 reads a metric that a worker prints (Metric.java).
# A line of another form is lost.
PRINTED = re.compile(
    r"\[METRICS\](?P<name>\w+)\.\w+:(?P<value>[0-9\-,.e]+)"
    r"\|#(?P<dimensions>[^|]*)\|#type:(?P<kind>[^|,]+)\|#hostname:.+"
)
BODIES = ["5", "-1", "4", "0", "-700", "1e30", "five", "", "nan", "1_000"]


@pytest.fixture
def start(weights, monkeypatch):
    """A function that starts a worker with a class of handlers/, as in an archive."""
    monkeypatch.syspath_prepend(ROOT / "models")
    monkeypatch.syspath_prepend(ROOT / "handlers")
    manifest = {"model": {"modelFile": "linear.py", "serializedFile": "model.pth"}}

    def start(module, name):
        handler = getattr(importlib.import_module(module), name)()
        folder = str(ROOT / "models")
        return local_worker.start(
            handler, Context("watched", folder, manifest, 8, None, "0.12.0")
        )

    return start


@pytest.fixture
def watched(start, caplog):
    """A worker with the handler of lesson 11, and what it has printed so far."""
    caplog.set_level(logging.INFO, logger="ts.metrics.caching_metric")

    def printed(name):
        lines = [line for line in caplog.messages if f"]{name}." in line]
        found = [PRINTED.fullmatch(line) for line in lines]
        assert all(found), lines
        return found

    return start("watched_handler", "WatchedHandler"), printed


def test_watching_changes_no_answer(start, watched):
    batch = [{"body": body} for body in BODIES]
    plain = start("model_handler", "SimpleLinearHandler")
    assert watched[0].ask(*batch) == plain.ask(*batch)


def test_the_counter_counts_what_is_refused(watched):
    asked, printed = watched
    answers = asked.ask(*({"body": body} for body in BODIES))
    answers += asked.ask({"body": "5"})
    counts = [float(line["value"]) for line in printed("refused_inputs_total")]
    assert counts == [4, 0], "one line for each batch"
    assert sum(answer.status == 400 for answer in answers) == 4


@pytest.mark.parametrize(
    ("body", "distance"),
    [("0", 0), ("-1", 0), ("4", 0), ("5", 1), ("-1.5", 0.5), ("-700", 699)]
    + [("1e-7", 0), ("1e16", 1e9), ("-1e38", 1e9)],
)
def test_the_histogram_tells_how_far_outside_a_number_lies(watched, body, distance):
    """printed() holds each line against the form that TorchServe reads."""
    asked, printed = watched
    asked.ask({"body": body}, {"body": "no number"})
    [line] = printed("input_distance")
    assert float(line["value"]) == distance


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("watch", {"metrics_config", "default_workers_per_model"}),
        ("batching", {"number_of_netty_threads", "vmargs"}),
    ],
)
def test_these_settings_alone_differ_from_those_of_lesson_05(name, changed):
    def settings(name):
        text = (ROOT / "config" / f"{name}.properties").read_text(encoding="utf-8")
        return set(re.findall("^([a-z_]+)=(.*)$", text, re.MULTILINE))

    assert {key for key, _ in settings(name) ^ settings("config")} == changed


PAGE = """\
# HELP Requests4XX Torchserve prometheus counter metric with unit: Count
# TYPE Requests4XX counter
Requests4XX{Level="Host",Hostname="a,b} c",} 3.0
Requests4XX{Level="Host",Hostname="say \\"d\\"",} 1e2
# TYPE input_distance histogram
input_distance_bucket{ModelName="m",le="5.0",} 4.0
input_distance_bucket{ModelName="m",le="+Inf",} 5.0
input_distance_bucket{ModelName="other",le="5.0",} 1.0
# TYPE up gauge
up 1
"""


def test_a_page_is_read_as_numbers():
    page = samples.Page(PAGE)
    assert len(page.samples) == 6
    assert page.total("Requests4XX") == 103
    assert page.total("Requests4XX", Hostname="a,b} c") == 3
    assert page.total("Requests4XX", Hostname='say \\"d\\"') == 100
    assert page.total("input_distance_bucket", le="5.0") == 5
    assert page.total("input_distance_bucket", le="5.0", ModelName="m") == 4
    assert page.total("Requests4") == 0
    assert page.total("up") == 1
    assert page.kinds() == {
        "counter": ["Requests4XX"],
        "gauge": ["up"],
        "histogram": ["input_distance"],
    }


def test_the_page_of_a_server_is_read(torchserve):
    before = samples.read(torchserve.metrics)
    requests.get(f"{torchserve.inference}/nosuch", timeout=30)
    page = samples.read(torchserve.metrics)
    assert page.total("Requests4XX") == before.total("Requests4XX") + 1


# What a killed worker costs, more often than the lesson tries it.


def ready(model):
    [described] = requests.get(model, timeout=30).json()
    return [each["pid"] for each in described["workers"] if each["status"] == "READY"]


def kill_one_under_load(url, model, count):
    """The first and the last status of each request, asked once more after a 5xx."""

    def ask(session):
        first = last = session.post(url, json=5, timeout=30)
        if first.status_code >= 500:
            last = session.post(url, json=5, timeout=30)
        return first.status_code, last.status_code

    with Callers(ask, 4) as callers:
        callers.wait_for(20)
        psutil.Process(ready(model)[0]).kill()
        wait_until(lambda: len(ready(model)) < count)
        wait_until(lambda: len(ready(model)) == count, timeout=60)
        callers.wait_for(20)
    return callers.results


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_kill_costs_one_request_at_most_every_time(torchserve, count):
    models = f"{torchserve.management}/models"
    name = f"killable_{count}"
    query = {"url": "simple_linear.mar", "model_name": name, "initial_workers": count}
    requests.post(models, params=query, timeout=60).raise_for_status()
    try:
        for _ in range(5):
            statuses = kill_one_under_load(
                f"{torchserve.inference}/predictions/{name}", f"{models}/{name}", count
            )
            assert {last for _, last in statuses} == {200}
            lost = [first for first, _ in statuses if first != 200]
            assert len(lost) <= 1, "only the request in the worker's hands"
            assert set(lost) <= {500, 507}
    finally:
        requests.delete(f"{models}/{name}", timeout=30)
