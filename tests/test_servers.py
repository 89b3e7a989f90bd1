"""The life of a server in the background, from start() to stop().

Most tests run a web server that is part of Python, because it starts at once.
"""

import multiprocessing
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
from course import background, lesson
from course.background import (
    ServerError,
    family,
    find_free_ports,
    is_free,
    is_loopback,
    listening,
    move_port,
)
from course.lesson import wait_until
from course.servers import start
from course.torchserve import has_ready_worker
from processes import running

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
        return " ".join(["python", path.as_posix(), *map(str, arguments)])

    return command


@pytest.fixture
def config(tmp_path):
    """A function that writes a configuration of TorchServe and starts it with that."""

    def start_with(*lines, options="--disable-token-auth", **arguments):
        path = tmp_path / "ts.properties"
        path.write_text("\n".join(lines))
        command = f"torchserve --foreground --ncs --model-store model_store {options}"
        return start(
            command.format(path=path.as_posix()),
            **{"ready": "http://127.0.0.1:8080/ping", **arguments},
        )

    return start_with


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A function that lists what the test has started.

    Nothing of that may be left at its end, temp folders included.
    """
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(background.tempfile, "tempdir", str(folder))
    before = family()

    def started():
        return [process for process in running(family()) if process not in before]

    yield started
    try:  # a TorchServe of other tests looks at the machine with short-lived processes
        wait_until(lambda: not started(), timeout=10)
    finally:
        for process in started():
            process.kill()
    assert list(folder.iterdir()) == []


@pytest.fixture
def foreign(tmp_path, web):
    """A web server of somebody else on the port, which answers 200 as well."""
    command, address = web
    process = subprocess.Popen(
        [sys.executable, *command.split()[1:]],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: not is_free(urlsplit(address).port))
        yield process
    finally:
        process.kill()
        process.wait()


# From start to stop.


def test_start_and_stop(web, started, capsys):
    command, address = web
    server = start(command, ready=address, name="web")
    assert requests.get(address, timeout=10).ok
    assert server.is_running()
    assert '"GET / HTTP/1.1" 200' in server.log()
    assert server.folder.is_dir()
    tree = server.processes()
    assert tree
    server.stop()
    assert running(tree) == []
    assert not server.is_running()
    assert not server.folder.exists()
    assert is_free(urlsplit(address).port)
    server.stop()  # twice is fine
    assert f"web is ready: {urlsplit(address).netloc}\n" in capsys.readouterr().out


def test_starting_twice_leaves_one_server_of_a_name(web, started):
    command, address = web
    first = start(command, ready=address, name="web")
    second = start(command, ready=address, name="web")
    assert not first.is_running()
    assert not first.folder.exists()
    assert second.url == first.url, "the second took another port: the first held it"
    other = start(command, ready=address, name="other")
    first.stop()  # an old handle ends nothing of the new server
    assert requests.get(second.url, timeout=10).ok
    second.stop()
    assert requests.get(other.url, timeout=10).ok
    other.stop()


def test_a_server_that_ends_by_itself_leaves_its_log(web, started):
    command, address = web
    server = start(command, ready=address, name="web")
    for process in server.processes():
        process.kill()
    wait_until(lambda: not server.is_running())
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
    tree = server.processes()
    assert len(tree) == 2  # the server and its child
    stop_within(20, server)
    assert running(tree) == []


def stop_within(seconds, server):
    """Stop it in a thread, which a stop() that hangs does not hold up."""
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    stopping.join(seconds)
    assert not stopping.is_alive()


@posix_only
def test_a_forked_child_of_the_kernel_holds_the_pipe(web, started):
    """As a multiprocessing.Pool does that is opened after the server."""
    command, address = web
    server = start(command, ready=address, name="web")
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    try:
        stop_within(10, server)
    finally:
        child.kill()
        child.join()


@posix_only
def test_a_keeper_that_does_not_react_is_killed_with_its_server(
    web, started, monkeypatch
):
    monkeypatch.setattr(background, "MAX_STOP", 0.5)
    command, address = web
    server = start(command, ready=address, name="web")
    tree = started()
    os.kill(server._keeper.pid, signal.SIGSTOP)
    stop_within(10, server)
    wait_until(lambda: running(tree) == [])


@posix_only
def test_what_has_left_the_group_of_the_server_ends_too(script, port, started):
    command = script(
        """
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                 start_new_session=True)
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]),
                 bind="127.0.0.1")
