"""The header and the claims of what would be signed. Never a signature, and never a `sub` that
belongs to nobody: without a user there is no preview of a user's token."""

import json
from dataclasses import dataclass
from typing import Any

from tokens import gateway_jwt, id_token
from tokens.explain import ways
from tokens.explain.case import Decided
from tokens.grants import on_behalf_of
from tokens.introspection.check import Living, Subject
from tokens.introspection.look_up import Token
from tokens.issue import Delegation
from tokens.keys import ring


@dataclass(frozen=True, slots=True)
class Preview:
    """`more` says what the real one has beside these claims, new each time."""

    name: str
    header: dict[str, Any]
    claims: dict[str, Any]
    more: str
    problem: str = ""

    @property
    def text(self) -> str:
        parts = (self.header, self.claims)
        return "\n".join(json.dumps(part, indent=2, ensure_ascii=False) for part in parts)


def previews(decided: Decided) -> list[Preview]:
    case = decided.case
    if decided.refusals or (case.way.has_user and case.user is None):
        return []
    living = _living(decided)
    claims = gateway_jwt.claims(living, requester=case.gateway, now=case.now)
    algorithm = case.gateway.effective_flags.jwt_alg
    found = [_preview("Gateway JWT", algorithm, gateway_jwt.TYPE, claims, "jti")]
    if decided.has_id_token:
        claims = id_token.claims(
            case.client, living.subject, issued_at=case.now, auth_time=case.now
        )
        more = "at_hash, and nonce where the request has one"
        found.append(_preview("ID token", case.flags.id_token_alg, "JWT", claims, more))
    return found


def _living(decided: Decided) -> Living:
    """The access token that would be issued, as it is looked at."""
    case, client, user = decided.case, decided.case.client, decided.case.user
    if case.way is ways.ON_BEHALF_OF and user:
        delegation = Delegation(client, user, decided.stored, {"sub": client.client_id})
        return on_behalf_of.unwritten(delegation, case.now)
    token = Token(
        client_id=client.pk,
        scope=decided.stored,
        issued_at=case.now,
        expires_at=decided.expiries.access_token,
        user_id=user.pk if user else None,
        auth_time=case.now if case.way.is_login else None,
    )
    return Living(token, client, Subject.of(user) if user else None, decided.granted)


def _preview(name: str, algorithm: str, typ: str, claims: dict[str, Any], more: str) -> Preview:
    try:
        kid, problem = ring.current().signer(algorithm).kid, ""
    except ring.NoSigningKeyError as missing:
        kid, problem = "", f"Nothing would be signed: {missing} The endpoint answers 503."
    return Preview(name, {"alg": algorithm, "kid": kid, "typ": typ}, claims, more, problem)
