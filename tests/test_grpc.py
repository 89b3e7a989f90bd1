"""TorchServe over gRPC: a client generated from the jar, and what differs from HTTP."""

import importlib
import json
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
import requests
import torch
import ts
from conftest import ROOT
from course import servers
from google.protobuf.empty_pb2 import Empty
from google.rpc import status_pb2
from processes import is_loopback, listening
from test_bad_input import NOT_A_NUMBER, NUMBERS, PNG

from models.linear import SimpleLinearModel
from models.train import WEIGHTS, predict

JAR = Path(ts.__file__).parent / "frontend" / "model-server.jar"
CONTRACTS = ["inference.proto", "management.proto"]
DIRECT = [("grpc.enable_http_proxy", 0)]

# More than TorchServe takes, max_request_size, which is 6,553,500 bytes by default.
TOO_LARGE = b"5" * 7_000_000

BODIES = {
    **{repr(number): repr(number).encode() for number in NUMBERS},
    **{name: text.encode() for name, text in NOT_A_NUMBER.items()},
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


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """The modules that protoc makes of the protocol files in the server's jar."""
    folder = tmp_path_factory.mktemp("stubs")
    with zipfile.ZipFile(JAR) as jar:
        for name in CONTRACTS:
            (folder / name).write_bytes(jar.read(f"proto/{name}"))
    packages = Path(status_pb2.__file__).parents[2]
    places = ["-I", folder, "-I", packages]
    places += ["--python_out", folder, "--grpc_python_out", folder]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *places, *CONTRACTS],
        check=True,
        timeout=60,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield SimpleNamespace(
            inference=importlib.import_module("inference_pb2"),
            inference_grpc=importlib.import_module("inference_pb2_grpc"),
            management=importlib.import_module("management_pb2"),
            management_grpc=importlib.import_module("management_pb2_grpc"),
        )


class Client:
    """Both stubs of one server; a call that fails raises grpc.RpcError."""

    def __init__(self, generated, server):
        self._messages = generated
        ports = (server.grpc_inference_port, server.grpc_management_port)
        self._channels = [
            grpc.insecure_channel(f"127.0.0.1:{port}", options=DIRECT) for port in ports
        ]
        inference, management = self._channels
        self.inference = generated.inference_grpc.InferenceAPIsServiceStub(inference)
        self.management = generated.management_grpc.ManagementAPIsServiceStub(
            management
        )

    def request(self, data=b"5", model="simple_linear", version="", field="data"):
        return self._messages.inference.PredictionsRequest(
            model_name=model, model_version=version, input={field: data}
        )

    def ask(self, *arguments, timeout=30, metadata=None, **options):
        """The bytes that the handler answers."""
        request = self.request(*arguments, **options)
        answer = self.inference.Predictions(request, timeout=timeout, metadata=metadata)
        return answer.prediction

    def stream(self, *arguments, **options):
        request = self.request(*arguments, **options)
        parts = self.inference.StreamPredictions(request, timeout=30)
        return [part.prediction for part in parts]

    def manage(self, call, timeout=60, **fields):
        """The text that a call such as ListModels answers."""
        message = getattr(self._messages.management, f"{call}Request")(**fields)
        return getattr(self.management, call)(message, timeout=timeout).msg

    def close(self):
        for channel in self._channels:
            channel.close()


@pytest.fixture(scope="module")
def model(weights):
    """The model that the server has loaded."""
    model = SimpleLinearModel()
    model.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return model


@pytest.fixture(scope="module")
def client(generated, torchserve):
    client = Client(generated, torchserve)
    yield client
    client.close()


def status_of(call, *arguments, **options):
    """The status that a gRPC call ends with."""
    try:
        call(*arguments, **options)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def workers(server, model):
    described = requests.get(f"{server.management}/models/{model}", timeout=30).json()
    return described[0]["workers"]


def test_the_contract_is_the_one_that_the_lesson_shows(generated):
    [service] = generated.inference.DESCRIPTOR.services_by_name.values()
    assert [call.name for call in service.methods] == [
        "Ping",
        "Predictions",
        "StreamPredictions",
        "StreamPredictions2",
    ]


def test_generated_code_imports_without_a_warning(generated):
    folder = Path(generated.inference.__file__).parent
    names = "inference_pb2_grpc, management_pb2_grpc"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {names}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (finished.returncode, finished.stdout + finished.stderr) == (0, "")