""",
        port,
    )
    server = start(command, ready=f"http://127.0.0.1:{port}/")
    tree = server.processes()
    assert len(tree) == 2
    server.stop()
    wait_until(lambda: running(tree) == [])


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
    servers.start({waits!r}, ready="http://127.0.0.1:{find_free_ports(1)[0]}/")
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
        wait_until(lambda: len(family(process.pid)) == 2)  # keeper and server
        tree = family(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        wait_until(lambda: running(tree) == [])
        assert list(temp.iterdir()) == []
        process.kill()


# Ports that somebody holds.


@pytest.mark.parametrize(
    ("word", "moved"),
    [
        ("8080", "9"),
        ("--port=8080", "9"),
        ("127.0.0.1:8080", "127.0.0.1:9"),
        ("--bind=[::1]:8080", "--bind=[::1]:9"),
        ("http://127.0.0.1:8080/models/8080", "http://127.0.0.1:9/models/8080"),
        ("/home/class8080/store", None),
        ("/home/8080", None),
        ("8080/store", None),
        ("--name=class8080", None),
        ("18080", None),
        ("unix:/tmp/8080", None),
    ],
)
def test_only_a_port_moves(word, moved):
    if moved == "9":
        moved = word.replace("8080", "9")
    assert move_port(word, {8080: 9}) == (moved or word)


def test_a_taken_port_is_replaced(foreign, web, started):
    command, address = web
    server = start(command, ready=address, name="web")
    taken = urlsplit(address).port
    assert urlsplit(server.url).port != taken
    assert f"(another process holds {taken})" in repr(server)
    port = urlsplit(server.url).port
    assert listening(server.processes()) == {("127.0.0.1", port)}
    answer = requests.get(f"{server.url}/README.md", timeout=10).content
    assert answer == (ROOT / "README.md").read_bytes(), "this one works at the root"
    assert foreign.poll() is None
    server.stop()


def test_a_path_with_the_number_of_a_taken_port_stays(foreign, port, tmp_path, started):
    """Only the port of a command moves."""
    folder = tmp_path / f"class{port}"
    folder.mkdir()
    (folder / "found").write_text("here")
    command = f"python -m http.server --bind 127.0.0.1 --directory {folder} {port}"
    server = start(command, ready=f"http://127.0.0.1:{port}/", name="web")
    assert requests.get(f"{server.url}/found", timeout=10).text == "here"
    server.stop()


def test_a_taken_port_may_be_an_error(foreign, web, started, monkeypatch):
    """Also where the other process answers 200 at the very URL that says ready."""
    command, address = web
    made = []
    monkeypatch.setattr(background.Server, "_read_settings", lambda s: made.append(s))
    with pytest.raises(ServerError) as caught:
        start(command, ready=address, name="web", move_ports=False)
    message = str(caught.value)
    assert message.startswith("web ended before it was ready")
    assert "Address already in use" in message
    assert "Usual causes:" in message
    assert foreign.poll() is None
    assert len(made) == 1, "another try could not end otherwise"


def test_a_taken_port_that_the_command_does_not_name(foreign, port, started):
    with pytest.raises(ValueError, match=f"such as --port {port}"):
        start("python -m http.server", ready=f"http://127.0.0.1:{port}/")


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

    def late(port):
        looks.append(port)
        return len(looks) == 1 or is_free(port)

    monkeypatch.setattr(background, "is_free", late)
    server = start(command, ready=address, name="web")
    assert len(looks) == 2
    assert server.url != address.rstrip("/")
    server.stop()


def test_torchserve_without_leave_to_move(port, config, started):
    """It says at once which line is missing; it does not try three times."""
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ValueError, match="needs the line enable_envvars_config=true"),
    ):
        config(
            f"inference_address=http://127.0.0.1:{port}",
            options="--disable-token-auth --ts-config {path}",
            ready=f"http://127.0.0.1:{port}/ping",
        )


# Servers that do not start.


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
        start(command, ready="http://127.0.0.1:5001/", name="mortal", move_ports=False)
    assert time.time() - float((tmp_path / "died").read_text()) < 3
    message = str(caught.value)
    assert message.startswith("mortal ended before it was ready")
    assert "the reason" in message and "line 49\n" in message
    assert "line 30\n" not in message, "the end of the log, not all of it"


@pytest.mark.slow
def test_a_server_that_never_answers(script, port, started):
    command = script("import time; print('I wait', flush=True); time.sleep(600)")
    with pytest.raises(ServerError, match="not ready within 3 s") as caught:
        start(command, ready=f"http://127.0.0.1:{port}/", timeout=3)
    assert "I wait" in str(caught.value)


@pytest.mark.parametrize(
    ("command", "error", "reason"),
    [
        ("no_such_server --port 5", FileNotFoundError, "no_such_server is not install"),
        ("flask --app handlers.no_such run --port 5", ServerError, "Could not import"),
        ("torchserve --start --model-store store", ValueError, "add --foreground"),
        ("torchserve --foreground --model-store no_such", ServerError, "no_such"),
        ("torchserve --foreground --ncs", ServerError, "Missing mandatory parameter"),
        ("torchserve --foreground --no-such x", ValueError, "arguments: --no-such x"),
        (
            "torchserve --foreground --ts-config=no_such.properties",
            FileNotFoundError,
            "no_such.properties",
        ),
    ],
)
def test_a_wrong_command_line(command, error, reason, started, monkeypatch):
    monkeypatch.setattr(background, "is_free", lambda port: True)
    with pytest.raises(error, match=reason):
        start(command, ready="http://127.0.0.1:5/ping", timeout=30)


def test_the_first_error_is_found_in_a_log_without_colors(script, monkeypatch, started):
    """A notebook asks for them, and from 3.13 on Python colors its tracebacks."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    command = script(
        """
import subprocess, sys
print(subprocess.run([sys.executable, "-c", "import no_such"], capture_output=True,
                     text=True).stderr)
print("line\\n" * 30)
"""
    )
    with pytest.raises(
        ServerError, match="\nModuleNotFoundError: No module named 'no_su"
    ):
        start(command, ready="http://127.0.0.1:5001/", move_ports=False)


