"""Looks for secrets where none may be: in all tables, in logs, in audit rows.

After each test what it has written and logged is read, before its transaction is rolled back;
databases and logs of servers are read when they end. So the leak fails the test that made it.
"""

import base64
import binascii
import logging
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.secrets import found_in

# A bytea is hex to COPY, which would hide a text in it.
_COLUMNS = """
    SELECT c.oid::regclass::text, string_agg(
        CASE a.atttypid WHEN 'bytea'::regtype THEN format('encode(%I, ''escape'')', attname)
                        ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
      AND a.attnum > 0 AND NOT a.attisdropped
"""
WITH_ROWS = f"{_COLUMNS} AND pg_relation_size(c.oid) > 0 GROUP BY c.oid"
OF_THIS_TRANSACTION = f"""{_COLUMNS} AND c.oid IN (
    SELECT relid FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd > 0) GROUP BY c.oid"""
SESSIONS = "django_session"


class LeakError(AssertionError):
    """A secret stands in clear where somebody can read it."""


def check(leaks: Iterable[str]) -> None:
    if told := list(leaks):
        raise LeakError("\n".join(["Secrets in clear:", *told[:20]]))


def in_text(text: str, where: str) -> Iterator[str]:
    yield from (f"{where}: {leak}" for leak in found_in(text))


def in_files(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield from in_text(path.read_text(errors="replace"), path.name)


def in_database(url: str) -> Iterator[str]:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        yield from in_tables(cursor, WITH_ROWS)


def in_tables(cursor: Any, which: str) -> Iterator[str]:
    """In all columns of the tables that a query names."""
    cursor.execute(which)
    for table, columns in cursor.fetchall():
        with cursor.copy(f"COPY (SELECT {columns} FROM {table}) TO STDOUT") as copy:
            text = b"".join(copy).decode()
        yield from in_text(text, table)
        if table == SESSIONS:
            yield from in_text("\n".join(map(session_of, text.splitlines())), f"{table}, decoded")


def session_of(row: str) -> str:
    """What a browser session holds: Django signs it and does not encrypt it."""
    packed = row.split("\t")[1].partition(":")[0]
    data = packed.removeprefix(".")
    try:
        raw = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
        return (zlib.decompress(raw) if packed.startswith(".") else raw).decode(errors="replace")
    except (binascii.Error, zlib.error):
        return row


class _Heard(logging.Handler):
    """What is logged, before a formatter of ours could cut anything out."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {self.format(record)}")


@contextmanager
def none_allowed() -> Iterator[None]:
    """Around a test: raises LeakError where it has left a secret in the database or in a log."""
    heard, root = _Heard(), logging.getLogger()
    root.addHandler(heard)
    try:
        yield
    finally:
        root.removeHandler(heard)
    check([*in_text("\n".join(heard.lines), "log"), *_in_test_database()])


def _in_test_database() -> list[str]:
    from django.db import connection

    try:
        connection.ensure_connection()
    except RuntimeError:  # pytest-django: this test may not use the database.
        return []
    if connection.needs_rollback:
        return []  # What it wrote is gone, and PostgreSQL answers nothing more.
    written = OF_THIS_TRANSACTION if connection.in_atomic_block else WITH_ROWS
    with connection.cursor() as cursor:
        return list(in_tables(cursor, written))
