"""Events as JSON lines, oldest first; docs/audit-events.md names the fields, which stay."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import batched
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from idp.audit import horizon
from idp.audit.models import AUDIT_EVENTS, AuditEvent
from idp.audit.moments import rfc3339

BATCH = 1000
FOLLOW_SECONDS = 1.0
# An event may tell of a moment some time before it is written, so of the bucket before.
_LATENESS = timedelta(days=1)

# The users of some ids as the lines show them: who they are is known on a floor above.
type Users = Callable[[set[int]], Mapping[int, dict[str, Any]]]


def lines(events: QuerySet[Any], users: Users) -> Iterator[str]:
    """All that can be seen now, read by a cursor of the server: memory does not grow with them."""
    # Outside a transaction PostgreSQL would first write the whole answer down for the cursor.
    with transaction.atomic():
        found = events.order_by("id").iterator(chunk_size=BATCH)
        for batch in batched(found, BATCH, strict=False):
            known = users({event.user_id for event in batch if event.user_id is not None})
            for event in batch:
                yield line(event, known)


def follow(events: QuerySet[Any], users: Users) -> Iterator[str | None]:
    """All there are and all that come, each once and in order, however late it commits.

    None means that there is nothing more for the moment. It never ends by itself.
    """
    numbered = horizon.with_number(events)
    after, buckets = 0, None
    while True:
        asked_at = timezone.now()
        upto = horizon.settled_number()
        if upto > after:
            yield from lines(numbered.filter(horizon.numbered(after, upto, buckets)), users)
        yield None
        time.sleep(FOLLOW_SECONDS)
        after = upto
        buckets = range(
            AUDIT_EVENTS.bucket_of(asked_at - _LATENESS),
            AUDIT_EVENTS.bucket_of(timezone.now() + _LATENESS) + 1,
        )


def line(event: AuditEvent, users: Mapping[int, dict[str, Any]]) -> str:
    return json.dumps(described(event, users), ensure_ascii=False)


def described(event: AuditEvent, users: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """An event as plain JSON."""
    return {
        # As a text: JavaScript and jq round numbers as great as these.
        "id": str(event.pk),
        "at": rfc3339(event.at),
        "tag": event.tag,
        "actor": event.actor,
        "client_id": event.client_id,
        "user": None if event.user_id is None else users.get(event.user_id),
        "address": event.address,
        "details": event.details,
    }
