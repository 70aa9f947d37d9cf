"""The answer to an application whose address is blocked, without any object of Django's."""

import json
from dataclasses import dataclass
from datetime import datetime

from idp.blocking.kept import Blocked

STATUS = 429
# Where people look, and want a page; all else below these prefixes wants JSON.
_PROTOCOL = ("/oauth2/", "/.well-known/", "/internal/", "/api/")
_PAGES = frozenset({"/oauth2/authorize", "/oauth2/device", "/oauth2/logout"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def wants_page(path: str) -> bool:
    return path in _PAGES or not path.startswith(_PROTOCOL)


def refusal(blocked: Blocked, now: datetime) -> Refusal:
    """RFC 6585 section 4: 429, which "MUST NOT be stored by a cache", with Retry-After."""
    body = {
        "error": "access_denied",
        "error_description": "Too many attempts from this address have failed. Try again later.",
    }
    encoded = json.dumps(body).encode()
    return Refusal(
        STATUS,
        {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "Pragma": "no-cache",
            "Retry-After": str(blocked.retry_after(now)),
            "Content-Length": str(len(encoded)),
        },
        encoded,
    )
