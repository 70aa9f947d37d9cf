"""Passkeys of users with a local account (WebAuthn level 2): the one writer of their rows.

A passkey proves two things at once, that somebody has it and that they are its user: it signs
nothing unless they have shown a finger, a face or a PIN. So it lets in without a password, and is
worth as much as a password with a code.

A challenge is no row: it is signed, names the browser and the use that it was made for, and ends
soon. What was answered to it is remembered, as an assertion is, so that none counts twice.
"""

import hmac
import json
import secrets
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp import spent_assertions
from idp.accounts import assurance, local
from idp.accounts.assurance import Methods
from idp.accounts.login import BLOCKED_ADDRESS, BLOCKED_USER, end_everything, user_name
from idp.accounts.models import Passkey, User
from idp.accounts.outcomes import Refused, Unavailable
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking import guard

MAX_PASSKEYS = 10
LIFETIME = timedelta(minutes=10)
LONGEST_NAME = 60
LONGEST_RESPONSE = 16_384
# Of a credential, in bytes: WebAuthn level 2 section 4.
LONGEST_ID = 1_023
_PURPOSE = b"idp.accounts.passkeys"
_NONCE, _END, _MAC = 16, 8, 32

# What parsers say of the bytes of a stranger.
_MALFORMED = (
    *(ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError),
    *(RecursionError, NotImplementedError, struct.error),
)


class Use(StrEnum):
    """What a challenge is for: an answer to one is none to another."""

    REGISTER = "register"
    SIGN_IN = "sign in"


@dataclass(frozen=True, slots=True)
class Proved:
    """Whose passkey has answered, and by which methods that proves who they are (RFC 8176)."""

    user: User
    amr: Methods


class Problem(Exception):
    """A passkey that is not taken; the text is for the audit and for logs."""


# --- Where they count -----------------------------------------------------------------------------


def are_possible() -> bool:
    """Section 5.1.2: a relying party is a domain; browsers have no passkeys for an address."""
    try:
        ip_address(_host())
    except ValueError:
        return True
    return False


def may_have_one(user: User) -> bool:
    """Of users whose passwords are kept elsewhere, that is the place for it."""
    return are_possible() and local.account_of(user) is not None


def _host() -> str:
    return urlsplit(settings.PUBLIC_URL).hostname or ""


def _is_ours(origin: str) -> bool:
    parts = urlsplit(settings.PUBLIC_URL)
    return origin == f"{parts.scheme}://{parts.netloc}"


@cache
def _server(host: str) -> Fido2Server:
    party = PublicKeyCredentialRpEntity(id=host, name=host)
    return Fido2Server(party, verify_origin=_is_ours)


# --- Challenges -----------------------------------------------------------------------------------


def _challenge(use: Use, browser: str, now: datetime) -> bytes:
    end = int((now + LIFETIME).timestamp()).to_bytes(_END)
    body = secrets.token_bytes(_NONCE) + end
    return body + _mac(settings.SECRET_KEY, use, browser, body)


def _mac(key: str, use: Use, browser: str, body: bytes) -> bytes:
    message = b"\0".join([_PURPOSE, use.encode(), browser.encode("utf-8", "replace"), body])
    return hmac.digest(key.encode(), message, "sha256")


def _end_of(challenge: bytes, use: Use, browser: str, now: datetime) -> datetime:
    """When a challenge of ours ends; Problem for any other, and for one that has."""
    body, mac = challenge[: _NONCE + _END], challenge[_NONCE + _END :]
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(hmac.compare_digest(_mac(key, use, browser, body), mac) for key in keys):
        raise Problem("a challenge that was not made for this browser")
    end = datetime.fromtimestamp(int.from_bytes(body[_NONCE:]), UTC)
    if end <= now:
        raise Problem("a challenge that has ended")
    return end


def _spend(challenge: bytes, end: datetime) -> None:
    if not spent_assertions.spend(_PURPOSE.decode(), challenge.hex(), end):
        raise Problem("a challenge that was answered before")


# --- Having them ----------------------------------------------------------------------------------


