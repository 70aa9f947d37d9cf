"""What has happened to one row, from the audit: who changed what, when and from where.

The newest events come first. A page goes on from the last event of the one before, so that the
thousandth costs what the first does.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse

from clients_admin.admin.diffs import MAX_ID, Line, lines_of
from clients_admin.undo import UNDONE, may_be_undone
from idp.audit.changes import key_of
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag

PER_PAGE = 25
BEFORE = "before"
_MEANINGS = {tag.value: tag.meaning for tag in Tag}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as the history shows it."""

    event: AuditEvent
    lines: list[Line]
    can_undo: bool

    @property
    def what(self) -> str:
        """In words; of a tag that a later release has written, the tag."""
        what, tag = self.event.details.get("what"), self.event.tag
        if isinstance(what, str) and tag.endswith(":changed"):
            return what.capitalize()
        return _MEANINGS.get(tag, tag)

    @property
    def undone(self) -> str | None:
        """The number of the event that this one has undone."""
        undone = self.event.details.get(UNDONE)
        return undone if isinstance(undone, str) else None


@dataclass(frozen=True, slots=True)
class History:
    """One page of it. `older` is where the next one begins, None on the last."""

    entries: list[Entry]
    older: int | None = None


def of(row: Model, *, before: int | None = None) -> History:
    """The newest events about a row, or the newest before an event."""
    events = AuditEvent.objects.of_row(key_of(row)).order_by("-pk")
    if before is not None:
        events = events.filter(pk__lt=before)
    found = list(events[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    entries = [Entry(event, lines_of(event), may_be_undone(row, event)) for event in shown]
    return History(entries, shown[-1].pk if len(found) > PER_PAGE else None)


def history_page(request: HttpRequest, page: ModelAdmin, row: Model) -> TemplateResponse:
    """Raises Http404 where the address names no place in the history."""
    context: dict[str, Any] = {
        **page.admin_site.each_context(request),
        "title": "History",
        "subtitle": str(row),
        "opts": page.opts,
        "original": row,
        "history": of(row, before=_place(request.GET.get(BEFORE))),
        "may_undo": page.has_change_permission(request, row),
    }
    return TemplateResponse(request, "clients_admin/history_page.html", context)


def _place(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID))):
        raise Http404("There is no such page of this history.")
    return min(int(text), MAX_ID)
