"""`/oauth2/introspect` (RFC 7662), for confidential clients that have the scope `introspection`."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from tokens import issue, payload, scopes, wire
from tokens.client_authentication import authenticate_confidential
from tokens.errors import InvalidRequest, UnauthorizedClient
from tokens.format import Prefix
from tokens.introspection.check import living


class MayNotIntrospect(UnauthorizedClient):
    """RFC 7662 section 2.3: a caller that is authenticated but not allowed."""

    status_code = 403


@wire.endpoint
def introspect(request: HttpRequest) -> JsonResponse:
    parameters = wire.read_form(request)
    client = authenticate_confidential(parameters, request.META.get("HTTP_AUTHORIZATION", ""))
    if scopes.INTROSPECTION not in client.allowed_scopes():
        raise MayNotIntrospect(reason="without the scope introspection")
    if "token" not in parameters:
        raise InvalidRequest("token is missing.")
    reference = issue.hear(Prefix.ACCESS_TOKEN, parameters["token"])
    found = living(reference, timezone.now())
    # RFC 7662 section 2.2: "the authorization server MUST NOT include any additional information
    # about an inactive token, including why".
    return JsonResponse(
        payload.introspection(found, settings.PUBLIC_URL) if found else {"active": False}
    )
