"""`/oauth2/authorize` (RFC 6749 section 3.1): sends the user to sign in, to consent, or back."""

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
from tokens.interaction.session import Visitor

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
    return _answer(asked, session.visitor_for(request, asked.client))


def _answer(asked: AuthorizationRequest, visitor: Visitor | None) -> HttpResponse:
    is_silent = "none" in asked.prompts
    if visitor is None or any(reason(asked, visitor) for reason in REASONS_TO_SIGN_IN):
        if is_silent:
            return authorization.refuse(asked, LoginRequired())
        return authorization.redirect(f"{session.SIGN_IN_PATH}?{asked.query()}")
    if consent.is_needed(asked, visitor.user):
        if is_silent:
            return authorization.refuse(asked, ConsentRequired())
        return authorization.redirect(f"{consent.PATH}?{asked.query()}")
    return authorization.grant(asked, visitor.user, visitor.auth_time)


def prompt_asks(asked: AuthorizationRequest, visitor: Visitor) -> bool:
    return bool(asked.prompts & ANSWERED_BY_SIGN_IN)


def hint_is_about_somebody_else(asked: AuthorizationRequest, visitor: Visitor) -> bool:
    encoded = asked.parameters.get("id_token_hint")
    if encoded is None:
        return False
    hint = id_token.read_hint(encoded)
    return hint is None or hint.sub != visitor.user.sub


def login_is_too_old(asked: AuthorizationRequest, visitor: Visitor) -> bool:
    """OpenID Connect Core 1.0 section 3.1.2.1: "If the elapsed time is greater than this value,
    the OP MUST attempt to actively re-authenticate the End-User"."""
    if asked.max_age is None:
        return False
    return visitor.auth_time + timedelta(seconds=asked.max_age) < timezone.now()


REASONS_TO_SIGN_IN: tuple[Callable[[AuthorizationRequest, Visitor], bool], ...] = (
    prompt_asks,
    hint_is_about_somebody_else,
    login_is_too_old,
)
