"""What the OpenAPI document shows of clients."""

from typing import Any

from tokens.api import shapes

_BATCH: dict[str, Any] = {
    "client_id": "demo-batch",
    "name": "Nightly batch",
    "description": "Reads orders and stock at night.",
    "client_type": "confidential",
    "grant_types": ["client_credentials"],
    "redirect_uris": [],
    "post_logout_redirect_uris": [],
    "backchannel_logout_uri": "",
    "backchannel_logout_session_required": False,
    "allowed_origins": [],
    "scopes": ["orders.read", "stock.read"],
    "scope_groups": [],
    "brand": None,
    "login_services": [],
    "jwks": None,
    "jwks_url": "",
    "flags": {"access_token_seconds": 3600},
    "active": True,
}
CLIENT = [
    shapes.answer("A job that runs without a user", _BATCH),
    shapes.order(
        "A job that runs without a user",
        {name: _BATCH[name] for name in ("client_id", "name", "grant_types", "scopes", "flags")},
    ),
]
PATCH = [
    shapes.order("A flag is set, another taken away", {"flags": {"jwt_alg": "EdDSA", "x": None}})
]

_MADE = {
    "id": 7,
    "created_at": "2026-11-05T12:00:00Z",
    "last_used_at": None,
    "expires_at": None,
    "exposed_at": None,
}
SECRETS = shapes.answer("One secret", {"results": [_MADE]})
NEW_SECRET = shapes.answer("A new secret", {**_MADE, "client_secret": "cs_…"}, "201")
ROTATION = shapes.order("The old one ends in a day", {"old_ends_in": 86400})
ENDED = shapes.answer(
    "It has ended",
    {"was_ended": True, "secret": {**_MADE, "expires_at": "2026-11-05T13:00:00Z"}},
)
