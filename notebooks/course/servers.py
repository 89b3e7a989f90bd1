"""Start a server in the background, wait until it is ready, and end it for certain.

    torchserve = start("torchserve --foreground …", ready="http://127.0.0.1:8081/models/m")
    requests.post(f"{torchserve.inference}/predictions/m", …)
    torchserve.stop()

It ends with the notebook, however that ends. A port that another process holds is
replaced by a free one: use the handle's addresses.
"""

from pathlib import Path

from course.background import (
    KEEPER,
    Server,
    ServerError,
    find_free_ports,
    is_free,
    launch,
    stop_all,
)
from course.lesson import words_of
from course.torchserve import TorchServe, java_home

__all__ = [
    "KEEPER",
    "ServerError",
    "find_free_ports",
    "is_free",
    "java_home",
    "start",
    "stop_all",
]


def start(
    command: str,
    ready: str,
    name: str | None = None,
    env: dict[str, str] | None = None,
    move_ports: bool = True,
    expose: bool = False,
    timeout: float = 60.0,
) -> Server:
    """Start the command at the root of the project and wait until it is ready.

    Args:
        command: the command line as typed in a terminal.
        ready: the URL that answers 200 when the server is ready. Where it is that of a
            TorchServe model, one of its workers has to be READY too.
        name: what to call the server, by default its program. A server of that name
            that still runs is ended first.
        env: environment variables for this server.
        move_ports: whether a taken port may be replaced by a free one.
        expose: whether other machines may connect without a token.
        timeout: seconds until the start counts as failed.

    Raises:
        ServerError: the server ended, failed to start its model, was not ready in time,
            or listens where it should not.
        ValueError: the command cannot be run like this; nothing has been started.
        FileNotFoundError: there is no such program, or no such --ts-config file.
    """
    words = words_of(command)
    program = Path(words[0]).stem
    server_class = TorchServe if program == "torchserve" else Server
    arguments = (words, ready, env, move_ports, expose)
    server = launch(server_class, name or program, *arguments, timeout=timeout)
    print(f"{server.name} {server.says}: {server}")
    return server
