"""How two entries of a configuration file differ, path by path, as people read it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clients_admin.proposals.targets import Entry
from idp.audit.details import names_a_secret, without_secrets

NOT_SHOWN = "(not shown)"


@dataclass(frozen=True, slots=True)
class Line:
    """One path: what it is, and what it becomes; each item of a list is a line of text, and nothing
    is an empty one."""

    path: str
    old: str
    new: str


def differences(before: Entry | None, after: Entry | None) -> list[Line]:
    """Tables are opened, so that each flag is a line. Of what is named like a secret it is said
    that it changes, and not how."""
    old, new = dict(_paths(before or {})), dict(_paths(after or {}))
    changed = [path for path in {**old, **new} if _text(old.get(path)) != _text(new.get(path))]
    return [_line(path, old.get(path), new.get(path)) for path in sorted(changed)]


def _line(path: str, old: Any, new: Any) -> Line:
    told = without_secrets(path)
    if told != path or names_a_secret(path):
        return Line(told, NOT_SHOWN if _text(old) else "", NOT_SHOWN if _text(new) else "")
    return Line(path, without_secrets(_text(old)), without_secrets(_text(new)))


def _paths(value: Entry, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        step = f"{path}.{key}" if path else key
        if isinstance(inner, dict):
            yield from _paths(inner, step)
        else:
            yield step, inner


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return "\n".join(map(_text, value))
        case dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
