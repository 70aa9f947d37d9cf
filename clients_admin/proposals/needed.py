"""How many approvals a change needs: as many as the strictest brand that it concerns asks for."""

from collections.abc import Iterable

from django.db.models import Max, Model, Q

from branding.models import Brand
from clients_admin.models import Client, scope_group_members
from clients_admin.proposals.models import Proposal
from clients_admin.proposals.targets import BY_MODEL, Entry
from clients_admin.scopes import groups_above


def needed(kind: str, before: Entry | None, wanted: Entry | None) -> int:
    """0 where an editor may save directly.

    A client concerns the brand that it has and the one that it is to have. A scope or group
    concerns the brands of the clients that have it now, directly or through groups.
    """
    entries = [entry for entry in (before, wanted) if entry]
    if kind == Proposal.Kind.CLIENT:
        return _strictest(slug=[entry["brand"] for entry in entries])
    name = entries[0]["name"]
    above = groups_above(name, scope_group_members())
    clients = Client.objects.filter(
        Q(pk__in=Client.objects.filter(scopes__name=name).values("pk"))
        | Q(pk__in=Client.objects.filter(scope_groups__name__in=above).values("pk"))
    )
    return _strictest(pk=clients.values("brand"))


def refuse_unapproved(row_type: type[Model], before: Entry | None, wanted: Entry | None) -> None:
    """For ways of changing that open no proposal; in the transaction of the change. Raises
    ApprovalNeeded where a form would have become one."""
    if before != wanted and needed(BY_MODEL[row_type].kind, before, wanted):
        raise ApprovalNeeded


class ApprovalNeeded(Exception):
    """A brand asks for approvals, so this is not done but can be proposed."""

    def __init__(self) -> None:
        super().__init__("A brand asks for approvals of this change: propose it in the admin.")


def _strictest(**named: Iterable[object]) -> int:
    ((field, values),) = named.items()
    brands = Brand.objects.filter(**{f"{field}__in": values})
    return brands.aggregate(most=Max("approvals_needed"))["most"] or 0
