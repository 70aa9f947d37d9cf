"""`/oauth2/logout` (OpenID Connect RP-Initiated Logout 1.0)."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from oauthlib.common import add_params_to_uri

from branding.models import Brand
from branding.pages import render_page
from clients_admin.models import Client
from idp.accounts import browser_sessions
from idp.accounts.models import User
from tokens import authorization, id_token, wire
from tokens.errors import InvalidRequest, ProtocolError
from tokens.interaction import session
from tokens.interaction.pages import bad_request_page, let_form_end_at

SIGN_OUT_PATH = "/sign-out"


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """What a client asks for; `return_url` is empty where none was asked for."""

    parameters: wire.Parameters
    client: Client | None
    hint: id_token.Hint | None
    return_url: str


@csrf_exempt
def logout(request: HttpRequest) -> HttpResponse:
    """Ends the session at once for a client that knows who is signed in; asks otherwise."""
    try:
        wire.require_method(request, "GET", "HEAD", "POST")
        is_post = request.method == "POST"
        parameters = (
            wire.read_form(wire.Call.of(request))
            if is_post
            else wire.read_query(wire.Call.of(request))
        )
        asked = _read(parameters)
    except ProtocolError as error:
        return bad_request_page(request, error)
    hinted = session.account_of(request, asked.hint.sub) if asked.hint else None
    if hinted is not None and _is_about(asked, hinted.user, hinted.sid):
        # Of several accounts in the browser it is the one that the client knows.
        session.end_account(request, hinted)
        return _signed_out(request, asked)
    user = session.user_of(request)
    if user is not None and not _is_about(asked, user, browser_sessions.sid_of(request.session)):
        # Section 2: "the OP … MUST ask the End-User whether to log out of the OP as well" where
        # the request may not come from whom it seems to.
        return authorization.redirect(add_params_to_uri(SIGN_OUT_PATH, list(parameters.items())))
    return _sign_out(request, asked)


def _is_about(asked: LogoutRequest, user: User, sid: str) -> bool:
    """Whether the client has shown that it knows this user, in this session.

    Section 4: "If the ID Token's sid Claim does not correspond to the RP's current session or a
    recent session at the OP, the OP SHOULD treat the logout request as suspect". So it is where the
    `logout_hint` names somebody else.
    """
    if asked.hint is None or asked.hint.sub != user.sub:
        return False
    if asked.hint.sid and asked.hint.sid != sid:
        return False
    named = asked.parameters.get("logout_hint", "")
    return not named or named in _names_of(user)


def _names_of(user: User) -> set[str]:
    """What a client may call a user in a hint: what it had as `login_hint`, or from an ID token."""
    return {user.sub, user.username, str(user.claims.get("email", ""))} - {""}


@csrf_protect
def sign_out_page(request: HttpRequest) -> HttpResponse:
    """Asks whether to sign out, and does what the user decides."""
    try:
        wire.require_method(request, "GET", "HEAD", "POST")
        asked = _read(wire.read_query(wire.Call.of(request)))
    except ProtocolError as error:
        return bad_request_page(request, error)
    brand, client = asked.client and asked.client.brand, asked.client
    if request.method == "POST" and request.POST.get("decision") == "sign_out":
        return _sign_out(request, asked)
    if request.method == "POST":
        return _stay(request, asked, brand)
    page = render_page(
        request,
        "branding/sign_out.html",
        brand,
        title=_("Sign out"),
        client_name=(client.name or client.client_id) if client else "",
    )
    return let_form_end_at(page, asked.return_url) if asked.return_url else page


def _stay(request: HttpRequest, asked: LogoutRequest, brand: Brand | None) -> HttpResponse:
    if asked.return_url:
        return authorization.redirect(asked.return_url)
    return render_page(
        request, "branding/still_signed_in.html", brand, title=_("You are still signed in")
    )


def _read(parameters: wire.Parameters) -> LogoutRequest:
    hint = None
    if encoded := parameters.get("id_token_hint"):
        hint = id_token.read_hint(encoded)
        if hint is None:
            raise InvalidRequest("The id_token_hint is not an ID token of this server.")
    client_id = parameters.get("client_id")
    # Section 2: "the OP MUST verify that the Client Identifier matches the one used when issuing
    # the ID Token".
    if hint and client_id and hint.client_id != client_id:
        raise InvalidRequest("The client_id differs from that of the id_token_hint.")
    client_id = client_id or (hint.client_id if hint else "")
    client = Client.objects.select_related("brand").filter(client_id=client_id).first()
    return_url = parameters.get("post_logout_redirect_uri", "")
    if return_url and not (client and client.post_logout_redirect_uri_allowed(return_url)):
        raise InvalidRequest("The post_logout_redirect_uri is not registered for this client.")
    return LogoutRequest(parameters, client, hint, return_url)


def _sign_out(request: HttpRequest, asked: LogoutRequest) -> HttpResponse:
    session.end(request)
    return _signed_out(request, asked)


def _signed_out(request: HttpRequest, asked: LogoutRequest) -> HttpResponse:
    if not asked.return_url:
        brand = asked.client.brand if asked.client else None
        return render_page(
            request, "branding/signed_out.html", brand, title=_("Signed out"), return_url=""
        )
    state = asked.parameters.get("state")
    parameters = [("state", state)] if state else []
    return authorization.redirect(add_params_to_uri(asked.return_url, parameters))