def test_ping_says_what_it_says_over_http(client, torchserve):
    over_http = requests.get(f"{torchserve.inference}/ping", timeout=30)
    answer = client.inference.Ping(Empty(), timeout=30)
    assert json.loads(answer.health) == over_http.json() == {"status": "Healthy"}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_answer_is_the_one_over_http(client, torchserve, body):
    """Byte for byte, for a body without a content type: gRPC has none.

    What the handler refuses with a 400 has the status OK over gRPC.
    """
    url = f"{torchserve.inference}/predictions/simple_linear"
    over_http = requests.post(url, data=body, timeout=30)
    assert over_http.status_code in (200, 400)
    answer = client.ask(body)
    assert answer == over_http.content
    assert isinstance(json.loads(answer), list) == over_http.ok


@pytest.mark.parametrize("number", NUMBERS)
def test_the_answer_is_the_models(client, model, number):
    expected = pytest.approx(predict(model, float(number)), rel=1e-6, abs=1e-6)
    assert json.loads(client.ask(repr(number).encode())) == [expected]


def test_a_version_can_be_pinned(client):
    assert client.ask(version="1.0") == client.ask()


def test_the_name_in_the_input_matters_to_the_handler_only(client):
    assert client.ask(field="body") == client.ask(field="data")
    assert json.loads(client.ask(field="number"))["code"] == 400


@pytest.mark.parametrize(("kind", "status"), [("application/json", 200), (None, 400)])
def test_no_content_type_tells_it_to_decode(client, torchserve, kind, status):
    """A number in quotation marks is one for a client that says JSON, over HTTP."""
    url = f"{torchserve.inference}/predictions/simple_linear"
    headers = {"Content-Type": kind} if kind else {}
    over_http = requests.post(url, data=b'"5"', headers=headers, timeout=30)
    assert over_http.status_code == status
    assert (client.ask(b'"5"') == over_http.content) == (kind is None)


def test_a_field_of_another_name_or_type_is_never_sent(generated):
    with pytest.raises(ValueError, match='has no "model" field'):
        generated.inference.PredictionsRequest(model="simple_linear")
    with pytest.raises(TypeError, match="expected bytes"):
        generated.inference.PredictionsRequest(input={"data": "5"})


