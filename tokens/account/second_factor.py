"""`/account/second-factor`: a user sets up an authenticator app, or removes it."""

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from idp.accounts import second_factor as factor
from tokens.account.door import Visit, account_page
from tokens.interaction import second_factor, session

PATH = "/account/second-factor"
REMOVE, BEGIN = "remove", "begin"


@account_page
def second_factor_page(visit: Visit) -> HttpResponse:
    """Whatever is done here is posted, so it needs a fresh sign-in."""
    asked = visit.posted("second_factor")
    if asked == REMOVE:
        factor.remove(visit.user)
        return visit.to(PATH)
    may_set_up = factor.may_be_set_up(visit.user)
    if may_set_up and (asked == BEGIN or "code" in visit.request.POST):
        codes = second_factor.set_up(visit.request, visit.user, visit.brand)
        if isinstance(codes, HttpResponse):
            return codes
        session.strengthen(visit.request, visit.user, second_factor.TWO_FACTORS)
        go_on_url = f"{PATH}{visit.query}"
        return second_factor.recovery_codes_page(visit.request, visit.brand, codes, go_on_url)
    return visit.answer(
        "second_factor",
        title=_("Second factor"),
        is_set_up=factor.is_set_up(visit.user),
        codes_left=factor.codes_left(visit.user),
        may_set_up=may_set_up,
    )
