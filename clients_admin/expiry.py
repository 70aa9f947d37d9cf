"""What ends by itself and must be replaced in time: certificates of others, secrets of clients.

A key or certificate behind a JWKS URL is not among them: its owner replaces it there.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from clients_admin import secrets
from clients_admin.models import Client, ClientSecret
from idp import metrics, notifications
from idp.accounts import certificates
from idp.accounts.models import TrustedIssuer
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.expiry_warnings import ENDED, is_first, step

DAY = timedelta(days=1)
# After so long nobody needs to be told that a secret has ended.
ENDED_SECRETS_SINCE = timedelta(days=7)
MAX_CERTIFICATE_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends. `subject` is its name for ever, `about` is for people."""

    kind: str
    name: str
    subject: str
    ends_at: datetime
    about: str
    client_id: str | None = None


def warn(now: datetime | None = None) -> int:
    """Warns of all that is due, each once in the whole cluster; answers of how many."""
    now = now or timezone.now()
    found = [ending for source in SOURCES for ending in source(now)]
    _measure(found)
    return sum(_warn(ending, now) for ending in found)


def _warn(ending: Ending, now: datetime) -> bool:
    days = step(ending.ends_at, now)
    if days is None:
        return False
    with transaction.atomic():
        if not is_first(ending.subject, ending.ends_at, days, now):
            return False
        record(
            Tag.CLIENTS_EXPIRY_WARNED,
            client_id=ending.client_id,
            at=now,
            kind=ending.kind,
            name=ending.name,
            subject=ending.subject,
            ends_at=ending.ends_at.isoformat(timespec="seconds"),
            days=days,
        )
        notifications.send(_title(ending, days, now), _body(ending))
    return True


def _title(ending: Ending, days: int, now: datetime) -> str:
    what = f"The {ending.kind.replace('_', ' ')} of {ending.name}"
    if days == ENDED:
        return f"{what} has ended"
    left = math.ceil((ending.ends_at - now) / DAY)
    return f"{what} ends within {left} {'day' if left == 1 else 'days'}"


def _body(ending: Ending) -> str:
    ends_at = ending.ends_at.astimezone(UTC)
    return f"{ending.about} Its end: {ends_at:%Y-%m-%d %H:%M} UTC."


# --- What there is --------------------------------------------------------------------------------


def _of_issuers(_now: datetime) -> Iterator[Ending]:
    for issuer in TrustedIssuer.objects.filter(is_enabled=True):
        for pem in issuer.public_keys:
            for key in certificates.readable([pem]):
                if key.ends_at:
                    mark = hashlib.sha256(pem.strip().encode()).hexdigest()[:16]
                    yield Ending(
                        "issuer_certificate",
                        issuer.name,
                        f"trusted_issuer:{issuer.name}:{mark}",
                        key.ends_at,
                        f"{key.subject or 'A certificate'} verifies the JWTs of the trusted issuer "
                        f"{issuer.name}. Put its successor beside it, or take it away.",
                    )


def _of_clients(_now: datetime) -> Iterator[Ending]:
    for client in Client.objects.filter(is_active=True, jwks__isnull=False).only(
        "client_id", "jwks"
    ):
        for certificate in _x5c(client.jwks):
            mark = hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()[:16]
            yield Ending(
                "client_certificate",
                client.client_id,
                f"client_jwks:{client.client_id}:{mark}",
                certificate.not_valid_after_utc,
                f"A certificate (x5c) in the JWKS of the client {client.client_id}. Ask its owner "
                "for the next one.",
                client.client_id,
            )


def _x5c(jwks: Any) -> Iterator[x509.Certificate]:
    """RFC 7517 section 4.7: "The PKIX certificate containing the key value MUST be the first"."""
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        chain = entry.get("x5c") if isinstance(entry, dict) else None
        first = chain[0] if isinstance(chain, list) and chain else None
        if not isinstance(first, str) or len(first) > MAX_CERTIFICATE_CHARACTERS:
            continue
        try:
            yield x509.load_der_x509_certificate(base64.b64decode(first, validate=True))
        except (ValueError, x509.InvalidVersion):
            continue


def _of_secrets(now: datetime) -> Iterator[Ending]:
    rows = ClientSecret.objects.select_related("client").filter(
        Q(expires_at__gt=now - ENDED_SECRETS_SINCE), client__is_active=True
    )
    for known in rows:
        assert known.expires_at is not None  # noqa: S101 - the query said so
        used = f"{known.last_used_at:%Y-%m-%d %H:%M} UTC" if known.last_used_at else "never"
        yield Ending(
            "client_secret",
            known.client.client_id,
            secrets.subject(known),
            known.expires_at,
            f"A secret of the client {known.client.client_id}, made on "
            f"{known.created_at:%Y-%m-%d}, last used: {used}.",
            known.client.client_id,
        )


SOURCES: tuple[Callable[[datetime], Iterator[Ending]], ...] = (
    _of_issuers,
    _of_clients,
    _of_secrets,
)


# --- The gauge ------------------------------------------------------------------------------------

# What this process has set: a gauge of several processes cannot forget, and is set to no number.
_measured: set[tuple[str, str]] = set()


def _measure(found: list[Ending]) -> None:
    first: dict[tuple[str, str], datetime] = {}
    for ending in found:
        series = (ending.kind, ending.name)
        first[series] = min(first.get(series, ending.ends_at), ending.ends_at)
    for kind, name in _measured - first.keys():
        metrics.EXPIRY_TIMESTAMP.labels(kind=kind, name=name).set(math.nan)
    for (kind, name), ends_at in first.items():
        metrics.EXPIRY_TIMESTAMP.labels(kind=kind, name=name).set(ends_at.timestamp())
    _measured.update(first)
