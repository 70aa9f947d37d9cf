"""The bench `growth`: whether a request costs more where there is more in the database.

The databases of many tokens are those of `make bench-data`; the others are loaded for the run.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from idp.ops.embedded import EmbeddedPostgres
from tests.bench import data
from tests.bench.requests import of_ours, sample, servers, wrk
from tests.bench.requests.lines import CLIENT_CREDENTIALS, INTROSPECTION, REFRESH, Operation
from tests.bench.requests.lists import TooShortError, lines_of
from tests.bench.requests.table import Row, aligned, as_markdown
from tests.bench.requests.turns import ROUNDS, SECONDS, Cost, Task, Turns, supplies
from tests.bench.sides import Side

OPERATIONS = {
    "introspection": INTROSPECTION,
    "client credentials": CLIENT_CREDENTIALS,
    "refresh": REFRESH,
}
TOKENS = (10_000, 1_000_000, data.ACCESS_TOKENS)
CLIENTS = (10, 10_000)
SCOPES = (5, 500)
FEW_TOKENS, FEW_REFRESH_TOKENS = 10_000, 10_000
REFRESHES = 200_000  # drawn at most, for all runs
MEGABYTE = 1024 * 1024

COLUMNS = ("", "beside", "CPU µs", "of it server", "PostgreSQL", "statements", "bytes", "times")


@dataclass(frozen=True, slots=True)
class Place:
    """One database, and what there is much or little of in it."""

    name: str
    side: Side


@dataclass(frozen=True, slots=True)
class Growth:
    """The costs by operation and place; `groups` are the names of places, the smallest first.

    `megabytes` are those of the databases of many tokens, by place.
    """

    groups: Sequence[Sequence[str]]
    costs: dict[tuple[str, str], Cost]
    megabytes: dict[str, float]

    @property
    def title(self) -> str:
        return (
            "What a request costs beside few and many tokens, clients and scopes a client "
            f"(nothing cached of tokens; medians of {ROUNDS} runs of {SECONDS} s in turns)"
        )

    def text(self) -> str:
        return "\n".join(["", self.title, "", *aligned([COLUMNS, *self._rows()]), *self._sizes()])

    def markdown(self) -> dict[str, str]:
        table = as_markdown([COLUMNS, *self._rows()])
        return {"growth": "\n".join([self.title, "", *table, "", *self._sizes()])}

    def headlines(self) -> Iterator[str]:
        for operation, (first, *_, last) in self._series():
            times = self.costs[operation, last].cpu / self.costs[operation, first].cpu
            yield f"{operation} beside {last} {times:.2f} times as dear"

    def as_json(self) -> dict[str, Any]:
        found = [
            {"operation": operation, "beside": place, "cpu": cost.cpu, **asdict(cost)}
            for (operation, place), cost in self.costs.items()
        ]
        return {"title": self.title, "lines": found, "megabytes": self.megabytes}

    def _series(self) -> Iterator[tuple[str, Sequence[str]]]:
        for places in self.groups:
            for operation in OPERATIONS:
                yield operation, places

    def _rows(self) -> Iterator[Row]:
        for operation, places in self._series():
            smallest = self.costs[operation, places[0]].cpu
            for place in places:
                cost = self.costs[operation, place]
                yield (
                    *(operation, place, f"{cost.cpu:,.0f}", f"{cost.server:,.0f}"),
                    *(f"{cost.database:,.0f}", f"{cost.statements:.1f}"),
                    *(f"{cost.answer_bytes:,.0f}", f"{cost.cpu / smallest:.2f}"),
                )

    def _sizes(self) -> list[str]:
        return [f"- {place}: {size:,.0f} MiB of disk" for place, size in self.megabytes.items()]


def bench(rows: int | None) -> Growth:
    """`rows` are the most tokens."""
    wrk.check()
    with data.server() as postgres, tempfile.TemporaryDirectory() as folder:
        groups = _groups(postgres, rows or TOKENS[-1])
        # The smallest of two groups is one and the same.
        places = list({place.name: place for group in groups for place in group}.values())
        with ExitStack() as stack:
            tasks: dict[tuple[str, str], Task] = {}
            # By operation, so that the places of a group follow one another.
            tasks_of = [_tasks(stack, place, Path(folder)) for place in places]
            for operation in OPERATIONS:
                for place, of_place in zip(places, tasks_of, strict=True):
                    tasks[operation, place.name] = of_place[operation]
            named = {
                f"{operation} beside {place}": task for (operation, place), task in tasks.items()
            }
            try:
                found = Turns(postgres, named).costs()
            except (wrk.WrongAnswersError, TooShortError) as problem:
                sys.exit(f"growth: {problem}")
        costs = dict(zip(tasks, found.values(), strict=True))
        sizes = {place.name: _megabytes(place.side) for place in groups[0]}
        return Growth([[place.name for place in group] for group in groups], costs, sizes)


def _groups(postgres: EmbeddedPostgres, most: int) -> list[list[Place]]:
    sizes = sorted({size for size in TOKENS if size < most} | {most})
    few = _of_clients(postgres, CLIENTS[0], SCOPES[0])
    return [
        [Place(f"{size:,} access tokens", _of_tokens(postgres, size)) for size in sizes],
        [few, *(_of_clients(postgres, count, SCOPES[0]) for count in CLIENTS[1:])],
        [few, *(_of_clients(postgres, CLIENTS[0], count) for count in SCOPES[1:])],
    ]


def _of_tokens(postgres: EmbeddedPostgres, size: int) -> Side:
    """Few are loaded anew, because what a run adds would be much beside them."""
    if size <= FEW_TOKENS:
        return data.ensure(postgres, size, FEW_REFRESH_TOKENS, fresh=True)
    return data.ensure(postgres, size)


def _of_clients(postgres: EmbeddedPostgres, clients: int, scopes: int) -> Place:
    side = data.fresh(
        postgres, FEW_TOKENS, FEW_REFRESH_TOKENS, client_count=clients, scope_count=scopes
    )
    return Place(f"{clients:,} clients of {scopes:,} scopes", side)


def _tasks(stack: ExitStack, place: Place, folder: Path) -> dict[str, Task]:
    own = folder / place.side.name
    own.mkdir()
    place.side.run(of_ours.arrange)
    place.side.run(of_ours.write_lists, folder=str(own), refreshes=REFRESHES)
    environment = servers.without_cache(place.side.environment)
    server = stack.enter_context(servers.serving(servers.OUR_APPLICATION, environment))
    lists = supplies(own, list(OPERATIONS.values()))
    # The process reads a client when it first asks; what is measured comes after that.
    clients = lists[CLIENT_CREDENTIALS.tokens]
    sample.ask(server.url, CLIENT_CREDENTIALS, lines_of(clients.share(1), clients.length))

    def task(operation: Operation) -> Task:
        return Task(operation, server, lists[operation.tokens], place.side.name)

    return {name: task(operation) for name, operation in OPERATIONS.items()}


def _megabytes(side: Side) -> float:
    with psycopg.connect(side.database_url) as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return size / MEGABYTE
