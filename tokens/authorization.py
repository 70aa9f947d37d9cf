"""An authorization request: read and validated, and how it ends, with a code or with a refusal."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from oauthlib.common import Request, add_params_to_uri
from oauthlib.oauth2 import FatalClientError, OAuth2Error

from branding.models import Brand
from clients_admin.models import Client
from idp.accounts.models import User
from tokens import scopes
from tokens.server import server
from tokens.wire import Parameters

PATH = "/oauth2/authorize"
# Prompts that a fresh sign-in has answered.
FRESH_SECONDS = 600
ANSWERED_BY_SIGN_IN = frozenset({"login", "select_account"})
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class UnknownDestination(Exception):
    """The client or its redirect URI is not known: the user is told, and sent nowhere.

    RFC 6749 section 4.1.2.1: "MUST NOT automatically redirect the user-agent to the invalid
    redirection URI".
    """

    def __init__(self, reason: str, brand: Brand | None = None) -> None:
        super().__init__(reason)
        self.brand = brand


class Refusal(Exception):
    """The request is refused, and the client is told by redirect to `location`."""

    def __init__(self, error: OAuth2Error, location: str) -> None:
        super().__init__(error.description)
        self.error = error
        self.location = location


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A valid request of a known client for a registered redirect URI."""

    parameters: Parameters
    oauth: Request

    @property
    def client(self) -> Client:
        client: Client = self.oauth.client
        return client

    @property
    def prompts(self) -> frozenset[str]:
        return frozenset(self.parameters.get("prompt", "").split())

    @property
    def max_age(self) -> int | None:
        text = self.parameters.get("max_age")
        return int(text) if text is not None else None

    @property
    def scope(self) -> str:
        """The stored form of what is asked for."""
        return str(self.oauth.stored_scope)

    def asked_scopes(self) -> list[str]:
        """Single scopes, groups opened, in the order of a page."""
        return sorted(scopes.effective(self.client, self.scope))

    @property
    def redirect_uri(self) -> str:
        return str(self.oauth.redirect_uri)

    def query(self) -> str:
        """The query string that says this request again."""
        return urlencode(self.parameters)

    def query_after_sign_in(self) -> str:
        """The same without what a fresh sign-in has answered, so that it is not asked for again.

        That the sign-in must be fresh is still said: as one of the last ten minutes.
        """
        parameters = dict(self.parameters)
        if self.max_age is not None or "login" in self.prompts:
            parameters["max_age"] = str(max(self.max_age or 0, FRESH_SECONDS))
        parameters["prompt"] = " ".join(sorted(self.prompts - ANSWERED_BY_SIGN_IN))
        return urlencode({name: value for name, value in parameters.items() if value})


def read(parameters: Parameters) -> AuthorizationRequest:
    """Validates by oauthlib and the checks of the grant.

    Raises UnknownDestination where nobody may be told but the user, and Refusal otherwise.
    """
    if any(CONTROL.search(value) for value in parameters.values()):
        raise UnknownDestination("A parameter holds control characters.")
    oauth = Request(f"{PATH}?{urlencode(parameters)}")
    oauth.scopes = (oauth.scope or "").split()
    # oauthlib's request shows parameters as attributes; these are never the caller's to set.
    oauth.client = oauth.user = oauth.code_row = None
    try:
        server().response_types["code"].validate_authorization_request(oauth)
    except FatalClientError as error:
        client: Client | None = oauth.client
        raise UnknownDestination(error.description, client and client.brand) from None
    except OAuth2Error as error:
        raise Refusal(error, _location(oauth, error=error)) from None
    return AuthorizationRequest(parameters, oauth)


def grant(request: AuthorizationRequest, user: User, auth_time: datetime, sid: str) -> HttpResponse:
    """Sends the user back with a code. What a user consented to is frozen to the list they saw."""
    oauth = request.oauth
    oauth.user, oauth.auth_time, oauth.sid = user, auth_time, sid
    oauth.stored_scope = scopes.as_granted(request.client, request.scope)
    with transaction.atomic():
        code = server().response_types["code"].create_authorization_code(oauth)
    return redirect(_location(oauth, code=code["code"]))


def refuse(request: AuthorizationRequest, error: OAuth2Error) -> HttpResponse:
    """Sends the user back with an error."""
    return redirect(_location(request.oauth, error=error))


def redirect(location: str) -> HttpResponse:
    """A redirect that is followed by GET; also to schemes of native apps, which Django refuses."""
    return HttpResponse(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def _location(oauth: Request, *, code: str = "", error: OAuth2Error | None = None) -> str:
    answer: list[tuple[str, Any]] = [("code", code)]
    if error is not None:
        answer = [("error", error.error), ("error_description", error.description)]
    if oauth.state:
        answer.append(("state", oauth.state))
    # RFC 9207 section 2: "MUST include the parameter iss … also in error responses".
    answer.append(("iss", settings.PUBLIC_URL))
    return str(add_params_to_uri(oauth.redirect_uri, [pair for pair in answer if pair[1]]))
