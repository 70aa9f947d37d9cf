"""JSON Web Key Sets (RFC 7517) of others: the public keys in them, parsed once into objects."""

import json
from dataclasses import dataclass
from functools import lru_cache

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

PublicKey = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)

MAX_KEYS = 20
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
# Names, and numbers of as many bits in base64url.
MAX_MEMBER_CHARACTERS = 1400

# RFC 7518 sections 3.1 and 6.2.1.1, RFC 8037 section 3.1: what each kind of key can verify.
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA"}),
    "Ed448": frozenset({"EdDSA"}),
}
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_PYJWT_NAMES = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
# RFC 7518 sections 6.2.2, 6.3.2 and 6.4: members that only a private or a shared key has.
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class BadKeySet(ValueError):
    """Not a set of public keys; says why, as a verb phrase, and never repeats what it holds."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, its name where it has one, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    key: PublicKey


def of_text(text: str | bytes) -> tuple[VerificationKey, ...]:
    """The keys of a JWKS as it was read. Raises BadKeySet."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BadKeySet("is not JSON") from None
    return of_document(document)


def of_document(document: object) -> tuple[VerificationKey, ...]:
    """The keys of a JWKS that can verify signatures here. Raises BadKeySet.

    RFC 7517 section 5: "Implementations SHOULD ignore JWKs within a JWK Set that use kty values
    that are not understood by them, that are missing required members, or for which values are
    out of the supported ranges". A private or a shared key is never ignored.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadKeySet("is not a JWKS: an object with a list of keys")
    if len(entries) > MAX_KEYS:
        raise BadKeySet(f"has more than {MAX_KEYS} keys")
    if any(entry.get("kty") == "oct" or _SECRET_MEMBERS & entry.keys() for entry in entries):
        raise BadKeySet("holds a private or a shared key, where public keys belong")
    keys = tuple(key for entry in entries if (key := _of_entry(entry)))
    if not keys:
        raise BadKeySet("holds no key that can verify signatures here")
    return keys


def unusable(document: object) -> list[int]:
    """Which keys of a set (from 1) `of_document` leaves out. Raises BadKeySet."""
    of_document(document)
    assert isinstance(document, dict)  # noqa: S101 - of_document would have raised
    return [n for n, entry in enumerate(document["keys"], start=1) if _of_entry(entry) is None]


@lru_cache(maxsize=256)
def cached(text: str) -> tuple[VerificationKey, ...]:
    """The keys of a JWKS that is looked at again and again, parsed once. Raises BadKeySet."""
    return of_text(text)


def _of_entry(entry: dict[str, object]) -> VerificationKey | None:
    kty = entry.get("kty")
    if not isinstance(kty, str) or kty not in _MEMBERS or not _is_for_signatures(entry):
        return None
    members = {name: entry.get(name) for name in _MEMBERS[kty]}
    kid = entry.get("kid")
    if not all(_is_short_text(value) for value in members.values()):
        return None
    if not (kid is None or _is_short_text(kid)):
        return None
    algorithms = _RSA if kty == "RSA" else _CURVES.get(str(members["crv"]), frozenset())
    if "alg" in entry:
        algorithms = algorithms & {name for name in [entry["alg"]] if isinstance(name, str)}
    key = _parsed(kty, members) if algorithms else None
    return VerificationKey(kid, algorithms, key) if key else None  # type: ignore[arg-type]


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_MEMBER_CHARACTERS


def _is_for_signatures(entry: dict[str, object]) -> bool:
    """RFC 7517 sections 4.2 and 4.3, where the key says what it is for."""
    operations = entry.get("key_ops", ["verify"])
    is_to_verify = isinstance(operations, list) and "verify" in operations
    return entry.get("use", "sig") == "sig" and is_to_verify


def _parsed(kty: str, members: dict[str, object]) -> PublicKey | None:
    try:
        # The name only tells PyJWT which kind of key to build.
        key = jwt.PyJWK({"kty": kty, **members}, algorithm=_PYJWT_NAMES[kty]).key
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        return key if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS else None
    return key if isinstance(key, PublicKey) else None
