"""`/oauth2/token` (RFC 6749 section 3.2): oauthlib drives the grants of `tokens.grants`."""

from contextlib import nullcontext

from django.db import transaction

from idp.database import statements
from tokens import wire
from tokens.errors import InvalidRequest, UnsupportedGrantType
from tokens.grants import GRANTS
from tokens.server import server


@wire.endpoint
def token(call: wire.Call) -> wire.Answer:
    parameters = wire.read_form(call)
    grant_type = parameters.get("grant_type")
    if not grant_type:
        raise InvalidRequest("grant_type is missing.")
    if grant_type not in GRANTS:
        raise UnsupportedGrantType(reason=f"grant type {grant_type[:100]!r}")
    if not GRANTS[grant_type].is_for_fast_lane:
        statements.require_django()
    # One transaction: a refusal that revokes is committed, a failure leaves nothing behind. What
    # takes one statement alone needs none.
    with nullcontext() if statements.is_alone() else transaction.atomic():
        answer: wire.Answer = server().answer(call, parameters)
    return answer
