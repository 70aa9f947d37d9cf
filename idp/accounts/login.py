"""The one door: everybody who signs in with a user name and a password comes through here."""

from collections.abc import Iterable
from dataclasses import dataclass

from idp.accounts import local
from idp.accounts.models import LoginService, User
from idp.accounts.outcomes import Identity, Outcome, Refused, Unavailable


def _has_no_passwords(service: LoginService, username: str, password: str) -> Outcome:
    """Users of a corporate login service come with a JWT of its trusted issuer alone."""
    return Refused("has no passwords")


CHECKS = {
    LoginService.Kind.LOCAL: local.check,
    LoginService.Kind.CORPORATE: _has_no_passwords,
}
# The kinds that can be asked who somebody is without their password.
FINDERS = {LoginService.Kind.LOCAL: local.find}


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


def accept(service: LoginService, identity: Identity) -> Authenticated | Refused:
    """Somebody whom a trusted issuer vouches for; the caller has verified that."""
    return _admit(service, identity) if service.is_enabled else Refused("disabled login service")


def find(
    service: LoginService, external_id: str, *, may_create: bool = False
) -> User | Refused | Unavailable:
    """Whom a login service knows by that id, for a client that acts on behalf of users.

    Nobody has proved anything here, and nobody is signed in. Where the service cannot be asked, a
    user is whoever has signed in before; `may_create` makes one of the id alone.
    """
    if not service.is_enabled:
        return Refused("disabled login service")
    known = User.objects.filter(login_service=service, external_id=external_id).first()
    if known is not None and not known.is_active:
        return Refused("inactive user")
    if finder := FINDERS.get(LoginService.Kind(service.kind)):
        answer: Outcome = finder(service, external_id)
    elif known is not None:
        return known
    elif may_create:
        answer = Identity(external_id, username=external_id)
    else:
        return Refused("unknown user")
    if not isinstance(answer, Identity):
        return answer
    admitted = _admit(service, answer)
    return admitted.user if isinstance(admitted, Authenticated) else admitted
