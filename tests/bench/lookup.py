"""What it costs to find the row of a token that exists, with 100 partitions present."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection

from tests.bench import ours, stock
from tests.bench.loading import living
from tests.bench.measure import Statement, plan, rows_of
from tests.bench.plans import buffers_of, nodes
from tests.bench.report import Figure, Result
from tests.bench.sides import Side, Sides

PARTITIONS = 100
LOOKUPS = 10_000
TURN = 100

# The statements of a loop, and what the plan of the first one says: scans and buffers.
type Lookup = dict[str, Any]

# What is compared: ours, stock, and the headline if it has one.
COMPARISONS = (
    ("ours: partition named, stock: by checksum", "named", "checksum", "a lookup"),
    ("ours: through the parent, stock: by checksum", "parent", "checksum", ""),
    ("ours: partition named, stock: client and user joined, as it asks", "named", "asked", ""),
)


def bench(sides: Sides) -> Result:
    our = sides.ours.run(measure_ours, rows=sides.rows)
    their = sides.stock.run(measure_stock, rows=sides.rows)
    lookups: dict[str, Lookup] = our["lookups"] | their["lookups"]
    loops = {
        name: (side, lookup["statements"])
        for side, found in ((sides.ours, our), (sides.stock, their))
        for name, lookup in found["lookups"].items()
    }
    times = median_microseconds(loops)
    figures = [
        Figure(name, "µs", times[mine], times[other], headline=headline)
        for name, mine, other, headline in COMPARISONS
    ]
    figures += [
        Figure(f"{name}; buffers", "", lookups[mine]["buffers"], lookups[other]["buffers"])
        for name, mine, other, _ in COMPARISONS
    ]
    title = (
        f"Lookup of one of {sides.rows:,} access tokens, {our['partitions']} partitions present "
        f"(median of {LOOKUPS:,}, prepared)"
    )
    notes = [f"  {name}: {' + '.join(lookup['scans'])}" for name, lookup in lookups.items()]
    return Result(title, figures, notes)


def median_microseconds(loops: dict[str, tuple[Side, Sequence[Statement]]]) -> dict[str, float]:
    """The median time of one-row reads: each statement prepared, autocommit, plain psycopg.

    Every loop has its own connection; they take turns, so that a busy moment hits all of them.
    """
    times: dict[str, list[int]] = {name: [] for name in loops}
    with ExitStack() as stack:
        cursors = {
            name: stack.enter_context(psycopg.connect(side.database_url, autocommit=True)).cursor()
            for name, (side, _) in loops.items()
        }
        for start in range(0, LOOKUPS, TURN):
            for name, (_, statements) in loops.items():
                times[name] += _nanoseconds(cursors[name], statements[start : start + TURN])
    # The first turn is when statements are prepared and planned.
    return {name: statistics.median(taken[TURN:] or taken) / 1000 for name, taken in times.items()}


def _nanoseconds(cursor: psycopg.Cursor[Any], statements: Sequence[Statement]) -> Iterator[int]:
    for text, values in statements:
        started = time.perf_counter_ns()
        cursor.execute(text, values, prepare=True)
        row = cursor.fetchone()
        yield time.perf_counter_ns() - started
        if row is None:
            raise LookupError("A lookup found nothing; its time would be no lookup's.")


def measure_ours(rows: int) -> dict[str, Any]:
    from idp.partitioning.tables import bucket_of_id
    from tokens.identifiers import ACCESS_TOKENS
    from tokens.rows import known

    partitions = ours.make_partitions(PARTITIONS)
    known.refresh()
    ours.load(rows, living())
    named = [_issued(row_id) for (row_id,) in _sample(ours.TABLE, "id")]
    parent = [
        (text.replace(ACCESS_TOKENS.partition(bucket_of_id(values[0])), ours.TABLE), values)
        for text, values in named
    ]
    lookups = {"named": _lookup(named), "parent": _lookup(parent)}
    return {"partitions": partitions, "lookups": lookups}


def measure_stock(rows: int) -> dict[str, Any]:
    from oauth2_provider.models import get_access_token_model

    stock.load(rows, living())
    tokens = get_access_token_model().objects
    checksums = [checksum for (checksum,) in _sample(stock.TABLE, "token_checksum")]
    by_checksum = [tokens.filter(token_checksum=checksum) for checksum in checksums]
    # As OAuth2Validator._load_access_token does, and first() orders.
    asked = [
        found.select_related("application", "user").order_by("pk")[:1] for found in by_checksum
    ]
    lookups = {
        name: _lookup([found.query.sql_with_params() for found in querysets])
        for name, querysets in (("checksum", by_checksum), ("asked", asked))
    }
    return {"lookups": lookups}


def _sample(table: str, column: str) -> list[tuple[Any, ...]]:
    return rows_of(f"SELECT {column} FROM {table} ORDER BY random() LIMIT {LOOKUPS}")


def _issued(row_id: int) -> Statement:
    """The statement with which the product reads the row."""
    from tokens.issue import access_tokens

    issued = []

    def record(execute: Any, text: str, values: Any, many: bool, context: Any) -> Any:
        issued.append((text, values))
        return execute(text, values, many, context)

    with connection.execute_wrapper(record):
        access_tokens.by_id(row_id, datetime.now(UTC))
    (statement,) = issued
    return statement


def _lookup(statements: Sequence[Statement]) -> Lookup:
    explained = plan(statements[0])["Plan"]
    return {
        "statements": statements,
        "buffers": buffers_of(explained),
        "scans": [
            f"{node['Node Type']} on {node['Relation Name']} by {node.get('Index Name', 'nothing')}"
            for node in nodes(explained)
            if "Relation Name" in node
        ],
    }
