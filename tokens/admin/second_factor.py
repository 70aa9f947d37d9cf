"""The second factor of a user, for operators: whether there is one, and its removal where it is
lost."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse

from clients_admin.admin.added_pages import Visit
from clients_admin.admin.operators import may_change_account
from idp.accounts import local, passkeys, second_factor
from idp.accounts.models import User

# Who may set a password may do this, and of the same people.
CHANGE = "idp.change_localaccount"


def second_factor_page(visit: Visit) -> HttpResponse:
    user: User = visit.target
    may_remove = _may_remove(visit, user)
    if visit.request.method == "POST":
        if not may_remove:
            raise PermissionDenied
        if _remove_all(user):
            done = "All was removed. The user signs in with the password alone."
            visit.model_admin.log_change(visit.request, user, done)
            messages.success(visit.request, done)
        return visit.to("second-factor")
    context = {
        "title": "Second factor",
        "is_set_up": second_factor.is_set_up(user),
        "codes_left": second_factor.codes_left(user),
        "passkeys": passkeys.of(user),
        "may_remove": may_remove,
    }
    return visit.answer("tokens/admin/second_factor.html", context)


def _remove_all(user: User) -> bool:
    with transaction.atomic():
        is_gone = second_factor.remove(user, by_operator=True)
        gone = [passkeys.remove(user, row.pk, by_operator=True) for row in passkeys.of(user)]
        return is_gone or any(gone)


def _may_remove(visit: Visit, user: User) -> bool:
    account = local.account_of(user)
    return account is not None and visit.may(CHANGE) and may_change_account(visit.request, account)
