"""The second factor of a user with a local account: an authenticator app, and recovery codes.

The one writer of both. A code counts once: the row says so in one statement, so of two who send
the same at once one is let in. Wrong codes count as wrong passwords do, at the same guard.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction

from idp import sealing
from idp.accounts import local, totp
from idp.accounts.login import BLOCKED_ADDRESS, BLOCKED_USER, end_everything, user_name
from idp.accounts.models import AuthenticatorApp, RecoveryCode, User
from idp.accounts.outcomes import Refused, Unavailable
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking import guard

_PURPOSE = b"idp.accounts.second_factor"
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # 80 bits: nobody guesses one, so a fast hash will do.
_LONGEST = 64
_BETWEEN = re.compile(r"[\s-]")


class Way(StrEnum):
    """Which of the two was given."""

    APP = "app"
    RECOVERY_CODE = "recovery code"


def is_set_up(user: User) -> bool:
    return AuthenticatorApp.objects.filter(user=user).exists()


def may_be_set_up(user: User) -> bool:
    """Of users whose passwords are kept elsewhere, that is the place for it."""
    return local.account_of(user) is not None


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


# --- Setting up -----------------------------------------------------------------------------------


def seal(secret: bytes) -> str:
    """A new secret, as a browser's session may keep it until a code of it is typed."""
    return sealing.seal(secret, _PURPOSE).decode()


def unseal(sealed: str) -> bytes | None:
    try:
        return sealing.unseal(sealed.encode(), _PURPOSE)
    except InvalidToken:
        return None


def set_up(user: User, secret: bytes, typed: str, now: datetime) -> list[str] | None:
    """Gives the user an app that has shown a right code, in place of any they had; answers new
    recovery codes, which can be seen this one time. None for a wrong code."""
    step = totp.matching_step(secret, _as_typed(typed), now)
    if step is None:
        return None
    codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        AuthenticatorApp.objects.update_or_create(
            user=user,
            defaults={
                "sealed_secret": sealing.seal(secret, _PURPOSE),
                "last_step": step,
                "added_at": now,
            },
        )
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user=user, digest=_digests(code)[0]) for code in codes
        )
        record(Tag.ACCOUNTS_SECOND_FACTOR_ADDED, user_id=user.pk, at=now)
    return [f"{code[:4]}-{code[4:8]}-{code[8:12]}-{code[12:]}" for code in codes]


def remove(user: User, *, by_operator: bool = False) -> bool:
    """Takes the app and the recovery codes away; False where there were none."""
    with transaction.atomic():
        gone, _ = AuthenticatorApp.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
        if gone:
            record(Tag.ACCOUNTS_SECOND_FACTOR_REMOVED, user_id=user.pk, by_operator=by_operator)
    return bool(gone)


# --- Being asked for it ---------------------------------------------------------------------------


def check(
    user: User, typed: str, *, address: str, client_id: str | None, now: datetime
) -> Way | Refused | Unavailable:
    """Whether a code of the user's was typed, by whoever has proved to know the password."""
    name = user_name(user.login_service, user.username)
    attempt = guard.begin(address, user.username, [name])
    match attempt:
        case guard.AddressBlocked():
            return Refused(BLOCKED_ADDRESS)
        case guard.Crowded():
            return Unavailable("too many attempts from this address at once")
    if name in attempt.blocked:
        guard.close(attempt)
        return Refused(BLOCKED_USER)

    def tell(is_blocked: bool) -> None:
        reason = BLOCKED_USER if is_blocked else "wrong code"
        record(
            Tag.ACCOUNTS_SECOND_FACTOR_REFUSED,
            client_id=client_id,
            user_id=user.pk,
            address=address or None,
            reason=reason,
        )

    try:
        way = _use(user, _as_typed(typed), address, client_id, now)
    except BaseException:
        guard.close(attempt)
        raise
    if way is not None:
        guard.close(attempt)
        return way
    is_blocked = guard.close(
        attempt, failed=[name], counts=True, is_known=True, blocked=end_everything, closing=tell
    )
    return Refused(BLOCKED_USER if is_blocked else "wrong code")


def _use(user: User, typed: str, address: str, client_id: str | None, now: datetime) -> Way | None:
    """Uses up what was typed, where it is right, with its event."""
    with transaction.atomic():
        if _use_app(user, typed, now):
            way = Way.APP
        elif _use_recovery_code(user, typed, now):
            way = Way.RECOVERY_CODE
        else:
            return None
        record(
            Tag.ACCOUNTS_SECOND_FACTOR_ACCEPTED,
            client_id=client_id,
            user_id=user.pk,
            address=address or None,
            at=now,
            way=way.value,
        )
    return way


def _use_app(user: User, typed: str, now: datetime) -> bool:
    """RFC 6238 section 5.2: "The verifier MUST NOT accept the second attempt of the OTP after the
    successful validation has been issued for the first OTP"."""
    app = AuthenticatorApp.objects.filter(user=user).first()
    if app is None:
        return False
    step = totp.matching_step(sealing.unseal(app.sealed_secret, _PURPOSE), typed, now)
    if step is None:
        return False
    return bool(
        AuthenticatorApp.objects.filter(pk=app.pk, last_step__lt=step).update(last_step=step)
    )


def _use_recovery_code(user: User, typed: str, now: datetime) -> bool:
    unused = RecoveryCode.objects.filter(user=user, used_at=None, digest__in=_digests(typed))
    return bool(unused.update(used_at=now))


def _as_typed(text: str) -> str:
    """Without what people put in between, in the letters that recovery codes have."""
    return _BETWEEN.sub("", text[:_LONGEST]).upper()


def _new_recovery_code() -> str:
    return base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()


def _digests(code: str) -> Sequence[bytes]:
    """Under each of IDP_SECRET_KEYS, newest first."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    message = _PURPOSE + b" " + code.encode("utf-8", "replace")
    return [hmac.digest(key.encode(), message, "sha256") for key in keys]
