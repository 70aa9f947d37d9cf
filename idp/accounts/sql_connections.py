"""Connections to the databases of others: they read only, and they wait for nothing for long."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any, Protocol

import psycopg
import pymysql
from psycopg.rows import dict_row
from pymysql.cursors import DictCursor

from idp.accounts.outcomes import Outage, UnusableAnswer
from idp.accounts.service_settings import SQLSettings

# One is enough to sign in with; a second says that the query does not name one account.
MAX_ROWS = 2

UNTRUSTED = ": its certificate is not trusted"

type Row = dict[str, Any]


class Broken(Outage):
    """The connection has ended; a new one may do."""


class Connection(Protocol):
    def rows(self, query: str, name: str, value: str) -> list[Row]:
        """The first rows for the one parameter. Raises Broken or another Outage."""

    def close(self) -> None: ...


def connect(settings: SQLSettings, password: str) -> Connection:
    """Raises Outage."""
    return ENGINES[settings.engine](settings, password)


class PostgreSQLConnection:
    """libpq's, with the parameter bound by the server."""

    def __init__(self, settings: SQLSettings, password: str) -> None:
        self._seconds = settings.statement_timeout_seconds
        self._is_cut = False
        is_checked = settings.tls and not settings.host.startswith("/")
        options = f"-c default_transaction_read_only=on -c statement_timeout={self._seconds}s"
        try:
            self._connection = psycopg.connect(
                host=settings.host,
                port=settings.port or 5432,
                dbname=settings.database,
                user=settings.user,
                password=password or None,
                connect_timeout=settings.connect_timeout_seconds,
                sslmode="verify-full" if is_checked else "disable",
                sslrootcert=(settings.ca_file or "system") if is_checked else None,
                options=options,
                application_name="idp",
                autocommit=True,
                # Statements that a pooler in between has forgotten would be errors.
                prepare_threshold=None,
                row_factory=dict_row,
            )
        except psycopg.Error as problem:
            # Not its text, which repeats what the server says.
            raise Outage(f"PostgreSQL at {settings.host}: no connection{_state(problem)}") from None

    def rows(self, query: str, name: str, value: str) -> list[Row]:
        try:
            with self._deadline():
                return self._connection.execute(query, {name: value}).fetchmany(MAX_ROWS)
        except psycopg.errors.QueryCanceled:
            raise Outage(f"the query took longer than {self._seconds} seconds") from None
        except psycopg.Error as problem:
            if self._is_cut:
                raise Outage("the server does not answer") from None
            kind = Broken if self._connection.closed else UnusableAnswer
            raise kind(f"the query failed{_state(problem)}") from None

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Ends the connection where the server does not even keep its own time limit: libpq would
        wait for ever for one that hangs."""
        timer = Timer(self._seconds + 1, self._cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self._is_cut = True
        try:
            raw = socket.socket(fileno=self._connection.pgconn.socket)
        except (OSError, psycopg.Error):
            return  # It has ended by itself.
        try:
            raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        finally:
            raw.detach()

    def close(self) -> None:
        self._connection.close()


def _state(problem: psycopg.Error) -> str:
    if problem.sqlstate:
        return f": {problem.sqlstate}"
    return UNTRUSTED if "certificate" in str(problem) else ""


class _Bound(str):
    """A value that reaches MySQL as digits: no text of a user is ever part of a statement."""

    __slots__ = ()

    @staticmethod
    def literal(value: str, _: object = None) -> str:
        return f"_utf8mb4 X'{value.encode().hex()}'"


class MySQLConnection:
    """PyMySQL's. Its protocol has no bound parameters, so the value goes as a hexadecimal literal,
    which no escaping rule of any server or character set can read otherwise."""

    def __init__(self, settings: SQLSettings, password: str) -> None:
        is_socket = settings.host.startswith("/")
        place: dict[str, Any] = (
            {"unix_socket": settings.host}
            if is_socket
            else {"host": settings.host, "port": settings.port or 3306}
        )
        if settings.tls and not is_socket:
            place["ssl"] = _tls(settings.ca_file)
        else:
            place["ssl_disabled"] = True
        try:
            self._connection = pymysql.connect(
                **place,
                database=settings.database,
                user=settings.user,
                password=password,
                charset="utf8mb4",
                conv={**pymysql.converters.conversions, _Bound: _Bound.literal},
                cursorclass=DictCursor,
                connect_timeout=settings.connect_timeout_seconds,
                read_timeout=settings.statement_timeout_seconds,
                write_timeout=settings.statement_timeout_seconds,
                autocommit=True,
                init_command="SET SESSION TRANSACTION READ ONLY",
                program_name="idp",
            )
        except (pymysql.Error, OSError, RuntimeError) as problem:
            raise Outage(f"MySQL at {settings.host}: no connection{_number(problem)}") from None

    def rows(self, query: str, name: str, value: str) -> list[Row]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, {name: _Bound(value)})
                return list(cursor.fetchmany(MAX_ROWS))
        except (pymysql.Error, OSError, RuntimeError) as problem:
            if isinstance(problem, pymysql.OperationalError) and "timed out" in str(problem):
                raise Outage("the query took too long") from None
            kind = UnusableAnswer if self._connection.open else Broken
            raise kind(f"the query failed{_number(problem)}") from None

    def close(self) -> None:
        # Not close(), which says good-bye and would wait for a server that hangs.
        self._connection._force_close()


def _number(problem: Exception) -> str:
    if isinstance(getattr(problem, "original_exception", None), ssl.SSLCertVerificationError):
        return UNTRUSTED
    is_numbered = problem.args and isinstance(problem.args[0], int)
    return f": {problem.args[0]}" if is_numbered else ""


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError:
        raise Outage(f"the file {ca_file} has no certificate of an authority") from None


ENGINES: dict[str, type[PostgreSQLConnection] | type[MySQLConnection]] = {
    "postgresql": PostgreSQLConnection,
    "mysql": MySQLConnection,
}
