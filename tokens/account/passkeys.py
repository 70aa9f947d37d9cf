"""`/account/passkeys`: a user adds passkeys to sign in with, and removes them."""

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from branding.forms import PasskeyForm
from idp.accounts import passkeys
from tokens.account.door import Visit, account_page
from tokens.interaction import passkeys as pages

PATH = "/account/passkeys"
ADD = "add"


@account_page
def passkeys_page(visit: Visit) -> HttpResponse:
    """Whatever is done here is posted, so it needs a fresh sign-in."""
    request, user = visit.request, visit.user
    may_have_one = passkeys.may_have_one(user)
    if may_have_one and pages.NEW in request.POST:
        return _taken(visit)
    asked = visit.posted("passkey")
    if may_have_one and asked == ADD:
        return _new_page(visit, PasskeyForm())
    if asked.isascii() and asked.isdecimal() and len(asked) < len(str(2**63)):
        passkeys.remove(user, int(asked))
    if request.method == "POST":
        return visit.to(PATH)
    return visit.answer(
        "passkeys",
        title=_("Passkeys"),
        passkeys=passkeys.of(user),
        may_have_one=may_have_one,
        most=passkeys.MAX_PASSKEYS,
    )


def _taken(visit: Visit) -> HttpResponse:
    form = PasskeyForm(visit.request.POST)
    if not form.is_valid():
        return _new_page(visit, form, status=400)
    if not pages.register(visit.request, visit.user, form.cleaned_data[pages.NAME]):
        form.add_error(None, _("This passkey could not be added. Try again."))
        return _new_page(visit, form, status=400)
    return visit.to(PATH)


def _new_page(visit: Visit, form: PasskeyForm, status: int = 200) -> HttpResponse:
    return visit.answer(
        "passkey_new",
        status,
        title=_("Add a passkey"),
        form=form,
        options=pages.offer_new(visit.request, visit.user),
    )
