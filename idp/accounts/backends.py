"""Django's view of signing in: the admin's form asks the operators' login services."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest

from idp import net
from idp.accounts import operator_rights
from idp.accounts.login import Authenticated, Door, sign_in
from idp.accounts.models import LoginService, User
from idp.accounts.operator_rights import Rights
from idp.accounts.outcomes import Unavailable
from idp.environment import environment


class OperatorBackend(ModelBackend):
    """Permissions are Django's own, as far as the operator's directory still grants them; passwords
    are checked where the operators' accounts live."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Raises ValidationError, which the form shows, where nothing is known of the password."""
        if username is None or password is None:
            return None
        address = net.address_of(request) if request else ""
        outcome = sign_in(
            operator_services(), username, password, address=address, door=Door("admin")
        )
        if isinstance(outcome, Unavailable):
            raise _unavailable()
        if not isinstance(outcome, Authenticated):
            return None
        if operator_rights.ask(outcome.user) is Rights.LOOKING:
            # It has just checked the password, and does not say what they may.
            raise _unavailable()
        return outcome.user

    def get_all_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        """What `has_perm` and the admin's menus are answered from, so that each of their questions
        is one to the directory where its last answer has grown old."""
        rights = operator_rights.of(user_obj) if user_obj.is_active else Rights.ALL
        held = super().get_all_permissions(user_obj, obj)
        match rights:
            case Rights.NONE:
                return set()
            case Rights.LOOKING:
                return {name for name in held if name.partition(".")[2].startswith("view_")}
        return held


def _unavailable() -> ValidationError:
    return ValidationError(
        "Your login service does not answer. Try again in a moment.", code="unavailable"
    )


def operator_services() -> list[LoginService]:
    """The login services of IDP_ADMIN_LOGIN_SERVICES, in their order."""
    names = environment().admin_login_services
    found = LoginService.objects.filter(is_enabled=True).in_bulk(names, field_name="name")
    return [found[name] for name in names if name in found]
