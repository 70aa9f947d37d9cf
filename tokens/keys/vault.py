"""How private keys are kept: encrypted under the newest of IDP_SECRET_KEYS, readable under all."""

import base64
import hmac
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class LockedKeyError(RuntimeError):
    """A private key was encrypted under a secret that is no longer in IDP_SECRET_KEYS."""


@cache
def _ring() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    keys = [hmac.digest(secret.encode(), b"idp.tokens.keys", "sha256") for secret in secrets]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])


def seal(plain: bytes) -> bytes:
    return _ring().encrypt(plain)


def unseal(sealed: bytes | memoryview) -> bytes:
    """Raises LockedKeyError where no key of the ring fits."""
    try:
        return _ring().decrypt(bytes(sealed))
    except InvalidToken:
        raise LockedKeyError(
            "A signing key cannot be decrypted: the secret that sealed it has left IDP_SECRET_KEYS."
        ) from None
