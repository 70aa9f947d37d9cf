"""One case, and what is decided in it."""

from dataclasses import dataclass
from datetime import datetime

from clients_admin.flags import ClientFlags
from clients_admin.models import Client, GrantType, Known, scope_group_members
from idp.accounts.models import TrustedIssuer, User
from tokens import policy, scopes
from tokens.errors import InvalidScope, UnauthorizedClient
from tokens.explain import ways
from tokens.explain.ways import Way
from tokens.grants import on_behalf_of
from tokens.policy import FirstExpiries


@dataclass(frozen=True, slots=True)
class Case:
    """Who asks for what, and which client then gets the gateway JWT for it. `asked` is in order."""

    client: Client
    gateway: Client
    way: Way
    user: User | None
    asked: tuple[str, ...]
    now: datetime

    @property
    def flags(self) -> ClientFlags:
        return self.client.effective_flags


@dataclass(frozen=True, slots=True)
class Decided:
    """What comes of a case; where the scope is refused, `stored` and `granted` are empty."""

    case: Case
    refusals: tuple[str, ...]
    login_services: tuple[str, ...]
    stored: str
    granted: frozenset[str]
    expiries: FirstExpiries

    @property
    def has_refresh_token(self) -> bool:
        return self.expiries.refresh_token is not None

    @property
    def has_id_token(self) -> bool:
        return self.case.way.is_login and scopes.OPENID in self.granted


def known(client: Client) -> Client:
    """The client with all that is asked of it read once, as it is stored now."""
    client.known = Known.of(client, scope_group_members())
    return client


def decide(case: Case) -> Decided:
    client, way = case.client, case.way
    services = list(client.ordered_login_services())
    refusals = _of_client(case)
    if case.user:
        refusals += _of_user(case, case.user, {service.pk for service in services})
    stored, granted = "", frozenset[str]()
    try:
        stored = way.stored(client, case.asked)
        granted = scopes.effective(client, stored)
    except InvalidScope as refusal:
        refusals.append(f"The scope is refused (invalid_scope): {refusal.reason}.")
    return Decided(
        case,
        tuple(refusals),
        tuple(service.name for service in services),
        stored,
        granted,
        _expiries(case),
    )


def _of_client(case: Case) -> list[str]:
    """Why this client gets nothing this way, whoever the user is."""
    client, way = case.client, case.way
    refusals = []
    if not client.is_active:
        refusals.append("The client is not active (invalid_client).")
    if way is ways.ON_BEHALF_OF:
        try:
            on_behalf_of.require_right(client)
        except UnauthorizedClient as refusal:
            refusals.append(f"It may not act for users (unauthorized_client): {refusal.reason}.")
    elif not client.allows_grant_type(way.grant_type):
        refusals.append(
            f"The client does not have the grant {way.grant_type} (unauthorized_client)."
        )
    if way is ways.PASSWORD and not case.flags.allow_password_grant:
        refusals.append("The flag allow_password_grant is off (unauthorized_client).")
    if case.flags.required_acr != "any" and way.has_user and not way.can_ask_for_second_factor:
        refusals.append("The flag required_acr cannot be met by this grant (unauthorized_client).")
    return refusals


def _of_user(case: Case, user: User, services: set[int]) -> list[str]:
    """Why this user gets nothing at this client."""
    service = user.login_service
    refusals = []
    if not user.is_active:
        refusals.append("The user is not active.")
    if case.way is ways.ON_BEHALF_OF:
        if service.name not in case.flags.on_behalf_of_login_services:
            refusals.append(f"The flag on_behalf_of_login_services does not name {service}.")
    elif service.pk not in services:
        refusals.append(f"Users of {service} do not sign in at this client, or it is switched off.")
    if case.way is ways.JWT_BEARER:
        issuers = TrustedIssuer.objects.filter(login_service=service, is_enabled=True)
        if not issuers.exists():
            refusals.append(f"No trusted issuer speaks for users of {service}.")
    return refusals


def _expiries(case: Case) -> FirstExpiries:
    if not case.way.is_login:
        return FirstExpiries(policy.access_token_expires_at(case.flags, case.now), None, None)
    has_refresh_token = case.client.allows_grant_type(GrantType.REFRESH_TOKEN)
    return policy.first_expiries(case.flags, case.now, has_refresh_token=has_refresh_token)
