"""What the locked server of lesson 12 refuses, beyond what its cells show."""

import functools
import http.server
import json
import os
import secrets
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests
from conftest import ROOT
from course import lesson, servers
from course.background import is_loopback
from course.stranger import Stranger
from ts.model_server import load_properties

LOCKED = ROOT / "config" / "locked.properties"
CONFIGURATIONS = sorted((ROOT / "config").glob("*.properties"))
KEY_FILE = ROOT / "key_file.json"
PREDICT = "/predictions/simple_linear"
LARGE = b" " * 100_000 + b"5"


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """The certificate, and the environment that leads a server to its keystore."""
    folder = tmp_path_factory.mktemp("vault")
    keystore, certificate = folder / "keystore.p12", folder / "certificate.pem"
    env = {"KEYSTORE": keystore.as_posix(), "KEYSTORE_PASS": secrets.token_urlsafe()}
    keytool = f'"{Path(servers.java_home(), "bin", "keytool").as_posix()}"'
    for what in (
        "-genkeypair -keyalg RSA -dname CN=127.0.0.1 -ext san=ip:127.0.0.1",
        f'-exportcert -rfc -file "{certificate.as_posix()}"',
    ):
        lesson.run_quietly(
            f"{keytool} {what} -alias torchserve -storepass:env KEYSTORE_PASS "
            f'-keystore "{keystore.as_posix()}"',
            env={**os.environ, **env},
        )
    return SimpleNamespace(env=env, certificate=str(certificate))


class Client:
    """Asks a locked server, with its certificate and its keys."""

    def __init__(self, server, certificate):
        self.server = server
        self.certificate = certificate
        self.read_keys()

    def read_keys(self):
        """Those of the server that started or renewed its keys last."""
        entries = json.loads(KEY_FILE.read_text())
        self.keys = {kind: entry["key"] for kind, entry in entries.items()}

    def send(self, method, door, path, key=None, header="Bearer {}", **body):
        """With the key of a kind, or with another text as a key, or without one."""
        value = header.format(self.keys.get(key, key))
        return requests.request(
            method,
            getattr(self.server, door) + path,
            headers={"Authorization": value} if key else None,
            verify=self.certificate,
            timeout=60,
            **body,
        )


@pytest.fixture(scope="module")
def start_locked(archive, vault, tmp_path_factory):
    """A function that starts a server, with changed lines, and gives its client."""
    started = []

    def start(name="locked", **changes):
        lines = LOCKED.read_text(encoding="utf-8")
        for setting, value in changes.items():
            old = f"{setting}={load_properties(str(LOCKED))[setting]}\n"
            assert old in lines
            lines = lines.replace(old, f"{setting}={value}\n")
        folder = tmp_path_factory.mktemp(name)
        (folder / "config.properties").write_text(lines, encoding="utf-8")
        server = servers.start(
            "torchserve --foreground --ncs --models simple_linear=simple_linear.mar "
            f'--workflow-store "{folder.as_posix()}" '
            f'--ts-config "{(folder / "config.properties").as_posix()}"',
            ready="http://127.0.0.1:8082/metrics",
            name=f"tests-{name}",
            env=vault.env,
        )
        started.append(server)
        return Client(server, vault.certificate)

    yield start
    for server in started:
        server.stop()
    KEY_FILE.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def locked(start_locked):
    """A client of a server with config/locked.properties, as it stands."""
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


