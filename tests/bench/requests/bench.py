"""The bench `requests`: both sides get the same kind of data, and all lines are measured."""

import sys
import tempfile
from pathlib import Path

from tests.bench import sides
from tests.bench.data import refresh_tokens_beside
from tests.bench.requests import of_ours, of_stock, servers, wrk
from tests.bench.requests.lines import LINES, STOCK
from tests.bench.requests.lists import TooShortError
from tests.bench.requests.table import Requests
from tests.bench.requests.turns import ROUNDS, SECONDS, Task, Turns, supplies
from tests.bench.sides import Side, Sides

OURS_DATABASE, STOCK_DATABASE = "requests_ours", "requests_stock"


def bench(both: Sides) -> Requests:
    wrk.check()
    our = sides.ours(both.server, OURS_DATABASE)
    stock = sides.stock(both.server, STOCK_DATABASE)
    with tempfile.TemporaryDirectory() as folder:
        _fill(our, stock, both.rows, Path(folder))
        with servers.all_of(our, stock) as running:
            tasks = _tasks(Path(folder), running)
            try:
                costs = Turns(both.server, tasks).costs()
            except (wrk.WrongAnswersError, TooShortError) as problem:
                sys.exit(f"requests: {problem}")
    title = (
        f"Requests beside {both.rows:,} access tokens and {refresh_tokens_beside(both.rows):,} "
        f"refresh tokens (medians of {ROUNDS} runs of {SECONDS} s in turns; "
        f"{wrk.CONNECTIONS} connections, no answer was wrong)"
    )
    return Requests(title, costs)


def _fill(our: Side, stock: Side, rows: int, folder: Path) -> None:
    refreshes = refresh_tokens_beside(rows)
    for side, of_side in ((our, of_ours), (stock, of_stock)):
        own = folder / side.name
        own.mkdir()
        side.run(of_side.fill, access_tokens=rows, refresh_tokens=refreshes)
        if side is our:
            side.run(of_ours.arrange)
        side.run(of_side.write_lists, folder=str(own), refreshes=refreshes)


def _tasks(folder: Path, running: dict[str, servers.Server]) -> dict[str, Task]:
    """Those of a side share its lists, so that no refresh token is used twice."""
    tasks = {}
    for side, of_stock_side in ((OURS_DATABASE, False), (STOCK_DATABASE, True)):
        lines = [line for line in LINES if (line.server == STOCK) is of_stock_side]
        lists = supplies(folder / side, [line.operation for line in lines])
        for line in lines:
            tasks[line.key] = Task(
                line.operation, running[line.server], lists[line.operation.tokens], side
            )
    return {line.key: tasks[line.key] for line in LINES}
