"""What can be proposed: clients, scopes and scope groups, as entries of a configuration file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

from clients_admin.configuration import stored
from clients_admin.configuration.apply import apply_object
from clients_admin.models import Client, Scope, ScopeGroup
from clients_admin.proposals.models import Proposal
from idp.audit import changes

type Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of object: its rows, the key that names one, and how it stands in a file."""

    kind: Proposal.Kind
    model: type[Model]
    key: str
    section: str
    rows: Callable[[], QuerySet[Any]]
    describe: Callable[[Any], Entry]

    def find(self, name: str) -> Any:
        """The row of this name with all that describes it, or None."""
        return self.rows().filter(**{self.key: name}).first()

    def now(self, name: str) -> Entry | None:
        """What is stored under this name."""
        row = self.find(name)
        return None if row is None else self.describe(row)

    def hold(self, name: str) -> Entry | None:
        """The same, and nobody changes it until the end of the transaction.

        Of scopes and groups all are held, in their order, as forms and files do: two that begin
        with different ones would wait for each other for ever.
        """
        rows = self.model._default_manager.select_for_update(no_key=True)
        list(rows.filter(client_id=name) if self.kind == Proposal.Kind.CLIENT else rows)
        return self.now(name)

    def put(self, name: str, wanted: Entry | None) -> None:
        """Makes the object so, as a configuration file would; None deletes it. In the caller's
        transaction. Raises ConfigurationError: then the transaction must end."""
        if wanted is not None:
            apply_object(self.section, wanted)
        elif row := self.find(name):
            changes.record_deletion(row)
            row.delete()

    def permission(self, before: Entry | None, wanted: Entry | None) -> str:
        """What it takes to make this change."""
        verb = "delete" if wanted is None else "change" if before else "add"
        return f"{self.model._meta.app_label}.{verb}_{self.model._meta.model_name}"


TARGETS = {
    target.kind: target
    for target in (
        Target(Proposal.Kind.CLIENT, Client, "client_id", "clients", stored.clients, stored.client),
        Target(Proposal.Kind.SCOPE, Scope, "name", "scopes", Scope.objects.all, stored.scope),
        Target(
            Proposal.Kind.SCOPE_GROUP,
            ScopeGroup,
            "name",
            "scope_groups",
            stored.scope_groups,
            stored.scope_group,
        ),
    )
}
BY_MODEL = {target.model: target for target in TARGETS.values()}


def of(proposal: Proposal) -> Target:
    return TARGETS[Proposal.Kind(proposal.kind)]
