"""RFC 6749 section 6, with rotation (RFC 9700 section 4.14.2) and an answer that can be repeated.

Within the grace time an already rotated token gets the identical answer, however many ask at
once; after it, or once the successor was used, a replay ends the whole family.
"""

from typing import Any

from django.utils import timezone
from oauthlib.oauth2 import RefreshTokenGrant

from clients_admin.models import Client
from idp import metrics
from idp.accounts.assurance import reaches
from idp.audit.tags import Tag
from tokens import issue, policy, revoke, scopes
from tokens.errors import InvalidGrant
from tokens.grants.base import Grant, pair_body
from tokens.models import RefreshToken as Row


class RefreshToken(Grant, RefreshTokenGrant):
    is_for_fast_lane = True

    def grant(self, request: Any) -> dict[str, Any]:
        now, client, flags = timezone.now(), request.client, request.client.effective_flags
        if request.pair is not None:
            _count(client, "rotated")
            return pair_body(client, request.pair)
        old: Row = request.refresh_row
        asked = (request.scope or "").split()
        required = flags.required_acr
        if required != "any" and not reaches((old.extra or {}).get("amr", ()), required):
            raise InvalidGrant(reason="login from before required_acr was set")
        if policy.login_has_ended(flags, old.login_at, now):
            raise InvalidGrant(reason="login has lasted for refresh_max_seconds")
        if old.rotated_at is None:
            scope = scopes.narrowed(client, old.scope, asked)
            pair = issue.next_pair(client, old, scope, now)
            _count(client, "kept" if pair.refresh_token is old else "rotated")
            return pair_body(client, pair)
        if policy.may_repeat(flags, old.rotated_at, now):
            scope = scopes.narrowed(client, old.scope, asked)
            if repeated := issue.repeated_pair(client, old, scope, now):
                _count(client, "repeated")
                return pair_body(client, repeated)
        revoke.family(old, client, Tag.TOKENS_FAMILY_REPLAYED, now)
        _count(client, "replayed")
        raise InvalidGrant(reason="refresh token replayed, family revoked")


def _count(client: Client, outcome: str) -> None:
    metrics.count(metrics.REFRESHES, client=client.client_id, outcome=outcome)
