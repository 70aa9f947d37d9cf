"""Django's view of signing in: the admin's form asks the operators' login services."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from idp.accounts.login import Authenticated, sign_in
from idp.accounts.models import LoginService, User
from idp.environment import environment


class OperatorBackend(ModelBackend):
    """Permissions are Django's own; passwords are checked where the operators' accounts live."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if username is None or password is None:
            return None
        outcome = sign_in(operator_services(), username, password)
        return outcome.user if isinstance(outcome, Authenticated) else None


def operator_services() -> list[LoginService]:
    """The login services of IDP_ADMIN_LOGIN_SERVICES, in their order."""
    names = environment().admin_login_services
    found = LoginService.objects.filter(is_enabled=True).in_bulk(names, field_name="name")
    return [found[name] for name in names if name in found]
