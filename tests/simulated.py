"""A server that batches as TorchServe does, for the check of lesson 10.

It has the model mlp, which takes one request at a time, and registers others. A batch
takes COMPUTING seconds, however large it is. No worker has to start, and how long an
answer takes depends on the settings alone.
"""

import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

COMPUTING = 0.003


class Model:
    """One worker: it takes a request, and waits for others until the batch is full."""

    def __init__(self, size: int, delay: float) -> None:
        self._size, self._delay = size, delay
        self._waiting = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def answer(self) -> None:
        done = threading.Event()
        self._waiting.put(done)
        done.wait(30)

    def end(self) -> None:
        self._waiting.put(None)

    def _work(self) -> None:
        while first := self._waiting.get():
            batch, until = [first], time.monotonic() + self._delay
            with contextlib.suppress(queue.Empty):
                while len(batch) < self._size:
                    left = max(until - time.monotonic(), 0)
                    batch.append(self._waiting.get(timeout=left))
            time.sleep(COMPUTING)
            for done in batch:
                done.set()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # sixteen callers come at once


@contextlib.contextmanager
def batching() -> Iterator[SimpleNamespace]:
    """The addresses of such a server, named as those of a started TorchServe."""
    models = {"mlp": Model(1, 0)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for an answer, and sent at once
        disable_nagle_algorithm = True

        def do_POST(self):
            address = urlsplit(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if address.path.startswith("/predictions/"):
                models[address.path.rpartition("/")[2]].answer()
                return self.say({})
            query = dict(parse_qsl(address.query))
            if query["url"] != "mlp.mar":
                return self.say({"message": "Model not found"}, 404)
            size, delay = int(query["batch_size"]), int(query["max_batch_delay"])
            models[query["model_name"]] = Model(size, delay / 1000)
            return self.say({"status": "registered"})

        def do_GET(self):
            known = self.path.rpartition("/")[2] in models
            self.say([{}] if known else {"message": "not there"}, 200 if known else 404)

        def do_DELETE(self):
            models.pop(self.path.rpartition("/")[2]).end()
            self.say({})

        def say(self, what, status=200):
            body = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with Listener(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield SimpleNamespace(inference=address, management=address)
        server.shutdown()
        thread.join()
        for model in models.values():
            model.end()
