"""Client secrets: made here, shown once, kept as a keyed hash that costs a microsecond.

A slow password hash on a 256-bit random secret costs 300 ms a call and buys nothing. The key is
derived from IDP_SECRET_KEYS: a dump of the database alone cannot even test a guess.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from clients_admin.models import Client, ClientSecret
from idp import expiry_warnings, notifications
from idp.audit.changes import key_of
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.database import statements
from idp.macs import Mac

PREFIX = "cs_"
LIVE_AT_ONCE = 2


class TooManySecretsError(ValueError):
    """A client has two live secrets: one must end before a third is made."""


def generate() -> str:
    """256 random bits; the prefix lets secret scanners find a leaked one."""
    return PREFIX + secrets.token_urlsafe(32)


@cache
def _keys() -> dict[bytes, Mac]:
    """What digests under each key, by key ID; newest first."""
    keys = {}
    for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        key = hmac.digest(secret.encode(), b"idp.clients_admin.secrets", "sha256")
        keys[hashlib.sha256(key).digest()[:4]] = Mac(key)
    return keys


def digest(secret: str) -> tuple[bytes, bytes]:
    """`(key id, digest)` of a secret under the newest key."""
    key_id, key = next(iter(_keys().items()))
    return key_id, key.digest(secret.encode())


def live(client: Client, now: datetime | None = None) -> list[ClientSecret]:
    """The secrets that open this client now, newest first."""
    now = now or timezone.now()
    if client.known is not None:
        secrets = client.known.secrets
        return [known for known in secrets if known.expires_at is None or known.expires_at > now]
    return list(client.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=now)))


def ends(client: Client, now: datetime | None = None) -> list[datetime]:
    """When the secrets that open this client now will end, as far as an end is set."""
    return [known.expires_at for known in live(client, now) if known.expires_at]


def add(
    client: Client,
    secret: str | None = None,
    *,
    actor: str | None = None,
    now: datetime | None = None,
) -> str:
    """Gives the client a new secret and returns it: the only time that it can be seen."""
    now = now or timezone.now()
    secret = secret or generate()
    key_id, value = digest(secret)
    with transaction.atomic():
        Client.objects.select_for_update().get(pk=client.pk)
        if len(live(client, now)) >= LIVE_AT_ONCE:
            raise TooManySecretsError(f"{client.client_id} has {LIVE_AT_ONCE} live secrets.")
        made = client.secrets.create(key_id=key_id, digest=value, created_at=now)
        record(
            Tag.CLIENTS_SECRET_ADDED,
            client_id=client.client_id,
            actor=actor,
            at=now,
            secret_id=made.pk,
            row=key_of(client),
        )
    return secret


def end(
    known: ClientSecret,
    *,
    ends_at: datetime | None = None,
    actor: str | None = None,
    now: datetime | None = None,
) -> bool:
    """Ends a secret, at once or then. False when it ends as early already: no end moves away."""
    now = now or timezone.now()
    ends_at = max(ends_at or now, now)
    alive = ClientSecret.objects.filter(pk=known.pk).exclude(expires_at__lte=ends_at)
    with transaction.atomic():
        if not alive.update(expires_at=ends_at):
            return False
        record(
            Tag.CLIENTS_SECRET_ENDED,
            client_id=known.client.client_id,
            actor=actor,
            at=now,
            secret_id=known.pk,
            ends_at=ends_at.isoformat(timespec="seconds"),
            row=key_of(known.client),
        )
        if (days := expiry_warnings.step(ends_at, now)) is not None:
            # Whoever sets an end knows of it: the next warning is the one after.
            expiry_warnings.is_first(subject(known), ends_at, days, now)
    return True


def rotate(
    client: Client,
    *,
    old_ends_in: timedelta,
    actor: str | None = None,
    now: datetime | None = None,
) -> str:
    """Gives the client a new secret, as `add`, and all others their end after so much time."""
    now = now or timezone.now()
    with transaction.atomic():
        Client.objects.select_for_update().get(pk=client.pk)
        for known in live(client, now):
            end(known, ends_at=now + old_ends_in, actor=actor, now=now)
        return add(client, actor=actor, now=now)


def mark_exposed(
    client: Client, secret: str, *, now: datetime | None = None
) -> ClientSecret | None:
    """The live secret that `secret` is, marked as one that stood in a URL; None for a guess.

    The operators are told the first time.
    """
    now = now or timezone.now()
    known = next((known for known in live(client, now) if matches(known, secret)), None)
    if known is None:
        return None
    if ClientSecret.objects.filter(pk=known.pk, exposed_at=None).update(exposed_at=now):
        notifications.send(
            f"A secret of the client {client.client_id} stood in a URL",
            "Access logs and proxies keep URLs. The request was refused. Rotate the secret, and "
            "have the application send it in the body or by Basic authentication.",
        )
    return known


def exposed(client: Client, now: datetime | None = None) -> list[ClientSecret]:
    """The live secrets that stood in a URL, until somebody has replaced them."""
    found = [known for known in live(client, now) if known.exposed_at]
    return sorted(found, key=lambda known: known.exposed_at or known.created_at)


def subject(known: ClientSecret) -> str:
    """Its name among the warnings that something ends."""
    return f"client_secret:{known.pk}"


def matches(known: ClientSecret, secret: str) -> bool:
    """Compares in constant time; under a key that has left the ring nothing matches."""
    key = _keys().get(bytes(known.key_id))
    return key is not None and hmac.compare_digest(key.digest(secret.encode()), bytes(known.digest))


LAST_USE_RESOLUTION = timedelta(minutes=5)


def verify(client: Client, secret: str, *, now: datetime | None = None) -> bool:
    """Whether `secret` opens the client; records the use, to within five minutes."""
    return use(client, secret, now=now) is not None


def is_in_use(known: ClientSecret, now: datetime | None = None) -> bool:
    """Whether it opens its client now, and needs no record of this use."""
    now = now or timezone.now()
    is_live = known.expires_at is None or known.expires_at > now
    return is_live and not _is_stale(known, now)


def _is_stale(known: ClientSecret, now: datetime) -> bool:
    return known.last_used_at is None or known.last_used_at < now - LAST_USE_RESOLUTION


def use(client: Client, secret: str, *, now: datetime | None = None) -> ClientSecret | None:
    """The secret that `secret` is, as `verify`; None where it opens nothing."""
    now = now or timezone.now()
    used = next((known for known in live(client, now) if matches(known, secret)), None)
    if used is None:
        return None
    if _is_stale(used, now):
        statements.require_django()
        values: dict[str, Any] = {"last_used_at": now}
        key_id, value = digest(secret)
        if bytes(used.key_id) != key_id:  # A use also moves the hash to the newest key.
            values |= {"key_id": key_id, "digest": value}
        ClientSecret.objects.filter(pk=used.pk, last_used_at=used.last_used_at).update(**values)
        used.last_used_at = now
    return used
