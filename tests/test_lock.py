"""What the locked server of lesson 12 refuses, and which of its lines refuses it."""

import functools
import http.server
import json
import os
import re
import secrets
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
import requests
from conftest import ROOT
from course import servers
from course.checks import lesson_12 as check
from processes import is_loopback, listening

LOCKED = ROOT / "config" / "locked.properties"
CONFIGURATIONS = sorted((ROOT / "config").glob("*.properties"))
KEY_FILE = ROOT / "key_file.json"
LIFE = 3  # seconds that a key lives here, instead of a quarter of an hour

PING = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping"

posix_only = pytest.mark.skipif(os.name == "nt", reason="modes of files")


class Client:
    """Asks a locked server, with the certificate that it expects."""

    def __init__(self, server, certificate):
        self.server = server
        self.certificate = certificate

    def keys(self):
        return json.loads(KEY_FILE.read_text())

    def fresh(self, kind):
        """The key of that kind, made just now. The key API stays the same."""
        if kind != "API":
            url = f"{self.server.management}/token?type={kind}"
            self.send("GET", url, self.keys()["API"]["key"]).raise_for_status()
        return self.keys()[kind]["key"]

    def send(self, method, url, key=None, **body):
        headers = {"Authorization": f"Bearer {key}"} if key else None
        return requests.request(
            method, url, headers=headers, verify=self.certificate, timeout=60, **body
        )

    def try_out(self, attempt):
        """Send a row of ATTEMPTS and return the answer."""
        name, method, door, path, key, *_ = attempt
        path = re.sub("|".join(WORDS), lambda word: WORDS[word[0]], path)
        body = {"json": 5} if "PREDICT" in attempt else {}
        if name == "oversized-body":
            body = {"files": {"data": " " * 100_000 + "5"}}
        if key in ("inference", "management", "API"):
            key = self.fresh(key)
        key = None if key == "-" else key
        return self.send(method, getattr(self.server, door) + path, key, **body)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """A keystore and its certificate, and the environment that leads to them."""
    folder = tmp_path_factory.mktemp("vault")
    keystore, certificate = folder / "keystore.p12", folder / "certificate.pem"
    env = {"KEYSTORE": keystore.as_posix(), "KEYSTORE_PASS": secrets.token_urlsafe()}
    store = ["-alias", "torchserve", "-keystore", keystore]
    make = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=127.0.0.1"]
    for what in (
        [*make, "-ext", "san=ip:127.0.0.1"],
        ["-exportcert", "-rfc", "-file", certificate],
    ):
        subprocess.run(
            [Path(servers.java_home(), "bin", "keytool"), *what, *store]
            + ["-storepass:env", "KEYSTORE_PASS"],
            env={**os.environ, **env},
            check=True,
            capture_output=True,
            timeout=60,
        )
    return env, str(certificate)


@pytest.fixture(scope="module")
def start_locked(archive, vault, tmp_path_factory):
    """A function that starts a server with a configuration, and gives its client."""
    env, certificate = vault

    def start(configuration=LOCKED):
        server = servers.start(
            "torchserve --foreground --ncs --models simple_linear=simple_linear.mar "
            f'--workflow-store "{tmp_path_factory.mktemp("workflows").as_posix()}" '
            f'--ts-config "{Path(configuration).as_posix()}"',
            ready="http://127.0.0.1:8082/metrics",
            name="tests-locked",
            env={**env, "TS_TOKEN_EXPIRATION_TIME_MIN": str(LIFE / 60)},
        )
        started.append(server)
        return Client(server, certificate)

    started = []
    yield start
    for server in started:
        server.stop()
    KEY_FILE.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def locked(start_locked):
    """A client of a server with config/locked.properties."""
    return start_locked()


