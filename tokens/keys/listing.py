"""Signing keys as operators see them: in which state, since when, and what comes next."""

from datetime import datetime

from tokens.keys import gauges
from tokens.keys.models import SigningKey
from tokens.keys.periods import RETIRE_AFTER

COLUMNS = ("key ID", "algorithm", "state", "published since", "what comes", "private half")


def table(keys: list[SigningKey]) -> list[str]:
    """Lines of equal columns, the names of the columns in front."""
    rotates_at = gauges.rotations(keys)
    rows = [COLUMNS, *(_row(key, rotates_at.get(key.algorithm)) for key in keys)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def what_comes(key: SigningKey, rotates_at: datetime | None) -> str:
    """The next step that beat does with a key, or the last one that was done."""
    if key.compromised_at:
        return f"compromised, removed {_day(key.compromised_at)}"
    match key.state:
        case SigningKey.State.NEXT:
            return f"signs from {_day(rotates_at)}"
        case SigningKey.State.ACTIVE:
            return f"replaced {_day(rotates_at)}"
        case SigningKey.State.RETIRING if key.retiring_at:
            return f"leaves the JWKS {_day(key.retiring_at + RETIRE_AFTER)}"
    return f"left the JWKS {_day(key.retired_at)}"


def _row(key: SigningKey, rotates_at: datetime | None) -> tuple[str, ...]:
    return (
        key.kid,
        key.algorithm,
        key.state,
        _day(key.published_since),
        what_comes(key, rotates_at),
        key.seal.value,
    )


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "?"
