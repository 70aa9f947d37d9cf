"""`make bench`: measures cost and size, prints what it found.

`make bench ARGS="--only size --rows 100000 --json found.json"`

With `--write`, the tables of requests, growth and profile go into docs/performance.md, too.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from idp.environment import PROJECT
from idp.ops.embedded import EmbeddedPostgres
from tests.bench import (
    clean_up,
    document,
    lifecycle,
    lookup,
    ours,
    pages,
    scopes,
    sides,
    size,
    stock,
)
from tests.bench.report import Finding, summary
from tests.bench.requests import bench as requests
from tests.bench.requests import growth, profiling
from tests.bench.sides import Sides

# Beside the stock toolkit, in a PostgreSQL of their own.
BENCHES: dict[str, Callable[[Sides], Finding]] = {
    "size": size.bench,
    "scopes": scopes.bench,
    "clean-up": clean_up.bench,
    "lookup": lookup.bench,
    "requests": requests.bench,
}
# The same, but only where they are named.
NAMED_BENCHES: dict[str, Callable[[Sides], Finding]] = {
    "profile": profiling.bench,
}
ROWS = 1_000_000

# Beside few and many tokens, in what `make bench-data` keeps. They take minutes, and so run only
# where they are named.
LONG_BENCHES: dict[str, Callable[[int | None], Finding]] = {
    "lifecycle": lifecycle.bench,
    "growth": growth.bench,
    "pages": pages.bench,
}


def main() -> None:
    arguments = _parser().parse_args()
    # So that a polite end, too, leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    results = measure(arguments.only or list(BENCHES), arguments.rows)
    seconds = time.monotonic() - started
    if arguments.write:
        document.write(
            {name: block for found in results.values() for name, block in found.markdown().items()}
        )
    if arguments.json:
        _write(arguments.json, seconds, results)
    print(f"\n{seconds:.0f} s: {summary(results.values())}")


def measure(names: Sequence[str], rows: int | None) -> dict[str, Finding]:
    """Runs the named benches one after the other, each table printed as it is found."""
    results = {}
    beside_stock = BENCHES | NAMED_BENCHES
    if of_both := [name for name in names if name in beside_stock]:
        with _both_sides(rows or ROWS) as both:
            for name in of_both:
                results[name] = _printed(beside_stock[name](both))
    for name in names:
        if name in LONG_BENCHES:
            results[name] = _printed(LONG_BENCHES[name](rows))
    return results


@contextmanager
def _both_sides(rows: int) -> Iterator[Sides]:
    run = PROJECT / "var" / "bench" / str(os.getpid())
    server = EmbeddedPostgres(run / "postgresql", durable=True)
    try:
        server.start()
        both = Sides(sides.ours(server), sides.stock(server), rows, server)
        both.ours.run(ours.prepare)
        both.stock.run(stock.prepare)
        yield both
    finally:
        server.destroy()
        shutil.rmtree(run, ignore_errors=True)


def _printed(found: Finding) -> Finding:
    print(found.text(), flush=True)
    return found


def _write(path: Path, seconds: float, results: dict[str, Finding]) -> None:
    found = {
        "seconds": round(seconds, 1),
        "benches": {name: result.as_json() for name, result in results.items()},
    }
    path.write_text(json.dumps(found, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*BENCHES, *NAMED_BENCHES, *LONG_BENCHES],
        help="run these and no others; without it all but "
        f"{', '.join([*NAMED_BENCHES, *LONG_BENCHES])}",
    )
    parser.add_argument("--rows", type=int, help="tokens to measure with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--write", action="store_true", help=f"put the tables into {document.PAGE.name}, too"
    )
    return parser


if __name__ == "__main__":
    main()
