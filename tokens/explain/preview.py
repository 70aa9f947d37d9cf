"""The header and the claims of what would be signed. Never a signature, and never a `sub` that
belongs to nobody: without a user there is no preview of a user's token."""

import json
from dataclasses import dataclass
from typing import Any

from clients_admin.models import Client, GrantType
from tokens import gateway_jwt, id_token, scopes
from tokens.explain import ways
from tokens.explain.case import Decided
from tokens.grants import on_behalf_of
from tokens.introspection.check import Living, Subject
from tokens.introspection.look_up import Token
from tokens.issue import Delegation
from tokens.keys import ring

NO_GATEWAY = (
    "This client may neither introspect nor exchange tokens, so it would not get this JWT: name "
    "the gateway that does."
)


@dataclass(frozen=True, slots=True)
class Preview:
    """`more` says what the real one has beside these claims, new each time; `problem` why there
    would be none."""

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
    header, problem = _header(case.gateway.effective_flags.jwt_alg, gateway_jwt.TYPE)
    if not gets_jwts(case.gateway):
        problem = NO_GATEWAY
    found = [Preview("Gateway JWT", header, claims, "jti", problem)]
    if decided.has_id_token:
        claims = id_token.claims(
            case.client,
            living.subject,
            issued_at=case.now,
            auth_time=case.now,
            amr=case.way.amr_at(case.client),
        )
        header, problem = _header(case.flags.id_token_alg, "JWT")
        more = "at_hash, sid where a browser signed in, and nonce where the request has one"
        found.append(Preview("ID token", header, claims, more, problem))
    return found


def _living(decided: Decided) -> Living:
    """The access token that would be issued, as it is looked at."""
    case, client, user = decided.case, decided.case.client, decided.case.user
    if case.way is ways.ON_BEHALF_OF and user:
        delegation = Delegation(client, user, decided.stored, {"sub": client.client_id})
        return on_behalf_of.unwritten(delegation, case.now)
    amr = case.way.amr_at(client)
    token = Token(
        client_id=client.pk,
        scope=decided.stored,
        issued_at=case.now,
        expires_at=decided.expiries.access_token,
        user_id=user.pk if user else None,
        auth_time=case.now if case.way.is_login else None,
        extra={"amr": list(amr)} if amr else None,
    )
    return Living(token, client, Subject.of(user) if user else None, decided.granted)


def gets_jwts(client: Client) -> bool:
    """Whether a client may ask for the gateway JWT of a token: by introspection, or by exchange."""
    may_introspect = scopes.INTROSPECTION in client.read().allowed_scopes
    may_exchange = client.allows_grant_type(GrantType.TOKEN_EXCHANGE)
    return client.is_confidential and (may_introspect or may_exchange)


def _header(algorithm: str, typ: str) -> tuple[dict[str, Any], str]:
    """The header, and why there is none to sign it."""
    try:
        kid, problem = ring.current().signer(algorithm).kid, ""
    except ring.NoSigningKeyError as missing:
        kid, problem = "", f"Nothing would be signed: {missing} The endpoint answers 503."
    return {"alg": algorithm, "kid": kid, "typ": typ}, problem
