"""Prepared statements straight over libpq, by psycopg's wrapper of it.

psycopg's own cursor costs 16 µs more for each of our statements, and half as much time again among
threads, because it gives up the interpreter's lock several times where this does once.

Only what the fast lane needs: parameters and columns of the types below, one result, no
transactions. Placeholders are those of psycopg, `%s` or `%(name)s`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import pq
from psycopg.types.json import Jsonb

_PLACEHOLDER = re.compile(r"%s|%\((\w+)\)s|%%")

# What PostgreSQL writes, by its type; other types are text.
_READERS: dict[int, Callable[[bytes], Any]] = {
    16: lambda text: text == b"t",  # boolean
    20: int,
    21: int,
    23: int,
    1184: lambda text: datetime.fromisoformat(text.decode()),  # timestamptz, in UTC
    3802: json.loads,  # jsonb
}

type Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(slots=True)
class _Statement:
    """What has been prepared under a name; `order` is that of named parameters."""

    name: bytes
    order: list[str]
    readers: list[Callable[[bytes], Any]] | None = None


class PreparedCursor:
    """Runs statements on one connection, one after the other; each is prepared once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.rowcount = -1
        self._server = connection.pgconn
        self._statements: dict[str, _Statement] = {}
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Raises psycopg.Error; the connection is of no use then if it is an OperationalError."""
        statement = self._statements.get(sql) or self._prepare(sql)
        if isinstance(parameters, Mapping):
            parameters = [parameters[name] for name in statement.order]
        written: Any = [_WRITERS[type(one)](one) for one in parameters]
        result = self._server.exec_prepared(statement.name, written)
        self._check(result)
        if statement.readers is None:
            kinds = [result.ftype(column) for column in range(result.nfields)]
            statement.readers = [_READERS.get(kind, bytes.decode) for kind in kinds]
        self._rows = [_read(result, row, statement.readers) for row in range(result.ntuples)]
        self.rowcount = result.command_tuples if result.command_tuples is not None else -1

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def _prepare(self, sql: str) -> _Statement:
        order: list[str] = []

        def number(placeholder: re.Match[str]) -> str:
            if placeholder[0] == "%%":
                return "%"
            name = placeholder[1] or str(len(order))
            if name not in order:
                order.append(name)
            return f"${order.index(name) + 1}"

        text = _PLACEHOLDER.sub(number, sql)
        statement = _Statement(b"s%d" % len(self._statements), order)
        self._check(self._server.prepare(statement.name, text.encode()))
        self._statements[sql] = statement
        return statement

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return
        if self._server.status == pq.ConnStatus.BAD:
            raise psycopg.OperationalError("The connection is lost.")
        raise psycopg.errors.error_from_result(result)


def _read(
    result: pq.abc.PGresult, row: int, readers: list[Callable[[bytes], Any]]
) -> tuple[Any, ...]:
    values = []
    for column, reader in enumerate(readers):
        text = result.get_value(row, column)
        values.append(None if text is None else reader(text))
    return tuple(values)


_WRITERS: dict[type, Callable[[Any], bytes | None]] = {
    type(None): lambda _: None,
    bool: lambda value: b"t" if value else b"f",
    int: lambda value: b"%d" % value,
    str: str.encode,
    datetime: lambda value: value.isoformat().encode(),
    Jsonb: lambda value: json.dumps(value.obj).encode(),
}
