"""Whether anything grows with the number of tokens: the same work beside 10⁴ and 10⁷ of them.

The databases are those of `make bench-data`. The large one is used again and again: a run adds some
thousand tokens to it.
"""

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.bench import ageing, data, operations
from tests.bench.report import Figure, Result
from tests.bench.sides import Side

SMALL = 10_000
ROUNDS = 5
LOGINS = 200  # in each round, before a look at the caps job

type Found = dict[str, float]

# What is printed of that which was found: key, name ("" stands for the work itself) and unit.
OPERATION = (
    ("microseconds", "", "µs"),
    ("server_microseconds", "  of it PostgreSQL", "µs"),
    ("buffers", "  buffers", ""),
    ("missed", "  of them not in PostgreSQL's cache", ""),
)
CAPS = (
    ("milliseconds", "", "ms"),
    ("ended", "  tokens and logins ended", ""),
    ("buffers", "  buffers", ""),
    ("missed", "  of them not in PostgreSQL's cache", ""),
    ("idle_buffers", "  buffers where nothing is new", ""),
    ("idle_rows", "  rows read where nothing is new", ""),
    ("rows", "  rows read", ""),
)
DAY = (
    ("milliseconds", "", "ms"),
    ("held_milliseconds", "  of it DROP TABLE, while the table is held", "ms"),
    ("megabytes", "  size of the day", "MiB"),
    ("wal_megabytes", "  write-ahead log", "MiB"),
)


def bench(rows: int | None) -> Result:
    large_size = rows or data.ACCESS_TOKENS
    if large_size <= SMALL:
        sys.exit(f"lifecycle compares {SMALL:,} tokens with more of them: --rows {10 * SMALL}")
    sizes = SMALL, large_size
    with data.server() as postgres:
        # The small one is made anew, because what a run adds would be much beside it.
        databases = [data.ensure(postgres, size, fresh=size == SMALL) for size in sizes]
        # The caps job comes first: later, too many use-cases of the small one would be full.
        caps = list(_caps(databases))
        found = list(_operations(databases))
        days = [_end_of_day(*each) for each in zip(databases, sizes, strict=True)]
    small, large = (f"{size:,}" for size in sizes)
    return Result(
        f"Life of a token beside {small} and beside {large} living access tokens "
        f"(CPU of client and PostgreSQL together; median of {ROUNDS} rounds in turns)",
        [*found, *caps, *_figures("clean-up of an expired day of as many", DAY, days)],
        columns=(small, large),
    )


def _operations(databases: Sequence[Side]) -> Iterator[Figure]:
    taken = operations.TAKEN
    samples = [database.run(operations.sample, wanted=ROUNDS * taken) for database in databases]

    def measure(place: int, number: int) -> dict[str, Found]:
        part = slice(number * taken, (number + 1) * taken)
        tokens = {kind: of_kind[part] for kind, of_kind in samples[place].items()}
        return databases[place].run(operations.measure, **tokens)

    rounds = _in_turns(measure)
    for name in operations.OPERATIONS:
        medians = [_medians([found[name] for found in of_database]) for of_database in rounds]
        yield from _figures(name, OPERATION, medians)


def _caps(databases: Sequence[Side]) -> Iterator[Figure]:
    taken = 2 * LOGINS + ageing.WARM_UP
    samples = [_of_different_use_cases(database) for database in databases]

    def measure(place: int, number: int) -> Found:
        access = samples[place][number * taken : (number + 1) * taken]
        return databases[place].run(ageing.measure_caps, access=access)

    medians = [_medians(of_database) for of_database in _in_turns(measure)]
    yield from _figures(f"caps job after {LOGINS:,} logins", CAPS, medians)
    scans = sorted({name for found in medians for name in found if name.startswith(ageing.SCAN)})
    for name in scans:
        small, large = (found.get(name, 0) for found in medians)
        yield Figure(f"    {name.removeprefix(ageing.SCAN)}", "", small, large)


def _of_different_use_cases(database: Side) -> list[list[Any]]:
    access = database.run(operations.sample, wanted=SMALL)["access"]
    by_use_case = {tuple(token[2:]): token for token in access}  # after its id and nonce
    return list(by_use_case.values())


def _end_of_day(database: Side, size: int) -> Found:
    return database.run(
        ageing.measure_end_of_day,
        access_tokens=size,
        refresh_tokens=data.refresh_tokens_beside(size),
    )


def _in_turns[Measured](measure: Callable[[int, int], Measured]) -> list[list[Measured]]:
    """All rounds of both databases; they take turns, so that a busy moment hits both of them."""
    rounds: list[list[Measured]] = [[], []]
    for number in range(ROUNDS):
        for place, found in enumerate(rounds):
            found.append(measure(place, number))
    return rounds


def _medians(rounds: Sequence[Found]) -> Found:
    keys = {key for found in rounds for key in found}
    return {key: statistics.median(found.get(key, 0) for found in rounds) for key in keys}


def _figures(
    work: str, rows: Sequence[tuple[str, str, str]], found: Sequence[Found]
) -> Iterator[Figure]:
    small, large = found
    for key, name, unit in rows:
        headline = "" if name else work
        yield Figure(name or work, unit, small[key], large[key], headline=headline)
