"""What may stand in an event: texts and plain JSON of bounded size, and never a secret.

What a request said is cut and cleaned until PostgreSQL takes it. A secret is the caller's mistake.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_TEXT = 1000
MAX_ITEMS = 100
MAX_DEPTH = 5
MAX_JSON = 16_000
CUT = "…"

# A key names a secret when its last word does: `client_secret`, but not `access_token_seconds`.
_SECRET_NAME = re.compile(
    r"(?:assertion|authorization|code|cookie|credentials?|digest|hash|jwt|nonce|otp|passphrase"
    r"|passwd|passwords?|pin|pwd|secrets?|token|verifier)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# Our tokens and client secrets, and any JWT. Where each may begin is bounded, so that a long text
# is read once.
_SECRET_TEXT = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:at|rt|ac|dc)_[A-Za-z0-9_-]{44}|cs_[A-Za-z0-9_-]{43})"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
)


def clean(details: Mapping[str, Any]) -> dict[str, Any]:
    """The details as PostgreSQL takes them. Raises ValueError where they could hold a secret."""
    cleaned = _clean_mapping(details, MAX_DEPTH)
    text = json.dumps(cleaned)
    return cleaned if len(text) <= MAX_JSON else {"cut": text[:MAX_JSON]}


def clean_text(text: str, longest: int = MAX_TEXT) -> str:
    """A text without what PostgreSQL refuses, cut to so many characters.

    Raises ValueError where it holds one of our tokens; not with the text, which would be logged.
    """
    if _SECRET_TEXT.search(text):
        raise ValueError("a token or a secret has no place in an audit event")
    # Neither NUL nor half a surrogate pair is a character to PostgreSQL.
    cut = text if len(text) <= longest else text[: longest - 1] + CUT
    return cut.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def without_secrets(text: str) -> str:
    """A text that somebody has typed, without what looks like one of our tokens or a JWT: what is
    told of a caller who mixes up two fields must not fail."""
    return _SECRET_TEXT.sub(CUT, text)


def _clean_value(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _clean_mapping(value, depth) if depth else CUT
    if isinstance(value, list | tuple | set | frozenset):
        return _clean_items(value, depth) if depth else CUT
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # The decimal digits of a huge number cost too much.
        return value if abs(value) < 1 << 63 else clean_text(hex(value))
    if isinstance(value, float) and math.isfinite(value):
        return value
    return clean_text(str(value))


def _clean_mapping(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for key, value in values.items():
        if len(cleaned) == MAX_ITEMS:
            cleaned[CUT] = len(values) - MAX_ITEMS
            break
        name = str(key)
        if names_a_secret(name):
            raise ValueError(f"{clean_text(name, 50)!r} names a secret")
        cleaned[clean_text(name)] = _clean_value(value, depth - 1)
    return cleaned


def _clean_items(values: Iterable[Any], depth: int) -> list[Any]:
    items = list(values)
    cleaned = [_clean_value(item, depth - 1) for item in items[:MAX_ITEMS]]
    return cleaned if len(items) <= MAX_ITEMS else [*cleaned, CUT]


def names_a_secret(key: str) -> bool:
    """Whether a value of that name would be a secret: its last word says so."""
    words = _WORD.findall(key)
    return bool(words) and _SECRET_NAME.fullmatch(words[-1]) is not None