@pytest.fixture
def elsewhere(tmp_path):
    """A web server on 127.0.0.1 that serves an empty folder."""
    folder = tmp_path / "web"
    (folder / "elsewhere").mkdir(parents=True)
    handler = functools.partial(Elsewhere, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        web.fetched, web.folder = [], folder
        web.address = f"http://127.0.0.1:{web.server_port}"
        threading.Thread(target=web.serve_forever).start()
        yield web
        web.shutdown()


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_configuration_listens_on_this_machine_only(configuration):
    for name, value in load_properties(str(configuration)).items():
        if name.endswith("_address"):
            assert is_loopback(urlsplit(value).hostname or value), name


@pytest.mark.parametrize("header", ["{}", "Basic {}", "bearer {}", "Bearer {0} {0}"])
def test_a_key_has_to_follow_the_word_bearer(locked, header):
    request = ("GET", "inference", "/ping", "inference")
    assert locked.send(*request, header=header).status_code == 400
    assert locked.send(*request).status_code == 200


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///visitor.war", "does not match any allowed URL"),
        ("ELSEWHERE/elsewhere/visitor.war", "does not match any allowed URL"),
        ("../visitor.war", "Relative path is not allowed"),
    ],
)
def test_a_workflow_from_elsewhere_is_not_even_fetched(locked, elsewhere, url, words):
    path = f"/workflows?url={url.replace('ELSEWHERE', elsewhere.address)}"
    for key in (None, "guess", "inference"):
        refused = locked.send("POST", "management", path, key)
        assert refused.status_code == 400
        assert refused.json()["type"] == "InvalidKeyException"
    refused = locked.send("POST", "management", path, "management")
    assert refused.status_code == 404
    assert words in refused.json()["message"]
    assert elsewhere.fetched == []


def test_no_secret_gets_into_a_log(locked, vault):
    secrets_of_it = [*locked.keys.values(), vault.env["KEYSTORE_PASS"]]
    logs = {log.name for log in locked.server.folder.glob("*.log")}
    assert {"output.log", "ts_log.log"} <= logs
    for name in logs:
        text = locked.server.log(name)
        assert not any(secret in text for secret in secrets_of_it), name


def test_a_new_key_ends_the_old_one(locked):
    old = locked.keys["inference"]
    locked.send("GET", "management", "/token?type=inference", "API").raise_for_status()
    locked.read_keys()
    for key, status in [(old, 400), ("inference", 200)]:
        assert locked.send("GET", "inference", "/ping", key).status_code == status


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "attempts"),
    [
        (
            {"disable_token_authorization": "true"},
            [
                ("POST", "inference", PREDICT, None, {"json": 5}),
                ("POST", "inference", PREDICT, "guess", {"json": 5}),
                ("PUT", "management", "/models/simple_linear?min_worker=1", None, {}),
            ],
        ),
        (
            {"max_request_size": "6553500"},
            [("POST", "inference", PREDICT, "inference", {"data": LARGE})],
        ),
        (
            {"enable_model_api": "true"},
            [("DELETE", "management", "/models/simple_linear", "management", {})],
        ),
    ],
    ids=["tokens", "size", "model-api"],
)
def test_a_lock_that_is_taken_away(locked, start_locked, changes, attempts):
    """What the lock refuses gets through without it."""
    opened = start_locked("opened", **changes)
    for *request, body in attempts:
        assert not locked.send(*request, **body).ok, request
        assert opened.send(*request, **body).ok, request


def test_the_stranger_serves_its_archive_and_leaves_nothing(tmp_path):
    someone = Stranger()
    folder = Path(someone._folder.name)
    (tmp_path / "visitor.war").write_bytes(
        requests.get(someone.url, timeout=30).content
    )
    assert someone.fetched == ["/visitor.war"]
    with zipfile.ZipFile(tmp_path / "visitor.war") as archive:
        assert archive.read("visitor.py").decode() == someone.code
    assert someone.visits() == 0
    for count in (1, 2):
        exec(someone.code, {})
        assert someone.visits() == count
    someone.stop()
    assert not folder.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(someone.url, timeout=30)


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
    lesson.run_quietly(
        "torch-workflow-archiver --workflow-name visitor "
        f'--spec-file "{specification.as_posix()}" --handler "{code.as_posix()}" '
        f'--export-path "{(elsewhere.folder / "elsewhere").as_posix()}"'
    )
    place = elsewhere.address.replace(".", "[.]") + "/team/.*"
    client = start_locked("team", allowed_urls=place)

    def register(path):
        elsewhere.fetched.clear()
        url = f"/workflows?url={elsewhere.address}{path}"
        answer = client.send("POST", "management", url, "management")
        return answer.status_code, list(elsewhere.fetched)

    there = "/elsewhere/visitor.war"
    assert register(there) == (404, [])
    assert register(f"/team/..{there}") == (404, [f"/team/..{there}"])
    assert not visited.exists()
    assert register("/team/moved.war") == (200, ["/team/moved.war", there])
    assert visited.exists()
