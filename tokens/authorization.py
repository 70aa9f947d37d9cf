"""An authorization request: read and validated, and how it ends, with a code or with a refusal."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from oauthlib.common import Request, add_params_to_uri
from oauthlib.oauth2 import FatalClientError, OAuth2Error

from branding.models import Brand
from clients_admin.models import Client
from idp.accounts.models import User
from tokens import claims_request, pushed, scopes
from tokens.claims_request import ClaimsRequest
from tokens.errors import InvalidRequestURI
from tokens.interaction.session import Visitor
from tokens.models import PushedAuthorizationRequest
from tokens.server import server
from tokens.wire import Parameters

PATH = "/oauth2/authorize"
# A sign-in that was asked for counts as fresh for so long.
FRESH_SECONDS = 600
# Prompts that have been answered when the user has signed in, or has chosen an account.
ANSWERED_BY_SIGN_IN = frozenset({"login", "select_account"})
ANSWERED_BY_CHOICE = frozenset({"select_account"})
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
    """A valid request of a known client for a registered redirect URI.

    A pushed one (RFC 9126) has its parameters from the row, and is said again by its request_uri.
    """

    parameters: Parameters
    oauth: Request
    pushed: PushedAuthorizationRequest | None = None
    request_uri: str = ""

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
    def hinted_sub(self) -> str | None:
        """Whom the id_token_hint was about, where there was one."""
        found: str | None = self.oauth.hinted_sub
        return found

    @property
    def claims(self) -> ClaimsRequest:
        found: ClaimsRequest = self.oauth.claims_request
        return found

    @property
    def acr_wanted(self) -> tuple[str, ...]:
        """OpenID Connect Core 1.0 section 5.5.1.1: the claim goes before `acr_values`; the most
        wanted first."""
        wanted = self.claims.acr.values or self.parameters.get("acr_values", "").split()
        return tuple(str(value) for value in wanted)

    @property
    def acr_is_essential(self) -> bool:
        """Section 5.5.1.1: then another one is "as a failed authentication attempt"."""
        return self.claims.acr.is_essential

    def fits(self, user: User) -> bool:
        """Whether the answer may be about this user: as the hint and the claim `sub` say."""
        if self.hinted_sub is not None and self.hinted_sub != user.sub:
            return False
        return all(value == user.sub for value in self.claims.subjects)

    def names_a_user(self) -> bool:
        return self.hinted_sub is not None or bool(self.claims.subjects)

    def individual_claims(self) -> list[str]:
        """What the user is asked for beside the scopes."""
        return claims_request.individual(self.client, self.claims, self.asked_scopes())

    def is_answered_by(self, moment: datetime) -> bool:
        """Whether what a user did at that moment was done for this very request.

        Only of a pushed one is it known when it was made. Others say it by `query_after`.
        """
        return self.pushed is not None and moment >= self.pushed.pushed_at

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
        if self.pushed is None:
            return urlencode(self.parameters)
        return urlencode({"client_id": self.client.client_id, "request_uri": self.request_uri})

    def query_after_sign_in(self) -> str:
        """The same without what a fresh sign-in has answered, so that it is not asked for again.

        That the sign-in must be fresh is still said: as one of the last ten minutes.
        """
        parameters = self._without_prompts(ANSWERED_BY_SIGN_IN)
        if self.max_age is not None or "login" in self.prompts:
            parameters["max_age"] = str(max(self.max_age or 0, FRESH_SECONDS))
        return self.query() if self.pushed else urlencode(parameters)

    def query_after_choice(self) -> str:
        """The same without what the choice of an account has answered."""
        return self.query() if self.pushed else urlencode(self._without_prompts(ANSWERED_BY_CHOICE))

    def _without_prompts(self, answered: frozenset[str]) -> Parameters:
        parameters = {**self.parameters, "prompt": " ".join(sorted(self.prompts - answered))}
        return {name: value for name, value in parameters.items() if value}


def read(parameters: Parameters, browser: Callable[[], str]) -> AuthorizationRequest:
    """Validates by oauthlib and the checks of the grant.

    `browser` names the browser that asks, and is called for pushed requests only. Raises
    UnknownDestination where nobody may be told but the user, and Refusal otherwise.
    """
    request_uri, client_id = parameters.get("request_uri", ""), parameters.get("client_id", "")
    if not request_uri.startswith(pushed.PREFIX) or "request" in parameters:
        return AuthorizationRequest(parameters, _validated(parameters))
    found = pushed.take(request_uri, client_id, browser(), timezone.now())
    if found is None:
        return AuthorizationRequest(parameters, _validated(parameters))
    # RFC 9101 section 6.3: parameters of the query are not used, "even if the same parameter is
    # provided".
    oauth = _validated(found.parameters, is_pushed=True, hinted_sub=found.hinted_sub)
    return AuthorizationRequest(found.parameters, oauth, found, request_uri)


def read_pushed(parameters: Parameters) -> AuthorizationRequest:
    """The same for a request that a client pushes (RFC 9126 section 2.1)."""
    return AuthorizationRequest(parameters, _validated(parameters, is_pushed=True))


def _validated(parameters: Parameters, *, is_pushed: bool = False, hinted_sub: str = "") -> Request:
    if any(CONTROL.search(value) for value in parameters.values()):
        raise UnknownDestination("A parameter holds control characters.")
    oauth = Request(f"{PATH}?{urlencode(parameters)}")
    oauth.scopes = (oauth.scope or "").split()
    # oauthlib's request shows parameters as attributes; these are never the caller's to set.
    oauth.client = oauth.user = oauth.code_row = None
    oauth.is_pushed, oauth.hinted_sub = is_pushed, hinted_sub or None
    oauth.claims_request = ClaimsRequest()
    try:
        server().response_types["code"].validate_authorization_request(oauth)
    except FatalClientError as error:
        client: Client | None = oauth.client
        raise UnknownDestination(error.description, client and client.brand) from None
    except OAuth2Error as error:
        raise Refusal(error, _location(oauth, error=error)) from None
    return oauth


def grant(
    request: AuthorizationRequest, visitor: Visitor, *, scope: str | None = None
) -> HttpResponse:
    """Sends the user back with a code. What a user consented to is frozen: to `scope`, what they
    have chosen of it, or else to all that was asked for."""
    oauth, client = request.oauth, request.client
    oauth.user, oauth.auth_time, oauth.amr = visitor.user, visitor.auth_time, visitor.amr
    oauth.sid = visitor.sid
    oauth.stored_scope = scope or scopes.as_granted(client, request.scope)
    oauth.granted_claims = claims_request.granted(
        client,
        request.claims,
        asked=request.asked_scopes(),
        given=scopes.effective(client, oauth.stored_scope),
    )
    with transaction.atomic():
        if not _end(request):
            return redirect(_location(oauth, error=InvalidRequestURI()))
        code = server().response_types["code"].create_authorization_code(oauth)
    return redirect(_location(oauth, code=code["code"]))


def refuse(request: AuthorizationRequest, error: OAuth2Error) -> HttpResponse:
    """Sends the user back with an error."""
    _end(request)
    return redirect(_location(request.oauth, error=error))


def _end(request: AuthorizationRequest) -> bool:
    """A pushed request is answered once; False where that has happened."""
    return request.pushed is None or pushed.end(request.pushed)


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
