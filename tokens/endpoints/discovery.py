"""The two discovery documents and the JWKS. Only what works is advertised."""

import hashlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.cache import get_conditional_response

from branding.languages import CODES
from clients_admin.flags import BY_NAME
from idp.accounts.assurance import ACR_VALUES
from idp.accounts.models import ALGORITHMS
from tokens import client_authentication, payload, wire
from tokens.grants import GRANTS
from tokens.grants.authorization_code import PROMPTS
from tokens.keys import ring
from tokens.keys.models import SigningKey
from tokens.keys.periods import JWKS_MAX_AGE_SECONDS


def metadata() -> dict[str, Any]:
    """RFC 8414 section 2, and OpenID Connect Discovery 1.0 section 3, in one."""
    issuer = settings.PUBLIC_URL
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        # RFC 9126 section 5; clients of which it is required have a flag.
        "pushed_authorization_request_endpoint": f"{issuer}/oauth2/par",
        "require_pushed_authorization_requests": False,
        "token_endpoint": f"{issuer}/oauth2/token",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "device_authorization_endpoint": f"{issuer}/oauth2/device_authorization",
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
        # RFC 9701 section 7.
        "introspection_signing_alg_values_supported": list(BY_NAME["jwt_alg"].choices),
        "revocation_endpoint_auth_methods_supported": list(client_authentication.METHODS),
        # RFC 8414 section 2: one for each endpoint that offers private_key_jwt.
        **{
            f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS)
            for endpoint in ("token", "introspection", "revocation")
        },
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(SigningKey.Algorithm),
        "scopes_supported": ["openid", *payload.CLAIMS_OF_SCOPE],
        "claims_supported": list(payload.CLAIMS_SUPPORTED),
        # OpenID Connect Back-Channel Logout 1.0 section 2.1.
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "acr_values_supported": list(ACR_VALUES),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "ui_locales_supported": CODES,
        "prompt_values_supported": sorted(PROMPTS),
        "authorization_response_iss_parameter_supported": True,
    }


@wire.django_endpoint
def discovery(request: HttpRequest) -> HttpResponseBase:
    wire.require_method(request, "GET", "HEAD")
    return _public(request, metadata())


@wire.django_endpoint
def jwks(request: HttpRequest) -> HttpResponseBase:
    """RFC 7517 section 5. How long it may be kept, and what follows from that: `keys.periods`."""
    wire.require_method(request, "GET", "HEAD")
    return _public(request, ring.current().jwks)


def _public(request: HttpRequest, body: dict[str, Any]) -> HttpResponseBase:
    """Anybody may read it, from any page, keep it for a while, and ask whether it has changed."""
    response = JsonResponse(body)
    # The same at all processes, so that a cache may ask another one.
    etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = f"public, max-age={JWKS_MAX_AGE_SECONDS}"
    answer = get_conditional_response(request, etag=etag, response=response) or response
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer
