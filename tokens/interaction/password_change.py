"""`/account/password`: a user who is signed in sets a new password.

The present one is asked for at the one door, so that guesses of it count as at sign-in. All that
was had under it ends, but for this session.
"""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from branding.forms import ChangePasswordForm
from branding.page_language import language_for
from branding.pages import render_error, render_page
from idp import net
from idp.accounts import local, password_mails, passwords
from idp.accounts.login import BLOCKED_USER, Authenticated, sign_in
from idp.accounts.models import LocalAccount, User
from idp.accounts.outcomes import Refused, Unavailable
from tokens import wire
from tokens.errors import ProtocolError
from tokens.interaction import session
from tokens.interaction.pages import bad_request_page

PATH = "/account/password"


@sensitive_post_parameters("present_password", "new_password", "repeated")
@csrf_protect
def change_page(request: HttpRequest) -> HttpResponse:
    try:
        wire.require_method(request, "GET", "HEAD", "POST")
    except ProtocolError as error:
        return bad_request_page(request, error)
    user = session.user_of(request)
    if user is None:
        return render_error(
            request,
            None,
            heading=_("You are not signed in"),
            message=_("Sign in to the application first, and open this page again."),
            status=401,
        )
    account = local.account_of(user)
    if account is None:
        return render_error(
            request,
            user.login_service.brand,
            heading=_("Your password is not kept here"),
            message=_("Change it where you got your account."),
            status=404,
        )
    if request.method != "POST":
        return _page(request, account, ChangePasswordForm())
    form = ChangePasswordForm(request.POST)
    if not form.is_valid() or form.refuse_password(
        passwords.problems_with(form.cleaned_data["new_password"], account)
    ):
        return _page(request, account, form, status=400)
    return _change(request, user, account, form)


def _change(
    request: HttpRequest, user: User, account: LocalAccount, form: ChangePasswordForm
) -> HttpResponse:
    address, present = net.address_of(request), form.cleaned_data["present_password"]
    outcome = sign_in([account.login_service], account.username, present, address=address)
    if isinstance(outcome, Unavailable):
        return _page(request, account, form, outcome="unavailable", status=503)
    if outcome == Refused(BLOCKED_USER):
        return _page(request, account, form, outcome="blocked", status=401)
    is_changed = (
        isinstance(outcome, Authenticated)
        and outcome.user == user
        and passwords.change(account, present, form.cleaned_data["new_password"], address=address)
    )
    if not is_changed:
        form.refuse_present_password()
        return _page(request, account, form, status=401)
    session.go_on(request, user)
    brand = account.login_service.brand
    password_mails.tell_of_change(account, brand, language_for(request, brand))
    return render_page(
        request,
        "branding/password_done.html",
        brand,
        title=_("Your password was changed"),
        sign_in_url="",
        is_changed=True,
    )


def _page(
    request: HttpRequest,
    account: LocalAccount,
    form: ChangePasswordForm,
    *,
    outcome: str = "",
    status: int = 200,
) -> HttpResponse:
    return render_page(
        request,
        "branding/password_new.html",
        account.login_service.brand,
        status=status,
        title=_("Change your password"),
        user_name=account.username,
        form=form,
        outcome=outcome,
    )
