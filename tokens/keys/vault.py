"""How private keys are kept: encrypted under the newest of IDP_SECRET_KEYS, readable under all."""

from datetime import UTC, datetime
from enum import StrEnum

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from idp import sealing

type Sealed = bytes | memoryview


class LockedKeyError(RuntimeError):
    """A private key was encrypted under a secret that is no longer in IDP_SECRET_KEYS."""


class Seal(StrEnum):
    """Under which of IDP_SECRET_KEYS a private key is encrypted."""

    NEWEST = "newest secret"
    OLDER = "older secret"
    MISSING = "missing secret"
    DESTROYED = "destroyed"


def seal(plain: bytes) -> bytes:
    return MultiFernet(_ring()).encrypt(plain)


def unseal(sealed: Sealed) -> bytes:
    """Raises LockedKeyError where no key of the ring fits."""
    try:
        return MultiFernet(_ring()).decrypt(bytes(sealed))
    except InvalidToken:
        raise LockedKeyError("The secret that sealed it is not in IDP_SECRET_KEYS.") from None


def seal_of(sealed: Sealed) -> Seal:
    if not sealed:
        return Seal.DESTROYED
    newest, *older = _ring()
    if _opens(newest, sealed):
        return Seal.NEWEST
    return Seal.OLDER if any(_opens(fernet, sealed) for fernet in older) else Seal.MISSING


def sealed_at(sealed: Sealed) -> datetime:
    """When something was sealed under the newest secret."""
    return datetime.fromtimestamp(_ring()[0].extract_timestamp(bytes(sealed)), UTC)


def _opens(fernet: Fernet, sealed: Sealed) -> bool:
    try:
        fernet.decrypt(bytes(sealed))
    except InvalidToken:
        return False
    return True


def _ring() -> tuple[Fernet, ...]:
    return sealing.ring(b"idp.tokens.keys")
