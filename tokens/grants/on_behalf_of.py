"""RFC 8693 for a user who is not there: the client names the user, and the token says who acts.

A form of the token-exchange grant, for confidential clients whose flags name the user's login
service and the scopes (decision 0010). `subject_token` is `LOGIN_SERVICE:EXTERNAL_ID`. There is no
refresh token, and no `auth_time`: nobody has signed in.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clients_admin.models import Client, GrantType, Known
from clients_admin.scopes import expand
from idp import metrics
from idp.accounts.login import find
from idp.accounts.models import LoginService, User
from idp.accounts.outcomes import Refused, Unavailable
from idp.audit.details import without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import gateway_jwt, issue, policy, scopes
from tokens.errors import (
    InvalidRequest,
    InvalidScope,
    ProtocolError,
    TemporarilyUnavailable,
    UnauthorizedClient,
)
from tokens.format import Prefix
from tokens.grants.exchange_parameters import ACCESS_TOKEN_TYPE, JWT_TYPE, check_target
from tokens.introspection.check import Living, Subject, living
from tokens.introspection.look_up import Token
from tokens.issue import Delegation
from tokens.wire import Parameters

MAX_EXTERNAL_ID = 255
# Who acts for somebody who acts for somebody, and so on.
MAX_ACTORS = 4


class NotOnBehalf(InvalidRequest):
    """RFC 8693 section 2.2.2: invalid_request where the subject token is "unacceptable based on
    policy". One text for all of these, so that nobody learns who has an account."""

    description = "The subject_token names nobody on whose behalf this client may act."


@dataclass(slots=True)
class Parties:
    """Who acts and for whom, as far as is known: the audit has both, whatever comes of it."""

    client: Client
    login_service: str
    external_id: str
    user: User | None = None
    actor: Living | None = None

    @property
    def act(self) -> dict[str, Any]:
        """RFC 8693 section 4.1: "The act (actor) claim provides a means … to express that
        delegation has occurred and identify the acting party"; nested where the actor has one."""
        if self.actor is None:
            return {"sub": self.client.client_id}
        act: dict[str, Any] = {"sub": self.actor.subject}
        if before := (self.actor.token.extra or {}).get("act"):
            act["act"] = before
        return act

    @property
    def user_id(self) -> int | None:
        if self.user:
            return self.user.pk
        return (
            User.objects.filter(
                login_service__name=self.login_service, external_id=self.external_id
            )
            .values_list("pk", flat=True)
            .first()
        )

    def record(self, tag: Tag, now: datetime, **details: str) -> None:
        """What the client has sent may hold anything, also where a name belongs."""
        record(
            tag,
            client_id=self.client.client_id,
            user_id=self.user_id,
            actor=self.act["sub"],
            at=now,
            login_service=without_secrets(self.login_service),
            external_id=without_secrets(self.external_id),
            **{name: without_secrets(text) for name, text in details.items()},
        )


def answer(client: Client, parameters: Parameters, now: datetime) -> dict[str, Any]:
    """RFC 8693 section 2.2.1, for a client that has proved itself. Raises ProtocolError."""
    login_service, _, external_id = parameters.get("subject_token", "").partition(":")
    parties = Parties(client, login_service, external_id)
    try:
        require_right(client)
        check_target(client, parameters)
        issued_type = token_type_of(parameters)
        scope = scope_of(client, parameters)
        parties.actor = actor_of(client, parameters, now)
        parties.user = user = user_of(parties)
    except TemporarilyUnavailable:
        raise
    except ProtocolError as refusal:
        tag = Tag.TOKENS_ON_BEHALF_OF_REFUSED
        parties.record(tag, now, error=refusal.error, reason=refusal.reason)
        metrics.count(metrics.GRANT_REFUSALS, client=client.client_id, grant="on_behalf_of")
        raise
    parties.record(Tag.TOKENS_ON_BEHALF_OF_ISSUED, now, scope=scope, issued=issued_type)
    # Nobody acts in somebody's name for longer than they could in their own.
    ends_at = parties.actor.token.expires_at if parties.actor else None
    delegation = Delegation(client, user, scope, parties.act, ends_at)
    said = signed(delegation, now) if issued_type == JWT_TYPE else opaque(delegation, now)
    return {**said, "issued_token_type": issued_type, "token_type": "Bearer", "scope": scope}


# --- What is asked for, and whether it may be had -------------------------------------------------


def require_right(client: Client) -> None:
    """The grant and both flags; each of them is needed, and a secret."""
    flags = client.effective_flags
    if not client.is_confidential:
        raise UnauthorizedClient(reason="a public client asked")
    if not client.allows_grant_type(GrantType.TOKEN_EXCHANGE):
        raise UnauthorizedClient(reason="client without the grant token exchange")
    if not flags.on_behalf_of_login_services or not flags.on_behalf_of_scopes:
        raise UnauthorizedClient(reason="client without the flags on_behalf_of_…")
    if flags.required_acr != "any":
        raise UnauthorizedClient(reason="nobody signs in, so required_acr cannot be met")


