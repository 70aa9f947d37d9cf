"""Bytes a token where a client has 120 scopes of 20 characters: `*` beside a frozen list of them.

The toolkit knows no `*`: there each token holds the whole list.
"""

from itertools import product, starmap

from tests.bench import ours, stock
from tests.bench.loading import living
from tests.bench.report import Figure, Result
from tests.bench.sides import Sides
from tests.bench.size import GOAL, bytes_a_row

ROWS = 100_000  # at most: their size says it as well as a million
LENGTH = 20

_AREAS = (
    *("orders", "stock", "prices", "coupons", "returns", "invoice"),
    *("loyalty", "address", "profile", "payment", "reviews", "wishes"),
)
_ACTIONS = (
    *("read.own", "read.all", "write.own", "write.all", "approve"),
    *("export", "import", "delete", "history", "report"),
)


def _name(area: str, action: str) -> str:
    """As alike as names that people give, and as long as asked: orders.read.own.0001."""
    begin = f"{area}.{action}."
    return begin + "1".zfill(LENGTH - len(begin))


LIST = " ".join(starmap(_name, product(_AREAS, _ACTIONS)))


def bench(sides: Sides) -> Result:
    rows = min(sides.rows, ROWS)
    stock_bytes = sides.stock.run(measure_stock, rows=rows, scope=LIST)
    kinds = {"*": ("*", GOAL), "the frozen list": (LIST, None)}
    figures = []
    for kind, (scope, goal) in kinds.items():
        our = sides.ours.run(measure_ours, rows=rows, scope=scope)
        figures += [
            Figure(f"access tokens with {kind}", "B", our["total"], stock_bytes["total"], goal),
            Figure("  of it rows", "B", our["rows"], stock_bytes["rows"]),
            Figure("  of it indexes", "B", our["indexes"], stock_bytes["indexes"]),
        ]
    return Result(f"Bytes a token with 120 scopes, {rows:,} living access tokens", figures)


def measure_ours(rows: int, scope: str) -> dict[str, float]:
    ours.load(rows, living(), scope=scope)
    return bytes_a_row(ours.TABLE, rows)


def measure_stock(rows: int, scope: str) -> dict[str, float]:
    stock.load(rows, living(), scope=scope)
    return bytes_a_row(stock.TABLE, rows)
