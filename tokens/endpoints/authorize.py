"""`/oauth2/authorize` (RFC 6749 section 3.1): sends the user to sign in, to consent, or back."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tokens import authorization, wire
from tokens.authorization import AuthorizationRequest
from tokens.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    ProtocolError,
    UnmetAuthenticationRequirements,
)
from tokens.interaction import accounts, consent, session
from tokens.interaction.accounts import Choice
from tokens.interaction.pages import asked_by, bad_request_page
from tokens.interaction.reasons import must_sign_in
from tokens.interaction.step_up import Step, step_for

# A page that has to ask first, "" where none would help, and what a client is told that wants
# nobody to be asked.
type Question = tuple[str, type[ProtocolError]]
SIGN_IN: Question = (session.SIGN_IN_PATH, LoginRequired)


@csrf_exempt
def authorize(request: HttpRequest) -> HttpResponse:
    try:
        if request.method == "POST":
            # OpenID Connect Core 1.0 section 3.1.2.1: "MUST support the use of the HTTP GET and
            # POST methods". From here on the request is in the URL.
            query = asked_by(request, wire.read_form(wire.Call.of(request))).query()
            return authorization.redirect(f"{authorization.PATH}?{query}")
        wire.require_method(request, "GET", "HEAD")
        asked = asked_by(request, wire.read_query(wire.Call.of(request)))
    except ProtocolError as error:
        return bad_request_page(request, error)
    except authorization.UnknownDestination as error:
        return bad_request_page(request, error, error.brand)
    except authorization.Refusal as refusal:
        return authorization.redirect(refusal.location)
    return _answer(asked, accounts.choose(request, asked))


def _answer(asked: AuthorizationRequest, choice: Choice) -> HttpResponse:
    question, visitor = _open_question(asked, choice), choice.visitor
    if question is None and visitor is not None:
        scope = consent.granted_scope(asked, visitor.user)
        return authorization.grant(asked, visitor, scope=scope)
    path, error = question or SIGN_IN
    if "none" in asked.prompts or not path:
        return authorization.refuse(asked, error())
    return authorization.redirect(f"{path}?{asked.query()}")


def _open_question(asked: AuthorizationRequest, choice: Choice) -> Question | None:
    if choice.is_open:
        return accounts.PATH, AccountSelectionRequired
    if choice.visitor is None or must_sign_in(asked, choice.visitor):
        return SIGN_IN
    step = step_for(asked, choice.visitor)
    if step is Step.UNMET:
        return "", UnmetAuthenticationRequirements
    if step is not Step.NONE:
        return session.SIGN_IN_PATH, InteractionRequired
    if consent.is_needed(asked, choice.visitor.user):
        return consent.PATH, ConsentRequired
    return None
