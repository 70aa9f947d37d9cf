"""`/account/applications`: what has access to a user's account, to what, and how they end it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clients_admin.models import Client, Scope, scope_group_members
from clients_admin.scopes import expand
from idp.accounts.models import User
from tokens import logins, scopes
from tokens.account.door import Visit, account_page
from tokens.models import Consent
from tokens.withdrawal import withdraw

PATH = "/account/applications"
MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Access:
    """What one application may do, since when, and when it last got a token, if one is alive."""

    client: Client
    scopes: list[Scope]
    since: datetime
    used_at: datetime | None

    @property
    def name(self) -> str:
        return self.client.name or self.client.client_id


@account_page
def applications_page(visit: Visit) -> HttpResponse:
    now = timezone.now()
    if visit.request.method == "POST":
        asked = visit.posted("application")
        client = Client.objects.filter(client_id=asked).first()
        if client and any(found.client == client for found in access_of(visit.user, now)):
            withdraw(visit.user, client, now)
        return visit.to(PATH)
    return visit.answer(
        "applications",
        title=_("Applications with access"),
        applications=access_of(visit.user, now),
    )


def access_of(user: User, now: datetime) -> list[Access]:
    """Whatever has a living token of the user or may have one without asking; in a fixed number of
    statements. Those that have come by last stand first."""
    living: dict[int, list[logins.Grant]] = {}
    for found in logins.grants_of(user, now):
        living.setdefault(found.client_id, []).append(found)
    consents = {row.client_id: row for row in Consent.objects.filter(user=user).exclude(scope="")}
    clients = Client.objects.prefetch_related("scopes", "scope_groups").in_bulk(
        living.keys() | consents.keys()
    )
    groups = scope_group_members()
    descriptions = {scope.name: scope for scope in Scope.objects.all()}
    shown = []
    for key, client in clients.items():
        consent, tokens = consents.get(key), living.get(key, [])
        stored = [found.scope for found in tokens] + ([consent.scope] if consent else [])
        names = _opened(client, stored, groups)
        begun = [found.since for found in tokens] + ([consent.granted_at] if consent else [])
        used_at = max((found.last_token_at for found in tokens), default=None)
        known = [descriptions[name] for name in names if name in descriptions]
        # Who the user is comes first, whatever the alphabet says.
        known.sort(key=lambda scope: (scope.name != scopes.OPENID, scope.name))
        shown.append(Access(client, known, min(begun), used_at))
    shown.sort(key=lambda access: access.used_at or access.since, reverse=True)
    return shown[:MAX_SHOWN]


def _opened(
    client: Client, stored: Iterable[str], groups: Mapping[str, list[str]]
) -> frozenset[str]:
    """As `scopes.effective`, of rows that are in hand."""
    held = [*client.scopes.all(), *client.scope_groups.all()]
    allowed = expand([known.name for known in held], groups)
    names: frozenset[str] = frozenset()
    for text in stored:
        names |= allowed if text == scopes.ALL else expand(text.split(), groups) & allowed
    return names
