"""The gateway JWT: the short-lived signed form of an access token for the services behind the
gateway (RFC 9068 profile)."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from clients_admin.models import Client
from clients_admin.scopes import expand
from tokens import payload, policy, scopes
from tokens.errors import InvalidScope
from tokens.introspection.check import Living
from tokens.introspection.look_up import Token
from tokens.keys import ring

TYPE = "at+jwt"  # RFC 9068 section 2.1


@dataclass(frozen=True, slots=True)
class GatewayJWT:
    encoded: str
    scope: str
    expires_in: int

    def may_be_said_until(self, made_at: datetime) -> datetime:
        """How long the same JWT may be given to the same gateway again: whoever keeps it for half
        of its life from then on does not keep it for longer than it lives."""
        return made_at + timedelta(seconds=self.expires_in / 4)


def make(
    living: Living, *, requester: Client, now: datetime, requested_scope: list[str] | None = None
) -> GatewayJWT:
    """Signs what is known of a living token, for the services that `requester` passes it to: the
    audience and the algorithm are its flags. Raises InvalidScope for a scope that the token lacks.
    """
    if requested_scope:
        names = expand(requested_scope, requester.read().scope_groups)
        if not names <= living.scopes:
            raise InvalidScope(reason="wider than the subject token")
        # What is said about the user is narrowed with it.
        living = living._replace(scopes=names)
    expires_at = expiry(living, now)
    said = claims(living, requester=requester, now=now) | {"jti": secrets.token_urlsafe(12)}
    encoded = ring.current().signer(requester.effective_flags.jwt_alg).sign(said, typ=TYPE)
    return GatewayJWT(encoded, said["scope"], int((expires_at - now).total_seconds()))


def expiry(living: Living, now: datetime) -> datetime:
    return policy.jwt_expires_at(living.client.effective_flags, now, living.token.expires_at)


def claims(living: Living, *, requester: Client, now: datetime) -> dict[str, Any]:
    """What the JWT says, but for its `jti`."""
    return {
        **payload.user_claims(living),
        **payload.context(living),
        "iss": settings.PUBLIC_URL,
        "sub": living.subject,
        "aud": requester.effective_flags.jwt_audience,
        "client_id": living.client.client_id,
        "scope": scopes.as_text(living.scopes),
        "iat": int(now.timestamp()),
        "exp": int(expiry(living, now).timestamp()),
    }


def of_client(client: Client, stored_scope: str, now: datetime) -> GatewayJWT:
    """The client's own JWT: the same as for a token of its own, which is never written."""
    unwritten = Token(
        client_id=client.pk,
        scope=stored_scope,
        issued_at=now,
        expires_at=now + timedelta(seconds=client.effective_flags.jwt_seconds),
    )
    names = scopes.effective(client, stored_scope)
    return make(Living(unwritten, client, None, names), requester=client, now=now)
