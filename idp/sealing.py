"""What is kept encrypted in the database: under the newest of IDP_SECRET_KEYS, readable under all.

Each purpose has keys of its own, so that nothing sealed for one opens for another.
"""

import base64
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def ring(purpose: bytes) -> tuple[Fernet, ...]:
    """The keys of a purpose, newest first."""
    return _fernets((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS), purpose)


def seal(plain: bytes, purpose: bytes) -> bytes:
    return ring(purpose)[0].encrypt(plain)


def unseal(sealed: bytes | memoryview, purpose: bytes) -> bytes:
    """Raises InvalidToken where no key of the ring fits."""
    return MultiFernet(ring(purpose)).decrypt(bytes(sealed))


@lru_cache(maxsize=16)
def _fernets(secrets: tuple[str, ...], purpose: bytes) -> tuple[Fernet, ...]:
    keys = [hmac.digest(secret.encode(), purpose, "sha256") for secret in secrets]
    return tuple(Fernet(base64.urlsafe_b64encode(key)) for key in keys)
