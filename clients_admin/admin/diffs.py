"""Diffs of the audit as operators read them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.audit.models import AuditEvent

MAX_ID = (1 << 63) - 1
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Line:
    """One path of a diff: what it was, and what it became."""

    path: str
    old: str
    new: str


def lines_of(event: AuditEvent) -> list[Line]:
    """The diff that an event tells; empty for one that tells none. Events outlive releases, so
    nothing is taken for granted."""
    changed, hidden = event.details.get("changed"), event.details.get("hidden")
    told = [
        Line(path, *map(as_text, pair))
        for path, pair in sorted(changed.items() if isinstance(changed, dict) else ())
        if isinstance(pair, list) and len(pair) == len(("old", "new"))
    ]
    hidden = hidden if isinstance(hidden, list) else []
    return [*told, *(Line(str(path), "not shown", "changed, not shown") for path in hidden)]


def as_text(value: Any) -> str:
    """A value as a line of text: yes and no for switches, commas between the items of a list."""
    match value:
        case None | "" | []:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(as_text, value))
        case Mapping():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
