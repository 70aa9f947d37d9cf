"""ID tokens (OpenID Connect Core 1.0 section 2): signed, said once, never stored."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from django.conf import settings

from clients_admin.models import Client
from idp.accounts import assurance
from idp.accounts.assurance import Methods
from tokens.issue import Pair
from tokens.keys import ring
from tokens.scopes import OPENID


def of(
    client: Client, pair: Pair, access_token: str, nonce: str, asked_for: Mapping[str, Any]
) -> str:
    """The ID token beside a user's access token; `asked_for` are claims about the user."""
    said = {**asked_for} | claims(
        client,
        pair.sub,
        issued_at=pair.access_token.issued_at,
        auth_time=pair.auth_time,
        amr=pair.amr,
    )
    if pair.sid:
        # OpenID Connect Back-Channel Logout 1.0 section 2.1: by what logout tokens will name it.
        said["sid"] = pair.sid
    said["at_hash"] = _half_hash(access_token)
    if nonce:
        said["nonce"] = nonce
    return ring.current().signer(client.effective_flags.id_token_alg).sign(said)


def claims(
    client: Client, sub: str, *, issued_at: datetime, auth_time: datetime, amr: Methods = ()
) -> dict[str, Any]:
    """What an ID token says, but for what ties it to one request (`nonce`) and one access token
    (`at_hash`); claims about the user are for userinfo."""
    expires_at = issued_at + timedelta(seconds=client.effective_flags.id_token_seconds)
    return {
        "iss": settings.PUBLIC_URL,
        "sub": sub,
        "aud": client.client_id,
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "auth_time": int(auth_time.timestamp()),
        **assurance.claims(amr),
    }


def require_signer(client: Client) -> None:
    """Raises NoSigningKeyError where no ID token could be made, before anything is written."""
    if OPENID in client.read().allowed_scopes:
        ring.current().signer(client.effective_flags.id_token_alg)


@dataclass(frozen=True, slots=True)
class Hint:
    """Whom a genuine ID token was about, for which client it was made, and in which session."""

    sub: str
    client_id: str
    sid: str


def read_hint(encoded: str) -> Hint | None:
    """An `id_token_hint`: genuine, from us, possibly expired; None for anything else.

    OpenID Connect RP-Initiated Logout 1.0 section 2: "The OP SHOULD accept ID Tokens when the
    RP identified by the ID Token's aud claim … even when the exp time has passed".
    """
    try:
        kid = jwt.get_unverified_header(encoded).get("kid")
        key = ring.current().verifiers.get(kid) if isinstance(kid, str) else None
        if key is None:
            return None
        claims = jwt.decode(
            encoded,
            key,
            algorithms=[key.algorithm_name],
            issuer=settings.PUBLIC_URL,
            options={"verify_exp": False, "verify_aud": False, "require": ["sub", "aud", "iss"]},
        )
    except jwt.InvalidTokenError:
        return None
    # Gateway JWTs and logout tokens are signed by us too: they have a client_id, or events.
    if not isinstance(claims["aud"], str) or {"client_id", "events"} & claims.keys():
        return None
    return Hint(claims["sub"], claims["aud"], claims.get("sid", ""))


def _half_hash(access_token: str) -> str:
    """OpenID Connect Core 1.0 section 3.1.3.6: the left half of the SHA-256, base64url."""
    half = hashlib.sha256(access_token.encode("ascii")).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()
