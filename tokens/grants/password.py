"""RFC 6749 section 4.3: tokens for a user name and a password that the user gave the client.

RFC 9700 section 2.4 forbids it; here for applications of old, each by its flag
`allow_password_grant`. The client's login services are asked as on the sign-in page.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone

from clients_admin.models import Client
from idp import metrics
from idp.accounts import assurance, second_factor
from idp.accounts.login import Door, shown_name, sign_in
from idp.accounts.outcomes import Refused, Unavailable
from idp.audit.details import without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import issue, scopes
from tokens.errors import (
    InvalidGrant,
    InvalidRequest,
    TemporarilyUnavailable,
    UnauthorizedClient,
)
from tokens.grants.base import Grant, pair_body
from tokens.wire import parameters_of


class Password(Grant):
    def validate_token_request(self, request: Any) -> None:
        parameters = parameters_of(request)
        self.request_validator.authenticate_client(request)
        self.validate_grant_type(request)
        if not request.client.effective_flags.allow_password_grant:
            raise UnauthorizedClient(reason="client without the flag allow_password_grant")
        if request.client.effective_flags.required_acr != "any":
            raise UnauthorizedClient(reason="a password is not what required_acr asks for")
        for name in ("username", "password"):
            if name not in parameters:
                raise InvalidRequest(f"{name} is missing.")
        asked = scopes.to_store(request.client, parameters.get("scope", "").split())
        request.stored_scope = scopes.as_granted(request.client, asked)

    def grant(self, request: Any) -> dict[str, Any]:
        now, client, parameters = timezone.now(), request.client, parameters_of(request)
        username = parameters["username"]
        # An application that says for whom it asks has its users counted apart.
        has_proved_itself = client.is_confidential and not request.address_is_asserted
        outcome = sign_in(
            client.ordered_login_services(),
            username,
            parameters["password"],
            address=request.address,
            client_id=client.client_id if has_proved_itself else "",
            door=Door("password grant", client.client_id),
        )
        match outcome:
            case Unavailable(reason):
                # Nothing is known about the password, so nothing is said about it.
                raise TemporarilyUnavailable(reason=reason)
            case Refused():
                raise _refused(client, username, outcome, now)
        if second_factor.is_set_up(outcome.user):
            # Nobody gets round it with a password alone; the client learns nothing of it.
            raise _refused(client, username, Refused("second factor not asked for"), now)
        login = issue.Login(
            client=client,
            user=outcome.user,
            scope=request.stored_scope,
            family=issue.new_family(now),
            auth_time=now,
            amr=(assurance.PASSWORD,),
        )
        told = issue.Event(Tag.TOKENS_PASSWORD_GRANTED, {"username": without_secrets(username)})
        return pair_body(client, issue.first_pair(login, now, told))


def _refused(client: Client, username: str, outcome: Refused, now: datetime) -> InvalidGrant:
    record(
        Tag.TOKENS_PASSWORD_REFUSED,
        client_id=client.client_id,
        at=now,
        username=shown_name(username, outcome),
        reason=outcome.reason,
    )
    metrics.count(metrics.GRANT_REFUSALS, client=client.client_id, grant="password")
    return InvalidGrant("The user name or the password is not right.", reason=outcome.reason)
