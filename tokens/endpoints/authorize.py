"""`/oauth2/authorize` (RFC 6749 section 3.1): sends the user to sign in, to consent, or back.

Which of these is a table of steps: each looks at the request and answers a response or nothing.
"""

from collections.abc import Callable
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from tokens import authorization, id_token, wire
from tokens.authorization import AuthorizationRequest
from tokens.errors import ConsentRequired, LoginRequired, ProtocolError
from tokens.interaction import consent, session
from tokens.interaction.pages import bad_request_page

type Step = Callable[[HttpRequest, AuthorizationRequest], HttpResponse | None]

# Prompts that a fresh sign-in has answered.
ANSWERED_BY_SIGN_IN = frozenset({"login", "select_account"})


@csrf_exempt
def authorize(request: HttpRequest) -> HttpResponse:
    try:
        if request.method == "POST":
            # OpenID Connect Core 1.0 section 3.1.2.1: "MUST support the use of the HTTP GET and
            # POST methods". From here on the request is in the URL.
            query = authorization.read(wire.read_form(request)).query()
            return authorization.redirect(f"{authorization.PATH}?{query}")
        wire.require_method(request, "GET", "HEAD")
        asked = authorization.read(wire.read_query(request))
    except (ProtocolError, authorization.UnknownDestination) as error:
        return bad_request_page(request, error)
    except authorization.Refusal as refusal:
        return authorization.redirect(refusal.location)
    return next(response for step in STEPS if (response := step(request, asked)))


def sign_in_first(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse | None:
    if not _must_sign_in(request, asked):
        return None
    if "none" in asked.prompts:
        return authorization.refuse(asked, LoginRequired())
    return authorization.redirect(f"{session.SIGN_IN_PATH}?{asked.query()}")


def _must_sign_in(request: HttpRequest, asked: AuthorizationRequest) -> bool:
    user = session.user_for(request, asked.client)
    if user is None or asked.prompts & ANSWERED_BY_SIGN_IN:
        return True
    if hint := asked.parameters.get("id_token_hint"):
        hinted = id_token.read_hint(hint)
        if hinted is None or hinted.sub != user.sub:
            return True
    if asked.max_age is None:
        return False
    return session.auth_time(request) + timedelta(seconds=asked.max_age) < timezone.now()


def consent_first(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse | None:
    user = session.user_for(request, asked.client)
    if not consent.is_needed(asked, user):
        return None
    if "none" in asked.prompts:
        return authorization.refuse(asked, ConsentRequired())
    return authorization.redirect(f"{consent.PATH}?{asked.query()}")


def grant_code(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    user = session.user_for(request, asked.client)
    return authorization.grant(
        asked,
        user,
        session.auth_time(request),
        consented=asked.client.effective_flags.consent != "never",
    )


STEPS: tuple[Step, ...] = (sign_in_first, consent_first, grant_code)
