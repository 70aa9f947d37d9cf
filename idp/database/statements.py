"""Statements without Django's wrappings, for code that runs both in a request of Django's and in
the fast lane in front of it.

In a request, a statement runs on Django's connection, in its transaction. In the fast lane, each
thread has a connection of its own, where a statement is prepared once and is its own transaction:
BEGIN, COMMIT, the pool and Django's cursors cost more than most of our statements do. What needs a
transaction, or Django's ORM, is not done there: it raises `NotAlone`, and Django gets the request.
"""

import threading
from typing import Any, Protocol

import psycopg
from django.db import connection

from idp.database.connections import connect
from idp.database.prepared import PreparedCursor


class NotAlone(Exception):
    """One statement alone cannot do this; nothing has been written."""


class Cursor(Protocol):
    """What a cursor of Django's and one of the fast lane have in common."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: Any, parameters: Any = None, /) -> Any: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> Any: ...


class _Thread(threading.local):
    is_alone = False
    cursor: PreparedCursor | None = None


_thread = _Thread()


def cursor() -> Cursor:
    """For one statement; it need not be closed. Raises psycopg's or Django's OperationalError."""
    if _thread.is_alone:
        return _thread.cursor or _connect()
    return connection.cursor()


def transaction_cursor() -> Cursor:
    """For what lasts until a transaction ends: locks. Raises NotAlone in the fast lane."""
    require_django()
    return connection.cursor()


def is_alone() -> bool:
    """Whether this is the fast lane."""
    return _thread.is_alone


def require_django() -> None:
    """Raises NotAlone in the fast lane, where there is neither a transaction nor the ORM."""
    if _thread.is_alone:
        raise NotAlone


class _Alone:
    def __enter__(self) -> None:
        _thread.is_alone = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _thread.is_alone = False
        if kind is not None and issubclass(kind, psycopg.Error):
            # Also where the server is a standby by now: the next connection goes to the primary.
            disconnect()


_ALONE = _Alone()


def alone() -> _Alone:
    """While this lasts, this thread's statements run on its own connection, each by itself."""
    return _ALONE


def disconnect() -> None:
    """Forgets this thread's connection; the next statement makes a new one."""
    kept, _thread.cursor = _thread.cursor, None
    if kept is not None:
        kept.connection.close()


def _connect() -> PreparedCursor:
    _thread.cursor = PreparedCursor(connect("idp fast lane"))
    return _thread.cursor
