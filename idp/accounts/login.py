"""The one door: everybody who signs in with a user name and a password comes through here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import transaction

from idp.accounts import credentials, ldap, local, rest, sql
from idp.accounts.measured import measured
from idp.accounts.models import LocalAccount, LoginService, User, new_subject
from idp.accounts.outcomes import Identity, Outcome, Refused, Unavailable
from idp.audit import changes
from idp.audit.details import clean_text, without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking import guard, subjects
from idp.signals import user_blocked


def _has_no_passwords(service: LoginService, username: str, password: str) -> Outcome:
    """Users of a corporate login service come with a JWT of its trusted issuer alone."""
    return Refused("has no passwords")


CHECKS = {
    LoginService.Kind.LOCAL: measured(local.check),
    LoginService.Kind.SQL: measured(sql.check),
    LoginService.Kind.REST: measured(rest.check),
    LoginService.Kind.LDAP: measured(ldap.check),
    LoginService.Kind.CORPORATE: _has_no_passwords,
}
# The kinds that can be asked who somebody is without their password.
FINDERS = {
    LoginService.Kind.LOCAL: local.find,
    LoginService.Kind.SQL: sql.find,
    LoginService.Kind.REST: rest.find,
    LoginService.Kind.LDAP: ldap.find,
}
# The kinds that can be asked about a name without a password.
LOOK_UPS = {
    LoginService.Kind.LOCAL: local.look_up,
    LoginService.Kind.SQL: sql.look_up,
    LoginService.Kind.LDAP: ldap.look_up,
}


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Somebody proved who they are; `user` is their shadow row."""

    user: User


@dataclass(frozen=True, slots=True)
class Door:
    """Where somebody signs in, and to which client."""

    name: str
    client_id: str | None = None


# Reasons of `Refused` that are not a login service's own.
BLOCKED_ADDRESS, BLOCKED_USER = "blocked address", "blocked user"
# What a login service says of a name that it knows; of no other is the name ever shown.
_KNOWN = frozenset(
    {
        "a password hash of no accepted scheme",
        "inactive account",
        "inactive user",
        "locked account",
        "no password",
        "not in a required group",
        "wrong password",
    }
)


def sign_in(  # noqa: PLR0913 - what there is to say
    services: Iterable[LoginService],
    username: str,
    password: str,
    *,
    address: str = "",
    client_id: str = "",
    door: Door | None = None,
) -> Authenticated | Refused | Unavailable:
    """Asks the login services in their order; the first that knows the user and password decides.

    `Unavailable` only where no service accepts and at least one could not answer: an outage is
    never a wrong password. A service that a user is blocked at is not asked about them.

    `address` is that of the user, as far as it is known; `client_id` of a client through which the
    password came and that has proved itself; `door` is for the audit, which has whatever is
    accepted or refused (decision 0015).
    """
    door = door or Door("")
    asked = list(services)
    users = {service.pk: user_name(service, username) for service in asked if _counts_at(service)}
    attempt = guard.begin(address, username, users.values(), client_id=client_id)
    match attempt:
        case guard.AddressBlocked():
            refused = Refused(BLOCKED_ADDRESS)
            _tell_of_refusal(refused, asked, username, address, door)
            return refused
        case guard.Crowded():
            return Unavailable("too many attempts from this address at once")
    blocked = [pk for pk, user in users.items() if user in attempt.blocked]
    answers: dict[int, Refused | Unavailable] = {}
    try:
        for service in asked:
            if service.pk in blocked:
                continue
            answer = CHECKS[LoginService.Kind(service.kind)](service, username, password)
            if isinstance(answer, Identity):
                guard.close(attempt)
                return _enter(service, answer, username, address, door)
            answers[service.pk] = answer
    except BaseException:
        guard.close(attempt)
        raise

    def tell(outcome: Refused | Unavailable) -> None:
        if isinstance(outcome, Refused):
            _tell_of_refusal(outcome, asked, username, address, door)

    return _outcome(attempt, users, answers, is_blocked=bool(blocked), tell=tell)


def _outcome(
    attempt: guard.Attempt,
    users: dict[int, guard.UserName],
    answers: dict[int, Refused | Unavailable],
    *,
    is_blocked: bool,
    tell: Callable[[Refused | Unavailable], None],
) -> Refused | Unavailable:
    """What comes of an attempt that no service has accepted, and of its being counted; `tell` is
    told of it in the transaction that counts.

    Where one could not answer, the password may be right there. So the address fails only if
    another one knows the name, and the user at those that refused.
    """
    refused = {pk: a for pk, a in answers.items() if isinstance(a, Refused)}
    outages = [answer for answer in answers.values() if isinstance(answer, Unavailable)]
    is_known = any(answer.reason in _KNOWN for answer in refused.values())

    def outcome(*, is_newly_blocked: bool) -> Refused | Unavailable:
        if outages:
            return outages[0]
        if is_blocked or is_newly_blocked:
            return Refused(BLOCKED_USER)
        return list(refused.values())[-1] if refused else Refused("no login service")

    is_newly_blocked = guard.close(
        attempt,
        failed=[users[pk] for pk in refused if pk in users],
        counts=is_known if outages else bool(refused),
        is_known=is_known,
        blocked=end_everything,
        closing=lambda is_blocked: tell(outcome(is_newly_blocked=is_blocked)),
    )
    return outcome(is_newly_blocked=is_newly_blocked)


