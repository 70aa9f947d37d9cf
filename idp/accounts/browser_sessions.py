"""Tells of browser sessions that begin and end, whoever begins and ends them: our pages or the
admin. Receivers of Django's signals.

A session has a `sid`, by which clients know it. It says nothing of the session's key.
"""

import secrets
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest

from idp.accounts.models import User, new_subject
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.signals import sessions_ended

_SID = "sid"


def connect() -> None:
    user_logged_in.connect(_begun, dispatch_uid="idp.accounts.browser_sessions")
    user_logged_out.connect(_ended, dispatch_uid="idp.accounts.browser_sessions")


def end_all(user: User) -> None:
    """Ends every browser session of a user, here and in the admin: each is tied to the salt."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(sessions_salt=new_subject())
        record(Tag.ACCOUNTS_SESSIONS_ENDED, user_id=user.pk)
        sessions_ended.send(User, user=user, sid=None)


def sid_of(session: SessionBase) -> str:
    """What clients know a session by; empty for one of a release that named none."""
    return str(session.get(_SID, ""))


def _begun(request: HttpRequest, user: User, **_: Any) -> None:
    """Saves the session with its event; Django would do so only after the view.

    Where that fails nobody is signed in: the answer of an outage must not save it after all.
    """
    # One who signs in again goes on with their session; Django gives others a new one.
    request.session.setdefault(_SID, secrets.token_urlsafe(16))
    try:
        with transaction.atomic():
            request.session.save()
            record(Tag.ACCOUNTS_SESSION_BEGUN, user_id=user.pk)
    except BaseException:
        request.session = type(request.session)()
        raise


def _ended(request: HttpRequest, user: User | None, **_: Any) -> None:
    """Before Django deletes the session, in the transaction of whoever signs the user out."""
    if user is not None:
        record(Tag.ACCOUNTS_SESSION_ENDED, user_id=user.pk)
        sessions_ended.send(User, user=user, sid=sid_of(request.session))
