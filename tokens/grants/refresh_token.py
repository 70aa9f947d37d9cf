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


class RefreshToken(Grant, RefreshTokenGrant):
    def grant(self, request: Any) -> dict[str, Any]:
        now, old, client = timezone.now(), request.refresh_row, request.client
        if old.rotated_at is not None:
            return pair_body(client, self._repeat(request, now))
        scope = scopes.narrowed(client, old.scope, (request.scope or "").split())
        return pair_body(client, issue.next_pair(client, old, scope, now))

    def _repeat(self, request: Any, now: Any) -> issue.Pair:
        old = request.refresh_row
        pair = issue.repeated_pair(old, now)
        rotated = policy.Rotated(old.rotated_at, successor_is_unused=pair is not None)
        if pair is None or not policy.may_repeat(request.client.effective_flags, rotated, now):
            revoke.family(old, now)
            raise InvalidGrant(reason="refresh token replayed, family revoked")
        return pair
