"""The workflow of lesson 14: its functions alone, then the chain on a real server."""

import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests
import torch
import yaml
from conftest import ROOT
from course import lesson
from processes import is_loopback, listening, wait_until

from handlers import workflow_functions
from handlers.workflow_functions import number_in, show, to_number
from models.linear import SimpleLinearModel
from models.train import WEIGHTS, XS, YS, predict, save, train

SPECIFICATION = ROOT / "config" / "workflow.yaml"
NAME = "tests_round_trip"
LIMIT = 30  # seconds until a request counts as lost

REFUSAL = b'{"code": 400, "type": "BadRequestException", "message": "expected 5"}'


# The functions, without a server.


def test_the_bytes_of_an_answer_become_the_text_of_its_number():
    assert to_number([{"body": bytearray(b"[\n  8.993237495422363\n]")}], None) == [
        "8.993237495422363"
    ]


@pytest.mark.parametrize("number", [0.0, -0.0, 8.993237495422363, -1e38, 1e-30])
def test_no_digit_is_lost(number):
    assert float(to_number([{"body": f"[{number!r}]".encode()}], None)[0]) == number


def test_several_requests_keep_their_order():
    requests = [{"body": f"[{number}.5]".encode()} for number in range(5)]
    assert to_number(requests, None) == ["0.5", "1.5", "2.5", "3.5", "4.5"]


@pytest.mark.parametrize("function", [show, to_number])
def test_a_function_is_called_with_none_when_its_worker_starts(function):
    assert function(None, None) is None


def test_a_refusal_does_not_travel_on():
    with pytest.raises(ValueError, match="the model before refused: expected 5"):
        number_in(REFUSAL)


@pytest.mark.parametrize(
    "answer",
    [b"", b"five", b"5.0", b'"5.0"', b"null", b"[]", b"[1.0, 2.0]", b'["5.0"]']
    + [b"[true]", b"[null]", b"[[5.0]]", b"[NaN]", b"[Infinity]", b"[-Infinity]"]
    + [b"[1.1e38]", b"[-1.1e38]", b"[1e400]", b"\xff\xfe\x80", b"{}", b"[{}]"],
)
def test_what_is_no_answer_is_an_error(answer):
    with pytest.raises(ValueError):  # of JSON or of text too
        number_in(answer)


def test_show_logs_and_changes_nothing(caplog):
    body = bytearray(b"[\n  8.99\n]")
    with caplog.at_level(logging.INFO):
        assert show([{"body": body}], None) == [body]
    assert r"show received {'body': bytearray(b'[\n  8.99\n]')}" in caplog.text


# The specification.


def specification():
    return yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))


def test_every_node_is_a_model_or_a_function():
    models, dag = specification()["models"], specification()["dag"]
    for node in {*dag, *(after for nodes in dag.values() for after in nodes)}:
        assert node in models or callable(getattr(workflow_functions, node, None)), node


def test_what_holds_for_all_stands_above_the_models():
    """TorchServe reads from top to bottom: a model takes what stands above it."""
    kinds = [isinstance(value, dict) for value in specification()["models"].values()]
    assert kinds == sorted(kinds)


# A real server: one workflow for all tests, with a batch at each model.


@pytest.fixture(scope="module")
def inverse():
    """The model that undoes the first."""
    return train(xs=YS, ys=XS)[0]


@pytest.fixture(scope="module")
def round_trip(torchserve, inverse, tmp_path_factory):
    """The server, with the workflow of config/workflow.yaml registered there.

    It differs in that its models take batches of four.
    """
    folder = tmp_path_factory.mktemp("workflow")
    save(inverse, folder / "inverse.pth")
    text = SPECIFICATION.read_text(encoding="utf-8")
    for old, new in {
        "  line:\n": "  batch-size: 4\n  max-batch-delay: 50\n  line:\n",
        "inverse_linear.mar": f"{NAME}.mar",
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "workflow.yaml").write_text(text, encoding="utf-8")
    commands = [
        f"torch-model-archiver --model-name {NAME} --version 1.0 "
        f"--model-file models/linear.py --serialized-file '{folder}/inverse.pth' "
        "--handler handlers/model_handler.py --export-path model_store --force",
        f"torch-workflow-archiver --workflow-name {NAME} "
        f"--spec-file '{folder}/workflow.yaml' "
        "--handler handlers/workflow_functions.py --export-path model_store --force",
    ]
    try:
        for command in commands:
            lesson.run(command)
        answer = register(torchserve)
        assert answer.ok, answer.text
        yield torchserve
        workflow = f"{torchserve.management}/workflows/{NAME}"
        assert requests.delete(workflow, timeout=LIMIT).ok
        assert not [name for name in models(torchserve) if name.startswith(NAME)]
    finally:
        for ending in ("mar", "war"):
            (ROOT / "model_store" / f"{NAME}.{ending}").unlink(missing_ok=True)


def register(server, url=f"{NAME}.war"):
    address = f"{server.management}/workflows"
    return requests.post(address, params={"url": url}, timeout=60)


def models(server):
    listed = requests.get(f"{server.management}/models", timeout=LIMIT).json()
    return [model["modelName"] for model in listed["models"]]


def describe(server, node, workflow=NAME):
    address = f"{server.management}/models/{workflow}__{node}"
    return requests.get(address, timeout=LIMIT).json()[0]


def worker_of(server, node, workflow=NAME):
    return psutil.Process(describe(server, node, workflow)["workers"][0]["pid"])


def ask(server, body, workflow=NAME, **headers):
    return requests.post(
        f"{server.inference}/wfpredict/{workflow}",
        data=str(body),
        headers={"Content-Type": "text/plain", **headers},
        timeout=LIMIT,
    )


@pytest.fixture(scope="module")
def computed(weights, inverse):
    """A function that computes in this process what the workflow should answer."""
    line = SimpleLinearModel()
    line.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return lambda x: predict(inverse, predict(line, x))


@pytest.mark.parametrize("x", [5.0, 0.0, -2.75, 1e6, -4e37])
def test_the_chain_answers_what_both_models_compute(round_trip, computed, x):
    answer = ask(round_trip, x)
    assert answer.status_code == 200
    [number] = answer.json()
    assert math.isclose(number, computed(x), rel_tol=1e-6, abs_tol=1e-6)
    assert math.isclose(number, x, rel_tol=0.01, abs_tol=0.01), "there and back"


def test_json_is_as_good_as_text(round_trip):
    json_answer = ask(round_trip, 5, **{"Content-Type": "application/json"})
    assert json_answer.json() == ask(round_trip, 5).json()


def test_every_caller_of_a_batch_gets_the_answer_to_its_own_question(
    round_trip, computed
):
    assert describe(round_trip, "line")["batchSize"] == 4
    assert describe(round_trip, "to_number")["batchSize"] == 1
    numbers = [float(number) for number in range(8)]
    with ThreadPoolExecutor(len(numbers)) as pool:
        answers = list(pool.map(lambda number: ask(round_trip, number), numbers))
    for number, answer in zip(numbers, answers, strict=True):
        assert math.isclose(answer.json()[0], computed(number), abs_tol=1e-6)


@pytest.mark.parametrize("body", ["five", "", "nan", "[5]", "1e39", "9e37"])
def test_bad_input_is_never_a_200(round_trip, body):
    """9e37 is fine for the first model, and its answer is too large for the second."""
    answer = ask(round_trip, body)
    assert answer.status_code == 500
    assert answer.json()["message"] == "Error executing to_number"
    assert ask(round_trip, 5).status_code == 200


def test_a_refusal_leaves_its_reason_in_the_log(round_trip):
    ask(round_trip, "five")
    reason = "ValueError: the model before refused: expected one finite number"
    assert wait_until(lambda: reason in round_trip.log("model_log.log"))


@pytest.mark.slow
def test_a_node_that_hangs_is_given_up_and_comes_back(round_trip):
    worker = worker_of(round_trip, "to_number")
    worker.suspend()
    try:
        start = time.monotonic()
        answer = ask(round_trip, 5)
        took = time.monotonic() - start
    finally:
        worker.resume()
    assert answer.status_code == 500
    assert answer.json()["message"] == "Error executing to_number"
    assert took > 3.9, "two attempts of 2000 ms"
    assert ask(round_trip, 5).status_code == 200


def test_what_cannot_be_registered(round_trip):
    twice = register(round_trip)
    assert (twice.status_code, twice.json()["type"]) == (409, "ConflictStatusException")
    for url in ("nosuch.war", f"../{NAME}.war"):
        missing = register(round_trip, url)
        assert missing.status_code == 404, url
    unknown = requests.post(f"{round_trip.inference}/wfpredict/nosuch", timeout=LIMIT)
    assert unknown.status_code == 404
    assert ask(round_trip, 5).status_code == 200


def test_a_node_is_a_model_named_after_the_workflow(round_trip):
    assert {f"{NAME}__line", f"{NAME}__inverse"} <= set(models(round_trip))
    node = f"{round_trip.inference}/predictions/{NAME}__line"
    alone = f"{round_trip.inference}/predictions/simple_linear"
    answers = [requests.post(url, json=5, timeout=LIMIT) for url in (node, alone)]
    assert answers[0].json() == answers[1].json()


def test_the_workflow_listens_on_this_machine_only(round_trip):
    held = listening(round_trip.processes())
    assert held and all(is_loopback(host) for host, _ in held)


@pytest.fixture(scope="module")
def impatient(round_trip, tmp_path_factory):
    """The name of a workflow beside the first one, without retries."""
    name = f"{NAME}_impatient"
    folder = tmp_path_factory.mktemp(name)
    text = SPECIFICATION.read_text(encoding="utf-8")
    assert "retry-attempts: 1" in text
    text = text.replace("retry-attempts: 1", "retry-attempts: 0")
    text = text.replace("inverse_linear.mar", f"{NAME}.mar")
    (folder / "workflow.yaml").write_text(text, encoding="utf-8")
    lesson.run(
        f"torch-workflow-archiver --workflow-name {name} "
        f"--spec-file '{folder}/workflow.yaml' "
        "--handler handlers/workflow_functions.py --export-path model_store --force"
    )
    try:
        answer = register(round_trip, f"{name}.war")
        assert answer.ok, answer.text
        yield name
        workflow = f"{round_trip.management}/workflows/{name}"
        assert requests.delete(workflow, timeout=LIMIT).ok
    finally:
        (ROOT / "model_store" / f"{name}.war").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(("retries", "status"), [(0, 500), (1, 200)])
def test_a_worker_that_dies_with_a_request(round_trip, impatient, retries, status):
    """A retry saves the request, if a new worker is there within the timeout."""
    workflow = NAME if retries else impatient

    def handed_over():
        """How many requests the workers of this node have been handed."""
        lines = round_trip.log("ts_log.log").splitlines()
        worker = f"-{workflow}__inverse_"
        return sum(worker in line and "req.cmd PREDICT" in line for line in lines)

    worker, before = worker_of(round_trip, "inverse", workflow), handed_over()
    worker.suspend()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, round_trip, 5, workflow)
        assert wait_until(lambda: handed_over() > before)
        worker.kill()
    assert answer.result().status_code == status
    assert wait_until(
        lambda: ask(round_trip, 5, workflow).status_code == 200, seconds=30
    )
