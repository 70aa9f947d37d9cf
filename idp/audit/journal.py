"""Audit events in the log (IDP_AUDIT_LOG): each when its transaction has committed, and not before.

The table is the truth: a process that is killed between the two has committed and not logged.
"""

import logging
from typing import Any

from django.conf import settings
from django.db import connection

log = logging.getLogger(__name__)


def tell(event: dict[str, Any]) -> None:
    """Logs an event on commit, where the setting is on; a rollback takes it back."""
    if settings.AUDIT_LOG:
        connection.on_commit(lambda: log.info("%s", event["tag"], extra={"audit_event": event}))
