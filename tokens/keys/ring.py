"""The keys as this process uses them: read from the database, opened once, kept for seconds.

Why a process may be these seconds behind all others: `periods`.
"""

import logging
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import jwt

from idp import jose
from idp.database import statements
from idp.database.changes import changes
from tokens.keys import vault
from tokens.keys.models import SigningKey
from tokens.keys.periods import RING_SECONDS

log = logging.getLogger(__name__)

MARK = "keys"  # What changes of signing keys are told as.


class NoSigningKeyError(RuntimeError):
    """Nothing signs with this algorithm here: no key is active, or the active one stays closed.

    Not a refusal, so that the transaction around it leaves nothing behind; `wire` answers 503.
    """


@dataclass(frozen=True, slots=True)
class Ring:
    """All published keys: who signs, what the JWKS says, what verifies; and what cannot sign."""

    signers: dict[str, jose.Signer]
    jwks: dict[str, list[dict[str, Any]]]
    verifiers: dict[str, jwt.PyJWK]
    locked: dict[str, str]  # What is wrong, by the algorithm that does not sign because of it.

    def signer(self, algorithm: str) -> jose.Signer:
        try:
            return self.signers[algorithm]
        except KeyError:
            problem = self.locked.get(algorithm, f"No active {algorithm} key.")
            raise NoSigningKeyError(problem) from None


class _Cache:
    def __init__(self) -> None:
        self._lock = Lock()
        self._opened: dict[str, jose.PrivateKey] = {}
        self._reported: set[str] = set()
        self._ring: Ring | None = None
        self._read_at = 0.0
        self._is_followed = False

    def get(self) -> Ring:
        return self._fresh() or self._refreshed()

    def clear(self) -> None:
        self._ring = None

    def hear(self, mark: str | None) -> None:
        if mark is None or mark == MARK:
            with self._lock:
                self._is_followed, self._read_at = False, 0.0

    def _fresh(self) -> Ring | None:
        # Where changes are heard, what has been read is right until one is.
        is_recent = self._is_followed and changes.is_live
        is_recent = is_recent or time.monotonic() - self._read_at <= RING_SECONDS
        return self._ring if is_recent else None

    def _refreshed(self) -> Ring:
        with self._lock:
            ring = self._fresh()
            if ring is None:
                statements.require_django()
                # The time before the query: what it answers is no older than that.
                read_at = time.monotonic()
                ring = self._read()
                self._ring, self._read_at = ring, read_at
                self._is_followed = not changes.changed_since(read_at, [MARK])
            return ring

    def _read(self) -> Ring:
        published = list(SigningKey.objects.published())
        # A newer release beside this one may sign with algorithms that are unknown here: its keys
        # are published by all, and used by those that can.
        usable = [key for key in published if key.algorithm in SigningKey.Algorithm]
        active = [key for key in usable if key.state == SigningKey.State.ACTIVE]
        opened, locked = self._open_all(active)
        return Ring(
            signers={
                key.algorithm: jose.Signer(key.kid, key.algorithm, opened[key.kid])
                for key in active
                if key.kid in opened
            },
            jwks={"keys": [key.public_jwk for key in published]},
            verifiers={key.kid: jwt.PyJWK(key.public_jwk) for key in usable},
            locked=locked,
        )

    def _open_all(
        self, keys: list[SigningKey]
    ) -> tuple[dict[str, jose.PrivateKey], dict[str, str]]:
        """The private keys by key ID; of those that stay closed, why, by their algorithm."""
        opened, locked = {}, {}
        for key in keys:
            try:
                opened[key.kid] = self._open(key)
            except (vault.LockedKeyError, ValueError, TypeError) as error:
                problem = f"The {key.algorithm} key {key.kid} cannot be opened: {error}"
                locked[key.algorithm] = problem
                if key.kid not in self._reported:
                    # Without the traceback, which would say less.
                    log.error("%s Nothing is signed with %s.", problem, key.algorithm)  # noqa: TRY400
                self._reported.add(key.kid)
        self._opened = opened
        return opened, locked

    def _open(self, key: SigningKey) -> jose.PrivateKey:
        # Once open it stays open, also when another instance has sealed it under a newer secret.
        return self._opened.get(key.kid) or jose.from_pem(vault.unseal(key.private_encrypted))


_cache = _Cache()
changes.subscribe(_cache.hear)
current = _cache.get
forget = _cache.clear
