"""The bench `profile`: what the CPU time of each operation is spent on, in our process.

The WSGI application is called in one thread under cProfile, whose clock is the thread's CPU time:
waiting for PostgreSQL is not in it. A profile makes calls dearer than they are, small ones most, so
shares are told, and the time of a request is measured without it.

cProfile hears what all threads do and measures them by one clock, so a run in which another thread
has worked (the listener, twice a second) makes no sense: some of its times are negative, and others
too large by that. It is done again.
"""

import cProfile
import pstats
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from idp.environment import PROJECT
from tests.bench import sides
from tests.bench.data import refresh_tokens_beside
from tests.bench.requests import of_ours
from tests.bench.requests.lines import LINES, OURS, UNCACHED, Operation
from tests.bench.requests.lists import Supply, lines_of
from tests.bench.requests.servers import without_cache
from tests.bench.requests.table import aligned, as_markdown
from tests.bench.sides import Side, Sides

ROWS = 100_000  # at most
WARM_UP, MEASURED = 2000, 50
ATTEMPTS = 60
TOLERANCE = 0.1
TOP = 10
DATABASE = "profile_ours"
IN_C = "~"  # what cProfile has for a file of those functions

COLUMNS = ("share", "calls", "of what")


@dataclass(frozen=True, slots=True)
class Spent:
    """The own time of a function or module as a share of all, and its calls a request."""

    what: str
    share: float
    calls: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Of each line the CPU microseconds of a request, and what they were spent on."""

    microseconds: Mapping[str, float]
    spent: Mapping[str, Sequence[Spent]]

    def text(self) -> str:
        parts = [f"\n{title}\n\n" + "\n".join(aligned(rows)) for title, rows in self._tables()]
        return "\n".join(parts)

    def markdown(self) -> dict[str, str]:
        parts = [
            f"### {title}\n\n" + "\n".join(as_markdown(rows)) for title, rows in self._tables()
        ]
        return {"profile": "\n\n".join(parts)}

    def headlines(self) -> Iterator[str]:
        for name, spent in self.spent.items():
            yield f"{name}: {spent[0].what} {spent[0].share:.0%}"

    def as_json(self) -> dict[str, Any]:
        return {
            name: {"microseconds": self.microseconds[name], "spent": [asdict(one) for one in spent]}
            for name, spent in self.spent.items()
        }

    def _tables(self) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
        for name, spent in self.spent.items():
            title = f"{name}: {self.microseconds[name]:,.0f} µs in one thread, without HTTP"
            yield title, [COLUMNS, *((f"{s.share:.1%}", f"{s.calls:.1f}", s.what) for s in spent)]


def bench(both: Sides) -> Profile:
    rows = min(both.rows, ROWS)
    our = sides.ours(both.server, DATABASE)
    refreshes = refresh_tokens_beside(rows)
    our.run(of_ours.fill, access_tokens=rows, refresh_tokens=refreshes)
    our.run(of_ours.arrange)
    uncached = Side(our.name, without_cache(our.environment), our.database_url)
    with tempfile.TemporaryDirectory() as folder:
        our.run(of_ours.write_lists, folder=folder, refreshes=refreshes)
        found = uncached.run(measure, server=UNCACHED, folder=folder)
        found |= our.run(measure, server=OURS, folder=folder)
    names = [line.name for line in LINES if line.name in found]
    return Profile(
        {name: found[name]["microseconds"] for name in names},
        {name: [Spent(**one) for one in found[name]["spent"]] for name in names},
    )


def measure(server: str, folder: str) -> dict[str, Any]:
    """Runs in a process of our side: the lines of one server."""
    from idp.database.changes import changes
    from idp.wsgi import application

    while not changes.is_live:  # Until then Django answers everything.
        time.sleep(0.01)
    found = {}
    for line in LINES:
        if line.server != server:
            continue
        operation = line.operation
        share = Supply(Path(folder) / operation.tokens, once=operation.once).share(1)
        wanted = WARM_UP + (1 + ATTEMPTS) * MEASURED
        lines = lines_of(share, wanted)
        requests = (environ(operation, *one) for one in _repeated(lines, wanted))
        found[line.name] = _measure(application, requests)
    return found


def environ(operation: Operation, authorization: str, token: str) -> dict[str, Any]:
    """A request as Granian hands it over."""
    request = operation.request
    body = request.body.replace("{token}", token).encode()
    found = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_ACCEPT": request.accept,
        "HTTP_AUTHORIZATION": authorization,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        found["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
        found["CONTENT_LENGTH"] = str(len(body))
    return found


def _repeated(lines: Sequence[tuple[str, str]], wanted: int) -> Iterator[tuple[str, str]]:
    for number in range(wanted):
        yield lines[number % len(lines)]


def _measure(
    application: Callable[..., Iterable[bytes]], requests: Iterator[dict[str, Any]]
) -> dict[str, Any]:
    _answer_all(application, list(islice(requests, WARM_UP)))
    measured = list(islice(requests, MEASURED))
    before = time.thread_time()
    _answer_all(application, measured)
    microseconds = (time.thread_time() - before) * 1e6 / MEASURED
    stats = _profiled(application, requests)
    return {
        "microseconds": microseconds,
        "spent": [asdict(one) for one in top(stats, MEASURED)],
    }


def _profiled(
    application: Callable[..., Iterable[bytes]], requests: Iterator[dict[str, Any]]
) -> pstats.Stats:
    for _ in range(ATTEMPTS):
        measured = list(islice(requests, MEASURED))
        profile = cProfile.Profile(time.thread_time)
        before = time.thread_time()
        profile.enable()
        _answer_all(application, measured)
        profile.disable()
        took = time.thread_time() - before
        stats = pstats.Stats(profile)
        own = [seconds for _, _, seconds, _, _ in stats.stats.values()]
        if sum(map(abs, own)) <= (1 + TOLERANCE) * took:
            return stats
    raise RuntimeError(f"Other threads worked during all of {ATTEMPTS} profiles.")


def _answer_all(
    application: Callable[..., Iterable[bytes]], requests: Sequence[dict[str, Any]]
) -> None:
    for request in requests:
        answer = application(request, _start_response)
        b"".join(answer)
        if close := getattr(answer, "close", None):
            close()


def _start_response(status: str, headers: object, *_: object) -> None:
    if not status.startswith("200"):
        raise RuntimeError(f"A request was answered {status}; its profile would be no operation's.")


def top(stats: pstats.Stats, requests: int) -> list[Spent]:
    """Where the most time went: functions of ours, and modules of others.

    What is written in C counts as the time of who called it.
    """
    own: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for function, (_, count, seconds, _, callers) in stats.stats.items():
        if function[0] == IN_C:
            for caller, (_, _, of_caller, _) in callers.items():
                own[name_of(*caller)] += of_caller
        else:
            own[name_of(*function)] += seconds
            calls[name_of(*function)] += count
    whole = own.total()
    return [
        Spent(name, seconds / whole, calls[name] / requests)
        for name, seconds in own.most_common(TOP)
    ]


def name_of(file: str, line: int, function: str) -> str:
    """`tokens/format.py read` of ours, `django/http/request.py` of others."""
    for of_others in ("/site-packages/", f"/python{sys.version_info[0]}.{sys.version_info[1]}/"):
        _, found, module = file.partition(of_others)
        if found:
            return module
    return f"{file.removeprefix(f'{PROJECT}/')} {function}"
