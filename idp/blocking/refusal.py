"""The answer to an application whose address is blocked, without any object of Django's."""

import json
from dataclasses import dataclass
from datetime import datetime

from idp import problems
from idp.blocking.kept import Blocked

STATUS = 429
CODE = "access_denied"
DESCRIPTION = "Too many attempts from this address have failed. Try again later."
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


def refusal(blocked: Blocked, now: datetime, path: str = "") -> Refusal:
    """RFC 6585 section 4: 429, which "MUST NOT be stored by a cache", with Retry-After."""
    if problems.are_spoken_at(path):
        content_type, encoded = problems.CONTENT_TYPE, problems.body(STATUS, CODE, DESCRIPTION)
    else:
        content_type = "application/json"
        encoded = json.dumps({"error": CODE, "error_description": DESCRIPTION}).encode()
    return Refusal(
        STATUS,
        {
            "Content-Type": content_type,
            "Cache-Control": "no-store",
            "Pragma": "no-cache",
            "Retry-After": str(blocked.retry_after(now)),
            "Content-Length": str(len(encoded)),
        },
        encoded,
    )
