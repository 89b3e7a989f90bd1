"""What the helpers and the servers cost: run `make bench` on an otherwise idle machine.

Four tables, each from one run; read the ratios, the seconds belong to one machine.

1. From servers.start to the first prediction, beside the bare command. To reach:
   no more than 1.3 times as long.
2. Every notebook under `pytest --nbval`. To reach: 90 s together, none over 20 s.
3. One prediction through each server, as a multiple of calling the model directly.
4. Sixteen callers of the MLP: batch_size 16 as a multiple of batch_size 1. To reach:
   4 times the answers per second, and a lower p99.
"""

# ruff: noqa: E402 (the helpers lie in another folder: the path to them comes first)

import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]

import requests
from course import keeper, lesson, servers
from course.traffic import EACH, measure

from models import mlp
from models.train import load, predict, save

STARTS = 5  # of each kind
CALLS = 300  # of each way to predict
TORCHSERVE = (
    "torchserve --start --foreground --ncs --model-store model_store "
    "--models simple_linear=simple_linear.mar "
    "--ts-config config/config.properties --disable-token-auth"
)
MLP_ARCHIVE = (
    "torch-model-archiver --model-name mlp --version 1.0 --model-file models/mlp.py "
    "--serialized-file models/mlp.pth --handler handlers/mlp_handler.py "
    "--export-path model_store --force"
)
MLP_SERVER = (
    "torchserve --start --foreground --ncs --model-store model_store "
    "--models mlp=mlp.mar --ts-config config/batching.properties "
    "--disable-token-auth --enable-model-api"
)
FLASK = "flask --app handlers.flask_app run --port 5001"
TORCHSERVE_READY = "http://127.0.0.1:8081/models/simple_linear"
FLASK_READY = "http://127.0.0.1:5001/ping"


def ask_torchserve(address: str, session=requests) -> float:
    """TorchServe's prediction for 5."""
    url = f"{address}/predictions/simple_linear"
    answer = session.post(url, json=5, timeout=30)
    answer.raise_for_status()
    return answer.json()[0]


def ask_flask(address: str, session=requests) -> float:
    """Flask's prediction for 5."""
    answer = session.post(f"{address}/predict", json={"value": 5}, timeout=30)
    answer.raise_for_status()
    return answer.json()["prediction"]


def time_started(command: str, ready: str, ask: Callable, address: str) -> float:
    """Seconds from servers.start to the first prediction."""
    begin = time.perf_counter()
    server = servers.start(command, ready=ready)
    ask(getattr(server, address))
    took = time.perf_counter() - begin
    server.stop()
    return took


def time_bare(command: str, ask: Callable) -> float:
    """The same for the bare command, asked again and again from its start on."""
    ports = servers.find_free_ports(5)
    address = f"http://127.0.0.1:{ports[0]}"
    command = command.replace("--port 5001", f"--port {ports[0]}")
    moved = {
        "TS_INFERENCE_ADDRESS": address,
        "TS_MANAGEMENT_ADDRESS": f"http://127.0.0.1:{ports[1]}",
        "TS_METRICS_ADDRESS": f"http://127.0.0.1:{ports[2]}",
        "TS_GRPC_INFERENCE_PORT": str(ports[3]),
        "TS_GRPC_MANAGEMENT_PORT": str(ports[4]),
    }
    with tempfile.TemporaryDirectory() as folder:
        own = dict.fromkeys(
            ["TMPDIR", "TEMP", "LOG_LOCATION", "METRICS_LOCATION"], folder
        )
        env = {**os.environ, **own, **moved, "JAVA_HOME": servers.java_home()}
        begin = time.perf_counter()
        with open(Path(folder, "output.log"), "wb") as output:
            server = subprocess.Popen(
                lesson.words_of(command),
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=sys.platform != "win32",
            )
        try:
            while not answers(ask, address) and server.poll() is None:
                time.sleep(0.01)
            took = time.perf_counter() - begin
            if server.poll() is not None:
                log = Path(folder, "output.log").read_text().splitlines()
                sys.exit("\n".join([command, "ended. The end of its log:", *log[-20:]]))
        finally:
            keeper.end(server)
    return took


def answers(ask: Callable, address: str) -> bool:
    """Whether a prediction comes back."""
    try:
        ask(address)
    except requests.RequestException:
        return False
    return True


