"""What a file changes, as lines: `+ client shop`, `~ client shop: name: "Old" -> "New"`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from branding.models import FILES

# Compared like the rest, but what is written into logs is only that they changed: claims are
# nobody else's business, and keys and files are pages long.
ONLY_CHANGED = {"claims", "jwks", "public_keys", *FILES}
SECRET = {"password", "client_secrets"}
ABSENT = "unset"


@dataclass(frozen=True, slots=True)
class Change:
    """One line: something new, or one key of something that is there."""

    noun: str
    name: str
    detail: str = ""

    def __str__(self) -> str:
        if not self.detail:
            return f"+ {self.noun} {self.name}"
        return f"~ {self.noun} {self.name}: {self.detail}"


def details(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """The keys of `after` that differ, each as text; flags and settings one by one.

    Secrets are left out.
    """
    for key, value in after.items():
        if key in SECRET or before[key] == value:
            continue
        if key in ONLY_CHANGED:
            yield f"{key} changed"
        elif key in ("flags", "settings", "translations"):
            yield from _table(key, before[key], value)
        elif key in ("texts", "links"):
            yield from _table(key, _flat(before[key]), _flat(value))
        else:
            yield f"{key}: {_shown(before[key])} -> {_shown(value)}"


def _flat(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A table by language as one of paths: `nl.sign_in_title`."""
    return {
        f"{language}.{name}": value
        for language, entries in table.items()
        for name, value in entries.items()
    }


def _table(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = (_shown(flags[name]) if name in flags else ABSENT for flags in (before, after))
        if old != new:
            yield f"{key}.{name}: {old} -> {new}"


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
