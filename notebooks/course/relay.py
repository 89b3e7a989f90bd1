"""A server that passes requests on to another one, and notes what came.

    with Relay("http://127.0.0.1:8080", slow={3: 0.05}) as relay:
        requests.post(f"{relay.url}/predictions/simple_linear", json=5.0)
    relay.bodies, relay.connections

A check puts it between a learner's client and the real server: it sees how many
requests came, over how many connections, and may answer one of them late, or refuse it.
"""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class Relay(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1 while its `with` block runs.

    Attributes:
        url: where it listens.
        bodies: what came, in order.
        connections: over how many connections.
        refused: the number of the request that it answers with 503, from 0 on.
    """

    daemon_threads = True
    block_on_close = False  # a client may keep its connection

    def __init__(
        self, target: str, slow: dict[int, float] | None = None, refused: int = -1
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Passes)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.bodies: list[bytes] = []
        self.connections = 0
        self.refused = refused
        self.target, self.slow = target, slow or {}

    def __enter__(self) -> "Relay":
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no news."""


class _Passes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection
    disable_nagle_algorithm = True  # else the second part of an answer waits

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number = len(self.server.bodies)
        self.server.bodies.append(body)
        time.sleep(self.server.slow.get(number, 0))
        status, content = 503, b'{"message": "refused by the check"}'
        if number != self.server.refused:
            kind = {"Content-Type": self.headers.get("Content-Type", "")}
            url = self.server.target + self.path
            answer = requests.post(url, data=body, headers=kind, timeout=30)
            status, content = answer.status_code, answer.content
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_) -> None:
        """Nothing: the notebook shows the check's words alone."""
