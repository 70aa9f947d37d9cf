"""The roles of operators: groups whose permissions are defined here and nowhere else.

Granted after each `migrate`, because Django makes the rows of permissions only then; a role has
exactly what the table says, so a permission that leaves the table is taken away.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as django_apps
from django.apps.registry import Apps
from django.db.models import Q

from idp.accounts.outcomes import Role

EDITORS, VIEWERS, APPROVERS = Role.EDITOR.value, Role.VIEWER.value, Role.APPROVER.value

_SEE = ("view",)
_UNBLOCK = ("view", "lift")
_PROPOSE = ("view", "add")
_ALL = ("add", "change", "delete", "view")

# What viewers and approvers see, and what they may propose.
_LOOK: dict[str, dict[str, tuple[str, ...]]] = {
    "branding": {"brand": _SEE},
    "clients_admin": {
        "client": _SEE,
        "clientloginservice": _SEE,
        "proposal": _PROPOSE,
        "scope": _SEE,
        "scopegroup": _SEE,
    },
    "idp": {
        "auditevent": _SEE,
        "block": _UNBLOCK,
        "localaccount": _SEE,
        "loginservice": _SEE,
        "networkprofile": _SEE,
        "trustedissuer": _SEE,
        "user": _SEE,
    },
    "tokens": {"signingkey": _SEE},
}

# `{role: {app: {model: verbs}}}`. Viewers see no secret, not even that it exists; nobody deletes
# one, because an ended secret is the trace of who could sign in.
ROLES: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    EDITORS: {
        "branding": {"brand": _ALL},
        "clients_admin": {
            "client": _ALL,
            "clientloginservice": _ALL,
            "clientsecret": ("add", "change", "view"),
            "proposal": _PROPOSE,
            "scope": _ALL,
            "scopegroup": _ALL,
        },
        "idp": {
            "auditevent": _SEE,
            "block": _UNBLOCK,
            "localaccount": _ALL,
            "loginservice": _ALL,
            "networkprofile": _ALL,
            "trustedissuer": _ALL,
            "user": _SEE,
        },
        "tokens": {"refreshtoken": ("revoke",), "signingkey": ("view", "order")},
    },
    VIEWERS: _LOOK,
    APPROVERS: {
        **_LOOK,
        "clients_admin": {**_LOOK["clients_admin"], "proposal": (*_PROPOSE, "approve")},
    },
}


def grant(app_config: AppConfig, using: str, apps: Apps = django_apps, **_: Any) -> None:
    """Receiver of `post_migrate`: gives each role what the table says for this one app."""
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:  # A partial `migrate`, with the tables of django.contrib.auth missing.
        return
    in_app = permission_model.objects.using(using).filter(content_type__app_label=app_config.label)
    for role, apps_of_role in ROLES.items():
        if not (models := apps_of_role.get(app_config.label)):
            continue
        granted = in_app.filter(_named(models))
        group, _is_new = group_model.objects.using(using).get_or_create(name=role)
        group.permissions.remove(*in_app.exclude(pk__in=granted.values("pk")))
        group.permissions.add(*granted)


def _named(models: dict[str, tuple[str, ...]]) -> Q:
    return Q(codename__in=[f"{verb}_{model}" for model, verbs in models.items() for verb in verbs])
