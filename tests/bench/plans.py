"""What the product's own statements read: rows, buffers, by which index."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

_EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_OF_PARTITION = re.compile(r"_\d{10}(?=_|$)")


@dataclass(frozen=True, slots=True)
class Scan:
    """One relation read, by an index or without; `rows` counts those that were thrown away, too.

    `by` is the name of the index or the relation, a partition's as its table's.
    """

    kind: str
    by: str
    rows: int


@dataclass(frozen=True, slots=True)
class Ran:
    """One statement that was planned and run.

    `buffers` are the pages of 8 kB that it touched, `missed` those of them that were not in
    PostgreSQL's own cache.
    """

    buffers: int
    missed: int
    scans: Sequence[Scan]


def ran_by(call: Callable[[], object]) -> list[Ran]:
    """The statements of a call, each explained before it is run; what they wrote is undone."""
    ran: list[Ran] = []

    def explain(execute: Any, text: str, values: Any, many: bool, context: Any) -> Any:
        if text.lstrip(" (\n").startswith(_EXPLAINED):
            with transaction.atomic():
                explained = _explain(execute, text, values, context)
                transaction.set_rollback(True)
            ran.append(_ran(explained))
        return execute(text, values, many, context)

    with transaction.atomic():
        with connection.execute_wrapper(explain):
            call()
        transaction.set_rollback(True)
    return ran


def rows_by_scan(ran: Iterable[Ran]) -> Counter[str]:
    """How many rows were read, by the kind of scan and what it went by."""
    rows: Counter[str] = Counter()
    for statement in ran:
        for scan in statement.scans:
            rows[f"{scan.kind} by {scan.by}"] += scan.rows
    return +rows


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, from the top."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def buffers_of(node: dict[str, Any]) -> int:
    return int(node.get("Shared Hit Blocks", 0) + node.get("Shared Read Blocks", 0))


def _explain(execute: Any, text: str, values: Any, context: Any) -> dict[str, Any]:
    execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values, False, context)
    (found,) = context["cursor"].fetchone()
    return (json.loads(found) if isinstance(found, str) else found)[0]


def _ran(explained: dict[str, Any]) -> Ran:
    scans = [_scan(node) for node in nodes(explained["Plan"]) if node["Node Type"].endswith("Scan")]
    halves = explained["Plan"], explained.get("Planning", {})
    return Ran(
        buffers=sum(map(buffers_of, halves)),
        missed=sum(half.get("Shared Read Blocks", 0) for half in halves),
        scans=[scan for scan in scans if scan],
    )


def _scan(node: dict[str, Any]) -> Scan | None:
    """None for the index half of a bitmap scan, whose other half says it all."""
    if "Relation Name" not in node:
        return None
    index = next((below["Index Name"] for below in nodes(node) if "Index Name" in below), None)
    rows = sum(
        node.get(key, 0)
        for key in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    )
    by = _OF_PARTITION.sub("", index or node["Relation Name"])
    return Scan(node["Node Type"], by, round(rows * node["Actual Loops"]))
