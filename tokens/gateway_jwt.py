"""The gateway JWT: the short-lived signed form of an access token for the services behind the
gateway (RFC 9068 profile)."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from clients_admin.models import scope_group_members
from clients_admin.scopes import expand
from tokens import payload, policy, scopes
from tokens.errors import InvalidScope
from tokens.introspection.check import Living
from tokens.keys import ring

ALGORITHM = "ES256"
TYPE = "at+jwt"  # RFC 9068 section 2.1


@dataclass(frozen=True, slots=True)
class GatewayJWT:
    encoded: str
    scope: str
    expires_in: int


def make(
    living: Living, *, audience: str, now: datetime, requested_scope: list[str] | None = None
) -> GatewayJWT:
    """Signs what is known of a living token. Raises InvalidScope for a scope that it lacks."""
    names = living.scopes
    if requested_scope:
        names = expand(requested_scope, scope_group_members())
        if not names <= living.scopes:
            raise InvalidScope(reason="wider than the subject token")
    expires_at = policy.jwt_expires_at(living.client.effective_flags, now, living.token.expires_at)
    claims = {
        **payload.user_claims(living),
        **payload.context(living),
        "iss": settings.PUBLIC_URL,
        "sub": living.subject,
        "aud": audience,
        "client_id": living.client.client_id,
        "scope": scopes.as_text(names),
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": secrets.token_urlsafe(12),
    }
    encoded = ring.current().signer(ALGORITHM).sign(claims, typ=TYPE)
    return GatewayJWT(encoded, claims["scope"], int((expires_at - now).total_seconds()))