def compare_starts() -> None:
    """Print the first table."""
    print(f"{'start to first prediction':28}{'bare':>9}{'helper':>9}{'ratio':>8}")
    kinds = {
        "TorchServe": (TORCHSERVE, TORCHSERVE_READY, ask_torchserve, "inference"),
        "Flask": (FLASK, FLASK_READY, ask_flask, "url"),
    }
    for name, (command, ready, ask, address) in kinds.items():
        bare, helper = [], []
        for _ in range(STARTS):  # in turns, so that a disturbance hits both
            bare.append(time_bare(command, ask))
            with contextlib.redirect_stdout(io.StringIO()):
                helper.append(time_started(command, ready, ask, address))
        first, second = statistics.median(bare), statistics.median(helper)
        print(f"{name:28}{first:8.2f}s{second:8.2f}s{second / first:8.2f}")


def time_notebooks() -> None:
    """Print the second table; a notebook that is not green ends the measurement."""
    print(f"{'pytest --nbval':28}{'seconds':>9}{'share':>9}")
    took = {}
    for notebook in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        begin = time.perf_counter()
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", "-q", str(notebook)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        if finished.returncode:
            sys.exit(f"{notebook.name} is red:\n{finished.stdout[-3000:]}")
        took[notebook.stem] = time.perf_counter() - begin
    total = sum(took.values())
    for name, seconds in took.items():
        print(f"{name:28}{seconds:8.1f}s{seconds / total:9.0%}")
    print(f"{'together':28}{total:8.1f}s")


def compare_predictions() -> None:
    """Print the third table."""
    model = load()
    with contextlib.redirect_stdout(io.StringIO()), requests.Session() as session:
        torchserve = servers.start(TORCHSERVE, ready=TORCHSERVE_READY)
        flask = servers.start(FLASK, ready=FLASK_READY)
        ways = {
            "called directly": lambda: predict(model, 5.0),
            "TorchServe": lambda: ask_torchserve(torchserve.inference, session),
            "Flask": lambda: ask_flask(flask.url, session),
        }
        times = {name: [] for name in ways}
        for _ in range(3):  # in turns again, in rows that keep the caches warm
            for name, ask in ways.items():
                for _ in range(CALLS // 3):
                    begin = time.perf_counter()
                    ask()
                    times[name].append(time.perf_counter() - begin)
        servers.stop_all()
    print(f"{'one prediction':28}{'median':>9}{'p99':>9}{'ratio':>8}")
    direct = statistics.median(times["called directly"])
    for name, measured in times.items():
        median = statistics.median(measured)
        p99 = statistics.quantiles(measured, n=100)[98]
        in_ms = f"{1e3 * median:7.3f}ms{1e3 * p99:7.3f}ms"
        print(f"{name:28}{in_ms}{median / direct:8.0f}")


def compare_batches() -> None:
    """Print the table of lesson 10: the MLP, sixteen callers, ten rounds."""
    save(mlp.make(), mlp.WEIGHTS)
    lesson.run_quietly(MLP_ARCHIVE)
    with contextlib.redirect_stdout(io.StringIO()):
        server = servers.start(MLP_SERVER, ready="http://127.0.0.1:8081/models/mlp")
    query = {"url": "mlp.mar", "model_name": "batched", "initial_workers": 1}
    settings = {"batch_size": 16, "max_batch_delay": 2}
    url = f"{server.management}/models"
    requests.post(url, params={**query, **settings}, timeout=60).raise_for_status()
    with tempfile.TemporaryDirectory() as folder:
        row = Path(folder, "row.bin")
        row.write_bytes(bytes(512))
        gains, tails = [], []
        for turn in range(11):
            single, batched = (
                measure(
                    "curl --parallel --parallel-immediate --parallel-max 16 "
                    f"--data-binary @{row.as_posix()} --output {os.devnull} "
                    '--header "Content-Type: application/octet-stream" '
                    f'--write-out "{EACH}" '
                    f'"{server.inference}/predictions/{name}#[1-{total}]"'
                )
                for name, total in (("mlp", 800), ("batched", 3000))
            )
            if turn:  # the first one warms up
                gains.append(batched.per_second / single.per_second)
                tails.append(batched.p99 / single.p99)
    server.stop()
    print(f"{'batch_size 16 beside 1':28}{'median':>9}{'least':>9}{'most':>8}")
    for name, ratios in {"answers per second": gains, "p99": tails}.items():
        median, least, most = statistics.median(ratios), min(ratios), max(ratios)
        print(f"{name:28}{median:9.2f}{least:9.2f}{most:8.2f}")


def main() -> None:
    """Measure everything, in a few minutes."""
    lesson.begin()
    lesson.need_archive()
    for table in (
        compare_starts,
        time_notebooks,
        compare_predictions,
        compare_batches,
    ):
        print()
        table()


if __name__ == "__main__":
    main()
