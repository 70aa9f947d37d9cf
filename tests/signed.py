"""Verifies JWTs against the published keys, as two libraries of strangers do it."""

import warnings
from typing import Any

import jwt
from django.test import Client as Browser
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet

ALGORITHMS = ("ES256", "RS256", "EdDSA")


def verified(
    encoded: str, *, typ: str, algorithm: str = "ES256", audience: str = "services"
) -> dict[str, Any]:
    """The claims, if PyJWT and joserfc both accept the signature and agree on them."""
    published = Browser().get("/.well-known/jwks.json").json()
    header = jwt.get_unverified_header(encoded)
    assert header == {"alg": algorithm, "kid": header["kid"], "typ": typ}
    claims = jwt.decode(
        encoded,
        jwt.PyJWKSet.from_dict(published)[header["kid"]],
        algorithms=[algorithm],
        audience=audience,
    )
    with warnings.catch_warnings():
        # RFC 9864 has a new name for EdDSA, which few libraries know.
        warnings.simplefilter("ignore", SecurityWarning)
        decoded = joserfc_jwt.decode(
            encoded, KeySet.import_key_set(published), algorithms=[algorithm]
        )
    assert decoded.claims == claims
    return claims