class Elsewhere(http.server.SimpleHTTPRequestHandler):
    """A stranger's web server. It notes what is fetched; /team/moved is elsewhere."""

    def do_GET(self):
        self.server.fetched.append(self.path)
        if self.path == "/team/moved.war":
            self.send_response(302)
            self.send_header("Location", "/elsewhere/visitor.war")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def elsewhere(tmp_path):
    """A web server on 127.0.0.1 that serves an empty folder."""
    folder = tmp_path / "web"
    (folder / "elsewhere").mkdir(parents=True)
    handler = functools.partial(Elsewhere, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        web.fetched = []
        web.folder = folder
        web.address = f"http://127.0.0.1:{web.server_port}"
        threading.Thread(target=web.serve_forever).start()
        yield web
        web.shutdown()


# What is sent, with the key of which kind or with that word as a key, and what comes.
TABLE = """
predict              POST    inference   PREDICT                    inference   200 -
predict-no-key       POST    inference   PREDICT                    -           400 key
predict-wrong-key    POST    inference   PREDICT                    guess       400 key
predict-other-key    POST    inference   PREDICT                    management  400 key
predict-api-key      POST    inference   PREDICT                    API         400 key
oversized-body       POST    inference   PREDICT                    inference   413 -
ping                 GET     inference   /ping                      inference   200 -
ping-no-key          GET     inference   /ping                      -           400 key
list                 GET     management  /models                    management  200 -
list-no-key          GET     management  /models                    -           400 key
list-other-key       GET     management  /models                    inference   400 key
scale                PUT     management  MODEL?min_worker=1         management  202 -
scale-no-key         PUT     management  MODEL?min_worker=1         -           400 key
renew-no-key         GET     management  /token?type=inference      -           400 key
renew-other-key      GET     management  /token?type=inference      management  400 key
delete               DELETE  management  MODEL                      management  405 off
register             POST    management  /models?url=x.mar          management  405 off
register-foreign     POST    management  /models?url=FOREIGN        management  405 off
workflow-no-key      POST    management  /workflows?url=FOREIGN     -           400 key
workflow-foreign     POST    management  /workflows?url=FOREIGN     management  404 url
workflow-file        POST    management  /workflows?url=file:///x   management  404 url
path-traversal       POST    management  /workflows?url=../x.war    management  404 dots
traversal-predict    POST    inference   /predictions/..%2f..%2fx   inference   404 none
metrics              GET     metrics     /metrics                   -           200 -
api-description      OPTIONS inference   /                          -           200 -
"""
WORDS = {
    "PREDICT": "/predictions/simple_linear",
    "MODEL": "/models/simple_linear",
    "FOREIGN": "http://127.0.0.1:9/visitor.war",
}
PROBLEMS = {
    "key": ("InvalidKeyException", "failed. Token either incorrect, expired"),
    "off": ("MethodNotAllowedException", "not allowed"),
    "url": ("WorkflowNotFoundException", "does not match any allowed URL"),
    "dots": ("WorkflowNotFoundException", "Relative path is not allowed"),
    "none": ("ModelNotFoundException", "Model not found"),
}


ATTEMPTS = {row.split()[0]: row.split() for row in TABLE.strip().splitlines()}


def test_a_key_expires_and_can_be_renewed(locked):
    """The first test of the server: the key of its start is seconds old by now."""
    url = f"{locked.server.inference}/ping"
    first = locked.keys()["inference"]
    expires = datetime.fromisoformat(first["expiration time"])
    while datetime.now(UTC) <= expires:
        status = locked.send("GET", url, first["key"]).status_code
        assert status == 200 or datetime.now(UTC) > expires
    assert locked.send("GET", url, first["key"]).status_code == 400
    second = locked.fresh("inference")
    assert locked.send("GET", url, second).status_code == 200
    third = locked.fresh("inference")
    assert locked.send("GET", url, second).status_code == 400, "it was replaced"
    assert locked.send("GET", url, third).status_code == 200


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_attempts(locked, attempt):
    answer = locked.try_out(attempt)
    *_, status, problem = attempt
    assert answer.status_code == int(status)
    if attempt[0] == "predict":
        assert answer.json()[0] == pytest.approx(9, abs=0.05)
    if problem != "-":
        kind, words = PROBLEMS[problem]
        assert answer.json()["type"] == kind
        assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer KEY", 200),
        ("KEY", 400),
        ("Basic KEY", 400),
        ("bearer KEY", 400),
        ("Bearer KEY KEY", 400),
    ],
)
def test_a_key_has_to_follow_the_word_bearer(locked, header, status):
    value = header.replace("KEY", locked.fresh("inference"))
    answer = requests.get(
        f"{locked.server.inference}/ping",
        headers={"Authorization": value},
        verify=locked.certificate,
        timeout=60,
    )
    assert answer.status_code == status


def test_grpc_asks_for_the_key_too(locked):
    with grpc.insecure_channel(
        f"127.0.0.1:{locked.server.grpc_inference_port}"
    ) as channel:
        ping = channel.unary_unary(PING)
        for key in (None, "guess"):
            metadata = [("authorization", f"Bearer {key}")] if key else None
            with pytest.raises(grpc.RpcError) as refused:
                ping(b"", metadata=metadata, timeout=30)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        right = [("authorization", f"Bearer {locked.fresh('inference')}")]
        assert b"Healthy" in ping(b"", metadata=right, timeout=30)


def test_only_https_and_only_with_the_certificate(locked):
    url = f"{locked.server.inference}/ping"
    with pytest.raises(requests.exceptions.SSLError, match="verify failed"):
        requests.get(url, timeout=60)
    answer = requests.get(url.replace("https", "http"), timeout=60)
    assert answer.status_code == 403
    assert "only accepts HTTPS" in answer.text


def test_a_foreign_workflow_is_not_even_fetched(locked, elsewhere):
    for key in ("-", "inference", "management"):
        url = f"/workflows?url={elsewhere.address}/elsewhere/visitor.war"
        answer = locked.try_out(["foreign", "POST", "management", url, key])
        assert answer.status_code == (404 if key == "management" else 400)
    assert elsewhere.fetched == []


