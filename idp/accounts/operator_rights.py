"""What operators of a directory may do: as it says now, and not as it said when they signed in.

Somebody who has left a group has lost its rights within `role_check_seconds`, whatever their
session says. While the directory cannot be asked, operators go on looking and change nothing.
See docs/decisions.
"""

import logging
from datetime import datetime, timedelta
from enum import Enum

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from idp.accounts import ldap
from idp.accounts.models import LoginService, User
from idp.accounts.outcomes import Identity, Outage, Refused, Role
from idp.accounts.service_settings import LDAPSettings
from idp.audit.record import record
from idp.audit.tags import Tag

log = logging.getLogger(__name__)


class Rights(Enum):
    """Which of the rights that an operator holds count at this moment."""

    ALL = "all"
    LOOKING = "looking"
    NONE = "none"


def of(user: User) -> Rights:
    """Asked once a request at most: `user` is an object of the request, and remembers."""
    known: Rights | None = user.__dict__.get("_rights")
    if known is None:
        known = user.__dict__["_rights"] = _of(user, timezone.now())
    return known


def ask(user: User) -> Rights:
    """As `of`, but whatever was said before: for somebody who signs in."""
    user.__dict__.pop("_rights", None)
    user.roles_checked_at = None
    return of(user)


def _of(user: User, now: datetime) -> Rights:
    service = user.login_service
    if service.kind != LoginService.Kind.LDAP:
        return Rights.ALL
    try:
        settings = service.read_settings(LDAPSettings)
    except Outage as problem:
        log.warning("Login service %s is unavailable: %s", service, problem)
        return Rights.LOOKING
    for_so_long = timedelta(seconds=settings.role_check_seconds)
    if user.roles_checked_at and now < user.roles_checked_at + for_so_long:
        return Rights.ALL
    return _asked(user, settings, now)


def _asked(user: User, settings: LDAPSettings, now: datetime) -> Rights:
    match ldap.find(user.login_service, user.external_id):
        case Identity(roles=None):
            _keep(user, roles_checked_at=now)
            return Rights.ALL
        case Identity(roles=frozenset() as roles):
            _give(user, roles, now)
            return Rights.ALL if roles else Rights.NONE
        case Refused():
            if settings.gives_roles:
                _give(user, frozenset(), now)
            return Rights.NONE
    return Rights.LOOKING


def _give(user: User, roles: frozenset[Role], now: datetime) -> None:
    """Makes the row as the directory says. It does not know superusers, so there are none."""
    with transaction.atomic():
        of_roles = user.groups.filter(name__in=list(Role))
        held = {Role(name) for name in of_roles.values_list("name", flat=True)}
        if held != roles:
            user.groups.remove(*Group.objects.filter(name__in=held - roles))
            user.groups.add(*Group.objects.filter(name__in=roles - held))
        if held != roles or user.is_staff != bool(roles) or user.is_superuser:
            record(
                Tag.ACCOUNTS_ROLES_CHANGED,
                user_id=user.pk,
                at=now,
                login_service=user.login_service.name,
                before=sorted(held),
                after=sorted(roles),
            )
        _keep(user, is_staff=bool(roles), is_superuser=False, roles_checked_at=now)


def _keep(user: User, **values: object) -> None:
    User.objects.filter(pk=user.pk).update(**values)
    for name, value in values.items():
        setattr(user, name, value)
    # What Django remembers of the rights of this object.
    for name in ("_perm_cache", "_user_perm_cache", "_group_perm_cache"):
        user.__dict__.pop(name, None)
