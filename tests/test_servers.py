"""The life of a server in the background, from start() to stop().

Most tests run a web server that is part of Python, because it starts at once.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from urllib.parse import urlsplit

import pytest
import requests
from conftest import ROOT, TORCHSERVE, TORCHSERVE_READY
from course import lesson, servers
from course.servers import ServerError, find_free_ports, start
from processes import family, is_loopback, listening, running, wait_until

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture
def port():
    """A port that nobody holds."""
    return find_free_ports(1)[0]


@pytest.fixture
def web(port):
    """A command that starts a web server on that port, and its address."""
    return f"python -m http.server --bind 127.0.0.1 {port}", f"http://127.0.0.1:{port}/"


@pytest.fixture
def script(tmp_path):
    """A function that makes a command of a program's text."""

    def command(text, *arguments):
        path = tmp_path / "program.py"
        path.write_text(text)
        return " ".join(["python", str(path), *map(str, arguments)])

    return command


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A function that lists what the test has started.

    Nothing of that may be left at its end, temp folders included.
    """
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(servers.tempfile, "tempdir", str(folder))
    before = family()

    def started():
        return [process for process in running(family()) if process not in before]

    yield started
    left = started()
    for process in left:
        process.kill()
    assert left == []
    assert list(folder.iterdir()) == []


@pytest.fixture
def foreign(tmp_path, web):
    """A web server of somebody else on the port, which answers 200 as well."""
    command, address = web
    with subprocess.Popen(
        [sys.executable, *command.split()[1:]],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert wait_until(lambda: servers._answers(address))
        yield process
        process.kill()


def test_start_and_stop(web, started, capsys):
    command, address = web
    server = start(command, ready=address, name="web")
    assert requests.get(address, timeout=10).ok
    assert server.is_running()
    assert '"GET / HTTP/1.1" 200' in server.log()
    assert server.folder.is_dir()
    tree = started()
    assert len(tree) == 2  # the keeper and the server
    server.stop()
    assert running(tree) == []
    assert not server.is_running()
    assert not server.folder.exists()
    assert servers.is_free(urlsplit(address).port)
    server.stop()  # twice is fine
    assert f"web is ready: {urlsplit(address).netloc}\n" in capsys.readouterr().out


def test_starting_twice_leaves_one_server(web, started):
    command, address = web
    first = start(command, ready=address, name="web")
    second = start(command, ready=address, name="web")
    assert not first.is_running()
    assert not first.folder.exists()
    assert second.url == first.url, "the second took another port: the first held it"
    assert requests.get(second.url, timeout=10).ok
    first.stop()  # an old handle ends nothing of the new server
    assert second.is_running()
    second.stop()


def test_servers_of_different_names_run_side_by_side(web, started):
    command, address = web
    first = start(command, ready=address, name="web")
    second = start(command, ready=address, name="other")
    assert first.url != second.url
    assert requests.get(first.url, timeout=10).ok
    assert requests.get(second.url, timeout=10).ok
    first.stop()
    assert requests.get(second.url, timeout=10).ok
    second.stop()


def test_a_server_that_ends_by_itself_leaves_its_log(web, started):
    command, address = web
    server = start(command, ready=address, name="web")
    for process in server.processes():
        process.kill()
    assert wait_until(lambda: not server.is_running())
    assert "GET / HTTP" in server.log()
    server.stop()
    assert not server.folder.exists()


@posix_only
def test_a_server_that_does_not_want_to_end(script, port, started):
    """It ignores SIGTERM, and so does a process that it started."""
    command = script(
        """
import http.server, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "while True: input()"],
                         stdin=subprocess.PIPE)
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]),
                 bind="127.0.0.1")
""",
        port,
    )
    server = start(command, ready=f"http://127.0.0.1:{port}/")
    tree = started()
    assert len(tree) == 3  # the keeper, the server and its child
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    stopping.join(timeout=20)
    assert not stopping.is_alive()
    assert running(tree) == []


def test_ready_means_that_a_worker_is_ready(script, port, started):
    """TorchServe describes a model from the first moment on, READY or not."""
    command = script(
        """
import http.server, json, sys

asked = 0

