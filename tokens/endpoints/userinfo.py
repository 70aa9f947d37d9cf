"""`/oauth2/userinfo` (OpenID Connect Core 1.0 section 5.3): claims by scope, for a bearer token."""

from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from tokens import issue, payload, scopes, wire
from tokens.errors import InsufficientScope, InvalidRequest, InvalidToken
from tokens.format import Prefix
from tokens.introspection.check import living


@wire.endpoint
def userinfo(request: HttpRequest) -> JsonResponse:
    wire.require_method(request, "GET", "POST")
    found = living(issue.hear(Prefix.ACCESS_TOKEN, bearer_token(request)), timezone.now())
    if found is None:
        raise InvalidToken(reason="unknown, expired or revoked access token")
    if found.user is None or scopes.OPENID not in found.scopes:
        raise InsufficientScope(reason="no user, or without the scope openid")
    return JsonResponse({"sub": found.subject, **payload.user_claims(found)})


class NoToken(InvalidToken):
    """RFC 6750 section 3.1: without credentials, "SHOULD NOT include an error code"."""

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"WWW-Authenticate": 'Bearer realm="idp"'}


def bearer_token(request: HttpRequest) -> str:
    """RFC 6750 section 2.1, and 2.2 for a POST; never section 2.3, the query string."""
    wire.refuse_query(request)
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    in_body = ""
    if request.method == "POST" and request.content_type == wire.FORM:
        in_body = wire.read_form(request).get("access_token", "")
    if token and in_body:
        raise InvalidRequest("Send the access token once.")
    if in_body:
        return in_body
    if scheme.lower() != "bearer" or not token.strip():
        raise NoToken(reason="no bearer token")
    return str(token.strip())
