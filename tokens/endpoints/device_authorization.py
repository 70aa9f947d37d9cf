"""`/oauth2/device_authorization` (RFC 8628 section 3.1): a device asks for a code that its user
types elsewhere."""

from urllib.parse import urlencode

from django.conf import settings
from django.utils import timezone

from clients_admin.models import GrantType
from tokens import devices, issue, scopes, wire
from tokens.client_authentication import authenticate
from tokens.errors import UnauthorizedClient

PAGE = "/oauth2/device"


@wire.endpoint
def device_authorization(call: wire.Call) -> wire.Answer:
    parameters = wire.read_form(call)
    client = authenticate(parameters, call.authorization, address=call.address)
    if not client.allows_grant_type(GrantType.DEVICE_CODE):
        raise UnauthorizedClient(reason="client without the grant device_code")
    scope = scopes.to_store(client, parameters.get("scope", "").split())
    device = devices.begin(client, scope, timezone.now())
    user_code = devices.shown(device.user_code)
    page = f"{settings.PUBLIC_URL}{PAGE}"
    return wire.Answer.json(
        {
            "device_code": issue.say(device),
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': user_code})}",
            "expires_in": devices.LIFETIME_SECONDS,
            "interval": devices.INTERVAL_SECONDS,
        }
    )
