"""`/internal/jwt`: a client's own JWT for its credentials, without a token; from inside only.

The same as client credentials (RFC 6749 section 4.4) and the exchange of what they give, in one.
Nothing is written. Not in the discovery document: that is for the outside.
"""

from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from clients_admin.models import GrantType
from idp import net
from tokens import gateway_jwt, scopes, wire
from tokens.client_authentication import authenticate_confidential
from tokens.errors import UnauthorizedClient, UnsupportedGrantType
from tokens.grants.exchange_parameters import JWT_TYPE, check_target


@csrf_exempt
def internal_jwt(request: HttpRequest) -> HttpResponseBase:
    """To all others there is nothing here: this comes before anything else is looked at."""
    if not net.is_from_inside(request):
        raise Http404
    return answer(request)


@wire.endpoint
def answer(call: wire.Call) -> wire.Answer:
    parameters = wire.read_form(call)
    # Libraries for client credentials send it; the address says as much.
    grant_type = parameters.get("grant_type", GrantType.CLIENT_CREDENTIALS)
    if grant_type != GrantType.CLIENT_CREDENTIALS:
        raise UnsupportedGrantType(reason=f"grant type {grant_type[:100]!r}")
    client = authenticate_confidential(parameters, call.authorization, address=call.address)
    if not client.allows_grant_type(GrantType.CLIENT_CREDENTIALS):
        raise UnauthorizedClient(reason="client without the grant client_credentials")
    check_target(client, parameters)
    stored_scope = scopes.to_store(client, parameters.get("scope", "").split())
    token = gateway_jwt.of_client(client, stored_scope, timezone.now())
    return wire.Answer.json(
        {
            "access_token": token.encoded,
            "issued_token_type": JWT_TYPE,
            "token_type": "Bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }
    )
