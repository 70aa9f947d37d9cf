"""Operators with their roles, and proposals of theirs."""

from typing import Any

from django.contrib.auth.models import Group

from clients_admin.configuration import stored
from clients_admin.models import Client, Proposal
from clients_admin.proposals import life
from clients_admin.proposals.targets import Entry
from idp.accounts.models import LoginService, User
from tests.operators import OperatorBrowser


def operator(name: str, *roles: str, **fields: Any) -> User:
    """Somebody with these roles at the operators' login service."""
    service, _ = LoginService.objects.get_or_create(name="operators")
    user = User.objects.create(
        login_service=service,
        external_id=name,
        username=name,
        **{"is_staff": bool(roles), **fields},
    )
    user.groups.add(*Group.objects.filter(name__in=roles))
    return user


def browser_of(user: User) -> OperatorBrowser:
    browser = OperatorBrowser()
    browser.force_login(user)
    return browser


def entry_of(client: Client, **changes: Any) -> Entry:
    """How a file would describe the client, with these changes."""
    return {**stored.client(stored.clients().get(pk=client.pk)), **changes}


def propose(client: Client, author: User, **changes: Any) -> Proposal:
    """An open proposal of these changes of a client."""
    return life.open_proposal(
        "client", entry_of(client), entry_of(client, **changes), author=author, why="Because."
    )
