"""What `make run` does: bring up everything on this machine, and take it down again.

No Django in this process; it starts Django's commands and servers as children.
"""

import base64
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from idp.environment import PROJECT, BindAddress, Environment, environment_or_exit
from idp.ops.children import Child
from idp.ops.embedded import EmbeddedPostgres, EmbeddedServerError, EmbeddedValkey

GRANIAN_JSON_LOG = PROJECT / "idp" / "ops" / "granian-json-log.json"
DEMO_CONFIGURATION = PROJECT / "docs" / "demo.yaml"
DEMO_CLIENT = "demo-batch:demo-batch-secret-not-for-production"
DEMO_GATEWAY = "demo-gateway:demo-gateway-secret-not-for-production"

ADMIN_USERNAME = "admin"
READY_SECONDS = 120
STOP_SECONDS = 15
POLL_SECONDS = 0.1

EXIT_FAILED = 1


class CannotRunError(Exception):
    """Why the start was broken off, or why it ended, in one line."""


class StopAskedError(Exception):
    """Ctrl-C or SIGTERM came in."""


class Supervisor:
    """The children of one `make run`, in the order in which they were started."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self.embedded: dict[str, EmbeddedPostgres | EmbeddedValkey] = {}
        self.stop_asked = False

    def listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        # Only noted here: an exception out of a signal handler could lose a child just started.
        self.stop_asked = True

    def run_to_end(self, name: str, command: list[str], text: str = "") -> None:
        """Run one step of the start."""
        child = self.start(name, command)
        child.feed(text)
        while child.exit_code is None:
            self._pause()
        self.children.remove(child)
        child.end()
        if child.exit_code:
            raise CannotRunError(f"The start ends here: {name} failed (exit {child.exit_code}).")

    def start_embedded(
        self, name: str, server: EmbeddedPostgres | EmbeddedValkey, to_stop: ExitStack
    ) -> None:
        to_stop.callback(server.stop)
        server.start()
        self.embedded[name] = server

    def start(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, os.environ)
        self.children.append(child)
        return child

    def wait_for(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.check_children()
            if time.monotonic() > deadline:
                raise CannotRunError(otherwise)
            self._pause()

    def watch(self) -> None:
        """Until somebody asks to stop, or a child dies."""
        while True:
            self.check_children()
            self._pause()

    def check_children(self) -> None:
        for name, server in self.embedded.items():
            if not server.running:
                raise CannotRunError(f"The embedded {name} ended unexpectedly; stopping the rest.")
        for child in self.children:
            if child.exit_code is not None:
                raise CannotRunError(
                    f"{child.name} ended unexpectedly (exit {child.exit_code}); stopping the rest."
                )

    def stop_children(self) -> None:
        """Last started first: nothing new is scheduled, then no new work, then no new requests."""
        for child in reversed(self.children):
            child.ask_to_stop()
            if not child.wait(STOP_SECONDS):
                say(f"{child.name} does not stop and is killed.")
            child.end()
        self.children.clear()

    def _pause(self) -> None:
        if self.stop_asked:
            raise StopAskedError
        time.sleep(POLL_SECONDS)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.chdir(PROJECT)
    supervisor = Supervisor()
    supervisor.listen_to_signals()
    try:
        with ExitStack() as to_stop:
            run(supervisor, to_stop)
    except StopAskedError:
        say("Stopped.")
        return 0
    except (CannotRunError, EmbeddedServerError) as problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_FAILED
    return 0


def run(supervisor: Supervisor, to_stop: ExitStack) -> None:
    var = var_directory()
    postgres = None if "IDP_DATABASE_URL" in os.environ else EmbeddedPostgres(var / "postgresql")
    valkey = None if "IDP_BROKER_URL" in os.environ else EmbeddedValkey(var / "valkey")
    complete_environment(var, postgres, valkey)
    settings = environment_or_exit()
    check_port_is_free(settings.bind)
    check_configuration_file(settings)
    lock_directory(var, to_stop)
    clear_metrics(settings)

    if postgres:
        supervisor.start_embedded("PostgreSQL", postgres, to_stop)
    if valkey:
        supervisor.start_embedded("Valkey", valkey, to_stop)
    to_stop.callback(supervisor.stop_children)
    prepare(supervisor, settings, var)
    start_servers(supervisor, settings, var)
    supervisor.wait_for(
        lambda: is_ready(settings),
        READY_SECONDS,
        f"http://{settings.bind}/readyz did not answer 200 in {READY_SECONDS} seconds.",
    )
    say(welcome(settings, admin_password(var)))
    supervisor.watch()


def var_directory() -> Path:
    var = PROJECT / (os.environ.get("IDP_VAR_DIR") or "var")
    try:
        var.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CannotRunError(f"The folder {var} can't be made: {problem.strerror}.") from None
    return var


def complete_environment(
    var: Path, postgres: EmbeddedPostgres | None, valkey: EmbeddedValkey | None
) -> None:
    """Give the settings that nobody gave, for this process and its children; children inherit."""
    given = os.environ
    given.setdefault("IDP_ENVIRONMENT", "development")
    given.setdefault("IDP_PUBLIC_URL", f"http://{reachable(given.get('IDP_BIND'))}")
    if postgres:
        given["IDP_DATABASE_URL"] = postgres.url
    if valkey:
        given["IDP_BROKER_URL"] = valkey.url
    if given["IDP_ENVIRONMENT"] == "development":
        given.setdefault("IDP_SECRET_KEYS", kept(var / "secret-keys", new_secret))
        given.setdefault("IDP_TOKEN_KEYS", kept(var / "token-keys", lambda: f"1:{new_secret()}"))


def reachable(bind: str | None) -> str:
    """The address for a browser: a server that listens everywhere is reached on the loopback."""
    host, _, port = (bind or "").rpartition(":")
    if not host or not port:
        return "127.0.0.1:8000"  # nothing was given, or nothing that will pass the check
    return f"127.0.0.1:{port}" if host in {"0.0.0.0", "[::]"} else f"{host}:{port}"  # noqa: S104 (nothing is bound here)


def kept(path: Path, make: Callable[[], str]) -> str:
    """The secret kept in `path`, made and kept at the first start."""
    if not path.exists():
        # Written beside and renamed, so that a start that was broken off leaves no empty key.
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{make()}\n")
        fresh.rename(path)
    return path.read_text().strip()


def new_secret() -> str:
    """256 random bits as base64url, which fits secret keys, token keys and passwords."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def admin_password(var: Path) -> str:
    return kept(var / "admin-password", lambda: secrets.token_urlsafe(15))


