"""Time-based one-time codes (RFC 6238): pure functions of a secret and the clock.

SHA-1, six digits and half a minute are what every authenticator app knows (RFC 6238 section 1.2,
Google's key URI format); HMAC does not need what SHA-1 has lost.
"""

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

SECRET_BYTES = 20  # RFC 4226 section 4: "RECOMMENDs a shared secret length of 160 bits".
STEP_SECONDS = 30
DIGITS = 6
# RFC 6238 section 5.2: "we RECOMMEND that at most one time step is allowed as the network delay";
# one more for a clock that is ahead.
NEIGHBOURS = (0, -1, 1)


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def step_at(now: datetime) -> int:
    return int(now.timestamp()) // STEP_SECONDS


def code(secret: bytes, step: int) -> str:
    """RFC 4226 section 5.3."""
    digest = hmac.digest(secret, step.to_bytes(8), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: bytes, typed: str, now: datetime) -> int | None:
    """The step whose code was typed, if that is about now."""
    present = step_at(now)
    given = typed.encode()
    for neighbour in NEIGHBOURS:
        if hmac.compare_digest(code(secret, present + neighbour).encode(), given):
            return present + neighbour
    return None


def in_base32(secret: bytes) -> str:
    """As people type it."""
    return base64.b32encode(secret).decode()


def uri(secret: bytes, issuer: str, account: str) -> str:
    """The key URI that apps read."""
    label = quote(f"{issuer}:{account}", safe="")
    return f"otpauth://totp/{label}?{urlencode({'secret': in_base32(secret), 'issuer': issuer})}"
