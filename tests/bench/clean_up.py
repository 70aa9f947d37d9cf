"""What it costs to be rid of a million expired access tokens."""

from collections.abc import Callable
from datetime import timedelta

from tests.bench import ours, stock
from tests.bench.loading import expired
from tests.bench.measure import bytes_of, cost, dead_rows, rows_of
from tests.bench.report import Figure, Result
from tests.bench.sides import Sides

GOAL_MILLISECONDS = 1000
MEGABYTE = 1024 * 1024


def bench(sides: Sides) -> Result:
    our = sides.ours.run(measure_ours, rows=sides.rows)
    their = sides.stock.run(measure_stock, rows=sides.rows)
    rows = (
        ("time", "ms", "milliseconds", GOAL_MILLISECONDS, "clean-up"),
        ("write-ahead log", "MiB", "wal_megabytes", None, ""),
        ("dead rows left for vacuum", "", "dead_rows", None, ""),
        ("disk still held", "MiB", "megabytes_after", None, ""),
        ("tokens left", "", "tokens_left", None, ""),
    )
    figures = [
        Figure(name, unit, our[key], their[key], goal, headline)
        for name, unit, key, goal, headline in rows
    ]
    title = f"Clean-up of {sides.rows:,} expired access tokens (clean_up | cleartokens)"
    return Result(title, figures)


def measure_ours(rows: int) -> dict[str, float]:
    from idp.partitioning.partitions import make_ahead
    from tokens.cleanup import clean_up
    from tokens.identifiers import ACCESS_TOKENS
    from tokens.rows import known

    first, _ = expired()
    make_ahead(ACCESS_TOKENS, first + timedelta(hours=1))
    known.refresh()
    ours.load(rows, expired())
    return _measure(ours.TABLE, clean_up)


def measure_stock(rows: int) -> dict[str, float]:
    from oauth2_provider.models import clear_expired

    stock.load(rows, expired())
    return _measure(stock.TABLE, clear_expired)


def _measure(table: str, clean_up: Callable[[], object]) -> dict[str, float]:
    with cost() as found:
        clean_up()
    return {
        "milliseconds": found["seconds"] * 1000,
        "wal_megabytes": found["wal_bytes"] / MEGABYTE,
        "dead_rows": dead_rows(table),
        "megabytes_after": bytes_of(table) / MEGABYTE,
        "tokens_left": rows_of(f"SELECT count(*) FROM {table}")[0][0],
    }
