"""The keys as this process uses them: read from the database, decrypted once, kept for seconds."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import jwt

from idp import jose
from tokens.keys import vault
from tokens.keys.models import SigningKey

# A rotation is published two weeks ahead, so a process may be this much behind.
KEEP_SECONDS = 10.0


class NoSigningKeyError(RuntimeError):
    """No key signs with this algorithm: `manage.py migrate` and beat make the first ones."""


@dataclass(frozen=True, slots=True)
class Ring:
    """All published keys: who signs, what the JWKS says, what verifies."""

    signers: dict[str, jose.Signer]
    jwks: dict[str, list[dict[str, Any]]]
    verifiers: dict[str, jwt.PyJWK]

    def signer(self, algorithm: str) -> jose.Signer:
        try:
            return self.signers[algorithm]
        except KeyError:
            raise NoSigningKeyError(f"No active {algorithm} key.") from None


class _Cache:
    def __init__(self) -> None:
        self._lock = Lock()
        self._opened: dict[str, jose.PrivateKey] = {}
        self._ring: Ring | None = None
        self._read_at = 0.0

    def get(self) -> Ring:
        ring = self._ring
        if ring is None or time.monotonic() - self._read_at > KEEP_SECONDS:
            with self._lock:
                ring = self._read()
        return ring

    def clear(self) -> None:
        self._ring = None

    def _read(self) -> Ring:
        published = list(SigningKey.objects.exclude(state=SigningKey.State.RETIRED))
        # A newer release beside this one may sign with algorithms that are unknown here: its keys
        # are published by all, and used by those that can.
        usable = [key for key in published if key.algorithm in SigningKey.Algorithm]
        active = [key for key in usable if key.state == SigningKey.State.ACTIVE]
        self._opened = {key.kid: self._open(key) for key in active}
        self._ring = Ring(
            signers={
                key.algorithm: jose.Signer(key.kid, key.algorithm, self._opened[key.kid])
                for key in active
            },
            jwks={"keys": [key.public_jwk for key in published]},
            verifiers={key.kid: jwt.PyJWK(key.public_jwk) for key in usable},
        )
        self._read_at = time.monotonic()
        return self._ring

    def _open(self, key: SigningKey) -> jose.PrivateKey:
        return self._opened.get(key.kid) or jose.from_pem(vault.unseal(key.private_encrypted))


_cache = _Cache()
current = _cache.get
forget = _cache.clear
