"""Public keys that others publish at a URL: read safely, kept for a while, and not asked for often.

Who names the URL is trusted with its keys, not with our network (`outbound`): beside public
addresses only those of IDP_JWKS_ALLOWED_NETWORKS are asked.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock

from django.conf import settings

from idp import jwks, outbound
from idp.jwks import VerificationKey

SECONDS_IN_ALL = 2.0

FRESH_SECONDS = 600.0
# Attempts for one URL are at least so far apart, whatever they are for: keys that have grown old,
# a kid that is unknown, or a failure. So nobody makes us ask others more often.
PAUSE_SECONDS = 30.0
STALE_SECONDS = 86_400.0


class KeysUnavailable(Exception):
    """There are no keys to be had from a URL; says why. For audit and logs, not for callers."""


# --- Which keys there are ------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """What this process knows of one URL; whoever holds the lock is the one that asks."""

    lock: Lock = field(default_factory=Lock)
    keys: tuple[VerificationKey, ...] = ()
    read_at: float = float("-inf")
    attempted_at: float = float("-inf")
    failure: str = ""

    def has(self, kid: str | None) -> bool:
        return kid is None or any(key.kid == kid for key in self.keys)

    def answers(self, kid: str | None, now: float) -> bool:
        """Whether nobody needs to be asked: the keys are fresh, or an attempt was just made."""
        is_fresh = now < self.read_at + FRESH_SECONDS
        return (is_fresh and self.has(kid)) or now < self.attempted_at + PAUSE_SECONDS

    def is_usable(self, now: float) -> bool:
        return bool(self.keys) and now < self.read_at + STALE_SECONDS


class RemoteKeys:
    """The keys of all URLs, as this process last saw them."""

    def __init__(
        self,
        read: Callable[[str], tuple[VerificationKey, ...]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read or fetch
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def keys(self, url: str, kid: str | None = None) -> tuple[VerificationKey, ...]:
        """The keys of a URL. Raises KeysUnavailable.

        Fresh for ten minutes; a `kid` that is not among them lets the URL be asked again. One
        request is under way for a URL at a time, and only those wait for its end whom the keys of
        before do not help. Old keys last for a day while the URL cannot be read.
        """
        known = self._known.setdefault(url, _Known())
        if not known.answers(kid, self._clock()):
            must_wait = not (known.is_usable(self._clock()) and known.has(kid))
            if known.lock.acquire(blocking=must_wait):
                try:
                    if not known.answers(kid, self._clock()):
                        self._ask(url, known)
                finally:
                    known.lock.release()
        if known.is_usable(self._clock()):
            return known.keys
        raise KeysUnavailable(known.failure)

    def forget(self) -> None:
        self._known.clear()

    def _ask(self, url: str, known: _Known) -> None:
        try:
            known.keys = self._read(url)
            known.read_at, known.failure = self._clock(), ""
        except KeysUnavailable as problem:
            known.failure = str(problem)
        finally:
            # From its end on: those who have waited for a failure must not repeat it.
            known.attempted_at = self._clock()


# --- Reading a URL -------------------------------------------------------------------------------


def fetch(url: str) -> tuple[VerificationKey, ...]:
    """The keys that are published at a URL, in two seconds in all. Raises KeysUnavailable."""
    try:
        answer = outbound.get(
            url,
            allowed=settings.JWKS_ALLOWED_NETWORKS,
            seconds=SECONDS_IN_ALL,
            accept="application/json",
        )
    except outbound.Unreachable as problem:
        raise KeysUnavailable(f"the JWKS URL {problem}") from None
    if answer.status != HTTPStatus.OK:
        raise KeysUnavailable(f"the JWKS URL answered with status {answer.status}")
    try:
        return jwks.of_text(answer.body)
    except jwks.BadKeySet as problem:
        raise KeysUnavailable(f"the document at the JWKS URL {problem}") from None


_remote_keys = RemoteKeys()
keys = _remote_keys.keys
forget = _remote_keys.forget
