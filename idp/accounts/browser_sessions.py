"""The browser sessions of users: told of when they begin and end, whoever begins and ends them, our
pages or the admin (receivers of Django's signals); listed for their user, and ended by them.

A session has a `sid`, by which clients know it. It says nothing of the session's key.
"""

import secrets
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from idp import net
from idp.accounts.models import BrowserSession, User, new_subject
from idp.audit.details import clean_text, without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.signals import sessions_ended

_SID = "sid"

# A user has few browsers; whoever has more sees the newest, and can end all.
MAX_SHOWN = 50
# How exactly it is known when a session was used last.
USED_WITHIN = timedelta(minutes=5)
_LONGEST_USER_AGENT = 300


def connect() -> None:
    user_logged_in.connect(_begun, dispatch_uid="idp.accounts.browser_sessions")
    user_logged_out.connect(_ended, dispatch_uid="idp.accounts.browser_sessions")


# --- What a user sees of theirs -------------------------------------------------------------------


def living(user: User, now: datetime) -> list[BrowserSession]:
    """The newest sessions of a user that still count, those used last first."""
    found = BrowserSession.objects.filter(
        user=user, sessions_salt=user.sessions_salt, session__expire_date__gt=now
    )
    return list(found.order_by("-used_at", "-pk")[:MAX_SHOWN])


def note_use(request: HttpRequest, now: datetime) -> None:
    """Remembers that the session of a request is used, every few minutes."""
    key = request.session.session_key
    rows = BrowserSession.objects.filter(session_id=key, used_at__lte=now - USED_WITHIN)
    rows.update(used_at=now, address=_address(request))


def is_of(row: BrowserSession, request: HttpRequest) -> bool:
    return row.session_id == request.session.session_key


def revoke(user: User, row_id: int) -> bool:
    """Ends one session of this user; False where they have no such one."""
    rows = BrowserSession.objects.filter(user=user, pk=row_id)
    with transaction.atomic():
        row = rows.select_related("session").first()
        if row is None:
            return False
        # What hangs on the session goes first, then its row: the order of whoever signs out.
        sessions_ended.send(User, user=user, sid=sid_of(SessionStore(row.session_id)))
        Session.objects.filter(pk=row.session_id).delete()
        record(Tag.ACCOUNTS_SESSION_REVOKED, user_id=user.pk, begun_at=row.begun_at.isoformat())
    return True


def revoke_all(user: User, kept: SessionBase) -> None:
    """Ends every session of a user by their own wish, here and in the admin; the caller keeps the
    one in which they asked for it, under a new key."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(sessions_salt=new_subject())
        record(Tag.ACCOUNTS_SESSIONS_OTHERS_REVOKED, user_id=user.pk)
        sessions_ended.send(User, user=user, sid=None, kept=sid_of(kept))


def end_all(user: User) -> None:
    """Ends every browser session of a user, here and in the admin: each is tied to the salt."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(sessions_salt=new_subject())
        record(Tag.ACCOUNTS_SESSIONS_ENDED, user_id=user.pk)
        sessions_ended.send(User, user=user, sid=None)


def sid_of(session: SessionBase) -> str:
    """What clients know a session by; empty for one of a release that named none."""
    return str(session.get(_SID, ""))


# --- Their rows -----------------------------------------------------------------------------------


def begun_at(request: HttpRequest) -> datetime | None:
    """When the session of a request began, as far as that is known."""
    key = request.session.session_key
    rows = BrowserSession.objects.filter(session_id=key)
    return rows.values_list("begun_at", flat=True).first()


def note(request: HttpRequest, user: User, *, since: datetime | None = None) -> None:
    """Writes the row of a session that has a new key; `since` is when it began, if not now."""
    now = timezone.now()
    user_agent = without_secrets(request.headers.get("User-Agent", ""))
    BrowserSession.objects.update_or_create(
        session_id=request.session.session_key,
        defaults={
            "user": user,
            "sessions_salt": user.sessions_salt,
            "user_agent": clean_text(user_agent, _LONGEST_USER_AGENT),
            "address": _address(request),
            "begun_at": since or now,
            "used_at": now,
        },
    )


def _address(request: HttpRequest) -> str | None:
    """As PostgreSQL takes it: without a zone; None for a peer that has none."""
    try:
        return str(ip_address(net.address_of(request).partition("%")[0]))
    except ValueError:
        return None


def _begun(request: HttpRequest, user: User, **_: Any) -> None:
    """Saves the session with its event; Django would do so only after the view.

    Where that fails nobody is signed in: the answer of an outage must not save it after all.
    """
    # One who signs in again goes on with their session; Django gives others a new one.
    request.session.setdefault(_SID, secrets.token_urlsafe(16))
    try:
        with transaction.atomic():
            request.session.save()
            note(request, user)
            record(Tag.ACCOUNTS_SESSION_BEGUN, user_id=user.pk)
    except BaseException:
        request.session = type(request.session)()
        raise


def _ended(request: HttpRequest, user: User | None, **_: Any) -> None:
    """Before Django deletes the session, in the transaction of whoever signs the user out."""
    if user is not None:
        record(Tag.ACCOUNTS_SESSION_ENDED, user_id=user.pk)
        sessions_ended.send(User, user=user, sid=sid_of(request.session))
