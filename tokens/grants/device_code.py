"""RFC 8628 section 3.4: a device asks whether its user has decided, and gets tokens once.

The code's row is held while it is looked at, so that of many requests at once one is granted. Its
id is the family of the tokens.
"""

from typing import Any

from django.utils import timezone

from tokens import devices, issue
from tokens.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    SlowDown,
)
from tokens.format import Prefix
from tokens.grants.base import Grant, pair_body
from tokens.wire import parameters_of


class DeviceCode(Grant):
    def validate_token_request(self, request: Any) -> None:
        self.request_validator.authenticate_client(request)
        self.validate_grant_type(request)
        if "device_code" not in parameters_of(request):
            raise InvalidRequest("device_code is missing.")

    def grant(self, request: Any) -> dict[str, Any]:
        now, client = timezone.now(), request.client
        reference = issue.hear(Prefix.DEVICE_CODE, parameters_of(request)["device_code"])
        if reference is None:
            raise InvalidGrant(reason="made-up device code")
        device = devices.held(reference)
        if device is None:
            # It was said here, so it has expired since, and its row is gone.
            raise ExpiredToken(reason="device code cleaned up")
        if device.client_id != client.pk:
            raise InvalidGrant(reason="device code of another client")
        if device.state == devices.State.USED:
            raise InvalidGrant(reason="device code used")
        if device.expires_at <= now:
            raise ExpiredToken
        if device.state == devices.State.DENIED:
            raise AccessDenied("The user refused.")
        if device.state == devices.State.PENDING:
            raise AuthorizationPending if devices.note_poll(device, now) else SlowDown
        if device.user is None or device.auth_time is None or not device.user.is_active:
            raise InvalidGrant(reason="inactive user")
        devices.use(device)
        issue.lock_family(device.pk)
        login = issue.Login(
            client=client,
            user=device.user,
            scope=device.scope,
            family=device.pk,
            auth_time=device.auth_time,
            amr=device.amr or (),
        )
        return pair_body(client, issue.first_pair(login, now))
