"""Client secrets: made here, shown once, kept as a keyed hash that costs a microsecond.

A slow password hash on a 256-bit random secret costs 300 ms a call and buys nothing. The key is
derived from IDP_SECRET_KEYS: a dump of the database alone cannot even test a guess.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from clients_admin.models import Client, ClientSecret

PREFIX = "cs_"
LIVE_AT_ONCE = 2


class TooManySecretsError(ValueError):
    """A client has two live secrets: one must end before a third is made."""


def generate() -> str:
    """256 random bits; the prefix lets secret scanners find a leaked one."""
    return PREFIX + secrets.token_urlsafe(32)


@cache
def _keys() -> dict[bytes, bytes]:
    """`{key id: key}`, newest first."""
    keys = {}
    for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        key = hmac.digest(secret.encode(), b"idp.clients_admin.secrets", "sha256")
        keys[hashlib.sha256(key).digest()[:4]] = key
    return keys


def digest(secret: str) -> tuple[bytes, bytes]:
    """`(key id, digest)` of a secret under the newest key."""
    key_id, key = next(iter(_keys().items()))
    return key_id, hmac.digest(key, secret.encode(), "sha256")


def live(client: Client, now: datetime | None = None) -> list[ClientSecret]:
    """The secrets that open this client now, newest first."""
    now = now or timezone.now()
    return list(client.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=now)))


def add(client: Client, secret: str | None = None, *, now: datetime | None = None) -> str:
    """Gives the client a new secret and returns it: the only time that it can be seen."""
    now = now or timezone.now()
    secret = secret or generate()
    key_id, value = digest(secret)
    with transaction.atomic():
        Client.objects.select_for_update().get(pk=client.pk)
        if len(live(client, now)) >= LIVE_AT_ONCE:
            raise TooManySecretsError(f"{client.client_id} has {LIVE_AT_ONCE} live secrets.")
        client.secrets.create(key_id=key_id, digest=value, created_at=now)
    return secret


def end(known: ClientSecret, *, now: datetime | None = None) -> bool:
    """Ends a secret; False when it had ended already: an end is never moved."""
    now = now or timezone.now()
    alive = ClientSecret.objects.filter(pk=known.pk).exclude(expires_at__lte=now)
    return bool(alive.update(expires_at=now))


def matches(known: ClientSecret, secret: str) -> bool:
    """Compares in constant time; under a key that has left the ring nothing matches."""
    key = _keys().get(bytes(known.key_id))
    return key is not None and hmac.compare_digest(
        hmac.digest(key, secret.encode(), "sha256"), bytes(known.digest)
    )


LAST_USE_RESOLUTION = timedelta(minutes=5)


def verify(client: Client, secret: str, *, now: datetime | None = None) -> bool:
    """Whether `secret` opens the client; records the use, to within five minutes."""
    now = now or timezone.now()
    used = next((known for known in live(client, now) if matches(known, secret)), None)
    if used is None:
        return False
    if used.last_used_at is None or used.last_used_at < now - LAST_USE_RESOLUTION:
        key_id, value = digest(secret)  # A use also moves the hash to the newest key.
        ClientSecret.objects.filter(pk=used.pk, last_used_at=used.last_used_at).update(
            last_used_at=now, key_id=key_id, digest=value
        )
    return True
