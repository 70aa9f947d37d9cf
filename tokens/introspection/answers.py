"""The three forms of an introspection answer, and which of them the caller would rather have."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial

from django.conf import settings
from django.http import HttpRequest

from clients_admin.models import Client
from tokens import gateway_jwt, payload
from tokens.introspection.check import Living
from tokens.keys import ring
from tokens.wire import Answer, Call

type Form = Callable[[Living | None, Client, datetime], Answer]


def answer(call: Call, found: Living | None, requester: Client, now: datetime) -> Answer:
    given = FORMS[preferred(call.header("ACCEPT"))](found, requester, now)
    given.headers["Vary"] = "Accept"
    return given


@lru_cache(maxsize=256)
def preferred(accept: str) -> str:
    """RFC 9110 section 12.5.1: of what cannot be met, "disregard the header field" and answer JSON.

    What is named comes before what a wildcard allows, and of two that are wanted alike the first.
    """
    if not accept or len(accept) > MAX_ACCEPT_CHARACTERS:
        return JSON
    request = HttpRequest()  # Django reads the header, and wants one for that.
    request.META["HTTP_ACCEPT"] = accept
    try:
        chosen: str | None = request.get_preferred_type(list(FORMS))
    except (LookupError, ValueError):  # Unreadable: too long, or in an unknown encoding.
        chosen = None
    return chosen or JSON


def as_json(found: Living | None, requester: Client, now: datetime) -> Answer:
    """RFC 7662 section 2.2."""
    given = Answer.json(payload.introspection(found, settings.PUBLIC_URL))
    given.keepable = partial(found.keepable, requester) if found else None
    return given


def as_gateway_jwt(found: Living | None, requester: Client, now: datetime) -> Answer:
    """The phantom token: what the gateway passes on in place of the token that it got.

    204 for an inactive token is what the gateways' modules know to be 401 to their caller. They
    read the JWT by its Content-Length, and keep it for max-age, or else for as long as they like:
    half of its life, so that what they pass on does not end on the way.
    """
    if found is None:
        return Answer(status=204)
    token = gateway_jwt.make(found, requester=requester, now=now)
    encoded = token.encoded.encode()
    headers = {
        "Content-Type": GATEWAY_JWT,
        "Cache-Control": f"max-age={max(1, token.expires_in // 2)}",
    }
    until = token.may_be_said_until(now)
    keepable = partial(found.keepable, requester, until, signed=True)
    return Answer(encoded, headers=headers, keepable=keepable)


def as_signed_json(found: Living | None, requester: Client, now: datetime) -> Answer:
    """RFC 9701 section 5: the same members, signed. It "is not an alternative representation of the
    introspected access token", so it has neither `sub` nor `exp` of its own."""
    claims = {
        "iss": settings.PUBLIC_URL,
        "aud": requester.client_id,
        "iat": int(now.timestamp()),
        "token_introspection": payload.introspection(found, settings.PUBLIC_URL),
    }
    signer = ring.current().signer(requester.effective_flags.jwt_alg)
    encoded = signer.sign(claims, typ=SIGNED_JSON.removeprefix("application/"))
    return Answer(encoded.encode(), headers={"Content-Type": SIGNED_JSON})


JSON = "application/json"
GATEWAY_JWT = "application/jwt"
SIGNED_JSON = "application/token-introspection+jwt"
MAX_ACCEPT_CHARACTERS = 1000

# In the order in which they are taken where the caller does not mind.
FORMS: dict[str, Form] = {
    JSON: as_json,
    GATEWAY_JWT: as_gateway_jwt,
    SIGNED_JSON: as_signed_json,
}
