"""RFC 6749 section 4.1 with PKCE (RFC 7636), S256 only and for every client.

A replayed code ends all tokens that came of it. The code's id is the family of these tokens.
"""

import re
from typing import Any

from django.utils import timezone
from oauthlib.oauth2 import AuthorizationCodeGrant

from tokens import (
    claims_request,
    id_token,
    issue,
    payload,
    pushed,
    scopes,
    session_logins,
    withdrawal,
)
from tokens.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidRequestURI,
    RequestNotSupported,
    RequestURINotSupported,
    UnsupportedResponseType,
)
from tokens.grants.base import Grant, pair_body
from tokens.scopes import OPENID

# RFC 7636 section 4.2: BASE64URL-ENCODE(SHA256(ASCII(code_verifier))), so always 43 characters.
_S256 = re.compile(r"\A[A-Za-z0-9_-]{43}\Z")
_SECONDS = re.compile(r"\A[0-9]{1,8}\Z")
PROMPTS = frozenset({"none", "login", "consent", "select_account"})


def require_s256(request: Any) -> dict[str, str]:
    """RFC 9700 section 2.1.1: "plain" shows the verifier to whoever sees the request."""
    if request.code_challenge is None:
        raise InvalidRequest("A code_challenge is required (PKCE).", request=request)
    if request.code_challenge_method != "S256":
        raise InvalidRequest("The code_challenge_method must be S256.", request=request)
    if not _S256.match(request.code_challenge):
        raise InvalidRequest("The code_challenge is not a SHA-256 in base64url.", request=request)
    return {}


def require_query_response(request: Any) -> dict[str, str]:
    """The only response mode that is offered, so the only one that discovery advertises."""
    if request.response_mode not in {None, "query"}:
        raise InvalidRequest("The response_mode must be query.", request=request)
    return {}


def require_code_response(request: Any) -> dict[str, str]:
    """RFC 9700 section 2.1.2: no response type that puts a token into a URL."""
    if request.response_type is None:
        raise InvalidRequest("The response_type is missing.", request=request)
    if request.response_type != "code":
        raise UnsupportedResponseType(request=request)
    return {}


def refuse_request_objects(request: Any) -> dict[str, str]:
    """OpenID Connect Core 1.0 section 6.1: an OP that does not support them says so.

    A pushed request that is found has been put in place of its request_uri before this.
    """
    parameters = dict(request.uri_query_params)
    if "request" in parameters:
        raise RequestNotSupported(request=request)
    if (request_uri := parameters.get("request_uri")) is not None:
        is_ours = request_uri.startswith(pushed.PREFIX)
        raise (InvalidRequestURI if is_ours else RequestURINotSupported)(request=request)
    return {}


def require_pushed(request: Any) -> dict[str, str]:
    """RFC 9126 section 6: a client can "be required to only use pushed authorization requests"."""
    is_required = request.client.effective_flags.require_pushed_authorization_requests
    if is_required and not request.is_pushed:
        raise InvalidRequest("The request must be pushed (RFC 9126).", request=request)
    return {}


def require_known_prompts(request: Any) -> dict[str, str]:
    """OpenID Connect Core 1.0 section 3.1.2.1: "If this parameter contains none with any other
    value, an error is returned"."""
    prompts = (request.prompt or "").split()
    if unknown := set(prompts) - PROMPTS:
        raise InvalidRequest("The prompt is not known.", reason=f"{unknown}", request=request)
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequest("The prompt none stands alone.", request=request)
    return {}


def require_whole_max_age(request: Any) -> dict[str, str]:
    """OpenID Connect Core 1.0 section 3.1.2.1: "in seconds"; a year is for ever."""
    if request.max_age is not None and not _SECONDS.match(request.max_age):
        raise InvalidRequest("The max_age must be a number of seconds.", request=request)
    return {}


def require_genuine_hint(request: Any) -> dict[str, str]:
    """OpenID Connect Core 1.0 section 3.1.2.1: an "ID Token previously issued by" this server."""
    if request.id_token_hint is not None:
        hint = id_token.read_hint(request.id_token_hint)
        if hint is None:
            raise InvalidRequest(
                "The id_token_hint is no ID token of this server.", request=request
            )
        request.hinted_sub = hint.sub
    return {}


def require_readable_claims(request: Any) -> dict[str, str]:
    """OpenID Connect Core 1.0 section 5.5."""
    if request.claims is not None:
        try:
            request.claims_request = claims_request.parse(request.claims)
        except claims_request.BadClaims as problem:
            raise InvalidRequest(f"The claims parameter {problem}.", request=request) from None
    return {}


# Looked at after the client and its redirect URI are known to be right, before all else.
CHECKS = (
    refuse_request_objects,
    require_pushed,
    require_code_response,
    require_query_response,
    require_s256,
    require_known_prompts,
    require_whole_max_age,
    require_genuine_hint,
    require_readable_claims,
)


class AuthorizationCode(Grant, AuthorizationCodeGrant):
    def __init__(self, request_validator: Any) -> None:
        super().__init__(request_validator, pre_auth=list(CHECKS))

    def create_authorization_code(self, request: Any) -> dict[str, str]:
        """Writes the code's row; `request` carries what the user has decided."""
        has_id_token = OPENID in scopes.effective(request.client, request.stored_scope)
        code = issue.authorization_code(
            request.client,
            request.user,
            request.stored_scope,
            timezone.now(),
            redirect_uri=request.redirect_uri,
            redirect_uri_was_given=not request.using_default_redirect_uri,
            code_challenge=request.code_challenge,
            openid_nonce=request.nonce or "",
            auth_time=request.auth_time,
            amr=list(request.amr),
            auth_time_is_essential=request.max_age is not None,
            extra={"claims": request.granted_claims} if request.granted_claims else None,
            sid=request.sid if has_id_token else "",
        )
        if code.sid:
            session_logins.begin(code, request.client)
        answer = {"code": issue.say(code)}
        return answer | {"state": request.state} if request.state else answer

    def grant(self, request: Any) -> dict[str, Any]:
        now, code = timezone.now(), request.code_row
        withdrawal.refuse_if_withdrawn_since(code)
        if code.sid and not session_logins.hold(code):
            raise InvalidGrant(reason="the session of the code has ended")
        issue.lock_family(code.pk)
        issue.authorization_codes.update(code, used_at=now)
        login = issue.Login(
            client=request.client,
            user=request.user,
            scope=code.scope,
            family=code.pk,
            auth_time=code.auth_time,
            auth_time_is_essential=code.auth_time_is_essential,
            extra=code.extra,
            amr=code.amr or (),
            sid=code.sid,
        )
        pair = issue.first_pair(login, now)
        claims = claims_request.fulfilled(
            request.client,
            (code.extra or {}).get("claims", {}).get("id_token", {}),
            payload.known_of(request.user),
        )
        return pair_body(request.client, pair, nonce=code.openid_nonce, claims=claims)
