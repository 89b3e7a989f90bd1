"""TorchServe over gRPC: what differs from HTTP, beyond what lesson 13 shows."""

import importlib
import json
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest
import requests
from bad_input import NOT_A_NUMBER, NUMBERS, PNG
from conftest import ROOT
from course import lesson, rpc

DIRECT = [("grpc.enable_http_proxy", 0)]

BODIES = {
    **{repr(number): repr(number).encode() for number in NUMBERS[::2]},
    **{
        name: NOT_A_NUMBER[name].encode()
        for name in (
            ["words", "empty", "whitespace", "NaN", "minus Infinity", "beyond float32"]
            + ["true", "null", "a list", "an object", "a null byte", "an emoji"]
        )
    },
    "whitespace around it": b" \t5\r\n",
    "a JSON string": b'"5"',
    "bytes of no text": b"\xff\xfe\x80",
    "an image": PNG,
    "a megabyte of digits": b"1" * 1_000_000,
}

# Replaces the model: answers, raises or sends parts, as the request says.
HANDLER = """
from ts.handler_utils.utils import send_intermediate_predict_response
from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import PredictionException


class Handler(BaseHandler):
    def initialize(self, context):
        pass

    def handle(self, requests, context):
        wish = bytes(requests[0]["data"])
        if wish == b"refuse":
            raise PredictionException("expected something else", 400)
        if wish == b"break":
            raise RuntimeError("broken")
        for part in ("first", "second") if wish == b"parts" else ():
            send_intermediate_predict_response(
                [part], context.request_ids, "Intermediate", 200, context
            )
        return ["last"]
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The modules that protoc makes of the protocol files in the server's jar."""
    folder = tmp_path_factory.mktemp("stubs")
    rpc.unpack(folder)
    here = folder.as_posix()
    lesson.run_quietly(
        f'python -m grpc_tools.protoc -I "{here}" -I "{rpc.GOOGLE}" '
        f'--python_out "{here}" --grpc_python_out "{here}" {" ".join(rpc.CONTRACTS)}'
    )
    names = [f"{name.removesuffix('.proto')}_pb2" for name in rpc.CONTRACTS]
    names += [f"{name}_grpc" for name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})


class Client:
    """Both stubs of one server; a call that fails raises grpc.RpcError."""

    def __init__(self, generated, inference, management, server):
        stubs, more = generated.inference_pb2_grpc, generated.management_pb2_grpc
        self.messages = generated
        self.inference = stubs.InferenceAPIsServiceStub(inference)
        self.management = more.ManagementAPIsServiceStub(management)
        self.server = server

    def _request(self, data=b"5", model="simple_linear", version="", field="data"):
        return self.messages.inference_pb2.PredictionsRequest(
            model_name=model, model_version=version, input={field: data}
        )

    def ask(self, *arguments, **options):
        """The bytes that the handler answers."""
        request = self._request(*arguments, **options)
        return self.inference.Predictions(request, timeout=30).prediction

    def stream(self, *arguments, **options):
        request = self._request(*arguments, **options)
        parts = self.inference.StreamPredictions(request, timeout=30)
        return [part.prediction for part in parts]

    def manage(self, call, **fields):
        """The text that a call such as ListModels answers."""
        message = getattr(self.messages.management_pb2, f"{call}Request")(**fields)
        return getattr(self.management, call)(message, timeout=60).msg

    def workers(self, model):
        return json.loads(self.manage("DescribeModel", model_name=model))[0]["workers"]

    @contextmanager
    def registered(self, model, archive="simple_linear.mar"):
        fields = {"url": archive, "model_name": model, "initial_workers": 1}
        self.manage("RegisterModel", **fields, synchronous=True)
        try:
            yield model
        finally:
            self.manage("UnregisterModel", model_name=model)


@pytest.fixture(scope="module")
def client(generated, torchserve):
    ports = torchserve.grpc_inference_port, torchserve.grpc_management_port
    first, second = (
        grpc.insecure_channel(f"127.0.0.1:{port}", options=DIRECT) for port in ports
    )
    with first, second:
        yield Client(generated, first, second, torchserve)


def status_of(call, *arguments, **options):
    """The status that a gRPC call ends with."""
    try:
        call(*arguments, **options)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_answer_is_the_one_over_http(client, body):
    """Byte for byte, for a body without a content type: gRPC has none.

    What the handler refuses with a 400 has the status OK over gRPC.
    """
    url = f"{client.server.inference}/predictions/simple_linear"
    over_http = requests.post(url, data=body, timeout=30)
    assert over_http.status_code in (200, 400)
    answer = client.ask(body)
    assert answer == over_http.content
    assert isinstance(json.loads(answer), list) == over_http.ok


