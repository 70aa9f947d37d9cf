"""Databases of somebody else: PostgreSQL beside the run's own, and a MariaDB of their own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg
import pymysql
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.issuers import tls_files
from tests.needs import find
from tests.servers import free_port, hold, new_database

READY_SECONDS = 30
SCRIPTS = Path("/usr/share/mysql")
READER, READER_PASSWORD = "reader", "the password of the reader"

TABLE = """
CREATE TABLE customers (
    id {serial} PRIMARY KEY, login varchar(100) NOT NULL, mail varchar(100) NOT NULL,
    pw varchar(200), active boolean NOT NULL DEFAULT TRUE
)
"""
QUERY = (
    "SELECT id AS external_id, login AS username, pw AS password_hash, active AS is_active, "
    "mail AS email FROM customers WHERE login = %(username)s OR mail = %(username)s"
)
FIND_QUERY = (
    "SELECT id AS external_id, login AS username, active AS is_active, mail AS email "
    "FROM customers WHERE {id} = %(external_id)s"
)
INSERT = "INSERT INTO customers (login, mail, pw, active) VALUES (%s, %s, %s, %s)"


class PostgreSQL:
    """A database on the server of the test run, with its own customers."""

    def __init__(self, name: str) -> None:
        # Workers of xdist share the server.
        self.name = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        self.url = new_database(self.name)
        self.connection = psycopg.connect(self.url, autocommit=True)
        self.connection.execute(TABLE.format(serial="serial"))

    def add(self, login: str, pw: str | None, mail: str = "", *, active: bool = True) -> None:
        self.connection.execute(INSERT, (login, mail or f"{login}@example.org", pw, active))

    def execute(self, statement: str) -> Any:
        return self.connection.execute(statement)  # type: ignore[arg-type]

    def settings(self, **settings: Any) -> dict[str, Any]:
        parts = conninfo_to_dict(self.url)
        return {
            "engine": "postgresql",
            "host": str(parts["host"]),
            "database": str(parts["dbname"]),
            "user": str(parts["user"]),
            "query": QUERY,
            "find_query": FIND_QUERY.format(id="id::text"),
            "password_schemes": ["bcrypt", "argon2", "pbkdf2_sha256"],
            "connect_timeout_seconds": 1,
            "statement_timeout_seconds": 1,
            **({"port": int(str(parts["port"]))} if parts.get("port") else {}),
            **settings,
        }

    def close(self) -> None:
        self.connection.close()


class MariaDB:
    """A server in a directory of its own, which takes two seconds to make; TLS or nothing."""

    def __init__(self) -> None:
        if not find("mariadbd"):
            pytest.skip("needs mariadbd")
        self.directory = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self.port = free_port()
        self.socket = self.directory / "socket"
        self.authority, self._server = tls_files(self.directory, "127.0.0.1")
        self.secret = self.directory / "reader"
        self.secret.write_text(READER_PASSWORD)
        self._process: subprocess.Popen[bytes] | None = None
        self._data = self.directory / "data"
        self._data.mkdir()
        self._make()

    def settings(self, **settings: Any) -> dict[str, Any]:
        return {
            "engine": "mysql",
            "host": "127.0.0.1",
            "port": self.port,
            "database": "shop",
            "user": READER,
            "password_file": str(self.secret),
            "ca_file": str(self.authority),
            "query": QUERY,
            "find_query": FIND_QUERY.format(id="CAST(id AS CHAR)"),
            "password_schemes": ["bcrypt", "pbkdf2_sha256"],
            "connect_timeout_seconds": 1,
            "statement_timeout_seconds": 1,
            **settings,
        }

    def start(self) -> Self:
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *self._command(),
                *("--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={self.socket}"),
                *(f"--ssl-ca={self.authority}", f"--ssl-cert={self._server}"),
                *(f"--ssl-key={self._server}", "--require-secure-transport=ON"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + READY_SECONDS
        while not self.socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("MariaDB did not start")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(READY_SECONDS)
            self._process = None

    def hang(self) -> None:
        assert self._process is not None
        hold(self._process.pid)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def execute(self, statement: str, *values: Any) -> Any:
        connection = pymysql.connect(
            unix_socket=str(self.socket), user="root", autocommit=True, ssl_disabled=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()

    def add(self, login: str, pw: str | None, mail: str = "", *, active: bool = True) -> None:
        statement = INSERT.replace("customers", "shop.customers")
        self.execute(statement, login, mail or f"{login}@example.org", pw, active)

    def fill(self) -> None:
        self.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
        self.execute(
            TABLE.format(serial="int AUTO_INCREMENT").replace("customers", "shop.customers")
        )
        self.execute(f"CREATE USER {READER}@'%' IDENTIFIED BY '{READER_PASSWORD}'")
        self.execute(f"GRANT SELECT, INSERT, UPDATE ON shop.* TO {READER}@'%'")

    def __enter__(self) -> Self:
        self.start()
        self.fill()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _command(self) -> list[str]:
        return [
            *(str(find("mariadbd")), "--no-defaults", f"--datadir={self._data}"),
            *("--user=root", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
        ]

    def _make(self) -> None:
        """What mariadb-install-db does, which needs another package."""
        scripts = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
        text = "\n".join((SCRIPTS / name).read_text() for name in scripts)
        done = subprocess.run(
            [*self._command(), "--bootstrap"],
            input=f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n{text}",
            env=os.environ | {"LANG": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"MariaDB could not be made: {done.stderr[-2000:]}")
