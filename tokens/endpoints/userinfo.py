"""`/oauth2/userinfo` (OpenID Connect Core 1.0 section 5.3): claims by scope, for a bearer token."""

from functools import partial
from typing import Any

from django.utils import timezone

from tokens import claims_request, issue, payload, scopes, wire
from tokens.errors import InsufficientScope, InvalidRequest, InvalidToken, NoToken
from tokens.format import Prefix
from tokens.introspection.check import Living, living


@wire.endpoint
def userinfo(call: wire.Call) -> wire.Answer:
    wire.require_method(call, "GET", "POST")
    found = living(issue.hear(Prefix.ACCESS_TOKEN, bearer_token(call)), timezone.now())
    if found is None:
        raise InvalidToken(reason="unknown, expired or revoked access token")
    if found.user is None or scopes.OPENID not in found.scopes:
        raise InsufficientScope(reason="no user, or without the scope openid")
    said = {"sub": found.subject, **payload.user_claims(found), **_asked_for(found)}
    answer = wire.Answer.json(said)
    answer.keepable = partial(found.keepable, found.client)
    return answer


def _asked_for(found: Living) -> dict[str, Any]:
    """The single claims that were granted beside the scopes."""
    claims = (found.token.extra or {}).get("claims", {}).get("userinfo")
    if not claims or found.user is None:
        return {}
    return claims_request.fulfilled(found.client, claims, payload.known_of(found.user))


def bearer_token(call: wire.Call) -> str:
    """RFC 6750 section 2.1, and 2.2 for a POST; never section 2.3, the query string."""
    wire.refuse_query(call)
    scheme, _, token = call.authorization.partition(" ")
    in_body = ""
    if call.method == "POST" and call.content_type == wire.FORM:
        in_body = wire.read_form(call).get("access_token", "")
    if token and in_body:
        raise InvalidRequest("Send the access token once.")
    if in_body:
        return in_body
    if scheme.lower() != "bearer" or not token.strip():
        raise NoToken(reason="no bearer token")
    return token.strip()
