"""Passwords against hashes that others have made. They are read, and never written back.

A user who is unknown costs a hash like any other (`dummy`): of the same scheme, and as dear as the
last one that the service gave.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal

import argon2
import bcrypt
from django.contrib.auth import hashers

type Scheme = Literal[
    "argon2", "bcrypt", "bcrypt_sha256", "scrypt", "pbkdf2_sha256", "pbkdf2_sha1", "md5"
]

# As long as the shortest digest at the end of a hash, which is SHA-1's as base64.
_DIGEST_CHARACTERS = 28
# What bcrypt reads of a password: older libraries cut off the rest, this one refuses it.
_BCRYPT_BYTES = 72


# What their libraries raise for a hash that is none has no common name.
_BROKEN = (ValueError, AssertionError, IndexError, argon2.exceptions.Argon2Error)


def _argon2(password: str, encoded: str) -> bool:
    try:
        return argon2.PasswordHasher().verify(encoded[encoded.index("$argon2") :], password)
    except argon2.exceptions.VerifyMismatchError:
        return False


def _bcrypt(password: str, encoded: str) -> bool:
    hashed = encoded.removeprefix("bcrypt$").encode()
    return bcrypt.checkpw(password.encode()[:_BCRYPT_BYTES], hashed)


def _django(hasher: type[hashers.BasePasswordHasher]) -> Callable[[str, str], bool]:
    return lambda password, encoded: bool(hasher().verify(password, encoded))


def _prefixed(prefix: str) -> Callable[[str], bool]:
    return lambda encoded: encoded.startswith(prefix)


# Scheme: how its hashes begin, how one is checked, Django's hasher of it.
_SCHEMES: dict[
    str,
    tuple[tuple[str, ...], Callable[[str, str], bool], type[hashers.BasePasswordHasher]],
] = {
    "argon2": (("argon2$argon2", "$argon2"), _argon2, hashers.Argon2PasswordHasher),
    "bcrypt": (
        ("bcrypt$$2", "$2a$", "$2b$", "$2y$"),
        _bcrypt,
        hashers.BCryptPasswordHasher,
    ),
    **{
        str(hasher.algorithm): ((f"{hasher.algorithm}$",), _django(hasher), hasher)
        for hasher in (
            hashers.BCryptSHA256PasswordHasher,
            hashers.ScryptPasswordHasher,
            hashers.PBKDF2PasswordHasher,
            hashers.PBKDF2SHA1PasswordHasher,
            hashers.MD5PasswordHasher,
        )
    },
}


class UnusableHash(Exception):
    """A hash of a scheme that is not accepted, or of none."""


def scheme_of(encoded: str, accepted: Iterable[str]) -> str:
    """Raises UnusableHash."""
    for scheme in accepted:
        if encoded.startswith(_SCHEMES[scheme][0]):
            return scheme
    raise UnusableHash


def verify(password: str, encoded: str, accepted: Iterable[str]) -> bool:
    """Whether the password is that of the hash. Raises UnusableHash."""
    scheme = scheme_of(encoded, accepted)
    try:
        return _SCHEMES[scheme][1](password, encoded)
    except _BROKEN:
        raise UnusableHash from None


def without_digest(encoded: str) -> str:
    """A hash that costs the same to check, and that no password fits."""
    return f"{encoded[:-_DIGEST_CHARACTERS]}{'A' * _DIGEST_CHARACTERS}"


@cache
def dummy(scheme: str) -> str:
    """A hash of the scheme with Django's cost, for a service that has given none yet."""
    hasher = _SCHEMES[scheme][2]()
    return without_digest(hasher.encode("", hasher.salt()))


def spend(password: str, encoded: str) -> None:
    """Does the work of a check, and forgets what came out."""
    scheme = scheme_of(encoded, _SCHEMES)
    try:
        _SCHEMES[scheme][1](password, encoded)
    except _BROKEN:
        pass
