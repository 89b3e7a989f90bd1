"""Lesson 11: the metrics of WatchedHandler, and what a killed worker costs."""

import importlib
import logging
import re
from pathlib import Path

import psutil
import pytest
import requests
import ts
import yaml
from conftest import ROOT
from course import local_worker
from course.traffic import Callers
from processes import wait_until
from ts.context import Context

METRICS = ROOT / "config" / "metrics.yaml"
KINDS = ("counter", "gauge", "histogram")

# The form in which TorchServe 0.12 reads a metric that a worker prints (Metric.java).
# A line of another form is lost.
PRINTED = re.compile(
    r"\[METRICS\](?P<name>\w+)\.\w+:(?P<value>[0-9\-,.e]+)"
    r"\|#(?P<dimensions>[^|]*)\|#type:(?P<kind>[^|,]+)\|#hostname:.+"
)
BODIES = ["5", "-1", "4", "0", "-700", "1e30", "five", "", "nan", "1_000"]


def declared(file, section):
    """The metrics of a file: name, kind and dimensions of each."""
    metrics = yaml.safe_load(file.read_text(encoding="utf-8"))[section]
    return {
        (metric["name"], kind, *metric["dimensions"])
        for kind in KINDS
        for metric in metrics.get(kind, [])
    }


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
    [("0", 0), ("-1", 0), ("4", 0), ("5", 1), ("-1.5", 0.5), ("-700", 699)],
)
def test_the_histogram_tells_how_far_outside_a_number_lies(watched, body, distance):
    asked, printed = watched
    asked.ask({"body": body}, {"body": "no number"})
    [line] = printed("input_distance")
    assert float(line["value"]) == distance


@pytest.mark.parametrize("body", ["1e16", "-1e38", "1e-7"])
def test_torchserve_can_read_every_distance(watched, body):
    """printed() holds each line against the form that TorchServe reads."""
    asked, printed = watched
    assert asked.ask({"body": body})[0].status == 200
    [line] = printed("input_distance")
    assert float(line["value"]) <= 1e9


def test_what_the_handler_prints_is_declared(watched):
    """With the same kind and dimensions, or the page does not show it."""
    asked, printed = watched
    asked.ask(*({"body": body} for body in BODIES))
    known = declared(METRICS, "model_metrics")
    for name in ("refused_inputs_total", "input_distance"):
        for line in printed(name):
            dimensions = [part.split(":")[0] for part in line["dimensions"].split(",")]
            assert (name, line["kind"].lower(), *dimensions) in known


def test_none_of_torchserves_own_metrics_is_missing():
    own = Path(ts.__file__).with_name("configs") / "metrics.yaml"
    assert declared(METRICS, "ts_metrics") == declared(own, "ts_metrics")
    added = declared(METRICS, "model_metrics") - declared(own, "model_metrics")
    assert declared(METRICS, "model_metrics") - added == declared(own, "model_metrics")
    assert {name for name, *_ in added} == {"refused_inputs_total", "input_distance"}


def test_no_list_of_dimensions_is_shared():
    """TorchServe adds Hostname to each list: to one list, once for every alias."""
    tokens = yaml.scan(METRICS.read_text(encoding="utf-8"))
    assert not any(isinstance(token, yaml.AliasToken) for token in tokens)


def test_the_configuration_is_that_of_lesson_05_with_two_lines_changed():
    def settings(name):
        lines = (ROOT / "config" / name).read_text(encoding="utf-8").splitlines()
        return {line for line in lines if line and not line.startswith("#")}

    assert settings("watch.properties") ^ settings("config.properties") == {
        "metrics_config=config/metrics.yaml",
        "default_workers_per_model=1",
        "default_workers_per_model=2",
    }


# What a killed worker costs.


@pytest.fixture
def killable(torchserve):
    """The management address of a model of its own, whose workers a test may kill."""
    models = f"{torchserve.management}/models"
    query = {"url": "simple_linear.mar", "model_name": "killable", "initial_workers": 2}
    requests.post(models, params=query, timeout=60).raise_for_status()
    yield f"{models}/killable"
    requests.delete(f"{models}/killable", timeout=30)


def ready(model):
    [described] = requests.get(model, timeout=30).json()
    return [each["pid"] for each in described["workers"] if each["status"] == "READY"]


def kill_one_under_load(torchserve, model):
    """The first and the last status of each request, asked twice after a 5xx."""
    url = f"{torchserve.inference}/predictions/killable"
    count = len(ready(model))

    def ask(session):
        first = last = session.post(url, json=5, timeout=30)
        if first.status_code >= 500:
            last = session.post(url, json=5, timeout=30)
        return first.status_code, last.status_code

    with Callers(ask, 4) as callers:
        callers.wait_for(20)
        psutil.Process(ready(model)[0]).kill()
        assert wait_until(lambda: len(ready(model)) < count), "nobody has noticed"
        assert wait_until(lambda: len(ready(model)) == count, 60), "it is not back"
        callers.wait_for(20)
    return callers.results


@pytest.mark.slow
def test_with_two_workers_a_kill_costs_no_request_of_clients_that_ask_twice(
    torchserve, killable
):
    statuses = kill_one_under_load(torchserve, killable)
    assert {last for _, last in statuses} == {200}
    first = [first for first, _ in statuses if first != 200]
    assert len(first) <= 1, "only the request in the worker's hands"
    assert set(first) <= {500, 507}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_it_is_one_request_at_most_every_time(torchserve, killable, count):
    query = {"min_worker": count, "max_worker": count, "synchronous": "true"}
    requests.put(killable, params=query, timeout=60).raise_for_status()
    assert wait_until(lambda: len(ready(killable)) == count)
    for _ in range(5):
        statuses = kill_one_under_load(torchserve, killable)
        assert {last for _, last in statuses} == {200}
        assert sum(first != 200 for first, _ in statuses) <= 1
