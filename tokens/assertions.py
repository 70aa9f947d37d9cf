"""JWTs that somebody else has signed (RFC 7523 section 3): read strictly, then verified.

Whom they are from is read first, without believing it, because it says which keys to look at:
those of that one issuer, and no others. Why one is refused is for the audit, never for the wire.
"""

import binascii
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from jwt.utils import base64url_decode

from idp import remote_keys
from idp.accounts.models import ALGORITHMS
from idp.jwks import VerificationKey
from idp.spent_assertions import LEEWAY

MAX_CHARACTERS = 8 * 1024
MAX_NAME_CHARACTERS, MAX_ISSUER_CHARACTERS = 255, 500
MAX_DEPTH = 8
# The year 3000: far from where a datetime overflows.
MAX_DATE = 32_503_680_000
# Shown of what an assertion says.
SHOWN_CHARACTERS = 80

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS = jwt.PyJWS(algorithms=list(ALGORITHMS))

# Where the keys come from: asked with the kid that is wanted, if any. May raise BadAssertion.
type KeySource = Callable[[str | None], Sequence[VerificationKey]]


class BadAssertion(Exception):
    """The assertion counts for nothing; the reason is for audit and logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Unverified:
    """An assertion as it was read. Nothing of it may be believed."""

    encoded: str
    algorithm: str
    kid: str | None
    claims: dict[str, Any]

    @property
    def issuer(self) -> str:
        return text_of(self.claims, "iss", MAX_ISSUER_CHARACTERS)

    @property
    def subject(self) -> str:
        return text_of(self.claims, "sub")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an assertion must be like. `issued_at_is_required`: whether iat may be missing."""

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    max_lifetime: timedelta
    issued_at_is_required: bool = True


@dataclass(frozen=True, slots=True)
class Assertion:
    """What the issuer has signed, and what we have checked. Not yet spent."""

    issuer: str
    subject: str
    jti: str
    issued_at: datetime | None
    expires_at: datetime
    claims: dict[str, Any]


def stored(keys: Sequence[VerificationKey]) -> KeySource:
    """Keys that we have here, whatever is asked for."""

    def source(kid: str | None) -> Sequence[VerificationKey]:
        return keys

    return source


def published_at(url: str) -> KeySource:
    """The keys of a JWKS that is read by its URL."""

    def source(kid: str | None) -> Sequence[VerificationKey]:
        try:
            return remote_keys.keys(url, kid)
        except remote_keys.KeysUnavailable as problem:
            raise BadAssertion(str(problem)) from None

    return source


def read(encoded: str) -> Unverified:
    """The parts of a compact JWS (RFC 7515 section 7.1). Raises BadAssertion."""
    if len(encoded) > MAX_CHARACTERS:
        raise BadAssertion(f"longer than {MAX_CHARACTERS} characters")
    if not _COMPACT.fullmatch(encoded):
        raise BadAssertion("not a signed JWT in compact form")
    header, claims = (_object(part) for part in encoded.split(".")[:2])
    # RFC 7515 section 4.1.11: "If any of the listed extension Header Parameters are not understood
    # and supported by the recipient, then the JWS is invalid". None is.
    if "crit" in header or "b64" in header:
        raise BadAssertion("a header with extensions (crit)")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise BadAssertion("a header without alg")
    if kid is not None and not isinstance(kid, str):
        raise BadAssertion("a kid that is no text")
    return Unverified(encoded, algorithm, kid, claims)


def verify(unverified: Unverified, expected: Expected, keys: KeySource, now: datetime) -> Assertion:
    """What may be believed of an assertion. Raises BadAssertion.

    The caller has still to spend its `jti`.
    """
    if unverified.issuer != expected.issuer:
        raise BadAssertion("another issuer than the one whose keys are looked at")
    # RFC 8725 section 3.1: the algorithms are ours to choose. Before any key is looked at, so that
    # none is ever used in a way that it was not made for.
    if unverified.algorithm not in expected.algorithms.intersection(ALGORITHMS):
        raise BadAssertion(f"the algorithm {_shown(unverified.algorithm)} is not allowed")
    _verify_signature(unverified, keys(unverified.kid))
    claims = unverified.claims
    _require_audience(claims, expected.audiences)
    issued_at, expires_at = _lifetime(claims, expected, now)
    return Assertion(
        issuer=expected.issuer,
        subject=unverified.subject,
        jti=text_of(claims, "jti"),
        issued_at=issued_at,
        expires_at=expires_at,
        claims=claims,
    )


# --- The signature -------------------------------------------------------------------------------


def _verify_signature(unverified: Unverified, keys: Sequence[VerificationKey]) -> None:
    for key in _candidates(unverified, keys):
        try:
            _JWS.decode(unverified.encoded, key.key, algorithms=[unverified.algorithm])
        except (jwt.PyJWTError, ValueError):
            continue
        return
    raise BadAssertion("the signature is wrong")


