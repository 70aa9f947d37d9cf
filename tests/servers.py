"""The real application under Granian, for tests that speak HTTP to it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from idp.environment import PROJECT
from idp.ops.run import GRANIAN_JSON_LOG
from tests import leaks

READY_SECONDS = 60
STOP_SECONDS = 20
DEMO_CONFIGURATION = PROJECT / "docs" / "demo.yaml"
# Databases of the run's server that others are copies of: PostgreSQL's own, and two of ours.
DEFAULT_TEMPLATE, MIGRATED, WITH_DEMO = "template1", "migrated", "with_demo"


class LiveIDP:
    """One Granian on a free port. Two of them with the same `public_url` serve one issuer.

    with LiveIDP(database_url) as first, LiveIDP(database_url, public_url=first.public_url) as two:
        requests.get(f"{first.url}/readyz")
    """

    def __init__(
        self,
        database_url: str,
        *,
        public_url: str | None = None,
        public_host: str = "127.0.0.1",
        workers: int = 1,
        threads: int = 4,
        **variables: str,
    ) -> None:
        self.project = PROJECT
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.public_url = public_url or f"http://{public_host}:{self.port}"
        self.metrics_dir = Path(tempfile.mkdtemp(prefix="live-idp-metrics-"))
        self.environment = os.environ | {
            "IDP_DATABASE_URL": database_url,
            "PROMETHEUS_MULTIPROC_DIR": str(self.metrics_dir),
            "IDP_PUBLIC_URL": self.public_url,
            "IDP_BIND": f"127.0.0.1:{self.port}",
            "IDP_WORKERS": str(workers),
            "IDP_THREADS": str(threads),
            **variables,
        }
        self._command = [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", str(workers), "--blocking-threads", str(threads)),
            *("--workers-kill-timeout", "5"),
            *(
                ("--log-config", str(GRANIAN_JSON_LOG))
                * (variables.get("IDP_LOG_FORMAT") == "json")
            ),
            "idp.wsgi:application",
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path(tempfile.mkstemp(prefix="live-idp-", suffix=".log")[1])

    def start(self, ready_path: str | None = "/readyz") -> Self:
        """Start and wait until `ready_path` answers 200; None waits for the open port only."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self.project, env=self.environment, stdout=output, stderr=output
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers(ready_path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"The server under test did not start:\n{self.log_text()}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """That of Granian's supervisor; the processes that answer are its children."""
        if self._process is None:
            raise RuntimeError("The server under test does not run.")
        return self._process.pid

    def log_text(self) -> str:
        """All that the server has written so far; stays readable after the stop."""
        return self._log.read_text(errors="replace")

    def manage(self, *arguments: str, text: str = "") -> str:
        """Run a manage.py command with this server's settings; answer its output."""
        return manage(self.environment, *arguments, text=text)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        try:
            leaks.check(self.leaks())
        finally:
            self._log.unlink(missing_ok=True)
            shutil.rmtree(self.metrics_dir, ignore_errors=True)

    def leaks(self) -> Iterator[str]:
        """Secrets in its log, and in its database."""
        yield from leaks.in_text(self.log_text(), "log of the web server")
        yield from leaks.in_database(self.environment["IDP_DATABASE_URL"])

    def _answers(self, path: str | None) -> bool:
        try:
            if path is None:
                socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
                return True
            host = urlsplit(self.public_url).netloc
            request = urllib.request.Request(f"{self.url}{path}", headers={"Host": host})
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def live_database_url(name: str, configuration: Path | None = DEMO_CONFIGURATION) -> str:
    """A fresh database of that name beside the run's own, migrated and configured."""
    template = MIGRATED if configuration != DEMO_CONFIGURATION else WITH_DEMO
    with _postgres() as connection:
        # Workers of xdist share the server: one makes the templates, the others wait.
        connection.execute("SELECT pg_advisory_lock(1)")
        _ensure(connection, MIGRATED, DEFAULT_TEMPLATE, "migrate", "--verbosity", "0")
        if template == WITH_DEMO:
            _ensure(connection, WITH_DEMO, MIGRATED, "config", "apply", str(DEMO_CONFIGURATION))
        url = new_database(name, template)
    if configuration not in {None, DEMO_CONFIGURATION}:
        manage(os.environ | {"IDP_DATABASE_URL": url}, "config", "apply", str(configuration))
    return url


def _ensure(connection: psycopg.Connection, name: str, template: str, *command: str) -> None:
    """Makes a database for others to be copied from, once in a run."""
    known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
    if known is None:
        url = new_database(f"{name}_unfinished", template)
        manage(os.environ | {"IDP_DATABASE_URL": url}, *command)
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        old, new = sql.Identifier(f"{name}_unfinished"), sql.Identifier(name)
        connection.execute(rename.format(old, new))


def hold(pid: int) -> None:
    """Lets a process stand still, as one that hangs; SIGCONT ends it.

    The signal reaches one thread, and the others a moment later: by now all of them stand.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + STOP_SECONDS
    while any(
        (task / "stat").read_text().rpartition(")")[2].split()[0] != "T"
        for task in Path(f"/proc/{pid}/task").iterdir()
    ):
        if time.monotonic() > deadline:
            raise RuntimeError("The process goes on.")
        time.sleep(0.001)


def new_database(name: str, template: str = DEFAULT_TEMPLATE) -> str:
    """Drop what has that name and create it anew; answer its URL."""
    identifier, copied = sql.Identifier(name), sql.Identifier(template)
    with _postgres() as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, copied))
    parts = urlsplit(os.environ["IDP_DATABASE_URL"])
    # Not `_replace().geturl()`, which loses the empty host of a socket URL.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{name}{query}"


def _postgres() -> psycopg.Connection:
    server = os.environ["IDP_DATABASE_URL"]
    return psycopg.connect(make_conninfo(server, dbname="postgres"), autocommit=True)


def manage(environment: dict[str, str], *arguments: str, text: str = "") -> str:
    command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
    done = subprocess.run(
        command, env=environment, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
