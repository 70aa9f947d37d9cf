"""`/account/sign-ins`: when somebody has signed in as the user of late, or tried to."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from clients_admin.models import Client
from idp.accounts.login import BLOCKED_ADDRESS, BLOCKED_USER
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag
from tokens.account.door import Visit, account_page

MAX_SHOWN = 30
# Of the user's events, so many of the newest are looked at: an application may make many others.
MAX_EVENTS = 1_000
ACCEPTED = frozenset({Tag.ACCOUNTS_SIGN_IN_ACCEPTED, Tag.ACCOUNTS_PASSKEY_ACCEPTED})
TAGS = ACCEPTED | {Tag.ACCOUNTS_SIGN_IN_REFUSED, Tag.ACCOUNTS_PASSKEY_REFUSED}
REASONS: dict[str, str | Promise] = {
    "wrong password": _("The password was wrong."),
    BLOCKED_USER: _("There had been too many wrong attempts."),
    BLOCKED_ADDRESS: _("There had been too many wrong attempts."),
    "inactive account": _("The account is switched off."),
    "inactive user": _("The account is switched off."),
}
OTHER_REASON = _("It was refused.")


@dataclass(frozen=True, slots=True)
class ShownSignIn:
    at: datetime
    address: str
    application: str
    is_accepted: bool
    reason: str | Promise


@account_page
def sign_ins_page(visit: Visit) -> HttpResponse:
    return visit.answer("sign_ins", title=_("Recent sign-ins"), sign_ins=of(visit.user))


def of(user: User) -> list[ShownSignIn]:
    """The newest first; by one index, and one look at the names of the applications."""
    newest = AuditEvent.objects.of_users([user.pk]).order_by("-id")
    events = newest.values_list("tag", "at", "address", "client_id", "details")[:MAX_EVENTS]
    found = [event for event in events if event[0] in TAGS][:MAX_SHOWN]
    client_ids = {client_id for *_rest, client_id, _details in found if client_id}
    names = dict(Client.objects.filter(client_id__in=client_ids).values_list("client_id", "name"))
    return [
        ShownSignIn(
            at=at,
            address=address or "",
            application=names.get(client_id) or client_id or "",
            is_accepted=tag in ACCEPTED,
            reason=REASONS.get(details.get("reason", ""), OTHER_REASON),
        )
        for tag, at, address, client_id, details in found
    ]