def test_a_proxy_is_not_asked(web, started, monkeypatch):
    """Many a network has one, and it cannot reach the servers of this machine."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.org")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    command, address = web
    lesson.begin()
    start(command, ready=address, name="web", timeout=10).stop()


@pytest.mark.parametrize("options", ["--start", "--ncs"])
def test_a_cell_that_runs_torchserve_as_a_command(options, started):
    """It would hang, and leave a server that nothing ends."""
    with pytest.raises(ValueError, match=r"use servers\.start"):
        lesson.run(f"torchserve {options} --model-store model_store", timeout=5)


@pytest.mark.slow
def test_a_command_that_takes_too_long_is_ended_with_all_it_started(
    script, tmp_path, started
):
    """Also what a parent has left behind that ended long ago."""
    command = script(
        """
import pathlib, subprocess, sys
child = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child, sys.argv[1]])
""",
        tmp_path / "child",
    )
    with pytest.raises(subprocess.TimeoutExpired):
        lesson.run(command, timeout=5)
    assert (tmp_path / "child").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("archive", "reason"),
    [("no_such.mar", "Model not found"), ("broken.mar", "No module named")],
)
def test_an_archive_that_cannot_be_loaded(archive, reason, tmp_path, started):
    """TorchServe goes on running without it, and start() does not wait for ever."""
    (tmp_path / "broken.mar").write_text("no archive")
    with pytest.raises(ServerError, match="could not start the model") as caught:
        start(
            f"torchserve --foreground --ncs --model-store {tmp_path} --models "
            f"simple_linear={archive} --ts-config config/config.properties",
            ready=TORCHSERVE_READY,
        )
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


# Where a server listens.


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.2", False),
        ("models.example.org", False),
    ],
)
def test_which_hosts_only_this_machine_reaches(host, loopback):
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    "lines",
    [
        ["inference_address=http://0.0.0.0:8080"],
        ["grpc_management_address=0.0.0.0"],
        ["management_address=http://0.0.0.0:8081", "disable_token_authorization=True"],
    ],
)
def test_torchserve_for_everybody_without_tokens(lines, config, started):
    tokens = "" if "disable_token_authorization=True" in lines else "--disable-token"
    with pytest.raises(ValueError, match=r"binds 0\.0\.0\.0 and no token is asked for"):
        config(*lines, options=f"{tokens} --ts-config {{path}}")


def test_a_server_for_everybody(web, started, monkeypatch):
    """Start sees it, whatever the command said; who wants that says so."""
    monkeypatch.setattr(background, "is_loopback", lambda host: False)
    command, address = web
    where = urlsplit(address).netloc
    with pytest.raises(ServerError, match=rf"listens on {where}, where everybody"):
        start(command, ready=address, name="web")
    server = start(command, ready=address, name="web", expose=True)
    assert repr(server) == where
    server.stop()


def test_a_server_that_opens_another_door_later(web, started, monkeypatch):
    command, address = web
    server = start(command, ready=address, name="web")
    monkeypatch.setattr(background, "is_loopback", lambda host: False)
    with pytest.raises(ServerError, match="listens on"):
        server.stop()
    assert not server.is_running()


def test_servers_of_the_series_listen_on_this_machine_only(torchserve, flask_server):
    for server, count in ((torchserve, 5), (flask_server, 1)):
        held = listening(server.processes())
        assert all(is_loopback(host) for host, _ in held)
        assert len(held) == count


# What TorchServe's command and configuration say.


@pytest.mark.parametrize(
    ("described", "ready"),
    [
        ([{"workers": [{"status": "UNLOADED"}, {"status": "READY"}]}], True),
        ([{"workers": [{"status": "UNLOADED"}]}], False),
        ([{"workers": []}], False),
        ([{"workers": ["text"]}], False),
        ([{}], False),
        (["text"], False),
        ([], False),
        ({"code": 404}, False),
        (None, False),
    ],
)
def test_ready_means_that_a_worker_is_ready(described, ready):
    assert has_ready_worker(described) == ready


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("not JSON", "application/json"),
        ('["a", "b"]', "application/json"),
        ("[", "text/html"),
    ],
)
def test_a_ready_url_may_answer_anything(body, kind, script, port, started):
    """Only that of TorchServe's model has to describe a worker."""
    command = script(
        """
import http.server, sys

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", sys.argv[2])
        self.end_headers()
        self.wfile.write(sys.argv[3].encode())

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
""",
        port,
        kind,
        f"'{body}'",
    )
    start(command, ready=f"http://127.0.0.1:{port}/models/m").stop()


