"""RFC 6749 section 4.4: the client asks for itself. There is no user and no refresh token."""

from typing import Any

from django.utils import timezone
from oauthlib.oauth2 import ClientCredentialsGrant

from tokens import issue, scopes
from tokens.grants.base import Grant


class ClientCredentials(Grant, ClientCredentialsGrant):
    is_for_fast_lane = True

    def grant(self, request: Any) -> dict[str, Any]:
        now = timezone.now()
        token = issue.client_token(request.client, request.stored_scope, now)
        return {
            "access_token": issue.say(token),
            "token_type": "Bearer",
            "expires_in": int((token.expires_at - now).total_seconds()),
            "scope": scopes.as_text(scopes.effective(request.client, token.scope)),
        }
