"""The order of the list: blocks that live, then those that are over; of each the newest first.

All pages of a list are as of the moment at which its first one was read, so what ends or begins
meanwhile moves nothing, and each half is read along an index.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from django.db.models import Q, QuerySet

from idp.blocking.models import Block

ACTIVE, ENDED = "active", "ended"
HALVES = (ACTIVE, ENDED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: in a half, behind the block of an id, or at its top."""

    as_of: datetime
    half: str = ACTIVE
    behind: int | None = None

    def to_json(self) -> list[Any]:
        return [self.as_of.isoformat(), self.half, self.behind]

    @classmethod
    def from_json(cls, said: list[Any]) -> Self:
        as_of, half, behind = said
        return cls(datetime.fromisoformat(as_of), half, behind)


def page(
    blocks: QuerySet[Block], place: Place, limit: int, *, state: str = ""
) -> tuple[list[Block], Place | None]:
    """So many blocks from a place on, and where the next page begins; None after the last one.

    `state` is one of HALVES, where only that is asked for. One query, or two where halves meet.
    """
    found: list[Block] = []
    for half in HALVES[HALVES.index(place.half) :]:
        if state not in {"", half}:
            continue
        begin = place if half == place.half else replace(place, half=half, behind=None)
        rows = list(_from(blocks, begin)[: limit + 1 - len(found)])
        if len(found) + len(rows) > limit:
            return _cut(found, rows, limit, begin)
        found += rows
    return found, None


def _cut(
    before: list[Block], rows: list[Block], limit: int, begin: Place
) -> tuple[list[Block], Place]:
    """One more than fits was read: there is a next page, behind the last one that fits."""
    fitting = rows[: limit - len(before)]
    last = fitting[-1].pk if fitting else begin.behind
    return [*before, *fitting], replace(begin, behind=last)


def _from(blocks: QuerySet[Block], place: Place) -> QuerySet[Block]:
    is_over = Q(until__lte=place.as_of) | Q(ended_at__lte=place.as_of)
    is_alive = Q(until__gt=place.as_of) & (Q(ended_at=None) | Q(ended_at__gt=place.as_of))
    half = blocks.filter(is_alive if place.half == ACTIVE else is_over)
    if place.behind is not None:
        half = half.filter(pk__lt=place.behind)
    return half.order_by("-pk")