@pytest.mark.parametrize(
    ("how", "variable"),
    [("--ts-config={path}", None), ("--ts-conf {path}", None), ("", "TS_CONFIG_FILE")],
)
def test_where_the_configuration_is_named(how, variable, config, tmp_path, started):
    """All ways that the launcher knows lead to the address in it, which is refused."""
    with pytest.raises(ValueError, match="no address: TorchServe reads http"):
        config(
            "inference_address=nonsense",
            options=f"--disable-token-auth {how}",
            env={variable: str(tmp_path / "ts.properties")} if variable else None,
        )


@pytest.mark.slow
def test_variables_of_the_kernel_change_nothing(config, monkeypatch, started, capsys):
    """An inherited TS_… would do so behind the back of the command."""
    monkeypatch.setenv("TS_CONFIG_FILE", "no_such_file")
    monkeypatch.setenv("TS_INFERENCE_ADDRESS", "http://0.0.0.0:1")
    ports = find_free_ports(4)
    server = config(
        # A name without a port stands for TorchServe's own, a socket for none.
        "management_address=http://localhost",
        f"inference_address=http://127.0.0.1:{ports[0]}",
        f"metrics_address=http://127.0.0.1:{ports[1]}",
        f"grpc_inference_port={ports[2]}",
        f"grpc_management_port={ports[3]}",
        "enable_envvars_config=true",
        options="--disable-token-auth --ts-config {path}",
        ready=f"http://127.0.0.1:{ports[0]}/ping",
    )
    assert "torchserve answers: 127.0.0.1:" in capsys.readouterr().out
    assert urlsplit(server.management).hostname == "localhost"
    assert requests.get(f"{server.management}/models", timeout=10).ok
    server.stop()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="TorchServe needs epoll for them")
def test_torchserve_on_a_unix_socket(config, tmp_path, started):
    """It takes no port, and is not asked for one."""
    ports = find_free_ports(4)
    server = config(
        f"inference_address=unix:{tmp_path}/inference.sock",
        "use_native_io=true",
        f"management_address=http://127.0.0.1:{ports[0]}",
        f"metrics_address=http://127.0.0.1:{ports[1]}",
        f"grpc_inference_port={ports[2]}",
        f"grpc_management_port={ports[3]}",
        options="--disable-token-auth --ts-config {path}",
        ready=f"http://127.0.0.1:{ports[0]}/models",
    )
    assert server.inference == f"unix:{tmp_path}/inference.sock"
    url = "http://localhost/ping"
    answer = lesson.output_of(f"curl --unix-socket {tmp_path}/inference.sock {url}")
    assert "Healthy" in answer
    server.stop()


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
