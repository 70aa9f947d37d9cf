"""Make sure that somebody can sign in to the admin."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from idp.accounts.local import MAX_PASSWORD_CHARACTERS, set_password
from idp.accounts.models import LocalAccount, LoginService, User
from idp.audit import changes
from idp.audit.context import acting
from idp.audit.details import without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.environment import environment

ACTOR = "manage.py ensure_operator"
SUPERUSER = "superuser"
GROUPS = {"editor": "Editors", "viewer": "Viewers"}


class Command(BaseCommand):
    help = (
        "Make sure that a local user can sign in to the admin, with this password and this role. "
        "A second run with the same words changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            required=True,
            help="the password is the first line of standard input, and never an argument",
        )
        parser.add_argument("--role", choices=[SUPERUSER, *GROUPS], default=SUPERUSER)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        username, password, role = options["username"], _password(), options["role"]
        with acting(ACTOR), transaction.atomic():
            account, is_new = _account(_login_service(), username)
            has_new_password = _keep_password(account, password)
            user = _operator(account)
            has_new_role = self.keep_role(user, role)
        done = {
            "is new": is_new,
            "has a new password": has_new_password and not is_new,
            f"is {role} now": has_new_role and not is_new,
        }
        what = " and ".join(text for text, is_so in done.items() if is_so) or "is as it should be"
        self.stdout.write(f"{account}, {role}: {what}.")

    def keep_role(self, user: User, role: str) -> bool:
        """A role replaces the other ones; whether that changed anything."""
        groups = set(Group.objects.filter(name=GROUPS.get(role)))
        if role in GROUPS and not groups:
            self.stderr.write(f"warning: there is no group {GROUPS[role]}, so this role is empty")
        held = changes.state_of(user)
        before = set(user.groups.filter(name__in=GROUPS.values()))
        is_changed = user.is_superuser != (role == SUPERUSER) or before != groups
        user.groups.remove(*(before - groups))
        user.groups.add(*(groups - before))
        user.is_superuser = role == SUPERUSER
        user.save(update_fields=["is_active", "is_staff", "is_superuser"])
        changes.record_change(user, held)
        return is_changed


def _password() -> str:
    try:
        password = sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandError("The password on standard input is not UTF-8.") from None
    if not password or "\0" in password or len(password) > MAX_PASSWORD_CHARACTERS:
        raise CommandError(
            f"Standard input must hold a password of 1 to {MAX_PASSWORD_CHARACTERS} characters."
        )
    return password


def _login_service() -> LoginService:
    """The first of those whose users may sign in to the admin, made where it is missing."""
    name, *_ = environment().admin_login_services or [""]
    if not name:
        raise CommandError("IDP_ADMIN_LOGIN_SERVICES is empty: nobody may sign in to the admin.")
    service, is_new = LoginService.objects.select_for_update().get_or_create(
        name=name, defaults={"kind": LoginService.Kind.LOCAL}
    )
    if is_new:
        changes.record_change(service, changes.NOTHING)
    if service.kind != LoginService.Kind.LOCAL:
        raise CommandError(f"The users of {name} ({service.kind}) are not kept here.")
    if not service.is_enabled:
        raise CommandError(f"The login service {name} is switched off.")
    return service


def _account(service: LoginService, username: str) -> tuple[LocalAccount, bool]:
    """The account, active; and whether it is new (then without a password yet)."""
    known = LocalAccount.objects.named(username, service).first()
    account = known or LocalAccount(login_service=service, username=username)
    account.is_active = True
    return account, known is None


def _keep_password(account: LocalAccount, password: str) -> bool:
    before = changes.state_of(account)
    is_changed = not check_password(password, account.password)
    if is_changed:
        set_password(account, password)
    try:
        account.full_clean()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    account.save()
    changes.record_change(account, before)
    return is_changed


def _operator(account: LocalAccount) -> User:
    """The shadow of the account, active and let into the admin."""
    user, is_new = User.objects.get_or_create(
        login_service=account.login_service,
        external_id=str(account.external_id),
        defaults={"username": account.username, "claims": account.claims},
    )
    if is_new:
        record(
            Tag.ACCOUNTS_USER_ADDED,
            user_id=user.pk,
            login_service=account.login_service.name,
            username=without_secrets(user.username),
        )
    user.is_active = user.is_staff = True
    return user
