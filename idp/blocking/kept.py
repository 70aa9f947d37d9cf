"""The blocks of addresses that live now, as this process keeps them while it hears of changes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from django.utils import timezone

from idp.database import statements
from idp.database.changes import changes

# Told by a trigger of each statement that writes blocks; see the migration.
MARKS = ("blocks",)
# While addresses are blocked by the dozen, the list is not read again for each.
PAUSE_SECONDS = 0.25

_LIVING = (
    "SELECT subject, until FROM idp_block WHERE kind = 'address' AND effect = 'refuse' "
    "AND ended_at IS NULL AND until > %s"
)


@dataclass(frozen=True, slots=True)
class Blocked:
    """An address that is refused until a time."""

    subject: str
    until: datetime

    def retry_after(self, now: datetime) -> int:
        """Whole seconds until the end, at least one."""
        return max(1, int((self.until - now).total_seconds()) + 1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read, and when: `read_at` is the monotonic time before the reading began."""

    read_at: float = float("-inf")
    blocks: Mapping[str, Blocked] = field(default_factory=dict)

    @property
    def is_fresh(self) -> bool:
        return not changes.changed_since(self.read_at, MARKS)


class KeptBlocks:
    """One a process. What is not fresh is never believed."""

    def __init__(self) -> None:
        self._snapshot = Snapshot()
        self._lock = Lock()

    def fresh(self) -> Mapping[str, Blocked] | None:
        """The list where it may be believed at this moment; never asks the database."""
        snapshot = self._snapshot
        return snapshot.blocks if snapshot.is_fresh else None

    def get(self, subject: str) -> Blocked | None:
        """The block of a subject: of the list, which is read again where that is worth it; else
        of the database."""
        blocks = self.fresh()
        if blocks is None:
            blocks = self._read()
        if blocks is not None:
            return blocks.get(subject)
        found = statements.cursor()
        found.execute(f"{_LIVING} AND subject = %s", [timezone.now(), subject])
        row = found.fetchone()
        return Blocked(*row) if row else None

    def _read(self) -> Mapping[str, Blocked] | None:
        """Reads the list; None where it could not be kept, was read a moment ago, or is just being
        read by another thread."""
        if not changes.is_live or time.monotonic() < self._snapshot.read_at + PAUSE_SECONDS:
            return None
        if not self._lock.acquire(blocking=False):
            return None
        try:
            read_at = time.monotonic()
            found = statements.cursor()
            found.execute(_LIVING, [timezone.now()])
            blocks = {subject: Blocked(subject, until) for subject, until in found.fetchall()}
            self._snapshot = Snapshot(read_at, blocks)
            return self.fresh()
        finally:
            self._lock.release()


kept = KeptBlocks()
