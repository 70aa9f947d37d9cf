"""`/account/`: where the other pages of the account are."""

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from idp.accounts import local
from tokens.account.door import Visit, account_page


@account_page
def overview_page(visit: Visit) -> HttpResponse:
    has_password = local.account_of(visit.user) is not None
    return visit.answer("overview", title=_("Your account"), has_password=has_password)
