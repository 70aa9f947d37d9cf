"""`/oauth2/par` (RFC 9126): a client leaves its authorization request here, and its user's browser
carries a reference to it."""

from http import HTTPStatus
from urllib.parse import urlencode

from django.utils import timezone

from tokens import authorization, pushed, wire
from tokens.client_authentication import authenticate
from tokens.errors import InvalidRequest

_OF_CLIENT_AUTHENTICATION = frozenset(
    {"client_secret", "client_assertion", "client_assertion_type"}
)


@wire.endpoint
def par(call: wire.Call) -> wire.Answer:
    parameters = wire.read_form(call)
    client = authenticate(parameters, call.authorization, address=call.address)
    if "request_uri" in parameters:
        # Section 2.1: "If the request_uri parameter is present … the request MUST be rejected".
        raise InvalidRequest("A request_uri cannot be pushed.")
    pushed_parameters = {
        **{
            name: text for name, text in parameters.items() if name not in _OF_CLIENT_AUTHENTICATION
        },
        "client_id": client.client_id,
    }
    if len(urlencode(pushed_parameters)) > wire.MAX_QUERY_BYTES:
        raise InvalidRequest("The request is too long.")
    try:
        asked = authorization.read_pushed(pushed_parameters)
    except authorization.UnknownDestination as error:
        raise InvalidRequest(str(error)) from None
    except authorization.Refusal as refusal:
        return _refused(refusal)
    request_uri = pushed.push(client, pushed_parameters, asked.hinted_sub, timezone.now())
    answer = wire.Answer.json({"request_uri": request_uri, "expires_in": pushed.LIFETIME_SECONDS})
    answer.status = HTTPStatus.CREATED
    return answer


def _refused(refusal: authorization.Refusal) -> wire.Answer:
    """Section 2.3: the errors of the authorization endpoint, as JSON."""
    error = refusal.error
    answer = wire.Answer.json({"error": error.error, "error_description": error.description})
    answer.status = HTTPStatus.BAD_REQUEST
    return answer