def test_the_version_and_the_name_in_the_input(client):
    """The handler takes data and body; no other name reaches the model."""
    assert client.ask(version="1.0") == client.ask(field="body") == client.ask()
    assert json.loads(client.ask(field="number"))["code"] == 400


@pytest.mark.parametrize(
    ("status", "details", "wrong"),
    [
        ("INTERNAL", "Model not found", {"model": "nosuch"}),
        ("INTERNAL", "does not exist", {"version": "2.0"}),
        ("INTERNAL", "model_name is required", {"model": ""}),
        ("CANCELLED", None, {"data": b"5" * 7_000_000}),  # max_wrongsize: 6,553,500
    ],
    ids=["no such model", "no such version", "no model named", "too large"],
)
def test_a_prediction_that_torchserve_refuses(client, status, details, wrong):
    with pytest.raises(grpc.RpcError, match=details) as caught:
        client.ask(**wrong)
    assert caught.value.code().name == status
    assert json.loads(client.ask()), "the next request is answered"


def test_over_grpc_one_worker_is_the_least(client):
    """A 0 does not travel. Over HTTP it does, and gRPC has no 503 for what follows."""
    with client.registered("idle") as model:
        scale = {"model_name": model, "min_worker": 0, "synchronous": True}
        client.manage("ScaleWorker", **scale)
        assert [worker["status"] for worker in client.workers(model)] == ["READY"]
        url = f"{client.server.management}/models/{model}"
        query = {"min_worker": 0, "synchronous": "true"}
        requests.put(url, params=query, timeout=60).raise_for_status()
        assert client.workers(model) == []
        assert status_of(client.ask, model=model) == "INTERNAL"
        over_http = f"{client.server.inference}/predictions/{model}"
        assert requests.post(over_http, data=b"5", timeout=30).status_code == 503
    assert status_of(client.workers, model) == "NOT_FOUND"


@pytest.fixture
def wishes(client, tmp_path):
    """A model on the shared server that does what the request says."""
    handler = tmp_path / "handler.py"
    handler.write_text(HANDLER)
    lesson.run_quietly(
        "torch-model-archiver --model-name tests-wishes --version 1.0 --force "
        f'--handler "{handler.as_posix()}" --export-path model_store'
    )
    archive = ROOT / "model_store" / "tests-wishes.mar"
    try:
        with client.registered("wishes", archive.name) as model:
            yield model
    finally:
        archive.unlink()


@pytest.mark.slow
def test_what_a_handler_raises_and_parts_of_an_answer(client, wishes):
    assert client.ask(b"answer", model=wishes) == b"last"
    assert status_of(client.ask, b"refuse", model=wishes) == "INVALID_ARGUMENT"
    assert status_of(client.ask, b"break", model=wishes) == "UNAVAILABLE"
    assert client.stream(b"parts", model=wishes) == [b"first", b"second", b"last"]


@pytest.mark.slow
def test_a_stream_ends_the_worker_of_a_handler_that_sends_no_parts(client):
    with client.registered("no_parts") as model:
        [before] = client.workers(model)
        assert status_of(client.stream, model=model) == "INTERNAL"
        assert client.ask(model=model) == client.ask(), "another worker answers"
        [after] = client.workers(model)
        assert before["pid"] != after["pid"]


# What lesson 13 shows with.


def test_an_outline_is_the_contract_without_its_comments(tmp_path):
    rpc.unpack(tmp_path)
    file = tmp_path / "inference.proto"
    assert rpc.outline(file, "PredictionsRequest").splitlines()[:2] == [
        "message PredictionsRequest {",
        "    string model_name = 1;",
    ]
    whole = rpc.outline(file)
    assert "service InferenceAPIsService {" in whole and "//" not in whole
    assert whole.count("\n}") == whole.count(" {\n") > 2


def test_medians_are_those_of_each_way():
    medians = rpc.medians({"quick": int, "slow": lambda: sum(range(20_000))}, 2, 5)
    assert 0 < medians["quick"] < medians["slow"] < 1000


def test_the_log_tells_whose_caller_is_gone():
    line = (
        "2026-01-01T00:00:00,000 [WARN ] W-1 Job - grpc client call already cancelled"
    )
    lines = [f"{line} for requestId: {n}" for n in (7, 8)]
    log = "\n".join([*lines, "2026 [INFO ] - ready", f"{line}, not sent for requestId"])
    said = "grpc client call already cancelled"
    assert rpc.cancelled(log) == [said, f"{said}, not sent"]