def _candidates(unverified: Unverified, keys: Sequence[VerificationKey]) -> list[VerificationKey]:
    """The key that the assertion names; without a name the only one that fits.

    Keys that have no names at all, as PEM has none, are all candidates: an issuer that replaces
    one has two of them for a while.
    """
    fitting = [key for key in keys if unverified.algorithm in key.algorithms]
    if any(key.kid is not None for key in keys):
        if unverified.kid is not None:
            if all(key.kid != unverified.kid for key in keys):
                raise BadAssertion(f"the kid {_shown(unverified.kid)} is unknown")
            fitting = [key for key in fitting if key.kid == unverified.kid]
        if len(fitting) > 1:
            raise BadAssertion("several keys fit, and no kid says which")
    if not fitting:
        raise BadAssertion(f"no key is for the algorithm {unverified.algorithm}")
    return fitting


# --- The claims ----------------------------------------------------------------------------------


def _require_audience(claims: dict[str, Any], audiences: Iterable[str]) -> None:
    """RFC 7523 section 3: the JWT "MUST contain an aud (audience) claim containing a value that
    identifies the authorization server as an intended audience". Here nobody else may be intended:
    what others can read, others can present."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if len(named) != 1 or not isinstance(named[0], str):
        raise BadAssertion("the aud is missing, or names several")
    if named[0] not in audiences:
        raise BadAssertion(f"the aud is {_shown(named[0])}")


def _lifetime(
    claims: dict[str, Any], expected: Expected, now: datetime
) -> tuple[datetime | None, datetime]:
    """`(iat, exp)`. RFC 7523 section 3: "The authorization server MAY reject JWTs with an exp claim
    value that is unreasonably far in the future"."""
    issued_at, expires_at = _date(claims, "iat"), _date(claims, "exp")
    not_before = _date(claims, "nbf")
    if expires_at is None:
        raise BadAssertion("without exp")
    if issued_at is None and expected.issued_at_is_required:
        raise BadAssertion("without iat")
    if expires_at + LEEWAY <= now:
        raise BadAssertion(f"expired at {expires_at.isoformat()}")
    if issued_at and issued_at > now + LEEWAY:
        raise BadAssertion(f"issued in the future, at {issued_at.isoformat()}")
    if not_before and not_before > now + LEEWAY:
        raise BadAssertion(f"not valid before {not_before.isoformat()}")
    if issued_at and issued_at > expires_at:
        raise BadAssertion("issued after its end")
    # Without iat the lifetime cannot have begun later than now.
    if expires_at - (issued_at or now + LEEWAY) > expected.max_lifetime:
        raise BadAssertion(f"longer than {expected.max_lifetime.total_seconds():g} seconds alive")
    return issued_at, expires_at


def date_of(value: object) -> datetime | None:
    """A NumericDate (RFC 7519 section 2); None for anything else, and for what no clock shows."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MAX_DATE:  # NaN is in no range.
        return None
    return datetime.fromtimestamp(value, UTC)


def _date(claims: dict[str, Any], name: str) -> datetime | None:
    if claims.get(name) is None:
        return None
    date = date_of(claims[name])
    if date is None:
        raise BadAssertion(f"the {name} is no date")
    return date


def text_of(claims: dict[str, Any], name: str, longest: int = MAX_NAME_CHARACTERS) -> str:
    """A claim that names something. Raises BadAssertion where it is none, empty or too long."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise BadAssertion(f"without {name}")
    if len(value) > longest:
        raise BadAssertion(f"the {name} is longer than {longest} characters")
    return value


# --- JSON ----------------------------------------------------------------------------------------


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64url_decode(part).decode(), object_pairs_hook=_without_repetition)
    except (ValueError, binascii.Error, RecursionError):
        raise BadAssertion("a header or claims that are no JSON") from None
    if not isinstance(value, dict):
        raise BadAssertion("a header or claims that are no JSON object")
    if not _can_be_kept(value, MAX_DEPTH):
        raise BadAssertion("claims that cannot be kept: NUL, half characters, no numbers, too deep")
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 section 4: "The Claim Names within a JWT Claims Set MUST be unique"."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name that is there twice")
    return members


def _can_be_kept(value: object, depth: int) -> bool:
    """Whether PostgreSQL takes it. Found out here, so that no claim can be what it fails on."""
    match value:
        case str():
            return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)
        case float():
            return math.isfinite(value)
        case dict():
            return depth > 0 and all(
                _can_be_kept(name, depth) and _can_be_kept(member, depth - 1)
                for name, member in value.items()
            )
        case list():
            return depth > 0 and all(_can_be_kept(member, depth - 1) for member in value)
    return True


def _shown(text: str) -> str:
    return repr(text[:SHOWN_CHARACTERS])
