"""The second factor on a page: asked for in place, or set up there; both post to the page itself.

Who has proved to know the password waits in the browser's session and is nobody until then.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from branding.forms import OneTimeCodeForm
from branding.models import Brand
from branding.pages import render_page
from idp import net
from idp.accounts import assurance, second_factor, totp
from idp.accounts.assurance import Methods
from idp.accounts.login import BLOCKED_ADDRESS, BLOCKED_USER
from idp.accounts.models import User
from idp.accounts.outcomes import Refused, Unavailable
from tokens import authorization
from tokens.interaction import passkeys, session

TWO_FACTORS: Methods = (assurance.PASSWORD, assurance.ONE_TIME_CODE, assurance.SEVERAL)
_BLOCKED = frozenset({BLOCKED_ADDRESS, BLOCKED_USER})
# In the browser's session: a secret that no code has been typed of yet, sealed.
_NEW_SECRET = "second_factor_secret"


def asked_for(
    request: HttpRequest, user: User, brand: Brand | None, client_id: str | None = None
) -> Methods | HttpResponse:
    """How the user has now proved who they are; else the page that asks for a code. Somebody who
    waits may also begin anew, as somebody else."""
    if "restart" in request.POST:
        session.wait_no_longer(request)
        return authorization.redirect(request.get_full_path())
    if passkeys.ANSWER in request.POST:
        return _by_passkey(request, user, brand, client_id)
    if request.method != "POST" or "code" not in request.POST:
        return _code_page(request, user, brand, OneTimeCodeForm())
    return _by_code(request, user, brand, client_id)


def _by_code(
    request: HttpRequest, user: User, brand: Brand | None, client_id: str | None
) -> Methods | HttpResponse:
    form = OneTimeCodeForm(request.POST)
    if not form.is_valid():
        return _code_page(request, user, brand, form, status=400)
    outcome = second_factor.check(
        user,
        form.cleaned_data["code"],
        address=net.address_of(request),
        client_id=client_id,
        now=timezone.now(),
    )
    match outcome:
        case Unavailable():
            return _code_page(request, user, brand, form, outcome="unavailable", status=503)
        case Refused(reason):
            shown = "blocked" if reason in _BLOCKED else "refused"
            return _code_page(request, user, brand, OneTimeCodeForm(), outcome=shown, status=401)
    return TWO_FACTORS


def _by_passkey(
    request: HttpRequest, user: User, brand: Brand | None, client_id: str | None
) -> Methods | HttpResponse:
    outcome = passkeys.proved(request, client_id, user)
    match outcome:
        case Unavailable():
            shown, status = "unavailable", 503
        case Refused(reason):
            shown, status = ("blocked" if reason in _BLOCKED else "passkey"), 401
        case _:
            return (assurance.PASSWORD, *outcome.amr)
    return _code_page(request, user, brand, OneTimeCodeForm(), outcome=shown, status=status)


def set_up(request: HttpRequest, user: User, brand: Brand | None) -> list[str] | HttpResponse:
    """New recovery codes, once a code of the new app was typed; else the page with its secret."""
    secret = second_factor.unseal(request.session.get(_NEW_SECRET, ""))
    if secret is None or request.method != "POST" or "code" not in request.POST:
        secret = secret or totp.new_secret()
        request.session[_NEW_SECRET] = second_factor.seal(secret)
        return _set_up_page(request, user, brand, secret, OneTimeCodeForm())
    form = OneTimeCodeForm(request.POST)
    if not form.is_valid():
        return _set_up_page(request, user, brand, secret, form, status=400)
    codes = second_factor.set_up(user, secret, form.cleaned_data["code"], timezone.now())
    if codes is None:
        form.refuse()
        return _set_up_page(request, user, brand, secret, form, status=400)
    del request.session[_NEW_SECRET]
    return codes


def recovery_codes_page(
    request: HttpRequest, brand: Brand | None, codes: list[str], go_on_url: str
) -> HttpResponse:
    """The one time that they can be seen."""
    return render_page(
        request,
        "branding/recovery_codes.html",
        brand,
        title=_("Your recovery codes"),
        codes=codes,
        go_on_url=go_on_url,
    )


def _code_page(  # noqa: PLR0913 - what it shows
    request: HttpRequest,
    user: User,
    brand: Brand | None,
    form: OneTimeCodeForm,
    *,
    outcome: str = "",
    status: int = 200,
) -> HttpResponse:
    return render_page(
        request,
        "branding/second_factor.html",
        brand,
        status=status,
        title=_("Enter your code"),
        form=form,
        outcome=outcome,
        may_restart=session.waiting(request) is not None,
        has_app=second_factor.is_set_up(user),
        passkey_options=passkeys.offer(request, user),
    )


def _set_up_page(  # noqa: PLR0913, PLR0917 - what it shows
    request: HttpRequest,
    user: User,
    brand: Brand | None,
    secret: bytes,
    form: OneTimeCodeForm,
    status: int = 200,
) -> HttpResponse:
    issuer = brand.name if brand else settings.PUBLIC_URL.partition("://")[2]
    key = totp.in_base32(secret)
    return render_page(
        request,
        "branding/second_factor_new.html",
        brand,
        status=status,
        title=_("Set up a second factor"),
        form=form,
        key=" ".join(key[start : start + 4] for start in range(0, len(key), 4)),
        uri=totp.uri(secret, issuer, user.username),
    )
