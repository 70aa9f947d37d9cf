"""`/account/sessions`: the browsers in which a user is signed in, and how they sign them out."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts import browser_sessions
from idp.accounts.user_agents import Device, device
from tokens.account.door import Visit, account_page
from tokens.interaction import session

PATH = "/account/sessions"
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class ShownSession:
    number: int
    device: Device
    address: str
    begun_at: datetime
    used_at: datetime
    is_this: bool


@account_page
def sessions_page(visit: Visit) -> HttpResponse:
    if visit.request.method == "POST":
        _revoke(visit, visit.posted("session"))
        return visit.to(PATH)
    rows = browser_sessions.living(visit.user, timezone.now())
    shown = [
        ShownSession(
            number=row.pk,
            device=device(row.user_agent),
            address=row.address or "",
            begun_at=row.begun_at,
            used_at=row.used_at,
            is_this=browser_sessions.is_of(row, visit.request),
        )
        for row in rows
    ]
    return visit.answer("sessions", title=_("Your sessions"), sessions=shown, others=OTHERS)


def _revoke(visit: Visit, asked: str) -> None:
    """What is no number of theirs is nothing that could be ended."""
    if asked == OTHERS:
        browser_sessions.revoke_all(visit.user, visit.request.session)
        session.go_on(visit.request, visit.user)
    elif asked.isascii() and asked.isdecimal() and len(asked) < len(str(2**63)):
        browser_sessions.revoke(visit.user, int(asked))
