"""The two discovery documents and the JWKS. Only what works is advertised."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from tokens import client_authentication, payload, wire
from tokens.grants import GRANTS
from tokens.grants.authorization_code import PROMPTS
from tokens.keys import ring
from tokens.keys.models import SigningKey

MAX_AGE_SECONDS = 300


def metadata() -> dict[str, Any]:
    """RFC 8414 section 2, and OpenID Connect Discovery 1.0 section 3, in one."""
    issuer = settings.PUBLIC_URL
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "end_session_endpoint": f"{issuer}/oauth2/logout",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(client_authentication.METHODS),
        "introspection_endpoint_auth_methods_supported": [
            method for method in client_authentication.METHODS if method != "none"
        ],
        "revocation_endpoint_auth_methods_supported": list(client_authentication.METHODS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(SigningKey.Algorithm),
        "scopes_supported": ["openid", *payload.CLAIMS_OF_SCOPE],
        "claims_supported": list(payload.CLAIMS_SUPPORTED),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": sorted(PROMPTS),
        "authorization_response_iss_parameter_supported": True,
    }


@wire.endpoint
def discovery(request: HttpRequest) -> JsonResponse:
    wire.require_method(request, "GET", "HEAD")
    return _public(metadata())


@wire.endpoint
def jwks(request: HttpRequest) -> JsonResponse:
    """RFC 7517 section 5."""
    wire.require_method(request, "GET", "HEAD")
    return _public(ring.current().jwks)


def _public(body: dict[str, Any]) -> JsonResponse:
    """Anybody may read it, from any page, and keep it for a while."""
    return JsonResponse(
        body,
        headers={
            "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}",
            "Access-Control-Allow-Origin": "*",
        },
    )
