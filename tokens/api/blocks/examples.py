"""What the OpenAPI document shows of blocks."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_LIVING: dict[str, Any] = {
    "id": 17,
    "kind": "address",
    "effect": "refuse",
    "state": "active",
    "label": "192.0.2.1",
    "reason": "many names failed (password)",
    "network_profile": "default",
    "client_id": "",
    "attempts": 10,
    "names": ["jane", "j•••"],
    "name_count": 10,
    "created_at": "2026-11-05T12:00:00Z",
    "until": "2026-11-05T12:15:00Z",
    "ended_at": None,
    "ended_by": None,
}
_LIFTED = {
    **_LIVING,
    "state": "ended",
    "ended_at": "2026-11-05T12:01:00Z",
    "ended_by": "client demo-operations",
}


def _answer(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value, response_only=True, status_codes=["200"])


BLOCK = _answer("A blocked address", _LIVING)
PAGE = _answer("The last page", {"results": [_LIVING], "next": None})
LIFTED = _answer("It is free", {"was_lifted": True, "block": _LIFTED})
ALL_LIFTED = _answer("It is free", {"lifted": [_LIFTED]})
LIFT_ADDRESS = OpenApiExample("An address", {"address": "192.0.2.1"}, request_only=True)
LIFT_USER = OpenApiExample(
    "A user", {"login_service": "acme-web", "user_name": "jane"}, request_only=True
)
