"""COPY in its binary form: how rows that Python makes get into a table fast."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A table, and the columns that are given with the PostgreSQL type in which they travel."""

    table: str
    columns: Mapping[str, str]


def copy(cursor: Any, target: Target, rows: Iterable[tuple[Any, ...]]) -> None:
    """Puts the rows in. Where the table is partitioned, PostgreSQL finds the partition of each."""
    names = ", ".join(target.columns)
    statement = f"COPY {target.table} ({names}) FROM STDIN (FORMAT BINARY)"
    with cursor.copy(statement) as copying:
        copying.set_types(list(target.columns.values()))
        for row in rows:
            copying.write_row(row)
