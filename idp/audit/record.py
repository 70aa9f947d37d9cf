"""The one writer of audit events: one INSERT, in the transaction of the change that it tells of."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.db import DatabaseError, OperationalError, connection
from django.utils import timezone

from idp.audit import context, journal
from idp.audit.details import MAX_TEXT, clean, clean_text, without_secrets
from idp.audit.models import AUDIT_EVENTS, SEQUENCE_NAME
from idp.audit.moments import rfc3339
from idp.audit.tags import Tag
from idp.database import statements
from idp.partitioning.partitions import PartitionList
from idp.partitioning.tables import SEQUENCE_BITS

# An index entry has little room.
MAX_CLIENT_ID = 255

known = PartitionList([AUDIT_EVENTS])


class NotRecorded(OperationalError):
    """An event could not be written, so what it tells of must not happen: an outage, a 503."""


def record(  # noqa: PLR0913 - the columns of the table
    tag: Tag,
    *,
    client_id: str | None = None,
    user_id: int | None = None,
    address: str | IPv4Address | IPv6Address | None = None,
    actor: str | None = None,
    at: datetime | None = None,
    **details: Any,
) -> None:
    """Writes an event; where that fails, the caller's transaction fails with it.

    `client_id` is the public one, `user_id` the key of the user's row, `actor` who did it where
    the user did not; what the caller does not say of address and actor, the context does. Texts
    are cut and cleaned. Raises ValueError for what could be a secret, and NotRecorded.
    """
    statements.require_django()
    circumstances = context.current()
    address = circumstances.address if address is None else address
    actor = circumstances.actor if actor is None else actor
    at = at or timezone.now()
    bucket = AUDIT_EVENTS.bucket_of(at)
    inet = _inet(address)
    if address is not None and inet is None:
        details["address"] = address
    cleaned = clean({**circumstances.details, **details})
    values: dict[str, Any] = {
        "at": at,
        "tag": tag.value,
        "user_id": user_id,
        "client_id": None if client_id is None else _name(client_id, MAX_CLIENT_ID),
        "address": inet,
        "actor": None if actor is None else _name(actor),
        "details": connection.ops.adapt_json_value(cleaned, None),
    }
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {known.relation(AUDIT_EVENTS, bucket)} (id, {names}) "  # noqa: S608
                f"VALUES ((%s::bigint << {SEQUENCE_BITS}) | nextval('{SEQUENCE_NAME}'), {marks}) "
                "RETURNING id",
                [bucket, *values.values()],
            )
            (event_id,) = cursor.fetchone()
    except DatabaseError as error:
        raise NotRecorded(f"the audit event {tag.value} could not be written") from error
    journal.tell({"id": str(event_id), **values, "at": rfc3339(at), "details": cleaned})


def _name(text: str, longest: int = MAX_TEXT) -> str:
    """Who somebody is must not keep an event from being written, whatever it looks like."""
    return clean_text(without_secrets(text), longest)


def _inet(address: str | IPv4Address | IPv6Address | None) -> str | None:
    """The address as PostgreSQL writes it, without a zone; None for what is no address."""
    try:
        return str(ip_address(str(address).partition("%")[0]))
    except ValueError:
        return None