class Describes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        asked += 1
        workers = [{"status": "READY" if asked > 3 else "UNLOADED"}]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps([{"workers": workers, "asked": asked}]).encode())

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Describes).serve_forever()
""",
        port,
    )
    server = start(command, ready=f"http://127.0.0.1:{port}/models/m")
    assert requests.get(server.url, timeout=10).json()[0]["asked"] == 5
    server.stop()


def test_a_taken_port_is_replaced(foreign, web, started):
    command, address = web
    server = start(command, ready=address, name="web")
    taken = urlsplit(address).port
    assert urlsplit(server.url).port != taken
    assert f"(another process holds {taken})" in repr(server)
    assert tuple(listening(server.processes())) == (
        ("127.0.0.1", urlsplit(server.url).port),
    )
    answer = requests.get(f"{server.url}/README.md", timeout=10).content
    assert answer == (ROOT / "README.md").read_bytes(), "this one works at the root"
    assert foreign.poll() is None
    server.stop()


def test_a_taken_port_may_be_an_error(foreign, web, started):
    """Also where the other process answers 200 at the very URL that says ready."""
    command, address = web
    with pytest.raises(ServerError) as caught:
        start(command, ready=address, name="web", move_ports=False)
    message = str(caught.value)
    assert message.startswith("web ended before it was ready")
    assert "Address already in use" in message
    assert "Usual causes:" in message
    assert foreign.poll() is None


@pytest.mark.parametrize("listens", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_flask_moves_too(weights, port, listens, started):
    """From a port that somebody listens on, and from one that is bound and silent."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        if listens:
            held.listen()
        address = f"http://127.0.0.1:{port}"
        command = f"flask --app handlers.flask_app run --port {port}"
        server = start(command, ready=f"{address}/ping", name="flask")
        answer = requests.post(f"{server.url}/predict", data={"value": 5}, timeout=10)
        assert answer.json()["prediction"] == pytest.approx(9, abs=0.05)
        server.stop()


def test_a_port_taken_between_the_look_and_the_start(
    foreign, web, started, monkeypatch
):
    command, address = web
    looks = []
    look = servers.is_free

    def late(port):
        looks.append(port)
        return len(looks) == 1 or look(port)

    monkeypatch.setattr(servers, "is_free", late)
    server = start(command, ready=address, name="web")
    assert len(looks) == 2
    assert server.url != address.rstrip("/")
    server.stop()


def test_a_server_that_dies_at_its_start(script, tmp_path, started):
    """The error comes at once, with the end of the log, not when the time is over."""
    command = script(
        """
import pathlib, sys, time
for line in range(50):
    print("line", line)
print("the reason", flush=True)
pathlib.Path(sys.argv[1]).write_text(str(time.time()))
sys.exit(3)
""",
        tmp_path / "died",
    )
    with pytest.raises(ServerError) as caught:
        start(command, ready="http://127.0.0.1:5001/", name="mortal")
    assert time.time() - float((tmp_path / "died").read_text()) < 3
    message = str(caught.value)
    assert message.startswith("mortal ended before it was ready")
    assert "the reason" in message and "line 49\n" in message
    assert "line 30\n" not in message, "the end of the log, not all of it"


def test_a_server_that_never_answers(script, started):
    command = script("import time; print('I wait', flush=True); time.sleep(600)")
    began = time.monotonic()
    with pytest.raises(ServerError, match="not ready within 2 s") as caught:
        start(command, ready="http://127.0.0.1:5001/", timeout=2)
    assert 2 <= time.monotonic() - began < 30
    assert "I wait" in str(caught.value)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("flask --app handlers.no_such_app run --port 5001", "Could not import"),
        ("torchserve --foreground --model-store no_such_folder", "no_such_folder"),
        ("torchserve --foreground --ncs", "Missing mandatory parameter --model-store"),
    ],
)
def test_a_wrong_command_line(command, reason, started):
    began = time.monotonic()
    with pytest.raises(ServerError, match=reason):
        start(command, ready=TORCHSERVE_READY)
    assert time.monotonic() - began < 30, "the timeout of start() is 60 s"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("archive", "reason"),
    [("no_such.mar", "Model not found"), ("broken.mar", "No module named")],
)
def test_an_archive_that_cannot_be_loaded(archive, reason, tmp_path, started):
    """TorchServe goes on running without it, and start() does not wait for ever."""
    (tmp_path / "broken.mar").write_text("no archive")
    began = time.monotonic()
    with pytest.raises(ServerError, match="could not start the model") as caught:
        start(
            f"torchserve --foreground --ncs --model-store {tmp_path} --models "
            f"simple_linear={archive} --ts-config config/config.properties",
            ready=TORCHSERVE_READY,
        )
    assert time.monotonic() - began < 30, "the timeout of start() is 60 s"
    assert reason in str(caught.value)