def check_port_is_free(bind: BindAddress) -> None:
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host, bind.port))
        except OSError as problem:
            raise CannotRunError(
                f"Port {bind.port} on {bind.host} can't be used ({problem.strerror}): free it, or "
                f"take another with IDP_BIND={BindAddress(bind.host, next_port(bind.port))}"
            ) from None


def next_port(port: int) -> int:
    return port + 1 if 1024 <= port < 65535 else 8001  # noqa: PLR2004 (the bounds of open ports)


def check_configuration_file(settings: Environment) -> None:
    if settings.config and not settings.config.is_file():
        raise CannotRunError(f"IDP_CONFIG names {settings.config}, which is no file.")


def lock_directory(var: Path, to_stop: ExitStack) -> None:
    """Two supervisors would stop each other's embedded servers."""
    lock = to_stop.enter_context((var / "run.lock").open("w"))
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise CannotRunError(
            f"Another `make run` uses {var}: stop it, or take another folder with IDP_VAR_DIR."
        ) from None


def clear_metrics(settings: Environment) -> None:
    """Away with the numbers of an earlier run; only in our own folder, never in a given one."""
    shutil.rmtree(settings.metrics_dir, ignore_errors=True)


def prepare(supervisor: Supervisor, settings: Environment, var: Path) -> None:
    manage = [sys.executable, "manage.py"]
    configuration = settings.config or DEMO_CONFIGURATION
    operator = ["ensure_operator", "--username", ADMIN_USERNAME, "--password-stdin"]
    supervisor.run_to_end("migrate", [*manage, "migrate", "--verbosity", "1"])
    supervisor.run_to_end("config", [*manage, "config", "apply", str(configuration)])
    supervisor.run_to_end("operator", [*manage, *operator], f"{admin_password(var)}\n")
    supervisor.run_to_end("static", [*manage, "collectstatic", "--noinput", "--verbosity", "0"])


def start_servers(supervisor: Supervisor, settings: Environment, var: Path) -> None:
    celery = [sys.executable, "-m", "celery", "-A", "idp"]
    if settings.log_format == "json":
        celery.append("--quiet")  # no banner
    level = ["--loglevel", settings.log_level]
    schedule = ["--schedule", str(var / "beat-schedule"), "--pidfile", ""]
    supervisor.start("web", granian_command(settings))
    supervisor.start(
        "worker", [*celery, "worker", "--concurrency", "1", "--without-mingle", *level]
    )
    supervisor.start("beat", [*celery, "beat", *schedule, *level])


def granian_command(settings: Environment) -> list[str]:
    options: dict[str, object] = {
        "--interface": "wsgi",
        "--host": settings.bind.host,
        "--port": settings.bind.port,
        "--workers": settings.workers,
        "--blocking-threads": settings.threads,
        "--workers-kill-timeout": STOP_SECONDS - 5,
        "--log-level": settings.log_level,
    }
    if settings.log_format == "json":
        options["--log-config"] = GRANIAN_JSON_LOG
    arguments = [str(part) for option in options.items() for part in option]
    return [sys.executable, "-m", "granian", *arguments, "--no-ws", "idp.wsgi:application"]


def is_ready(settings: Environment) -> bool:
    host = urlsplit(settings.public_url).netloc
    address = f"http://{reachable(str(settings.bind))}/readyz"
    request = urllib.request.Request(address, headers={"Host": host})
    # A proxy of the environment must not come between this process and its child.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 (HTTP)
    except (urllib.error.URLError, OSError):
        return False


def welcome(settings: Environment, password: str) -> str:
    url = settings.public_url
    return f"""
The identity provider answers on {url}

  discovery  {url}/.well-known/openid-configuration
  admin      {url}/admin/   user {ADMIN_USERNAME}, password {password}
{demo_commands(url) if settings.config is None else ""}
Ctrl-C stops everything; the data stays in {settings.var_dir}.
"""


def demo_commands(url: str) -> str:
    """Three lines to paste: get a token, ask about it, exchange it for a gateway JWT."""
    token = f"curl -s -u {DEMO_CLIENT} -d grant_type=client_credentials {url}/oauth2/token"
    value = r"""sed 's/.*"access_token": *"\([^"]*\)".*/\1/'"""
    types = "urn:ietf:params:oauth"
    exchange = (
        f"-d grant_type={types}:grant-type:token-exchange"
        f" -d subject_token=$TOKEN -d subject_token_type={types}:token-type:access_token"
        f" -d requested_token_type={types}:token-type:jwt"
    )
    return f"""
Paste these: a token, what it is worth, and the gateway's JWT for it.

TOKEN=$({token} | {value}); echo $TOKEN
curl -s -u {DEMO_GATEWAY} -d token=$TOKEN {url}/oauth2/introspect; echo
curl -s -u {DEMO_GATEWAY} {exchange} {url}/oauth2/token; echo
"""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
