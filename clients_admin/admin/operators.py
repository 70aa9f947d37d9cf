"""Who guards the guards: what touches the operators' own way in is for superusers alone.

Otherwise an editor could set the password of a superuser, or lock everybody out.
"""

from django.http import HttpRequest

from idp.accounts.backends import operator_services
from idp.accounts.models import LocalAccount, LoginService, User


def may_change_login_service(request: HttpRequest, service: LoginService) -> bool:
    return request.user.is_superuser or service not in operator_services()


def may_change_account(request: HttpRequest, account: LocalAccount) -> bool:
    if request.user.is_superuser:
        return True
    is_of_operator = User.objects.filter(
        login_service_id=account.login_service_id,
        external_id=str(account.external_id),
        is_staff=True,
    ).exists()
    return not is_of_operator and account.login_service not in operator_services()
