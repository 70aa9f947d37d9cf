"""RFC 8693: an access token for the gateway JWT (decision 0005). No row is written.

Offered to confidential clients that have the grant. The subject token is one of our own access
tokens; the answer is a JWT in the profile of RFC 9068. Where it is no token but names a user, the
request is about acting on their behalf: another matter, in a file of its own.
"""

from functools import partial
from typing import Any

from django.utils import timezone

from idp.database import statements
from tokens import gateway_jwt, issue
from tokens.errors import InvalidRequest
from tokens.format import Prefix
from tokens.grants import on_behalf_of
from tokens.grants.base import Grant
from tokens.grants.exchange_parameters import (
    ACCESS_TOKEN_TYPE,
    JWT_TYPE,
    USER_REFERENCE_TYPE,
    check_target,
)
from tokens.introspection.check import living
from tokens.wire import parameters_of


class TokenExchange(Grant):
    is_for_fast_lane = True

    def validate_token_request(self, request: Any) -> None:
        parameters = parameters_of(request)
        self.request_validator.authenticate_client(request)
        if parameters.get("subject_token_type") == USER_REFERENCE_TYPE:
            statements.require_django()
            return  # Checked and audited there, whoever asks.
        self.validate_grant_type(request)
        if not parameters.get("subject_token"):
            raise InvalidRequest("subject_token is missing.")
        if parameters.get("subject_token_type") != ACCESS_TOKEN_TYPE:
            raise InvalidRequest(f"subject_token_type must be {ACCESS_TOKEN_TYPE}.")
        if parameters.get("requested_token_type", JWT_TYPE) not in {JWT_TYPE, ACCESS_TOKEN_TYPE}:
            raise InvalidRequest(f"requested_token_type must be {JWT_TYPE}.")
        if "actor_token" in parameters or "actor_token_type" in parameters:
            raise InvalidRequest("actor_token is not offered.")
        check_target(request.client, parameters)
        # RFC 8693 section 2.2.2: "If the subject_token is invalid for any reason … the value of
        # the error parameter MUST be invalid_request".
        reference = issue.hear(Prefix.ACCESS_TOKEN, parameters["subject_token"])
        request.subject = living(reference, timezone.now())
        if request.subject is None:
            raise InvalidRequest("The subject_token is invalid, expired or revoked.")

    def grant(self, request: Any) -> dict[str, Any]:
        now, parameters = timezone.now(), parameters_of(request)
        if parameters["subject_token_type"] == USER_REFERENCE_TYPE:
            return on_behalf_of.answer(request.client, parameters, now)
        token = gateway_jwt.make(
            request.subject,
            requester=request.client,
            requested_scope=parameters.get("scope", "").split(),
            now=now,
        )
        request.keepable = partial(
            request.subject.keepable,
            request.client,
            token.may_be_said_until(now),
            signed=True,
            expires_in=token.expires_in,
        )
        return {
            "access_token": token.encoded,
            "issued_token_type": parameters.get("requested_token_type", JWT_TYPE),
            "token_type": "Bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }
