"""The sign-in page. Its query is the authorization request, which it says again when done.

There is no `next` parameter, so there is nothing to redirect to but our own authorization
endpoint.
"""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from branding.forms import SignInForm
from branding.pages import render_page
from clients_admin.models import Client
from idp import net
from idp.accounts import second_factor
from idp.accounts.login import BLOCKED_USER, Authenticated, Door, sign_in
from idp.accounts.models import User
from idp.accounts.outcomes import Refused, Unavailable
from tokens import authorization
from tokens.authorization import AuthorizationRequest
from tokens.errors import LoginRequired
from tokens.interaction import accounts, passkeys, session
from tokens.interaction import second_factor as pages
from tokens.interaction.pages import about_authorization, let_form_end_at
from tokens.interaction.password_reset import forgotten_url
from tokens.interaction.reasons import must_sign_in
from tokens.interaction.step_up import Step, step_for


@sensitive_post_parameters("password")
@csrf_protect
@about_authorization
def sign_in_page(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    lacking = None if "username" in request.POST else _lacks_second_factor(request, asked)
    if lacking is not None:
        page = _second_step(request, asked, *lacking)
    elif request.method != "POST":
        hint = asked.parameters.get("login_hint", "")[:255]
        page = sign_in_form(request, asked.client, SignInForm(initial={"username": hint}))
    elif passkeys.ANSWER in request.POST:
        page = _by_passkey(request, asked)
    else:
        page = _by_password(request, asked)
    return let_form_end_at(page, asked.redirect_uri)


def _by_password(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    user = user_or_form(request, asked.client)
    if isinstance(user, HttpResponse):
        return user
    if not asked.fits(user):
        # OpenID Connect Core 1.0 section 3.1.2.1: "MUST return an error, such as
        # login_required", where somebody else signs in than the hint is about; section 5.5.1 says
        # the same of the claim sub.
        return authorization.refuse(asked, LoginRequired())
    if second_factor.is_set_up(user):
        session.wait_for_second_factor(request, user)
        return authorization.redirect(request.get_full_path())
    session.begin(request, user, asked.client)
    return _go_on(asked)


def _by_passkey(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    """Who it is says the passkey, so that no user name is asked for; it is worth two factors."""
    client = asked.client
    outcome = passkeys.proved(request, client.client_id)
    if isinstance(outcome, Unavailable):
        form = SignInForm()
        return sign_in_form(request, client, form, outcome="unavailable", status=503)
    if isinstance(outcome, Refused) or not _is_accepted(client, outcome.user):
        shown = "blocked" if outcome == Refused(BLOCKED_USER) else "passkey"
        return sign_in_form(request, client, SignInForm(), outcome=shown, status=401)
    if not asked.fits(outcome.user):
        return authorization.refuse(asked, LoginRequired())
    session.begin(request, outcome.user, client, outcome.amr)
    return _go_on(asked)


def _is_accepted(client: Client, user: User) -> bool:
    return client.ordered_login_services().filter(pk=user.login_service_id).exists()


def _go_on(asked: AuthorizationRequest) -> HttpResponse:
    return authorization.redirect(f"{authorization.PATH}?{asked.query_after_sign_in()}")


def _lacks_second_factor(
    request: HttpRequest, asked: AuthorizationRequest
) -> tuple[User, Step] | None:
    """Who has to prove a second factor and nothing else: at the end of a sign-in, or because the
    client wants more than the session is worth."""
    if user := session.waiting(request):
        return user, Step.ASK
    visitor = accounts.choose(request, asked).visitor
    if visitor is None or must_sign_in(asked, visitor):
        return None
    step = step_for(asked, visitor)
    return (visitor.user, step) if step in {Step.ASK, Step.SET_UP} else None


def _second_step(
    request: HttpRequest, asked: AuthorizationRequest, user: User, step: Step
) -> HttpResponse:
    if step is Step.SET_UP:
        return _set_up(request, asked, user)
    is_signing_in = session.waiting(request) is not None
    amr = pages.asked_for(request, user, asked.client.brand, asked.client.client_id)
    if isinstance(amr, HttpResponse):
        return amr
    if not is_signing_in:
        session.strengthen(request, user, amr)
        return authorization.redirect(f"{authorization.PATH}?{asked.query()}")
    if not asked.fits(user):
        return authorization.refuse(asked, LoginRequired())
    session.begin(request, user, asked.client, amr)
    return _go_on(asked)


def _set_up(request: HttpRequest, asked: AuthorizationRequest, user: User) -> HttpResponse:
    """The client's flag wants a second factor of somebody who has none."""
    codes = pages.set_up(request, user, asked.client.brand)
    if isinstance(codes, HttpResponse):
        return codes
    session.strengthen(request, user, pages.TWO_FACTORS)
    go_on_url = f"{authorization.PATH}?{asked.query()}"
    return pages.recovery_codes_page(request, asked.client.brand, codes, go_on_url)


def user_or_form(
    request: HttpRequest, client: Client, *, door: str = "sign-in page"
) -> User | HttpResponse:
    """Who has proved who they are with a posted form; else the form again, and what was wrong."""
    form = SignInForm(request.POST)
    if not form.is_valid():
        return sign_in_form(request, client, form, status=400)
    outcome = sign_in(
        client.ordered_login_services(),
        form.cleaned_data["username"],
        form.cleaned_data["password"],
        address=net.address_of(request),
        door=Door(door, client.client_id),
    )
    if isinstance(outcome, Authenticated):
        return outcome.user
    if isinstance(outcome, Unavailable):
        return sign_in_form(request, client, form, outcome="unavailable", status=503)
    shown = "blocked" if outcome == Refused(BLOCKED_USER) else "refused"
    return sign_in_form(request, client, form, outcome=shown, status=401)


def sign_in_form(
    request: HttpRequest, client: Client, form: SignInForm, *, outcome: str = "", status: int = 200
) -> HttpResponse:
    """The page, for any page of ours that needs a user of the client; it posts to that page."""
    return render_page(
        request,
        "branding/sign_in.html",
        client.brand,
        status=status,
        title=client.name or client.client_id,
        client_name=client.name or client.client_id,
        form=form,
        outcome=outcome,
        reset_url=forgotten_url(request, client),
        passkey_options=passkeys.offer(request) if request.path == session.SIGN_IN_PATH else "",
    )