FAILURES = {
    "no such model": ("INTERNAL", "Model not found", {"model": "nosuch"}),
    "no such version": ("INTERNAL", "does not exist", {"version": "2.0"}),
    "no model named": ("INTERNAL", "model_name is required", {"model": ""}),
    "too large": ("CANCELLED", None, {"data": TOO_LARGE}),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_prediction_that_torchserve_refuses(client, failure):
    status, details, request = failure
    with pytest.raises(grpc.RpcError, match=details) as caught:
        client.ask(**request)
    assert caught.value.code().name == status
    assert json.loads(client.ask()), "the next request is answered"


MANAGEMENT_FAILURES = {
    "describe what is not there": (
        "NOT_FOUND",
        "DescribeModel",
        {"model_name": "nosuch"},
    ),
    "scale what is not there": ("NOT_FOUND", "ScaleWorker", {"model_name": "nosuch"}),
    "unregister what is not there": (
        "NOT_FOUND",
        "UnregisterModel",
        {"model_name": "nosuch"},
    ),
    "register without an archive": ("INVALID_ARGUMENT", "RegisterModel", {}),
    "register an archive that is not there": (
        "NOT_FOUND",
        "RegisterModel",
        {"url": "nosuch.mar"},
    ),
    "register a second time": (
        "UNKNOWN",
        "RegisterModel",
        {"url": "simple_linear.mar", "model_name": "simple_linear"},
    ),
}


@pytest.mark.parametrize(
    "failure", MANAGEMENT_FAILURES.values(), ids=MANAGEMENT_FAILURES
)
def test_management_that_fails(client, failure):
    status, call, fields = failure
    assert status_of(client.manage, call, **fields) == status


def test_a_list_without_a_limit_is_empty(client):
    """A number that is not set is 0, whatever the comment in the contract says."""
    assert json.loads(client.manage("ListModels"))["models"] == []
    listed = json.loads(client.manage("ListModels", limit=100))["models"]
    assert {"simple_linear", "batched"} <= {model["modelName"] for model in listed}


def test_register_ask_scale_unregister(client, torchserve):
    """It returns before the worker is ready; one worker is the least it scales to."""
    fields = {"url": "simple_linear.mar", "model_name": "copy", "initial_workers": 1}
    answer = client.manage("RegisterModel", **fields)
    try:
        assert answer == "Processing worker updates...", "it has not waited"
        assert status_of(client.ask, model="copy", timeout=0.2) == "DEADLINE_EXCEEDED"
        assert client.ask(model="copy") == client.ask()
        assert "not able to send this response" in torchserve.log("ts_log.log"), (
            "the worker computed what nobody waited for"
        )
        scale = {"model_name": "copy", "min_worker": 0, "synchronous": True}
        client.manage("ScaleWorker", **scale)
        assert [worker["status"] for worker in workers(torchserve, "copy")] == ["READY"]
        url = f"{torchserve.management}/models/copy"
        query = {"min_worker": 0, "synchronous": "true"}
        requests.put(url, params=query, timeout=60).raise_for_status()
        assert workers(torchserve, "copy") == []
        assert status_of(client.ask, model="copy") == "INTERNAL", "HTTP says 503"
    finally:
        client.manage("UnregisterModel", model_name="copy")
    assert status_of(client.manage, "DescribeModel", model_name="copy") == "NOT_FOUND"


def test_wrong_doors(generated, torchserve):
    """The HTTP port, the other gRPC port, and a port where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        doors = {
            torchserve.inference.removeprefix("http://"): "UNAVAILABLE",
            f"127.0.0.1:{torchserve.grpc_management_port}": "UNIMPLEMENTED",
            f"127.0.0.1:{held.getsockname()[1]}": "UNAVAILABLE",
        }
        for address, status in doors.items():
            with grpc.insecure_channel(address, options=DIRECT) as channel:
                stub = generated.inference_grpc.InferenceAPIsServiceStub(channel)
                assert status_of(stub.Ping, Empty(), timeout=10) == status, address


def test_its_ports_listen_on_this_machine_only(torchserve):
    held = listening(torchserve.processes())
    for port in (torchserve.grpc_inference_port, torchserve.grpc_management_port):
        hosts = {host for host, number in held if number == int(port)}
        assert hosts and all(map(is_loopback, hosts))


@pytest.fixture
def wishes(torchserve, client, tmp_path, request):
    """A model on the shared server that does what the request says."""
    handler = tmp_path / "handler.py"
    handler.write_text(HANDLER)
    command = "torch-model-archiver --model-name wishes --version 1.0 --force"
    subprocess.run(
        [*command.split(), "--handler", handler, "--export-path", tmp_path],
        check=True,
        timeout=60,
        capture_output=True,
    )
    archive = ROOT / "model_store" / "tests-wishes.mar"
    (tmp_path / "wishes.mar").replace(archive)
    request.addfinalizer(archive.unlink)
    fields = {"url": archive.name, "model_name": "wishes", "initial_workers": 1}
    client.manage("RegisterModel", **fields, synchronous=True)
    yield "wishes"
    client.manage("UnregisterModel", model_name="wishes")


@pytest.mark.slow
def test_what_a_handler_raises_and_parts_of_an_answer(client, wishes):
    assert client.ask(b"answer", model=wishes) == b"last"
    assert status_of(client.ask, b"refuse", model=wishes) == "INVALID_ARGUMENT"
    assert status_of(client.ask, b"break", model=wishes) == "UNAVAILABLE"
    assert client.stream(b"parts", model=wishes) == [b"first", b"second", b"last"]


@pytest.mark.slow
def test_a_stream_ends_the_worker_of_a_handler_that_sends_no_parts(client, torchserve):
    fields = {"url": "simple_linear.mar", "model_name": "no_parts"}
    client.manage("RegisterModel", **fields, initial_workers=1, synchronous=True)
    try:
        [before] = workers(torchserve, "no_parts")
        assert status_of(client.stream, model="no_parts") == "INTERNAL"
        assert client.ask(model="no_parts") == client.ask(), "another worker answers"
        [after] = workers(torchserve, "no_parts")
        assert before["pid"] != after["pid"]
    finally:
        client.manage("UnregisterModel", model_name="no_parts")


@pytest.mark.slow
def test_a_call_needs_the_token_of_its_port(
    generated, archive, project_copy, monkeypatch
):
    """A server of its own, in a folder of its own: it writes key_file.json there."""
    root = project_copy()
    monkeypatch.setattr(servers, "ROOT", root)
    server = servers.start(
        "torchserve --foreground --ncs --ts-config config/config.properties "
        f'--model-store "{(ROOT / "model_store").as_posix()}" '
        "--models simple_linear=simple_linear.mar",
        ready="http://127.0.0.1:8082/metrics",
        name="tests-tokens",
    )
    client = Client(generated, server)
    try:
        keys = json.loads((root / "key_file.json").read_text())
        tokens = {"none": None}
        for name in ("inference", "management"):
            bearer = f"Bearer {keys[name]['key']}"
            tokens[name] = [("authorization", bearer)]
        statuses = {
            name: status_of(client.ask, metadata=m) for name, m in tokens.items()
        }
        assert statuses == {
            "none": "PERMISSION_DENIED",
            "inference": "OK",
            "management": "PERMISSION_DENIED",
        }
        url = f"{server.inference}/predictions/simple_linear"
        assert requests.post(url, data=b"5", timeout=30).status_code == 400
        assert status_of(client.manage, "ListModels") == "PERMISSION_DENIED"
    finally:
        client.close()
        server.stop()
