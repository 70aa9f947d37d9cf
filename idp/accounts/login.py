"""The one door: everybody who signs in with a user name and a password comes through here."""

from collections.abc import Iterable
from dataclasses import dataclass

from idp.accounts import local
from idp.accounts.models import LoginService, User
from idp.accounts.outcomes import Identity, Outcome, Refused, Unavailable

CHECKS = {LoginService.Kind.LOCAL: local.check}


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Somebody proved who they are; `user` is their shadow row."""

    user: User


def sign_in(
    services: Iterable[LoginService], username: str, password: str
) -> Authenticated | Refused | Unavailable:
    """Asks the login services in their order; the first that knows the user and password decides.

    `Unavailable` only where no service accepts and at least one could not answer: an outage is
    never a wrong password.
    """
    outcome: Refused | Unavailable = Refused("no login service")
    for service in services:
        answer: Outcome = CHECKS[LoginService.Kind(service.kind)](service, username, password)
        if isinstance(answer, Identity):
            return _admit(service, answer)
        if not isinstance(outcome, Unavailable):
            outcome = answer
    return outcome


def _admit(service: LoginService, identity: Identity) -> Authenticated | Refused:
    """Finds or makes the shadow row by `(login_service, external_id)` and nothing else."""
    user, is_new = User.objects.get_or_create(
        login_service=service,
        external_id=identity.external_id,
        defaults={"username": identity.username, "claims": identity.claims},
    )
    if not user.is_active:
        return Refused("inactive user")
    if not is_new and (user.username, user.claims) != (identity.username, identity.claims):
        user.username, user.claims = identity.username, identity.claims
        user.save(update_fields=["username", "claims"])
    return Authenticated(user)
