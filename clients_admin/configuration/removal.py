"""Taking an object out of the configuration. Files never do; people and their programs do."""

from clients_admin.flags import FLAGS, SCOPE_OR_GROUP
from clients_admin.models import Client, Scope, ScopeGroup
from idp.audit import changes


class StillUsedError(Exception):
    """Somebody has the scope or group, directly; nothing was deleted."""


def remove(row: Client | Scope | ScopeGroup) -> None:
    """Deletes the row in the caller's transaction. Raises StillUsedError.

    Tokens of a client that is gone are dead. A scope is never taken from clients by this way.
    """
    # Not even a key of it may be named meanwhile, or it would get a user between look and deletion.
    type(row)._base_manager.select_for_update().get(pk=row.pk)
    if not isinstance(row, Client) and is_used(row):
        raise StillUsedError
    changes.record_deletion(row)
    row.delete()


def is_used(row: Scope | ScopeGroup) -> bool:
    """Whether a client has it, or a group holds it, directly, or a client's flag names it."""
    if isinstance(row, Scope):
        clients, groups = Client.objects.filter(scopes=row), ScopeGroup.objects.filter(scopes=row)
    else:
        clients = Client.objects.filter(scope_groups=row)
        groups = ScopeGroup.objects.filter(groups=row)
    if clients.exists() or groups.exists():
        return True
    naming = [flag.name for flag in FLAGS if flag.names_of == SCOPE_OR_GROUP]
    return any(
        Client.objects.filter(**{f"flags__{flag}__contains": [row.name]}).exists()
        for flag in naming
    )
