"""`/oauth2/authorize` (RFC 6749 section 3.1): sends the user to sign in, to consent, or back."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tokens import authorization, wire
from tokens.authorization import AuthorizationRequest
from tokens.errors import ConsentRequired, LoginRequired, ProtocolError
from tokens.interaction import consent, session
from tokens.interaction.pages import bad_request_page
from tokens.interaction.reasons import must_sign_in
from tokens.interaction.session import Visitor


@csrf_exempt
def authorize(request: HttpRequest) -> HttpResponse:
    try:
        if request.method == "POST":
            # OpenID Connect Core 1.0 section 3.1.2.1: "MUST support the use of the HTTP GET and
            # POST methods". From here on the request is in the URL.
            query = authorization.read(wire.read_form(wire.Call.of(request))).query()
            return authorization.redirect(f"{authorization.PATH}?{query}")
        wire.require_method(request, "GET", "HEAD")
        asked = authorization.read(wire.read_query(wire.Call.of(request)))
    except ProtocolError as error:
        return bad_request_page(request, error)
    except authorization.UnknownDestination as error:
        return bad_request_page(request, error, error.brand)
    except authorization.Refusal as refusal:
        return authorization.redirect(refusal.location)
    return _answer(asked, session.visitor_for(request, asked.client))


def _answer(asked: AuthorizationRequest, visitor: Visitor | None) -> HttpResponse:
    is_silent = "none" in asked.prompts
    if visitor is None or must_sign_in(asked, visitor):
        if is_silent:
            return authorization.refuse(asked, LoginRequired())
        return authorization.redirect(f"{session.SIGN_IN_PATH}?{asked.query()}")
    if consent.is_needed(asked, visitor.user):
        if is_silent:
            return authorization.refuse(asked, ConsentRequired())
        return authorization.redirect(f"{consent.PATH}?{asked.query()}")
    return authorization.grant(asked, visitor.user, visitor.auth_time, visitor.sid)
