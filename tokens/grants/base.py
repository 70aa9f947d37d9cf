"""What all grants share: oauthlib validates, `tokens.issue` writes, and the answer is JSON."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.utils import timezone
from oauthlib.oauth2 import OAuth2Error
from oauthlib.oauth2.rfc6749.grant_types.base import GrantTypeBase

from clients_admin.models import Client
from tokens import id_token, issue, scopes

HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


class Grant(GrantTypeBase):
    """A grant of the token endpoint. A subclass gives `validate_token_request` and `grant`.

    One that `is_for_fast_lane` does its usual work in statements that each stand alone, and asks
    `statements.require_django` before anything else.
    """

    is_for_fast_lane = False

    def create_token_response(
        self, request: Any, token_handler: Any
    ) -> tuple[dict[str, str], str, int]:
        """A refusal is an answer, not an exception: what it has revoked must be committed."""
        try:
            self.validate_token_request(request)
            body = self.grant(request)
        except OAuth2Error as error:
            return HEADERS | error.headers, error.json, error.status_code
        return HEADERS | self._create_cors_headers(request), json.dumps(body), 200

    def grant(self, request: Any) -> dict[str, Any]:
        """Writes what is granted and answers the body (RFC 6749 section 5.1)."""
        raise NotImplementedError


def pair_body(
    client: Client,
    pair: issue.Pair,
    *,
    nonce: str = "",
    claims: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """The answer for a user's tokens, with an ID token where `openid` was granted.

    `claims` are those about the user that the ID token says, too.
    """
    token = pair.access_token
    names = scopes.effective(client, token.scope)
    access_token = issue.say(token)
    body: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int((token.expires_at - timezone.now()).total_seconds()),
        "scope": scopes.as_text(names),
    }
    if pair.refresh_token:
        body["refresh_token"] = issue.say(pair.refresh_token)
    if scopes.OPENID in names:
        body["id_token"] = id_token.of(client, pair, access_token, nonce, claims)
    return body
