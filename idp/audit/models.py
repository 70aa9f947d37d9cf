"""The rows behind the audit: written only by `record`, dropped by the partition, never changed.

Triggers refuse UPDATE, DELETE and TRUNCATE, whoever asks; the migration holds them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KT

from idp.audit import moments
from idp.environment import environment
from idp.partitioning.tables import DAY, PartitionedTable

SEQUENCE_NAME = "idp_auditevent_sequence"

AUDIT_EVENTS = PartitionedTable(
    "idp_auditevent",
    30 * DAY,
    ahead=timedelta(days=60),
    keep=timedelta(days=environment().audit_days),
    append_only=True,
)


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """The searches, each served by one index; together they narrow each other."""

    def with_tag(self, tag: str) -> Self:
        return self.filter(tag=tag)

    def of_client(self, client_id: str) -> Self:
        return self.filter(client_id=client_id)

    def of_row(self, key: str) -> Self:
        """Those about one row that operators change, by `changes.key_of`."""
        return self.alias(row=KT("details__row")).filter(details__has_key="row", row=key)

    def of_users(self, user_ids: Iterable[int]) -> Self:
        return self.filter(user_id__in=list(user_ids))

    def from_network(self, network: IPv4Network | IPv6Network) -> Self:
        """Those from one address, a network of it alone, or from any in the network."""
        first, last = str(network.network_address), str(network.broadcast_address)
        # Not `<<=`: events hold plain addresses, which PostgreSQL sorts by number.
        return (
            self.filter(address=first)
            if first == last
            else self.filter(address__range=(first, last))
        )

    def since(self, moment: datetime) -> Self:
        """Those of the moment and later. It costs some look-ups by id at once."""
        return self.filter(
            id__gte=moments.first_id_since(self.model.objects.all(), moment, AUDIT_EVENTS),
            at__gte=moment,
        )

    def before(self, moment: datetime) -> Self:
        """Those earlier than the moment. It costs some look-ups by id at once."""
        return self.filter(
            id__lt=moments.end_id_before(self.model.objects.all(), moment, AUDIT_EVENTS),
            at__lt=moment,
        )


class AuditEvent(models.Model):
    """One event. The bucket of its id is that of its time, so the newest have the highest ids.

    It points at nothing by key: who deletes a client or a user leaves what they did.
    """

    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    user_id = models.BigIntegerField(null=True)
    tag = models.TextField()
    client_id = models.TextField(null=True)  # noqa: DJ001 - no client is not a client without name
    address = models.GenericIPAddressField(null=True)
    # Who did it where it was not the user: an operator, a command, a job.
    actor = models.TextField(null=True)  # noqa: DJ001 - as above
    details = models.JSONField(db_default={})

    objects: ClassVar = AuditEventQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        # Each serves one search, newest first. Most rows have no client, no user or no address,
        # and cost no entry there. A time needs no index: ids are in its order.
        indexes: ClassVar = [
            models.Index(fields=["tag", "id"], name="auditevent_tag"),
            models.Index(
                fields=["user_id", "id"],
                name="auditevent_user",
                condition=Q(user_id__isnull=False),
            ),
            models.Index(
                fields=["client_id", "id"],
                name="auditevent_client",
                condition=Q(client_id__isnull=False),
            ),
            models.Index(
                fields=["address", "id"],
                name="auditevent_address",
                condition=Q(address__isnull=False),
            ),
            models.Index(
                KT("details__row"),
                "id",
                name="auditevent_row",
                condition=Q(details__has_key="row"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tag} at {self.at:%Y-%m-%d %H:%M:%S}"