def token_type_of(parameters: Parameters) -> str:
    asked = parameters.get("requested_token_type", ACCESS_TOKEN_TYPE)
    if asked not in {ACCESS_TOKEN_TYPE, JWT_TYPE}:
        raise InvalidRequest(f"requested_token_type must be {ACCESS_TOKEN_TYPE} or {JWT_TYPE}.")
    return asked


def scope_of(client: Client, parameters: Parameters) -> str:
    """Single scopes, of those that both the flag and the client have; all of them by default.

    Frozen: what the client or a group gets later, such a token does not have.
    """
    known = client.read()
    allowed = allowed_scopes(known)
    asked = parameters.get("scope", "").split()
    names = expand(asked, known.scope_groups) if asked else allowed
    if not names:
        raise InvalidScope(reason="no scope is left")
    if refused := names - allowed:
        raise InvalidScope(reason=f"not allowed: {scopes.as_text(refused)}")
    return scopes.as_text(names)


def allowed_scopes(known: Known) -> frozenset[str]:
    """What both the flag and the client have."""
    return expand(known.flags.on_behalf_of_scopes, known.scope_groups) & known.allowed_scopes


def actor_of(client: Client, parameters: Parameters, now: datetime) -> Living | None:
    """Whose token the client shows as that of who acts; None where the client itself does."""
    token, token_type = parameters.get("actor_token"), parameters.get("actor_token_type")
    # RFC 8693 section 2.1: actor_token_type "is REQUIRED when the actor_token parameter is present
    # in the request but MUST NOT be included otherwise".
    if token is None and token_type is None:
        return None
    if token is None:
        raise InvalidRequest("actor_token is missing.")
    if token_type != ACCESS_TOKEN_TYPE:
        raise InvalidRequest(f"actor_token_type must be {ACCESS_TOKEN_TYPE}.")
    actor = living(issue.hear(Prefix.ACCESS_TOKEN, token), now)
    if actor is None or (actor.user is None and actor.client.pk != client.pk):
        raise InvalidRequest("The actor_token is invalid, expired, revoked or not of this client.")
    if actors_in((actor.token.extra or {}).get("act")) >= MAX_ACTORS:
        raise InvalidRequest("The actor_token itself has too many actors.")
    return actor


def actors_in(act: Any) -> int:
    return 1 + actors_in(act.get("act")) if isinstance(act, dict) else 0


def user_of(parties: Parties) -> User:
    """The user whom the client names, if it may; unknown ones are looked up, and never invented
    but where the client's flag and the kind of login service say so."""
    flags, external_id = parties.client.effective_flags, parties.external_id
    is_written_well = external_id.isprintable() and external_id == external_id.strip()
    if not external_id or len(external_id) > MAX_EXTERNAL_ID or not is_written_well:
        raise InvalidRequest("The subject_token must be LOGIN_SERVICE:EXTERNAL_ID.")
    if parties.login_service not in flags.on_behalf_of_login_services:
        raise NotOnBehalf(reason="login service not in on_behalf_of_login_services")
    service = LoginService.objects.filter(name=parties.login_service).first()
    if service is None:
        raise NotOnBehalf(reason="unknown login service")
    may_create = flags.on_behalf_of_unknown_users == "create"
    match find(service, external_id, may_create=may_create):
        case Refused(reason):
            raise NotOnBehalf(reason=reason)
        case Unavailable(reason):
            raise TemporarilyUnavailable(reason=reason)
        case user:
            return user


# --- What is given --------------------------------------------------------------------------------


def opaque(delegation: Delegation, now: datetime) -> dict[str, Any]:
    """An access token of ours, with a row; introspection and the gateway JWT have its `act`."""
    token = issue.delegated_token(delegation, now)
    return {
        "access_token": issue.say(token),
        "expires_in": int((token.expires_at - now).total_seconds()),
    }


def signed(delegation: Delegation, now: datetime) -> dict[str, Any]:
    """The gateway JWT that such an access token would be exchanged for; nothing is written."""
    token = gateway_jwt.make(unwritten(delegation, now), requester=delegation.client, now=now)
    return {"access_token": token.encoded, "expires_in": token.expires_in}


def unwritten(delegation: Delegation, now: datetime) -> Living:
    """The access token that would be issued, as if it were."""
    client, user = delegation.client, delegation.user
    token = Token(
        client_id=client.pk,
        user_id=user.pk,
        scope=delegation.scope,
        issued_at=now,
        expires_at=policy.access_token_expires_at(
            client.effective_flags, now, family_ends_at=delegation.ends_at
        ),
        extra={"act": delegation.act},
    )
    return Living(token, client, Subject.of(user), frozenset(delegation.scope.split()))
