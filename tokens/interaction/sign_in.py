"""The sign-in page. Its query is the authorization request, which it says again when done.

There is no `next` parameter, so there is nothing to redirect to but our own authorization
endpoint.
"""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from branding.forms import SignInForm
from branding.pages import render_page
from idp.accounts.login import Authenticated, sign_in
from idp.accounts.outcomes import Unavailable
from tokens import authorization, id_token
from tokens.authorization import AuthorizationRequest
from tokens.errors import LoginRequired
from tokens.interaction import session
from tokens.interaction.pages import about_authorization, let_form_end_at


@sensitive_post_parameters("password")
@csrf_protect
@about_authorization
def sign_in_page(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    if request.method != "POST":
        hint = asked.parameters.get("login_hint", "")[:255]
        return _page(request, asked, SignInForm(initial={"username": hint}))
    form = SignInForm(request.POST)
    if not form.is_valid():
        return _page(request, asked, form, status=400)
    outcome = sign_in(
        asked.client.ordered_login_services(),
        form.cleaned_data["username"],
        form.cleaned_data["password"],
    )
    if isinstance(outcome, Authenticated):
        if not id_token.hint_fits(asked.parameters.get("id_token_hint"), outcome.user.sub):
            # OpenID Connect Core 1.0 section 3.1.2.1: "MUST return an error, such as
            # login_required", where somebody else signs in than the hint is about.
            return authorization.refuse(asked, LoginRequired())
        session.begin(request, outcome.user)
        return authorization.redirect(f"{authorization.PATH}?{asked.query_after_sign_in()}")
    if isinstance(outcome, Unavailable):
        return _page(request, asked, form, outcome="unavailable", status=503)
    return _page(request, asked, form, outcome="refused", status=401)


def _page(
    request: HttpRequest,
    asked: AuthorizationRequest,
    form: SignInForm,
    *,
    outcome: str = "",
    status: int = 200,
) -> HttpResponse:
    response = render_page(
        request,
        "branding/sign_in.html",
        asked.client.brand,
        status=status,
        title=asked.client.name or asked.client.client_id,
        client_name=asked.client.name or asked.client.client_id,
        form=form,
        outcome=outcome,
    )
    return let_form_end_at(response, asked.redirect_uri)
