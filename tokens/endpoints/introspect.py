"""`/oauth2/introspect` (RFC 7662, RFC 9701), for confidential clients that have the scope
`introspection`."""

from django.utils import timezone

from tokens import issue, scopes, wire
from tokens.client_authentication import authenticate_confidential
from tokens.errors import InvalidRequest, UnauthorizedClient
from tokens.format import Prefix
from tokens.introspection import answers
from tokens.introspection.check import living


class MayNotIntrospect(UnauthorizedClient):
    """RFC 7662 section 2.3: a caller that is authenticated but not allowed."""

    status_code = 403


@wire.endpoint
def introspect(call: wire.Call) -> wire.Answer:
    parameters = wire.read_form(call)
    client = authenticate_confidential(parameters, call.authorization, address=call.address)
    if scopes.INTROSPECTION not in client.read().allowed_scopes:
        raise MayNotIntrospect(reason="without the scope introspection")
    if "token" not in parameters:
        raise InvalidRequest("token is missing.")
    reference = issue.hear(Prefix.ACCESS_TOKEN, parameters["token"])
    now = timezone.now()
    return answers.answer(call, living(reference, now), client, now)
