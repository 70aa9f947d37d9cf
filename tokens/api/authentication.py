"""Who calls: a living access token of ours, in a header (RFC 6750 section 2.1)."""

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from idp.accounts.models import User
from tokens import issue, wire
from tokens.api.rights import Caller, NoRole
from tokens.errors import InvalidToken, NoToken
from tokens.format import Prefix
from tokens.introspection.check import living


class BearerAuthentication(BaseAuthentication):
    """`request.auth` is the Caller, `request.user` the operator where there is one."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Caller]:
        """Raises NoToken or InvalidToken; a wrong token is no failed attempt, as it is none of
        introspection: nobody guesses one."""
        token = _bearer_token(wire.Call.of(request._request))
        found = living(issue.hear(Prefix.ACCESS_TOKEN, token), timezone.now())
        if found is None:
            raise InvalidToken(reason="unknown, expired or revoked access token")
        if found.token.user_id is None:
            return AnonymousUser(), Caller(found.client, None, found.scopes)
        if "act" in (found.token.extra or {}):
            raise NoRole(reason="a token on behalf of somebody who was not there")
        users = User.objects.select_related("login_service")
        operator = users.filter(pk=found.token.user_id, is_active=True).first()
        if operator is None:
            raise InvalidToken(reason="its user has just gone")
        return operator, Caller(found.client, operator, found.scopes)


def _bearer_token(call: wire.Call) -> str:
    scheme, _, token = call.authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NoToken(reason="no bearer token")
    return token.strip()
