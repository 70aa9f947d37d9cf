"""How many approvals a change needs: as many as the strictest brand that it concerns asks for."""

from collections.abc import Iterable

from django.db.models import Max, Q

from branding.models import Brand
from clients_admin.models import Client, scope_group_members
from clients_admin.proposals.models import Proposal
from clients_admin.proposals.targets import Entry
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


def _strictest(**named: Iterable[object]) -> int:
    ((field, values),) = named.items()
    brands = Brand.objects.filter(**{f"{field}__in": values})
    return brands.aggregate(most=Max("approvals_needed"))["most"] or 0
