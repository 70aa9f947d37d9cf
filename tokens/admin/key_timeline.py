"""The lives of signing keys, drawn on one line for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tokens.admin.key_orders import Offer, offers
from tokens.keys import gauges, listing, timeline
from tokens.keys.models import SigningKey

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Part:
    """A span, in hundredths of the line."""

    x: float
    width: float
    signs: bool


@dataclass(frozen=True, slots=True)
class Row:
    key: SigningKey
    what_comes: str
    parts: list[Part]
    offers: list[Offer]


def context(now: datetime, *, may_order: bool) -> dict[str, Any]:
    """Rows, and where the line begins, is now and ends; nothing where there is no key."""
    keys = list(SigningKey.objects.all())
    lives = timeline.lives(keys, now)
    if not lives:
        return {"key_rows": []}
    spans = [span for life in lives for span in life.spans]
    begins, ends = min(span.begins for span in spans), max(span.ends for span in spans)
    whole = max(ends - begins, timedelta(seconds=1))
    rotates_at = gauges.rotations(keys)

    def rows() -> Iterator[Row]:
        for life in lives:
            parts = [
                Part(
                    round(WIDTH * ((span.begins - begins) / whole), 2),
                    round(WIDTH * ((span.ends - span.begins) / whole), 2),
                    span.signs,
                )
                for span in life.spans
            ]
            what_comes = listing.what_comes(life.key, rotates_at.get(life.key.algorithm))
            yield Row(life.key, what_comes, parts, offers(life.key) if may_order else [])

    return {
        "key_rows": list(rows()),
        "line_begins": begins,
        "line_ends": ends,
        "line_now": round(WIDTH * ((now - begins) / whole), 2),
    }
