"""Pushed authorization requests (RFC 9126): the one writer of their rows.

A row is found by a digest, so that who reads the table cannot use what is in it. The first browser
that comes with a request_uri takes it, and only that one may go on with it (decision 0021).
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from clients_admin.models import Client
from tokens.models import PushedAuthorizationRequest

PREFIX = "urn:ietf:params:oauth:request_uri:"
# How long a client has until its user's browser comes, and how long a user has from then on.
LIFETIME_SECONDS = 60
FLOW_SECONDS = 3600

# What a request may say; whatever else was pushed is ignored (decision 0007), and not kept. An
# ID token that was a hint is not kept either, but whom it was about.
PARAMETERS = frozenset(
    {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "response_mode", "prompt", "max_age"),
        *("login_hint", "ui_locales", "claims", "claims_locales", "acr_values", "display"),
    }
)


def push(
    client: Client, parameters: Mapping[str, str], hinted_sub: str | None, now: datetime
) -> str:
    """Keeps a valid request; answers its request_uri, which is said once."""
    reference = secrets.token_urlsafe(32)
    PushedAuthorizationRequest.objects.create(
        digest=_digest(reference),
        client=client,
        parameters={name: text for name, text in parameters.items() if name in PARAMETERS},
        hinted_sub=hinted_sub or "",
        pushed_at=now,
        expires_at=now + timedelta(seconds=LIFETIME_SECONDS),
    )
    return f"{PREFIX}{reference}"


def take(
    request_uri: str, client_id: str, browser: str, now: datetime
) -> PushedAuthorizationRequest | None:
    """The request of this client, for the browser that came first; None for anything else.

    RFC 9126 section 4: "Authorization servers SHOULD treat request_uri values as one-time use but
    MAY allow for duplicate requests due to a user reloading/refreshing their user agent".
    """
    if not request_uri.startswith(PREFIX):
        return None
    digest, taken_by = _digest(request_uri.removeprefix(PREFIX)), _digest(browser)
    living = PushedAuthorizationRequest.objects.filter(
        digest=digest, client__client_id=client_id, expires_at__gt=now
    )
    # Of browsers that come at once, the statement lets one be the first.
    living.filter(browser="").update(
        browser=taken_by, expires_at=now + timedelta(seconds=FLOW_SECONDS)
    )
    return living.filter(browser=taken_by).first()


def end(pushed: PushedAuthorizationRequest) -> bool:
    """The request is answered; False where it was answered before."""
    deleted, _ = PushedAuthorizationRequest.objects.filter(pk=pushed.pk).delete()
    return bool(deleted)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
