"""What is said about a token and its user: pure functions from what is known to claims."""

from collections.abc import Mapping
from typing import Any

from idp.accounts import assurance
from idp.accounts.models import User
from tokens.introspection.check import Living, Subject
from tokens.scopes import as_text

# OpenID Connect Core 1.0 section 5.4: the claims that a scope lets out.
CLAIMS_OF_SCOPE: dict[str, tuple[str, ...]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username",
        "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip
CLAIMS_SUPPORTED = ("sub", *(claim for claims in CLAIMS_OF_SCOPE.values() for claim in claims))


def user_claims(living: Living) -> dict[str, Any]:
    """The claims about the user that the token's scopes let out; none without a user."""
    if living.user is None:
        return {}
    known = known_of(living.user)
    allowed = [
        claim
        for scope, claims in CLAIMS_OF_SCOPE.items()
        if scope in living.scopes
        for claim in claims
    ]
    return {claim: known[claim] for claim in allowed if claim in known}


def known_of(user: Subject | User) -> Mapping[str, Any]:
    """All that there is to tell of a user."""
    return {"preferred_username": user.username, **user.claims}


def context(living: Living) -> dict[str, Any]:
    """Where the user comes from: the brand and the login service, where there are any."""
    claims: dict[str, Any] = {}
    if brand := living.client.brand:
        claims["brand"] = brand.slug
    if living.user:
        claims["login_service"] = living.user.login_service
        if auth_time := living.token.auth_time:
            claims["auth_time"] = int(auth_time.timestamp())
        claims |= assurance.claims((living.token.extra or {}).get("amr", ()))
    # RFC 8693 section 4.1: who acts in the user's name.
    if act := (living.token.extra or {}).get("act"):
        claims["act"] = act
    return claims


def introspection(living: Living | None, issuer: str) -> dict[str, Any]:
    """RFC 7662 section 2.2: "the authorization server MUST NOT include any additional information
    about an inactive token, including why"."""
    if living is None:
        return {"active": False}
    answer = {
        "active": True,
        "iss": issuer,
        "sub": living.subject,
        "client_id": living.client.client_id,
        "scope": as_text(living.scopes),
        "token_type": "Bearer",
        "iat": int(living.token.issued_at.timestamp()),
        "exp": int(living.token.expires_at.timestamp()),
        **context(living),
    }
    if living.user:
        answer["username"] = living.user.username
    return answer