def of(user: User) -> list[Passkey]:
    return list(Passkey.objects.filter(user=user).order_by("added_at", "pk"))


def to_register(user: User, browser: str, now: datetime) -> dict[str, Any]:
    """What a browser is asked to make (PublicKeyCredentialCreationOptionsJSON, section 5.1)."""
    options, _ = _server(_host()).register_begin(
        PublicKeyCredentialUserEntity(
            id=user.sub.encode(), name=user.username, display_name=user.get_full_name()
        ),
        credentials=[AttestedCredentialData(bytes(row.credential)) for row in of(user)],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=_challenge(Use.REGISTER, f"{browser} {user.sub}", now),
    )
    return dict(options.public_key)


def register(user: User, said: str, name: str, *, browser: str, now: datetime) -> Passkey:
    """Takes what a browser has made for a user who is signed in; Problem where it is not right."""
    try:
        response = RegistrationResponse.from_dict(_read(said))
        challenge = response.response.client_data.challenge
        end = _end_of(challenge, Use.REGISTER, f"{browser} {user.sub}", now)
        made = _server(_host()).register_complete(_state(challenge), response)
        credential = _credential_of(made)
    except _MALFORMED as error:
        raise Problem(str(error) or type(error).__name__) from None
    if len(credential.credential_id) > LONGEST_ID:
        raise Problem("an id that is too long")
    with transaction.atomic():
        # Who adds several at once does so one after the other.
        User.objects.select_for_update().get(pk=user.pk)
        if Passkey.objects.filter(user=user).count() >= MAX_PASSKEYS:
            raise Problem("too many passkeys")
        _spend(challenge, end)
        try:
            with transaction.atomic():
                row = Passkey.objects.create(
                    user=user,
                    name=name,
                    credential_id=credential.credential_id,
                    credential=bytes(credential),
                    sign_count=made.counter,
                    is_synced=bool(made.flags & AuthenticatorData.FLAG.BE),
                    added_at=now,
                )
        except IntegrityError:
            # Section 7.1: whoever else has registered it.
            raise Problem("a passkey that is known already") from None
        record(Tag.ACCOUNTS_PASSKEY_ADDED, user_id=user.pk, at=now, passkey=row.pk)
    return row


def remove(user: User, passkey_id: int, *, by_operator: bool = False) -> bool:
    """False where they have no such one."""
    with transaction.atomic():
        gone, _ = Passkey.objects.filter(user=user, pk=passkey_id).delete()
        if gone:
            record(
                Tag.ACCOUNTS_PASSKEY_REMOVED,
                user_id=user.pk,
                passkey=passkey_id,
                by_operator=by_operator,
            )
    return bool(gone)


# --- Signing in by one ----------------------------------------------------------------------------


def to_sign_in(browser: str, now: datetime, user: User | None = None) -> dict[str, Any]:
    """What a browser is asked to sign (PublicKeyCredentialRequestOptionsJSON, section 5.5); by a
    passkey of this user, or by any that it has for us."""
    rows = of(user) if user else []
    options, _ = _server(_host()).authenticate_begin(
        credentials=[AttestedCredentialData(bytes(row.credential)) for row in rows] or None,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=_challenge(Use.SIGN_IN, browser, now),
    )
    return dict(options.public_key)


