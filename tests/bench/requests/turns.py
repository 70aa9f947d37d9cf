"""One run of one line, and many of all lines in turns."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from idp.ops.embedded import EmbeddedPostgres
from tests.bench.processes import cpu_seconds_of_tree, halves, moved_to, started_on
from tests.bench.requests import sample, statements, wrk
from tests.bench.requests.lines import Operation
from tests.bench.requests.lists import Share, Supply, lines_of
from tests.bench.requests.servers import Server

SAMPLE = 100
WARM_UP_SECONDS = 1
SECONDS = 2
ROUNDS = 5
SETTLE_SECONDS = 0.05  # for what wrk no longer waits for


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run, or the medians of several; all but the rate are of one request.

    Latencies are milliseconds, CPU times microseconds.
    """

    rate: float
    p50: float
    p99: float
    server: float
    database: float
    answer_bytes: float
    statements: float = 0

    @property
    def cpu(self) -> float:
        return self.server + self.database


@dataclass(frozen=True, slots=True)
class Task:
    """What is loaded, with what, and in which database it works."""

    operation: Operation
    server: Server
    supply: Supply
    database: str


class Turns:
    """Tasks that take turns: a busy moment hits all of them."""

    def __init__(self, postgres: EmbeddedPostgres, tasks: Mapping[str, Task]) -> None:
        self._postgres, self._tasks = postgres, tasks
        self._postmaster = postmaster(postgres)

    def costs(self, rounds: int = ROUNDS) -> dict[str, Cost]:
        """Raises WrongAnswersError where not every answer was right."""
        with self._placed():
            asked = {}
            for name, task in self._tasks.items():
                with _named(name):
                    asked[name] = self._warmed_up(task, rounds)
            runs: dict[str, list[Cost]] = {name: [] for name in self._tasks}
            for left in range(rounds, 0, -1):
                for name, task in self._tasks.items():
                    with _named(name):
                        share = task.supply.share(left)
                        runs[name].append(self._run(task, share, SECONDS, asked[name]))
        return {name: median(found) for name, found in runs.items()}

    @contextmanager
    def _placed(self) -> Iterator[None]:
        _, cores = halves()
        with moved_to(cores, self._postmaster):
            yield

    def _warmed_up(self, task: Task, rounds: int) -> float:
        """Looks at every answer of a sample; how many statements a request of it needs."""
        self._run(task, task.supply.share(rounds + 2), WARM_UP_SECONDS, 0)
        share = task.supply.share(rounds + 1)
        lines = lines_of(share, SAMPLE)
        asked = statements.count(
            self._postgres,
            task.database,
            lambda: sample.ask(task.server.url, task.operation, lines),
        )
        task.supply.use(share, len(lines))
        return asked / len(lines)

    def _run(self, task: Task, share: Share, seconds: int, asked: float) -> Cost:
        _, cores = halves()
        server, database = self._clocks(task)
        with started_on(cores):
            told = wrk.run(task.server.url, task.operation, share, seconds)
        time.sleep(SETTLE_SECONDS)
        server_end, database_end = self._clocks(task)
        task.supply.use(share, told.requests)
        return Cost(
            rate=told.requests / told.seconds,
            p50=told.p50 / 1000,
            p99=told.p99 / 1000,
            server=(server_end - server) * 1e6 / told.requests,
            database=(database_end - database) * 1e6 / told.requests,
            answer_bytes=told.answer_bytes,
            statements=asked,
        )

    def _clocks(self, task: Task) -> tuple[float, float]:
        return cpu_seconds_of_tree(task.server.pid), cpu_seconds_of_tree(self._postmaster)


def median(runs: Sequence[Cost]) -> Cost:
    """Of each figure on its own."""
    names = [field.name for field in fields(Cost)]
    return Cost(**{name: statistics.median(getattr(run, name) for run in runs) for name in names})


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except wrk.WrongAnswersError as problem:
        raise wrk.WrongAnswersError(f"{name}: {problem}") from None


def supplies(folder: Path, operations: Sequence[Operation]) -> dict[str, Supply]:
    """The lists that these operations come from, by name."""
    return {
        operation.tokens: Supply(folder / operation.tokens, once=operation.once)
        for operation in operations
    }


def postmaster(postgres: EmbeddedPostgres) -> int:
    """The process that all others of PostgreSQL stem from; it writes its number down."""
    first, *_ = (postgres.directory / "data" / "postmaster.pid").read_text().splitlines()
    return int(first)
