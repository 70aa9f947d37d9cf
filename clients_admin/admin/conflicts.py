"""Two operators who save the same page: the second is told what the first has saved.

A page says which version of its row it was opened with. It is believed in nothing but that: where
the row is not that version any more, or none is given, nothing is saved, and the page comes back as
it was filled in, with the version of now. To save it once more is to know.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from clients_admin.admin.diffs import MAX_ID, as_text
from idp.audit import changes
from idp.audit.changes import State
from idp.audit.models import AuditEvent

VERSION, EVENT = "opened_version", "opened_event"
TOLD = 20  # How many changes since the page was opened are told, and looked at.

MESSAGE = (
    "Nothing has been saved: this has changed since you opened the page. What you entered is still"
    " below. Compare it with what is stored now, and save it once more if it is right all the same."
)
SET_BACK, BOTH, YOURS = (
    "You left this as it was: saving sets it back.",
    "You and somebody else have changed this: saving keeps yours.",
    "Only you have changed this.",
)
THEIRS = "Saving keeps this."


@dataclass(frozen=True, slots=True)
class Opened:
    """What a page says of the row that it shows: its version, and the last event about it."""

    version: str
    event_id: int | None

    @classmethod
    def now(cls, row: Model) -> "Opened":
        """Asked before the row is read for the page, which is then never older than it says."""
        newest = _events(row).values_list("pk", flat=True).first()
        return cls(changes.version_of(row), newest or 0)

    @classmethod
    def said_by(cls, form: Mapping[str, str]) -> "Opened":
        """What a form says, whoever has written it."""
        text = form.get(EVENT, "")
        is_id = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID))
        return cls(form.get(VERSION, ""), int(text) if is_id and int(text) <= MAX_ID else None)


@dataclass(frozen=True, slots=True)
class Row:
    """One path on which opened, stored and entered are not the same, as texts."""

    path: str
    opened: str
    stored: str
    entered: str
    note: str = ""


@dataclass(slots=True)
class Conflict:
    """A page that was opened before the last change. `entered` is what saving it would store;
    None as long as what was entered is wrong in itself."""

    stored: State
    since: list[AuditEvent]
    opened: Mapping[str, Any] | None
    entered: State | None = None

    @property
    def rows(self) -> list[Row]:
        """Each path on which the three are not the same; what is hidden, by its name alone."""
        opened = self.opened if self.opened is not None else self.stored.shown
        entered = self.entered.shown if self.entered else self.stored.shown
        stored = self.stored.shown
        paths = {*changes.differing(opened, stored), *changes.differing(stored, entered)}
        shown = [
            Row(
                path,
                as_text(opened.get(path)) if self.opened is not None else "not known",
                as_text(stored.get(path)),
                as_text(entered.get(path)) if self.entered else "",
                self._note(opened.get(path), stored.get(path), entered.get(path)),
            )
            for path in sorted(paths)
        ]
        return [*shown, *self._hidden()]

    def _note(self, opened: Any, stored: Any, entered: Any) -> str:
        if self.entered is None or self.opened is None:
            return ""
        if entered == stored:
            return THEIRS
        if opened == stored:
            return YOURS
        return SET_BACK if entered == opened else BOTH

    def _hidden(self) -> Iterable[Row]:
        told = (event.details.get("hidden") for event in self.since)
        theirs = {path for paths in told if isinstance(paths, list) for path in map(str, paths)}
        entered = self.entered.hidden if self.entered else self.stored.hidden
        for path in sorted({*theirs, *changes.differing(self.stored.hidden, entered)}):
            is_mine = self.stored.hidden.get(path) != entered.get(path)
            yield Row(
                path,
                "not shown",
                "changed" if path in theirs else "as it was",
                ("changed" if is_mine else "as it is stored") if self.entered else "",
            )


def find(row: Model, form: Mapping[str, str]) -> Conflict | None:
    """The conflict of a form with what is stored, None where it was opened with that very version.

    The caller holds the row.
    """
    opened = Opened.said_by(form)
    if opened.version == changes.version_of(row):
        return None
    stored = changes.state_of(row)
    if opened.event_id is None:
        return Conflict(stored, list(_events(row)[:1]), None)
    since = list(_events(row).filter(pk__gt=opened.event_id)[:TOLD])
    return Conflict(stored, since, _before(stored.shown, since))


def _events(row: Model) -> Any:
    return AuditEvent.objects.of_row(changes.key_of(row)).order_by("-pk")


def _before(shown: Mapping[str, Any], since: Iterable[AuditEvent]) -> dict[str, Any]:
    """What was shown before the changes, the newest of which comes first."""
    values = dict(shown)
    for event in since:
        changed = event.details.get("changed")
        for path, pair in changed.items() if isinstance(changed, dict) else ():
            values[path] = pair[0] if isinstance(pair, list) and pair else None
    return {path: value for path, value in values.items() if value is not None}