def test_every_door_is_on_this_machine(locked):
    found = listening(locked.server.processes())
    assert len(found) == 5
    assert all(is_loopback(host) for host, _ in found)


@posix_only
def test_the_key_file_is_for_its_owner_alone(locked):
    assert KEY_FILE.stat().st_mode & 0o777 == 0o600
    assert {len(entry["key"]) for entry in locked.keys().values()} == {8}


def test_no_secret_gets_into_a_log(locked, vault):
    secret = [entry["key"] for entry in locked.keys().values()]
    secret.append(vault[0]["KEYSTORE_PASS"])
    for log in locked.server.folder.glob("*.log"):
        for word in secret:
            assert word not in locked.server.log(log.name), log.name


# What the project itself says and ships.


def settings_of(configuration):
    lines = configuration.read_text(encoding="utf-8").splitlines()
    return dict(
        line.split("=", 1) for line in lines if line and not line.startswith("#")
    )


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_configuration_listens_on_this_machine_only(configuration):
    for name, value in settings_of(configuration).items():
        if name.endswith("_address"):
            assert is_loopback(urlsplit(value).hostname or value), name


def test_the_locked_configuration_says_every_lock_and_no_secret():
    settings = settings_of(LOCKED)
    locks = {
        "disable_token_authorization": "false",
        "enable_model_api": "false",
        "install_py_dep_per_model": "false",
        "allowed_urls": "none",
        "keystore": "$$KEYSTORE$$",
        "keystore_pass": "$$KEYSTORE_PASS$$",
    }
    assert settings | locks == settings
    for door in ("inference", "management"):
        assert settings[f"{door}_address"].startswith("https://127.0.0.1:")


# What the configuration is for: without its line, an attempt gets through.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "instead", "names"),
    [
        (
            "disable_token_authorization=false",
            "disable_token_authorization=true",
            "predict-no-key predict-wrong-key ping-no-key list-no-key scale-no-key",
        ),
        ("max_request_size=65536", "", "oversized-body"),
        ("enable_model_api=false", "enable_model_api=true", "delete"),
    ],
    ids=["tokens", "size", "model-api"],
)
def test_a_lock_that_is_taken_away(start_locked, tmp_path, line, instead, names):
    text = LOCKED.read_text(encoding="utf-8")
    assert line in text
    (tmp_path / "open.properties").write_text(text.replace(line, instead))
    client = start_locked(tmp_path / "open.properties")
    for name in names.split():
        assert client.try_out(ATTEMPTS[name]).ok, name


@pytest.mark.slow
def test_allowed_urls_is_about_the_text_of_the_url(start_locked, tmp_path, elsewhere):
    """An allowed place can lead elsewhere: by a redirect, and by two dots."""
    visited = tmp_path / "visited"
    code, specification = tmp_path / "visitor.py", tmp_path / "visitor.yaml"
    code.write_text(
        f"open({str(visited)!r}, 'w').close()\n"
        "def visit(data, context):\n    return data\n"
    )
    specification.write_text("models:\n  min-workers: 1\ndag:\n  visit: []\n")
    subprocess.run(
        ["torch-workflow-archiver", "--workflow-name", "visitor"]
        + ["--spec-file", specification, "--handler", code]
        + ["--export-path", elsewhere.folder / "elsewhere"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    place = elsewhere.address.replace(".", "[.]") + "/team/.*"
    text = LOCKED.read_text(encoding="utf-8")
    assert "allowed_urls=none" in text
    (tmp_path / "team.properties").write_text(
        text.replace("allowed_urls=none", f"allowed_urls={place}")
    )
    client = start_locked(tmp_path / "team.properties")

    def register(path):
        elsewhere.fetched.clear()
        url = f"/workflows?url={elsewhere.address}{path}"
        answer = client.try_out(["register", "POST", "management", url, "management"])
        return answer.status_code, list(elsewhere.fetched)

    there = "/elsewhere/visitor.war"
    assert register(there) == (404, [])
    assert register(f"/team/..{there}") == (404, [f"/team/..{there}"])
    assert not visited.exists()
    assert register("/team/moved.war") == (200, ["/team/moved.war", there])
    assert visited.exists()


# The hints of the exercises.


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (None, "Not answered yet"),
        ("https://models.example.org/team/", "starts with allowed_urls="),
        ("allowed_urls=https://models[.]example[.]org/team/", "does not fit all of it"),
        ("allowed_urls=https://models.example.org/team/.*", "fits every character"),
        (r"allowed_urls=https://models\.example\.org/team/.*", "backslash disappears"),
        (r"allowed_urls=https://models\\.example\\.org/team/.*", "Right"),
        ("allowed_urls=https://models[.]example[.]org.*", "another folder"),
        ("allowed_urls=.*models[.]example[.]org/team/.*", "not encrypted"),
        ("allowed_urls=[", "no regular expression"),
    ],
)
def test_the_hint_of_a_pattern_fits(capsys, line, hint):
    check.exercise_2(line)
    assert hint in capsys.readouterr().out
