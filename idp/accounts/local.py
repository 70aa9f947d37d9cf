"""The `local` login service: accounts of this database, Argon2."""

from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password

from idp.accounts import credentials
from idp.accounts.models import LocalAccount, LoginService, User, new_subject
from idp.accounts.outcomes import Identity, Outcome, Refused
from idp.blocking import guard
from idp.signals import password_changed

MAX_PASSWORD_CHARACTERS = credentials.MAX_PASSWORD_CHARACTERS


def check(service: LoginService, username: str, password: str) -> Outcome:
    """An unknown name costs the same as a wrong password, so that names cannot be found by time."""
    if credentials.are_malformed(username, password):
        return Refused("malformed credentials")
    account = LocalAccount.objects.named(username, service).first()
    if account is None:
        make_password(password)
        return Refused("unknown user name")

    def rehash(raw_password: str) -> None:
        # A new password that somebody has set meanwhile stays.
        same = LocalAccount.objects.filter(pk=account.pk, password=account.password)
        same.update(password=make_password(raw_password))

    if not check_password(password, account.password, setter=rehash):
        return Refused("wrong password")
    if not account.is_active:
        return Refused("inactive account")
    return Identity(str(account.external_id), account.username, account.claims)


def look_up(service: LoginService, username: str) -> Outcome:
    """Who has that name; their password is not asked for."""
    if credentials.are_malformed(username, username):
        return Refused("malformed user name")
    account = LocalAccount.objects.named(username, service).first()
    if account is None:
        return Refused("unknown user name")
    if not account.is_active:
        return Refused("inactive account")
    return Identity(str(account.external_id), account.username, account.claims)


def find(service: LoginService, external_id: str) -> Outcome:
    """Whom the service knows by that id, in the one spelling that it has."""
    try:
        key = UUID(external_id)
    except ValueError:
        return Refused("malformed external id")
    if str(key) != external_id:
        return Refused("malformed external id")
    account = LocalAccount.objects.filter(login_service=service, external_id=key).first()
    if account is None:
        return Refused("unknown external id")
    if not account.is_active:
        return Refused("inactive account")
    return Identity(external_id, account.username, account.claims)


def account_of(user: User) -> LocalAccount | None:
    """The account of a user, where their login service is a local one."""
    if user.login_service.kind != LoginService.Kind.LOCAL or not user.login_service.is_enabled:
        return None
    accounts = LocalAccount.objects.select_related("login_service__brand")
    return accounts.filter(
        login_service=user.login_service, external_id=user.external_id, is_active=True
    ).first()


def user_of(account: LocalAccount) -> User | None:
    """The shadow row of an account; there is none before the first sign-in."""
    return User.objects.filter(
        login_service=account.login_service, external_id=str(account.external_id)
    ).first()


def set_password(account: LocalAccount, password: str) -> None:
    """Gives the account a new password, for the caller to save; sessions and tokens that were had
    under the old one end."""
    account.password = make_password(password)
    service = account.login_service
    user = user_of(account)
    if user is not None:
        User.objects.filter(pk=user.pk).update(sessions_salt=new_subject())
        password_changed.send(User, user=user)
    guard.lift_user(
        guard.UserName(service.pk, service.name, account.username), actor="new password"
    )
