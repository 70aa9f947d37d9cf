"""`make bench`: starts a PostgreSQL of its own, measures both sides in it, prints what it found.

`make bench ARGS="--only size --rows 100000 --json found.json"`
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from idp.environment import PROJECT
from idp.ops.embedded import EmbeddedPostgres
from tests.bench import clean_up, lookup, ours, sides, size, stock
from tests.bench.report import Result, summary, table
from tests.bench.sides import Sides

BENCHES: dict[str, Callable[[Sides], Result]] = {
    "size": size.bench,
    "clean-up": clean_up.bench,
    "lookup": lookup.bench,
}


def main() -> None:
    arguments = _parser().parse_args()
    # So that a polite end, too, leaves no server and no data behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    results = measure(arguments.only or list(BENCHES), arguments.rows)
    seconds = time.monotonic() - started
    if arguments.json:
        _write(arguments.json, arguments.rows, seconds, results)
    print(f"\n{arguments.rows:,} tokens, {seconds:.0f} s: {summary(results.values())}")


def measure(names: Sequence[str], rows: int) -> dict[str, Result]:
    """Runs the named benches one after the other, each table printed as it is found."""
    run = PROJECT / "var" / "bench" / str(os.getpid())
    server = EmbeddedPostgres(run / "postgresql", durable=True)
    try:
        server.start()
        both = Sides(sides.ours(server), sides.stock(server), rows)
        both.ours.run(ours.prepare)
        both.stock.run(stock.prepare)
        results = {}
        for name in names:
            results[name] = BENCHES[name](both)
            print(table(results[name]), flush=True)
        return results
    finally:
        server.destroy()
        shutil.rmtree(run, ignore_errors=True)


def _write(path: Path, rows: int, seconds: float, results: dict[str, Result]) -> None:
    found = {
        "rows": rows,
        "seconds": round(seconds, 1),
        "benches": {name: result.as_json() for name, result in results.items()},
    }
    path.write_text(json.dumps(found, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHES, help="run these and no others")
    parser.add_argument("--rows", type=int, default=1_000_000, help="tokens to measure with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


if __name__ == "__main__":
    main()
