"""RFC 6749 section 6, with rotation (RFC 9700 section 4.14.2) and an answer that can be repeated.

Within the grace time an already rotated token gets the identical answer, however many ask at
once; after it, or once the successor was used, a replay ends the whole family.
"""

from typing import Any

from django.utils import timezone
from oauthlib.oauth2 import RefreshTokenGrant

from tokens import issue, policy, revoke, scopes
from tokens.errors import InvalidGrant
from tokens.grants.base import Grant, pair_body
from tokens.models import RefreshToken as Row


class RefreshToken(Grant, RefreshTokenGrant):
    def grant(self, request: Any) -> dict[str, Any]:
        now, client, flags = timezone.now(), request.client, request.client.effective_flags
        old: Row = request.refresh_row
        asked = (request.scope or "").split()
        if policy.login_has_ended(flags, old.login_at, now):
            raise InvalidGrant(reason="login has lasted for refresh_max_seconds")
        if old.rotated_at is None:
            scope = scopes.narrowed(client, old.scope, asked)
            return pair_body(client, issue.next_pair(client, old, scope, now))
        if policy.may_repeat(flags, old.rotated_at, now):
            scope = scopes.narrowed(client, old.scope, asked)
            if pair := issue.repeated_pair(client, old, scope, now):
                return pair_body(client, pair)
        revoke.family(old, now)
        raise InvalidGrant(reason="refresh token replayed, family revoked")
