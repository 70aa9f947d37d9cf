"""Users as operators name them, and as what is told about them names them."""

from collections.abc import Iterable
from typing import Any

from idp.accounts.models import User

HOW_TO_NAME = "SERVICE/NAME or the subject (sub)"
# A login service may know several by one name; more than these are no answer.
MAX_FOUND = 100


def find(text: str) -> list[User]:
    """The users whom `SERVICE/NAME` or a `sub` names: none, one, or all that bear the name."""
    service, slash, username = text.partition("/")
    users = User.objects.select_related("login_service")
    if slash:
        users = users.filter(login_service__name=service, username__iexact=username)
    else:
        users = users.filter(sub=text)
    return list(users[:MAX_FOUND])


def described(user_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Users by id, each as whom applications and login services know them."""
    found = User.objects.filter(pk__in=user_ids).values_list(
        "pk", "sub", "login_service__name", "username"
    )
    return {
        user_id: {"sub": sub, "login_service": service, "username": username}
        for user_id, sub, service, username in found
    }
