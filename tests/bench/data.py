"""`make bench-data`: a PostgreSQL of its own in var/bench-data, with databases of many tokens.

A database stays for the next time, with all its access tokens alive for 11 hours: they live for 24
and were issued over the last 12. After that, or with `--fresh`, it is loaded again. Others of other
sizes stay beside it.

`make bench-data ARGS="--access-tokens 10000"`
"""

import argparse
import fcntl
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from idp.environment import PROJECT
from idp.ops.embedded import EmbeddedPostgres
from tests.bench import filling, sides
from tests.bench.sides import Side

DIRECTORY = PROJECT / "var" / "bench-data"
ACCESS_TOKENS = 10_000_000
# A database is used for no longer than this before its first access token dies.
MARGIN = timedelta(hours=1)


def main() -> None:
    arguments = _parser().parse_args()
    # So that a polite end, too, stops the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with server() as postgres:
        ensure(
            postgres,
            arguments.access_tokens,
            arguments.refresh_tokens,
            fresh=arguments.fresh,
        )


@contextmanager
def server() -> Iterator[EmbeddedPostgres]:
    """The server, for one process at a time; its data stays."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Another process works with {DIRECTORY}; try again when it is done.")
        postgres = EmbeddedPostgres(DIRECTORY / "postgresql", durable=True)
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


def ensure(
    postgres: EmbeddedPostgres,
    access_tokens: int,
    refresh_tokens: int | None = None,
    *,
    fresh: bool = False,
) -> Side:
    """A database with so many living tokens: that of an earlier run, or one loaded now."""
    refresh_tokens = refresh_tokens or refresh_tokens_beside(access_tokens)
    size = f"{access_tokens:,} access tokens and {refresh_tokens:,} refresh tokens"
    name = _name(access_tokens, refresh_tokens)
    living_until = None if fresh else _living_until(postgres, name)
    if living_until and living_until - MARGIN > datetime.now(UTC):
        print(f"{size} are there, and live until {living_until:%Y-%m-%d %H:%M} UTC", flush=True)
        side = sides.ours(postgres, name)
        side.run(filling.upgrade)
        return side
    return _loaded(postgres, name, access_tokens, refresh_tokens)


def fresh(
    postgres: EmbeddedPostgres, access_tokens: int, refresh_tokens: int, **counts: int
) -> Side:
    """A database of its own with other `counts` (see `filling.fill`): always loaded now."""
    about = "_".join(f"{count}_{name}" for name, count in counts.items())
    name = f"{_name(access_tokens, refresh_tokens)}_{about}"
    return _loaded(postgres, name, access_tokens, refresh_tokens, **counts)


def _loaded(
    postgres: EmbeddedPostgres, name: str, access_tokens: int, refresh_tokens: int, **about: int
) -> Side:
    print(f"The database {name} is loaded …", flush=True)
    started = time.monotonic()
    _drop(postgres, name)
    side = sides.ours(postgres, name)
    described = side.run(
        filling.fill, access_tokens=access_tokens, refresh_tokens=refresh_tokens, **about
    )
    _describe(postgres, name, described)
    print(f"… in {time.monotonic() - started:.0f} s", flush=True)
    return side


def _name(access_tokens: int, refresh_tokens: int) -> str:
    return f"tokens_{access_tokens}_{refresh_tokens}"


def refresh_tokens_beside(access_tokens: int) -> int:
    return access_tokens * 3 // 10


def _living_until(postgres: EmbeddedPostgres, name: str) -> datetime | None:
    """None where the database is missing, or its load was broken off."""
    with _connection(postgres) as connection:
        found = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [name],
        ).fetchone()
    if found is None or found[0] is None:
        return None
    return datetime.fromisoformat(json.loads(found[0])["living_until"])


def _describe(postgres: EmbeddedPostgres, name: str, about: dict[str, str]) -> None:
    """The mark of a complete database is its comment."""
    statement = sql.SQL("COMMENT ON DATABASE {} IS {}").format(
        sql.Identifier(name), sql.Literal(json.dumps(about))
    )
    with _connection(postgres) as connection:
        connection.execute(statement)


def _drop(postgres: EmbeddedPostgres, name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with _connection(postgres) as connection:
        connection.execute(statement)


def _connection(postgres: EmbeddedPostgres) -> psycopg.Connection[Any]:
    return psycopg.connect(postgres.database_url("postgres"), autocommit=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--access-tokens", type=int, default=ACCESS_TOKENS, metavar="N")
    parser.add_argument(
        "--refresh-tokens", type=int, metavar="N", help="three for ten access tokens by default"
    )
    parser.add_argument("--fresh", action="store_true", help="load, whatever is there")
    return parser


if __name__ == "__main__":
    main()
