"""Which clients a user has signed in to in which browser session, and what ends with a session.

The one place where logouts come together: the sign-out page, clients that ask for it, operators,
blocks and new passwords (`idp.signals`). Every client that got an ID token in the session is told,
and its tokens end, but for those of an offline login.

OpenID Connect Back-Channel Logout 1.0 section 2.7: "Refresh tokens issued without the
offline_access property to a session being logged out SHOULD be revoked. Refresh tokens issued with
the offline_access property normally SHOULD NOT be revoked."
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from clients_admin.models import Client
from idp.accounts.models import User
from idp.audit.tags import Tag
from tokens import logout_notices, revoke, scopes
from tokens.models import AuthorizationCode, SessionLogin

# OpenID Connect Core 1.0 section 11.
OFFLINE_ACCESS = "offline_access"


def begin(code: AuthorizationCode, client: Client) -> None:
    """Remembers that a client will get an ID token for this code, in the code's session."""
    SessionLogin.objects.create(
        family=code.pk,
        sid=code.sid,
        user_id=code.user_id,
        client=client,
        is_offline=OFFLINE_ACCESS in scopes.effective(client, code.scope),
    )


def hold(code: AuthorizationCode) -> bool:
    """Whether the code's session goes on, and keeps it from ending while the transaction lasts.

    Before the family is locked, because whoever ends a session does it in this order.
    """
    return SessionLogin.objects.select_for_update().filter(pk=code.pk).exists()


def end(user: User, sid: str | None, now: datetime, *, kept: str | None = None) -> None:
    """Ends what hangs on a session of a user, or on all of theirs but one where there is no
    `sid`."""
    with transaction.atomic():
        ended = end_without_tokens(user, sid, now, kept=kept)
        families: dict[int, list[int]] = {}
        for login in ended:
            if not login.is_offline:
                families.setdefault(login.client_id, []).append(login.family)
        for client in Client.objects.filter(pk__in=families).order_by("pk"):
            tag = Tag.TOKENS_FAMILY_SIGNED_OUT
            revoke.logins(user.pk, client, families[client.pk], tag, now)


def end_without_tokens(
    user: User, sid: str | None, now: datetime, *, kept: str | None = None
) -> list[SessionLogin]:
    """The same for a caller who ends all tokens of the user afterwards; answers the logins.

    A code that is exchanged at this moment is waited for, and one that comes later is refused.
    """
    which = Q(user=user) if sid is None else Q(user=user, sid=sid)
    if kept is not None:
        which &= ~Q(sid=kept)
    with transaction.atomic():
        ended = list(SessionLogin.objects.select_for_update().filter(which).order_by("family"))
        _forget(ended)
        logout_notices.queue(user, ended, are_all=sid is None and kept is None, now=now)
    return ended


def hear(user: User, sid: str | None, kept: str | None = None, **_: Any) -> None:
    """Receiver of `sessions_ended`."""
    if sid != "":  # A session that the release before has begun has no name.
        end(user, sid, timezone.now(), kept=kept)


def _forget(logins: Iterable[SessionLogin]) -> None:
    SessionLogin.objects.filter(pk__in=[login.pk for login in logins]).delete()