def check(  # noqa: PLR0913 - what there is to say
    said: str,
    *,
    browser: str,
    address: str,
    client_id: str | None,
    now: datetime,
    user: User | None = None,
) -> Proved | Refused | Unavailable:
    """Who has answered a challenge of ours with their passkey; only that user, where one is named.

    What is wrong counts as a wrong password does, at the address and, where the passkey is known,
    at its user.
    """
    try:
        response = AuthenticationResponse.from_dict(_read(said))
    except _MALFORMED:
        response = None
    row = _row_of(response)
    names = [user_name(row.user.login_service, row.user.username)] if row else []
    attempt = guard.begin(address, row.user.username if row else "", names)
    match attempt:
        case guard.AddressBlocked():
            return Refused(BLOCKED_ADDRESS)
        case guard.Crowded():
            return Unavailable("too many attempts from this address at once")
    if attempt.blocked:
        guard.close(attempt)
        return Refused(BLOCKED_USER)
    try:
        proved = _accept(row, response, user, browser, now, address=address, client_id=client_id)
    except Problem as problem:
        reason = str(problem)
    except BaseException:
        guard.close(attempt)
        raise
    else:
        guard.close(attempt)
        return proved

    def tell(is_blocked: bool) -> None:
        record(
            Tag.ACCOUNTS_PASSKEY_REFUSED,
            client_id=client_id,
            user_id=row.user_id if row else None,
            address=address or None,
            reason=BLOCKED_USER if is_blocked else reason,
        )

    is_blocked = guard.close(
        attempt,
        failed=names,
        counts=True,
        is_known=row is not None,
        blocked=end_everything,
        closing=tell,
    )
    return Refused(BLOCKED_USER if is_blocked else reason)


def _accept(  # noqa: PLR0913 - what decides
    row: Passkey | None,
    response: AuthenticationResponse | None,
    user: User | None,
    browser: str,
    now: datetime,
    *,
    address: str,
    client_id: str | None,
) -> Proved:
    if response is None:
        raise Problem("what the browser said cannot be read")
    if row is None:
        raise Problem("no passkey of ours")
    if user is not None and row.user_id != user.pk:
        raise Problem("the passkey of somebody else")
    if not row.user.is_active or local.account_of(row.user) is None:
        raise Problem("inactive user")
    said = response.response
    if said.client_data.cross_origin:
        raise Problem("asked for in a frame of another site")
    if said.user_handle is not None and said.user_handle != row.user.sub.encode():
        raise Problem("the passkey names somebody else")
    try:
        end = _end_of(said.client_data.challenge, Use.SIGN_IN, browser, now)
        known = [AttestedCredentialData(bytes(row.credential))]
        state = _state(said.client_data.challenge)
        _server(_host()).authenticate_complete(state, known, response)
    except _MALFORMED as error:
        raise Problem(str(error) or type(error).__name__) from None
    count = said.authenticator_data.counter
    with transaction.atomic():
        _spend(said.client_data.challenge, end)
        if not _count_up(row, count, now):
            # Section 6.1.1: "a signal that the authenticator may be cloned".
            raise Problem("a signature counter that does not go on")
        record(
            Tag.ACCOUNTS_PASSKEY_ACCEPTED,
            client_id=client_id,
            user_id=row.user_id,
            address=address or None,
            at=now,
            passkey=row.pk,
        )
    held = assurance.SOFTWARE_KEY if row.is_synced else assurance.HARDWARE_KEY
    return Proved(row.user, (held, assurance.USER_VERIFIED, assurance.SEVERAL))


def _count_up(row: Passkey, count: int, now: datetime) -> bool:
    """One conditional statement, so that of two clones that sign at once one is refused. Passkeys
    that are synced count nothing and say 0."""
    rows = Passkey.objects.filter(pk=row.pk)
    rows = rows.filter(sign_count=0) if count == 0 else rows.filter(sign_count__lt=count)
    return bool(rows.update(sign_count=count, used_at=now))


def _row_of(response: AuthenticationResponse | None) -> Passkey | None:
    if response is None:
        return None
    rows = Passkey.objects.select_related("user__login_service")
    return rows.filter(credential_id=response.raw_id).first()


def _read(said: str) -> dict[str, Any]:
    if len(said) > LONGEST_RESPONSE:
        raise ValueError("too long")
    read = json.loads(said)
    if not isinstance(read, dict):
        raise TypeError("no object")
    return read


def _state(challenge: bytes) -> dict[str, Any]:
    """What fido2 would have a browser's session keep; that the challenge is ours is known."""
    return {
        "challenge": websafe_encode(challenge),
        "user_verification": UserVerificationRequirement.REQUIRED,
    }


def _credential_of(made: AuthenticatorData) -> AttestedCredentialData:
    if made.credential_data is None:
        raise ValueError("no key")
    return made.credential_data
