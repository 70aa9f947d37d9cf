"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.4)."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from clients_admin.models import Client
from tokens.keys import ring

# Section 4: "RECOMMENDED that Logout Tokens be explicitly typed".
TYPE = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Section 4: "preferably at most two minutes in the future".
SECONDS = 120


def of(client: Client, sub: str, sid: str, now: datetime) -> str:
    """Says that a session of the user has ended; that all of theirs have, where there is no `sid`.

    Signed as the client's ID tokens are: section 2.6 lets it verify both in the same way.
    """
    claims: dict[str, Any] = {
        "iss": settings.PUBLIC_URL,
        "aud": client.client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=SECONDS)).timestamp()),
        "jti": uuid.uuid4().hex,
        "events": {EVENT: {}},
        "sub": sub,
    }
    if sid:
        claims["sid"] = sid
    return ring.current().signer(client.effective_flags.id_token_alg).sign(claims, typ=TYPE)
