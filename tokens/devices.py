"""Devices that wait until their user has signed in elsewhere (RFC 8628): the one writer of their
rows, from the first request to the tokens."""

import re
import secrets
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import transaction

from clients_admin.models import Client
from idp.accounts.assurance import Methods
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import issue
from tokens.format import Reference, new_nonce
from tokens.models import DeviceAuthorization

LIFETIME_SECONDS = 600
INTERVAL_SECONDS = 5
# What a device that asks too often is told to wait at most; more would outlive its code.
MAX_INTERVAL_SECONDS = 60

# RFC 8628 section 6.1: consonants that nobody takes for others, and no vowels, so no words.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_LETTERS = 8
_USER_CODE = re.compile(rf"[{ALPHABET}]{{{USER_CODE_LETTERS}}}")
_BETWEEN_LETTERS = re.compile(r"[\s\W_]+")

State = DeviceAuthorization.State


def begin(client: Client, scope: str, now: datetime) -> DeviceAuthorization:
    """A device that waits from now on. Its id is the family of the tokens that it may get."""
    while True:
        device, is_new = DeviceAuthorization.objects.get_or_create(
            user_code="".join(secrets.choice(ALPHABET) for _ in range(USER_CODE_LETTERS)),
            defaults={
                "id": issue.new_family(now),
                "nonce": new_nonce(),
                "client": client,
                "scope": scope,
                "interval_seconds": INTERVAL_SECONDS,
                "issued_at": now,
                "expires_at": now + timedelta(seconds=LIFETIME_SECONDS),
            },
        )
        if is_new:
            return device


def shown(user_code: str) -> str:
    """A user code as people read it: XXXX-XXXX."""
    half = USER_CODE_LETTERS // 2
    return f"{user_code[:half]}-{user_code[half:]}"


def waiting(typed: str, now: datetime) -> DeviceAuthorization | None:
    """The device that waits for its user to decide, by the code as somebody has typed it.

    RFC 8628 section 6.1: "the server should process the entered code after stripping punctuation
    and spaces", in any case.
    """
    user_code = _BETWEEN_LETTERS.sub("", typed[:100]).upper()
    if not _USER_CODE.fullmatch(user_code):
        return None
    return (
        DeviceAuthorization.objects.select_related("client__brand")
        .filter(
            user_code=user_code, state=State.PENDING, expires_at__gt=now, client__is_active=True
        )
        .first()
    )


class Proved(Protocol):
    """A user, and when and how they have proved who they are."""

    @property
    def user(self) -> User: ...
    @property
    def auth_time(self) -> datetime: ...
    @property
    def amr(self) -> Methods: ...


def approve(device: DeviceAuthorization, by: Proved, scope: str, now: datetime) -> bool:
    """Lets the device have tokens of the user for the stored scope; False where it waits no
    longer."""
    approval = {
        "state": State.APPROVED,
        "user": by.user,
        "auth_time": by.auth_time,
        "amr": list(by.amr),
        "scope": scope,
    }
    return _decide(device, by.user, now, Tag.TOKENS_DEVICE_APPROVED, approval)


def deny(device: DeviceAuthorization, user: User, now: datetime) -> bool:
    """Tells the device no; False where it waits no longer."""
    return _decide(device, user, now, Tag.TOKENS_DEVICE_DENIED, {"state": State.DENIED})


def _decide(
    device: DeviceAuthorization, user: User, now: datetime, tag: Tag, columns: dict[str, Any]
) -> bool:
    """One statement, so that of two decisions made at once the first one counts."""
    undecided = DeviceAuthorization.objects.filter(
        pk=device.pk, state=State.PENDING, expires_at__gt=now
    )
    with transaction.atomic():
        if not undecided.update(**columns):
            return False
        record(tag, client_id=device.client.client_id, user_id=user.pk, at=now)
    return True


def held(reference: Reference) -> DeviceAuthorization | None:
    """The device that a genuine device code is about, held for the transaction: of all who ask at
    once, in any process, each sees what the one before has left."""
    return (
        DeviceAuthorization.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(pk=reference.id, nonce=reference.nonce)
        .first()
    )


def note_poll(device: DeviceAuthorization, now: datetime) -> bool:
    """Remembers that a waiting device has asked; False where that was too early. The caller holds
    the row.

    RFC 8628 section 3.5: "the interval MUST be increased by 5 seconds for this and all subsequent
    requests".
    """
    interval = timedelta(seconds=device.interval_seconds)
    is_too_early = device.polled_at is not None and now < device.polled_at + interval
    if is_too_early:
        longer = device.interval_seconds + INTERVAL_SECONDS
        device.interval_seconds = min(longer, MAX_INTERVAL_SECONDS)
    device.polled_at = now
    device.save(update_fields=["polled_at", "interval_seconds"])
    return not is_too_early


def use(device: DeviceAuthorization) -> None:
    """Nothing is given for it again. The caller holds the row."""
    device.state = State.USED
    device.save(update_fields=["state"])