def _enter(
    service: LoginService, identity: Identity, username: str, address: str, door: Door
) -> Authenticated | Refused:
    """Lets somebody in whom a login service has accepted: their row and the event together."""
    with transaction.atomic():
        outcome = _admit(service, identity)
        if isinstance(outcome, Refused):
            _tell_of_refusal(outcome, [service], identity.username, address, door)
            return outcome
        record(
            Tag.ACCOUNTS_SIGN_IN_ACCEPTED,
            client_id=door.client_id,
            user_id=outcome.user.pk,
            address=address or None,
            door=door.name,
            login_service=service.name,
            username=without_secrets(username),
        )
    return outcome


def _tell_of_refusal(
    refused: Refused, asked: list[LoginService], username: str, address: str, door: Door
) -> None:
    record(
        Tag.ACCOUNTS_SIGN_IN_REFUSED,
        client_id=door.client_id,
        user_id=_user_meant(asked, username),
        address=address or None,
        door=door.name,
        login_services=[service.name for service in asked],
        username=shown_name(username, refused),
        reason=refused.reason,
    )


def _user_meant(asked: list[LoginService], username: str) -> int | None:
    """Whom somebody tried to be, so that they can be shown it: only of local accounts, whose names
    have an index, and whatever the reason was, so that it costs the same."""
    services = [known.pk for known in asked if known.kind == LoginService.Kind.LOCAL]
    if not services or credentials.are_malformed(username, "any"):
        return None
    keys = LocalAccount.objects.named(username, *services).values_list(
        "login_service_id", "external_id"
    )
    for service_id, external_id in keys:
        users = User.objects.filter(login_service_id=service_id, external_id=str(external_id))
        if found := users.values_list("pk", flat=True).first():
            return found
    return None


def shown_name(username: str, refused: Refused) -> str:
    """A name that was refused, as logs may have it: in clear only where a login service knows it,
    for somebody may have typed their password there."""
    return subjects.shown(username, is_known=refused.reason in _KNOWN)


def _counts_at(service: LoginService) -> bool:
    """Where there are no passwords, none can be guessed."""
    return service.kind != LoginService.Kind.CORPORATE


def user_name(service: LoginService, username: str) -> guard.UserName:
    return guard.UserName(service.pk, service.name, username)


def end_everything(blocked: guard.UserName) -> None:
    """A user was blocked: somebody may have got further than we know. Their sessions end here,
    their tokens by whoever hears of it."""
    # As PostgreSQL takes it; what was typed may hold anything.
    name = clean_text(without_secrets(blocked.name))
    users = User.objects.filter(login_service_id=blocked.login_service_id, username__iexact=name)
    for user in users:
        User.objects.filter(pk=user.pk).update(sessions_salt=new_subject())
        user_blocked.send(User, user=user)


def unblock(service: LoginService, username: str, *, actor: str) -> bool:
    """Lifts the block of a user: an operator wants it, or there is a new password. In the caller's
    transaction; answers whether there was one."""
    return guard.lift_user(user_name(service, username), actor=actor)


def _admit(service: LoginService, identity: Identity) -> Authenticated | Refused:
    """Finds or makes the shadow row by `(login_service, external_id)` and nothing else."""
    said = {"username": identity.username, "claims": identity.claims}
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(
            login_service=service, external_id=identity.external_id, defaults=said
        )
        if is_new:
            record(
                Tag.ACCOUNTS_USER_ADDED,
                user_id=user.pk,
                login_service=service.name,
                username=without_secrets(user.username),
            )
        if not user.is_active:
            return Refused("inactive user")
        if (user.username, user.claims) != (identity.username, identity.claims):
            before = changes.state_of(user)
            user.username, user.claims = identity.username, identity.claims
            user.save(update_fields=["username", "claims"])
            changes.record_change(user, before)
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
    answer = _unless_blocked(service, answer)
    if not isinstance(answer, Identity):
        return answer
    admitted = _admit(service, answer)
    return admitted.user if isinstance(admitted, Authenticated) else admitted


def _unless_blocked(service: LoginService, answer: Outcome) -> Outcome:
    if not isinstance(answer, Identity) or not _counts_at(service):
        return answer
    is_blocked = guard.is_user_blocked(user_name(service, answer.username))
    return Refused(BLOCKED_USER) if is_blocked else answer
