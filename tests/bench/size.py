"""Bytes a token: what a million living access tokens take on disk, indexes included."""

from tests.bench import ours, stock
from tests.bench.loading import living
from tests.bench.measure import bytes_of
from tests.bench.report import Figure, Result
from tests.bench.sides import Sides

GOAL = 200
KINDS = {"of users": True, "of clients": False}


def bench(sides: Sides) -> Result:
    figures = []
    for kind, of_users in KINDS.items():
        our = sides.ours.run(measure_ours, rows=sides.rows, of_users=of_users)
        their = sides.stock.run(measure_stock, rows=sides.rows, of_users=of_users)
        headline = f"a token {kind}" if of_users else ""
        figures += [
            Figure(
                f"access tokens {kind}", "B", our["total"], their["total"], GOAL, headline=headline
            ),
            Figure("  of it rows", "B", our["rows"], their["rows"]),
            Figure("  of it indexes", "B", our["indexes"], their["indexes"]),
        ]
    return Result(f"Bytes a token, {sides.rows:,} living access tokens", figures)


def measure_ours(rows: int, *, of_users: bool) -> dict[str, float]:
    ours.load(rows, living(), of_users=of_users)
    return bytes_a_row(ours.TABLE, rows)


def measure_stock(rows: int, *, of_users: bool) -> dict[str, float]:
    stock.load(rows, living(), of_users=of_users)
    return bytes_a_row(stock.TABLE, rows)


def bytes_a_row(table: str, rows: int) -> dict[str, float]:
    """Empty partitions and their indexes count too."""
    sizes = {
        "total": "pg_total_relation_size",
        "rows": "pg_table_size",
        "indexes": "pg_indexes_size",
    }
    return {name: bytes_of(table, size) / rows for name, size in sizes.items()}
