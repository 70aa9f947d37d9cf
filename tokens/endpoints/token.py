"""`/oauth2/token` (RFC 6749 section 3.2): oauthlib drives the grants of `tokens.grants`."""

from functools import cache

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from oauth2_provider.oauth2_backends import get_oauthlib_core

from tokens import wire
from tokens.errors import InvalidRequest, UnsupportedGrantType
from tokens.grants import GRANTS

backend = cache(get_oauthlib_core)


@wire.endpoint
def token(request: HttpRequest) -> HttpResponse:
    request.parameters = wire.read_form(request)  # type: ignore[attr-defined]
    grant_type = request.parameters.get("grant_type")  # type: ignore[attr-defined]
    if not grant_type:
        raise InvalidRequest("grant_type is missing.")
    if grant_type not in GRANTS:
        raise UnsupportedGrantType(reason=f"grant type {grant_type[:100]!r}")
    # One transaction: a refusal that revokes is committed, a failure leaves nothing behind.
    with transaction.atomic():
        _, headers, body, status = backend().create_token_response(request)
    return HttpResponse(body, status=status, headers=headers)
