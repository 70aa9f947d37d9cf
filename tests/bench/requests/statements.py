"""What PostgreSQL was asked, counted in its own log."""

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psycopg

from idp.ops.embedded import EmbeddedPostgres

# How lines of the log begin while statements are counted; %d is the database.
_PREFIX = "database=%d "
_SETTINGS = {
    "log_statement": "all",
    "log_line_prefix": _PREFIX,
    "log_parameter_max_length": "0",
}
_RELOAD_SECONDS = 0.5


def count(postgres: EmbeddedPostgres, database: str, work: Callable[[], object]) -> int:
    """How many statements of the database came while the work was done; BEGIN and COMMIT count."""
    log = postgres.directory / "postgresql.log"
    with psycopg.connect(postgres.database_url("postgres"), autocommit=True) as connection:
        for name, value in _SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        _reload(connection)
        try:
            begin = log.stat().st_size
            work()
            return of_database(_lines_from(log, begin), database)
        finally:
            for name in _SETTINGS:
                connection.execute(f"ALTER SYSTEM RESET {name}")
            _reload(connection)


def of_database(lines: Iterable[str], database: str) -> int:
    """Counts the lines of a log that begin a statement; the rest of it follows on others."""
    kinds = "statement|execute [^:]+|fastpath function call"
    statement = re.compile(rf"database={re.escape(database)} LOG:  (?:{kinds}): ")
    return sum(1 for line in lines if statement.match(line))


def _lines_from(log: Path, begin: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace").splitlines()


def _reload(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_reload_conf()")
    time.sleep(_RELOAD_SECONDS)  # until all processes have heard of it
