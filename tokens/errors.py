"""The errors of the protocol endpoints: one class per wire code, two texts.

`description` is what the caller reads, constant wherever more would help an attacker; `reason` is
what logs, metrics and audit get. All are oauthlib errors, so that its grants let them pass.
"""

import json
from http import HTTPStatus
from typing import Any

from oauthlib.oauth2 import OAuth2Error


class ProtocolError(OAuth2Error):
    """An answer that is a refusal. `headers` go with it."""

    error = "server_error"
    status_code: int = HTTPStatus.BAD_REQUEST

    def __init__(
        self,
        description: str | None = None,
        *,
        reason: str = "",
        request: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(description=description, request=request, **kwargs)
        self.reason = reason or self.description

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Cache-Control": "no-store"}

    @property
    def json(self) -> str:
        body = {"error": self.error, "error_description": self.description}
        if self.state:
            body["state"] = self.state
        return json.dumps(body)


class InvalidRequest(ProtocolError):
    error = "invalid_request"
    description = "The request is malformed."


class MethodNotAllowed(InvalidRequest):
    """RFC 9110 section 15.5.6: the answer "MUST generate an Allow header field"."""

    status_code = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, *allowed: str) -> None:
        super().__init__(f"Use {' or '.join(allowed)}.")
        self.allowed = allowed

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"Allow": ", ".join(self.allowed)}


class InvalidClient(ProtocolError):
    """RFC 6749 section 5.2: 401, and a challenge that matches the scheme that the client used."""

    error = "invalid_client"
    status_code = HTTPStatus.UNAUTHORIZED
    description = "Client authentication failed."

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"WWW-Authenticate": 'Basic realm="idp", charset="UTF-8"'}


class InvalidGrant(ProtocolError):
    error = "invalid_grant"
    description = "The grant is invalid, expired, revoked or was issued to another client."


class UnauthorizedClient(ProtocolError):
    error = "unauthorized_client"
    description = "This client may not do that."


class UnsupportedGrantType(ProtocolError):
    error = "unsupported_grant_type"
    description = "This grant type is not offered."


class UnsupportedResponseType(ProtocolError):
    error = "unsupported_response_type"
    description = "The response_type must be code."


class InvalidScope(ProtocolError):
    error = "invalid_scope"
    description = "A requested scope is unknown or not allowed for this client."


class InvalidTarget(ProtocolError):
    """RFC 8707 section 2 and RFC 8693 section 2.2.2."""

    error = "invalid_target"
    description = "The requested audience or resource is not allowed for this client."


class AccessDenied(ProtocolError):
    error = "access_denied"
    description = "The user or the server refused."


class AuthorizationPending(ProtocolError):
    """RFC 8628 section 3.5."""

    error = "authorization_pending"
    description = "The user has not decided yet."


class SlowDown(ProtocolError):
    """RFC 8628 section 3.5: "the interval MUST be increased by 5 seconds"."""

    error = "slow_down"
    description = "The user has not decided yet. Wait five seconds more between requests."


class ExpiredToken(ProtocolError):
    """RFC 8628 section 3.5."""

    error = "expired_token"
    description = "The device_code has expired. Ask for a new one."


class TemporarilyUnavailable(ProtocolError):
    """A login service could not answer. RFC 9110 section 15.6.4: with Retry-After, in seconds."""

    error = "temporarily_unavailable"
    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    description = "The login service cannot be reached. Try again in a moment."

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"Retry-After": "5"}


class LoginRequired(ProtocolError):
    """OpenID Connect Core 1.0 section 3.1.2.6."""

    error = "login_required"
    description = "The user must sign in."


class InteractionRequired(ProtocolError):
    """OpenID Connect Core 1.0 section 3.1.2.6."""

    error = "interaction_required"
    description = "The user must prove more than a password."


class UnmetAuthenticationRequirements(ProtocolError):
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""

    error = "unmet_authentication_requirements"
    description = "The user has no second factor that could be asked for."


class ConsentRequired(ProtocolError):
    """OpenID Connect Core 1.0 section 3.1.2.6."""

    error = "consent_required"
    description = "The user must consent."


class AccountSelectionRequired(ProtocolError):
    """OpenID Connect Core 1.0 section 3.1.2.6."""

    error = "account_selection_required"
    description = "The user must choose an account."


class InvalidRequestURI(ProtocolError):
    """RFC 9101 section 7: the code for a request_uri that leads nowhere (RFC 9126 section 4)."""

    error = "invalid_request_uri"
    description = "The request_uri is unknown, expired or used."


class RequestNotSupported(ProtocolError):
    """OpenID Connect Core 1.0 section 3.1.2.6."""

    error = "request_not_supported"
    description = "Request objects are not offered."


class RequestURINotSupported(ProtocolError):
    """OpenID Connect Core 1.0 section 3.1.2.6."""

    error = "request_uri_not_supported"
    description = "Request objects are not offered."


class InvalidToken(ProtocolError):
    """RFC 6750 section 3.1: 401 where the token is bad; without a token, no error code either."""

    error = "invalid_token"
    status_code = HTTPStatus.UNAUTHORIZED
    description = "The access token is missing, expired, revoked or malformed."

    @property
    def headers(self) -> dict[str, str]:
        challenge = f'Bearer realm="idp", error="{self.error}"'
        return super().headers | {"WWW-Authenticate": challenge}


class NoToken(InvalidToken):
    """RFC 6750 section 3.1: without credentials, "SHOULD NOT include an error code"."""

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"WWW-Authenticate": 'Bearer realm="idp"'}


class InsufficientScope(InvalidToken):
    """RFC 6750 section 3.1: "MAY include the scope attribute with the scope necessary"."""

    error = "insufficient_scope"
    status_code = HTTPStatus.FORBIDDEN
    description = "The access token does not have the scope that this needs."

    def __init__(self, needed: str = "", *, reason: str = "") -> None:
        super().__init__(reason=reason)
        self.needed = needed

    @property
    def headers(self) -> dict[str, str]:
        found = super().headers
        if self.needed:
            found["WWW-Authenticate"] += f', scope="{self.needed}"'
        return found
