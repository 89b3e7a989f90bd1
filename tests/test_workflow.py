"""The workflow of lesson 14: its functions alone, and batches on a real server.

That its nodes refuse, hang and die as the lesson says is proved by the lesson's cells.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import yaml
from conftest import ROOT
from course import lesson

from handlers import workflow_functions
from handlers.workflow_functions import number_in, show, to_number
from models.train import XS, YS, load, predict, save, train

SPECIFICATION = ROOT / "config" / "workflow.yaml"
NAME = "tests_round_trip"


# The functions, without a server.


@pytest.mark.parametrize("number", [0.0, -0.0, 8.993237495422363, -1e38, 1e-30])
def test_no_digit_is_lost(number):
    [text] = to_number([{"body": bytearray(f"[\n  {number!r}\n]".encode())}], None)
    assert text == repr(number)


@pytest.mark.parametrize("function", [show, to_number])
def test_none_comes_when_the_worker_starts_and_then_requests_in_order(function):
    assert function(None, None) is None
    numbers = [f"{number}.5" for number in range(5)]
    answers = function([{"body": f"[{n}]".encode()} for n in numbers], None)
    assert answers == (
        numbers if function is to_number else [f"[{n}]".encode() for n in numbers]
    )


@pytest.mark.parametrize(
    "answer",
    [b"", b"five", b"5.0", b'"5.0"', b"null", b"[]", b"[1.0, 2.0]", b'["5.0"]']
    + [b"[true]", b"[null]", b"[[5.0]]", b"[NaN]", b"[Infinity]", b"[-Infinity]"]
    + [b"[1.1e38]", b"[-1.1e38]", b"[1e400]", b"\xff\xfe\x80", b"{}", b"[{}]"],
)
def test_what_is_no_answer_is_an_error(answer):
    with pytest.raises(ValueError):  # of JSON or of text too
        number_in(answer)


# The specification.


def test_every_node_is_a_model_or_a_function():
    """What holds for all stands above the models: TorchServe reads downwards."""
    content = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))
    models, dag = content["models"], content["dag"]
    for node in {*dag, *(after for nodes in dag.values() for after in nodes)}:
        assert node in models or callable(getattr(workflow_functions, node, None)), node
    kinds = [isinstance(value, dict) for value in models.values()]
    assert kinds == sorted(kinds)


# A real server, with batches at both models.


@pytest.fixture(scope="module")
def inverse():
    """The model that undoes the first."""
    return train(xs=YS, ys=XS)[0]


@pytest.fixture(scope="module")
def ask(torchserve, inverse, tmp_path_factory):
    """A function that asks the workflow of config/workflow.yaml.

    Here its models take batches of four, and each may be tried again, and soon: an
    attempt may fail on a busy machine.
    """
    folder = tmp_path_factory.mktemp("workflow").as_posix()
    save(inverse, Path(folder, "inverse.pth"))
    text = SPECIFICATION.read_text(encoding="utf-8")
    for old, new in {
        "  line:\n": "  batch-size: 4\n  max-batch-delay: 50\n  line:\n",
        "timeout-ms: 1000": "timeout-ms: 2000",
        "inverse_linear.mar": f"{NAME}.mar",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    Path(folder, "workflow.yaml").write_text(text, encoding="utf-8")
    workflows = f"{torchserve.management}/workflows"
    try:
        lesson.run_quietly(
            f"torch-model-archiver --model-name {NAME} --version 1.0 --model-file "
            f"models/linear.py --serialized-file '{folder}/inverse.pth' --handler "
            "handlers/model_handler.py --export-path model_store --force"
        )
        lesson.run_quietly(
            f"torch-workflow-archiver --workflow-name {NAME} --spec-file "
            f"'{folder}/workflow.yaml' --handler handlers/workflow_functions.py "
            "--export-path model_store --force"
        )
        url = {"url": f"{NAME}.war"}
        requests.post(workflows, params=url, timeout=60).raise_for_status()
        yield lambda body: requests.post(
            f"{torchserve.inference}/wfpredict/{NAME}",
            data=str(body),
            headers={"Content-Type": "text/plain"},
            timeout=60,
        )
        requests.delete(f"{workflows}/{NAME}", timeout=60).raise_for_status()
    finally:
        for ending in ("mar", "war"):
            (ROOT / "model_store" / f"{NAME}.{ending}").unlink(missing_ok=True)


def test_every_caller_gets_the_answer_to_its_own_question(ask, torchserve, inverse):
    first = f"{torchserve.management}/models/{NAME}__line"
    assert requests.get(first, timeout=60).json()[0]["batchSize"] == 4
    line = load()
    numbers = [5.0, 0.0, -2.75, 1e6, -4e37, 1.0, 2.0, 3.0]
    with ThreadPoolExecutor(len(numbers)) as pool:
        answers = list(pool.map(ask, numbers))
    for x, answer in zip(numbers, answers, strict=True):
        [number] = answer.json()
        here = predict(inverse, predict(line, x))
        assert math.isclose(number, here, rel_tol=1e-6, abs_tol=1e-6)


@pytest.mark.parametrize("body", ["", "nan", "[5]", "1e39", "9e37"])
def test_bad_input_is_never_a_200(ask, body):
    """9e37 is fine for the first model, and its answer is too large for the second."""
    answer = ask(body)
    assert answer.status_code == 500
    assert answer.json()["message"] == "Error executing to_number"
    assert ask(5).status_code == 200
