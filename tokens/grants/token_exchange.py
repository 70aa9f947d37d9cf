"""RFC 8693: an access token for the gateway JWT (decision 0005). No row is written.

Offered to confidential clients that have the grant. The subject token is one of our own access
tokens; the answer is a JWT in the profile of RFC 9068.
"""

from typing import Any

from django.utils import timezone

from tokens import gateway_jwt, issue
from tokens.errors import InvalidRequest, InvalidTarget
from tokens.format import Prefix
from tokens.grants.base import Grant
from tokens.introspection.check import living
from tokens.wire import parameters_of

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


class TokenExchange(Grant):
    def validate_token_request(self, request: Any) -> None:
        parameters = parameters_of(request)
        self.request_validator.authenticate_client(request)
        self.validate_grant_type(request)
        if not parameters.get("subject_token"):
            raise InvalidRequest("subject_token is missing.")
        if parameters.get("subject_token_type") != ACCESS_TOKEN_TYPE:
            raise InvalidRequest(f"subject_token_type must be {ACCESS_TOKEN_TYPE}.")
        if parameters.get("requested_token_type", JWT_TYPE) not in {JWT_TYPE, ACCESS_TOKEN_TYPE}:
            raise InvalidRequest(f"requested_token_type must be {JWT_TYPE}.")
        if "actor_token" in parameters or "actor_token_type" in parameters:
            raise InvalidRequest("actor_token is not offered.")
        if "resource" in parameters:
            raise InvalidTarget(reason="resource given")
        audience = request.client.effective_flags.jwt_audience
        if parameters.get("audience", audience) != audience:
            raise InvalidTarget(reason=f"audience {parameters['audience'][:100]!r}")
        # RFC 8693 section 2.2.2: "If the subject_token is invalid for any reason … the value of
        # the error parameter MUST be invalid_request".
        reference = issue.hear(Prefix.ACCESS_TOKEN, parameters["subject_token"])
        request.subject = living(reference, timezone.now())
        if request.subject is None:
            raise InvalidRequest("The subject_token is invalid, expired or revoked.")

    def grant(self, request: Any) -> dict[str, Any]:
        now = timezone.now()
        token = gateway_jwt.make(
            request.subject,
            audience=request.client.effective_flags.jwt_audience,
            requested_scope=parameters_of(request).get("scope", "").split(),
            now=now,
        )
        return {
            "access_token": token.encoded,
            "issued_token_type": parameters_of(request).get("requested_token_type", JWT_TYPE),
            "token_type": "Bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }
