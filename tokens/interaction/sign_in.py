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
from tokens import authorization
from tokens.authorization import AuthorizationRequest
from tokens.endpoints.authorize import ANSWERED_BY_SIGN_IN
from tokens.interaction import session
from tokens.interaction.pages import about_authorization, allow_form_to_end_at


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
        session.begin(request, outcome.user)
        query = asked.query(without_prompts=ANSWERED_BY_SIGN_IN)
        return authorization.redirect(f"{authorization.PATH}?{query}")
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
    return allow_form_to_end_at(response, asked)