@pytest.mark.slow
def test_a_handler_that_cannot_be_imported(archive, tmp_path, started):
    """The error shows the first traceback, the one that says why."""
    with zipfile.ZipFile(lesson.ARCHIVE) as packed:
        packed.extractall(tmp_path / "unpacked")
    handler = tmp_path / "unpacked" / "model_handler.py"
    handler.write_text("import no_such_package\n" + handler.read_text())
    shutil.make_archive(tmp_path / "simple_linear", "zip", tmp_path / "unpacked")
    (tmp_path / "simple_linear.zip").rename(tmp_path / "simple_linear.mar")
    with pytest.raises(ServerError, match="No module named 'no_such_package'"):
        start(
            TORCHSERVE + f" --model-store {tmp_path}",
            ready=TORCHSERVE_READY,
            name="bad",
        )


def test_what_is_refused_before_anything_starts(started):
    with pytest.raises(FileNotFoundError, match="no_such_server is not installed"):
        start("no_such_server --port 5001", ready="http://127.0.0.1:5001/")
    with pytest.raises(FileNotFoundError, match="no_such.properties"):
        start(
            "torchserve --foreground --ts-config config/no_such.properties",
            ready=TORCHSERVE_READY,
        )
    with pytest.raises(ValueError, match="add --foreground"):
        start("torchserve --start --model-store model_store", ready=TORCHSERVE_READY)


@posix_only
def test_an_interrupted_start_leaves_nothing(script, tmp_path):
    """The interrupt button while a cell waits for its server; the kernel lives on."""
    waits = script("import time; print('I wait', flush=True); time.sleep(600)")
    temp = tmp_path / "temp"
    temp.mkdir()
    cell = f"""
import sys
from course import servers
try:
    servers.start({waits!r}, ready="http://127.0.0.1:5001/")
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", cell],
        cwd=ROOT / "notebooks",
        env={**os.environ, "TMPDIR": str(temp)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert wait_until(lambda: len(family(process.pid)) == 2)  # keeper and server
        tree = family(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert wait_until(lambda: running(tree) == [])
        assert list(temp.iterdir()) == []
        process.kill()


def test_servers_listen_on_this_machine_only(torchserve, flask_server):
    for server, count in ((torchserve, 5), (flask_server, 1)):
        held = listening(server.processes())
        assert all(is_loopback(host) for host, _ in held)
        assert len(held) == count


@pytest.mark.slow
def test_torchserve_moves_its_five_ports(archive, started):
    """Each server believes that the chapter's ports are all its own."""
    first = start(TORCHSERVE, ready=TORCHSERVE_READY, name="first")
    second = start(TORCHSERVE, ready=TORCHSERVE_READY, name="second")
    held = listening(first.processes()), listening(second.processes())
    assert [len(ports) for ports in held] == [5, 5]
    assert not held[0] & held[1]
    for server in (first, second):
        answer = requests.post(
            f"{server.inference}/predictions/simple_linear", data=b"5", timeout=10
        )
        assert answer.json() == [pytest.approx(9, abs=0.05)]
        assert requests.get(f"{server.metrics}/metrics", timeout=10).ok
    tree = [*first.processes(), *second.processes()]
    first.stop()
    second.stop()
    assert running(tree) == []


@pytest.mark.slow
def test_torchserve_on_a_taken_port(archive, tmp_path, started):
    ports = find_free_ports(5)
    config = (ROOT / "config" / "config.properties").read_text()
    for old, new in zip((8080, 8081, 8082), ports, strict=False):
        config = config.replace(str(old), str(new))
    config += f"\ngrpc_inference_port={ports[3]}\ngrpc_management_port={ports[4]}\n"
    (tmp_path / "moved.properties").write_text(config)
    command = TORCHSERVE.replace(
        "config/config.properties", str(tmp_path / "moved.properties")
    )
    ready = TORCHSERVE_READY.replace("8081", str(ports[1]))
    with (
        socket.create_server(("127.0.0.1", ports[0])),
        pytest.raises(ServerError, match="Failed to bind to address"),
    ):
        start(command, ready=ready, move_ports=False)
    server = start(command, ready=ready, move_ports=False)
    assert server.inference == f"http://127.0.0.1:{ports[0]}"
    server.stop()
