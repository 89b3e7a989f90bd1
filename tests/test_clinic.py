"""The clinic of lesson 05: the faults are there, and its logs are cut down to them."""

import shutil
import socket
import zipfile
from types import SimpleNamespace

import pytest
from course import clinic, servers

ENDED = """\
patient ended before it was ready. The end of its log:

java.lang.InterruptedException: null
\tat java.lang.Thread.run(Unknown Source) [?:?]
2026-03-01T09:00:00,000 [INFO ] main org.pytorch.serve.ModelServer - stopped.
java.io.IOException: Failed to bind to address: http://127.0.0.1:8080
\tat org.pytorch.serve.ModelServer.main(ModelServer.java:105)
2026-03-01T09:00:00,000 [INFO ] W-9000 Retry worker: 9000 in 1 seconds.
Caused by: bind(..) failed: Address already in use

Usual causes:
- the port is taken"""

DIED = """\
s_name_part0=/tmp/x, pid=1
Backend worker process died.
Traceback (most recent call last):
  File "/srv/ts/model_loader.py", line 108, in load
    module, function_name = self._load_handler_file(handler)
                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/models/7a0f/patient_handler.py", line 1, in <module>
    from models.linear import SimpleLinearModel
ModuleNotFoundError: No module named 'models'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/ts/model_loader.py", line 159, in _load_default_handler
    module = importlib.import_module(module_name, "ts.torch_handler")
  File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
  File "<frozen importlib._bootstrap>", line 1140, in _find_and_load_unlocked
ModuleNotFoundError: No module named 'ts.torch_handler.patient_handler'
"""


@pytest.fixture
def admitted(archive):
    """The folder clinic, made for a server with other ports."""
    clinic.admit(
        SimpleNamespace(
            inference="http://127.0.0.1:9080",
            management="http://127.0.0.1:9081",
            metrics="http://127.0.0.1:9082",
        )
    )
    yield
    shutil.rmtree(clinic.FOLDER)


def first_line():
    with zipfile.ZipFile(clinic.ARCHIVE) as archive:
        return archive.read("patient_handler.py").decode().splitlines()[0]


def test_the_patient_is_ill_and_can_be_mended(admitted):
    settings = clinic.load_properties(str(clinic.CONFIG))
    assert settings["inference_address"] == "http://127.0.0.1:9080"
    assert settings["metrics_address"] == "http://127.0.0.1:9082"
    assert first_line() == clinic.BAD_IMPORT
    clinic.mend(" from linear import SimpleLinearModel\n")
    assert first_line() == "from linear import SimpleLinearModel"


def test_the_mended_patient_gets_ready_where_its_ports_are_taken(admitted):
    """As beside the lesson of somebody else: its server moves."""
    clinic.mend("from linear import SimpleLinearModel")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with clinic.CONFIG.open("a") as file:
            file.write(f"\nmanagement_address=http://127.0.0.1:{port}\n")
        patient = clinic.restart()
        try:
            assert not patient.management.endswith(f":{port}")
        finally:
            patient.stop()


def test_the_end_of_an_output_is_its_last_exception():
    assert clinic.end_of(servers.ServerError(ENDED)).splitlines() == [
        "java.io.IOException: Failed to bind to address: http://127.0.0.1:8080",
        "\tat org.pytorch.serve.ModelServer.main(ModelServer.java:105)",
        "Caused by: bind(..) failed: Address already in use",
    ]
    assert clinic.end_of(servers.ServerError("nothing of Java's")) == ""


def test_a_death_is_told_once_and_in_short():
    stamp = "2026-03-01T09:00:00,000 [INFO ] W-9000-stdout MODEL_LOG - "
    log = "\n".join(stamp + line for line in (DIED * 2).splitlines())
    told = clinic.death(SimpleNamespace(log=lambda file: log))
    assert told.splitlines() == [
        "Backend worker process died.",
        "Traceback (most recent call last):",
        "  …",
        '  File "…/patient_handler.py", line 1, in <module>',
        "    from models.linear import SimpleLinearModel",
        "ModuleNotFoundError: No module named 'models'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        "  …",
        '  File "…/model_loader.py", line 159, in _load_default_handler',
        '    module = importlib.import_module(module_name, "ts.torch_handler")',
        "ModuleNotFoundError: No module named 'ts.torch_handler.patient_handler'",
    ]
