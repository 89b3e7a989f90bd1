"""terminal.find: the server that a learner starts by hand, and no other."""

import subprocess

import pytest
from course import lesson, servers, terminal

APP = "from flask import Flask\napp = Flask(__name__)\napp.get('/ping')(lambda: 'ok')\n"


@pytest.fixture
def app(tmp_path, monkeypatch):
    (tmp_path / "own_app.py").write_text(APP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def by_hand(app):
    """A Flask server that no lesson started; its port."""
    [port] = servers.find_free_ports(1)
    words = lesson.words_of(f"flask --app own_app run --port {port}")
    process = subprocess.Popen(words, cwd=lesson.ROOT, stderr=subprocess.DEVNULL)
    lesson.wait_until(lambda: not servers.is_free(port))
    yield port
    process.terminate()
    process.wait(10)


def test_a_server_that_was_started_by_hand_is_found(by_hand, capsys):
    assert terminal.find("flask") == f"http://127.0.0.1:{by_hand}"
    assert capsys.readouterr().out == f"Your flask answers at 127.0.0.1:{by_hand}.\n"


def test_one_that_does_not_answer_the_path_is_none(by_hand, capsys):
    assert terminal.find("flask", "/nothing") is None
    assert "No flask of yours answers yet" in capsys.readouterr().out


def test_a_lessons_server_is_not_yours(app, capsys):
    command = "flask --app own_app run --port 5001"
    server = servers.start(command, ready="http://127.0.0.1:5001/ping", name="lesson")
    try:
        assert terminal.find("flask") is None
    finally:
        server.stop()


def test_a_server_of_another_folder_is_not_yours(app, tmp_path):
    [port] = servers.find_free_ports(1)
    words = lesson.words_of(f"flask --app own_app run --port {port}")
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        lesson.wait_until(lambda: not servers.is_free(port))
        assert terminal.find("flask") is None
        process.terminate()
