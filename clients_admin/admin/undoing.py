"""The page that sets one change back: first what would be set back, and by a second click, done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from clients_admin.admin.diffs import Line, as_text
from clients_admin.admin.effect_preview import CONFIRMED, effects_context
from clients_admin.effects import Effects
from clients_admin.undo import CannotUndo, undo
from idp.audit.changes import key_of
from idp.audit.models import AuditEvent

if TYPE_CHECKING:
    from clients_admin.admin.base import OperatorModelAdmin


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What setting it back comes to; `effects` is None where it is refused."""

    lines: tuple[Line, ...] = ()
    effects: Effects | None = None
    reasons: tuple[str, ...] = ()
    is_done: bool = False


def undo_view(page: "OperatorModelAdmin") -> Callable[..., HttpResponse]:
    @require_http_methods(["GET", "POST"])
    def undo_change(request: HttpRequest, row_pk: int, event_pk: int) -> HttpResponse:
        if not page.has_change_permission(request):
            raise PermissionDenied
        row = get_object_or_404(page.get_queryset(request), pk=row_pk)
        if not page.has_change_permission(request, row):
            raise PermissionDenied
        event = get_object_or_404(AuditEvent.objects.of_row(key_of(row)), pk=event_pk)
        outcome = _tried(page, row, event, confirmed=request.POST.get(CONFIRMED))
        if outcome.is_done:
            messages.success(request, "The change is set back.")
            return HttpResponseRedirect(_history_of(page, row))
        context = {
            **page.admin_site.each_context(request),
            **effects_context(outcome.effects or Effects()),
            "title": "Undo this change?",
            "subtitle": str(row),
            "opts": page.opts,
            "original": row,
            "event": event,
            "outcome": outcome,
            "back": _history_of(page, row),
        }
        is_refused = request.method == "POST" and outcome.effects is None
        status = 409 if is_refused else 200
        return TemplateResponse(request, "clients_admin/undo_page.html", context, status=status)

    return undo_change


def _tried(
    page: "OperatorModelAdmin", row: Model, event: AuditEvent, *, confirmed: str | None
) -> _Outcome:
    """Sets it back, and keeps that only where these very effects were confirmed."""
    try:
        with transaction.atomic():
            page.hold(row)
            before = page.holdings(row)
            lines = tuple(
                Line(setting.path, as_text(setting.now), as_text(setting.back))
                for setting in undo(row, event)
            )
            after = page.holdings(row)
            effects = Effects.of(before, after) if before and after else Effects()
            is_done = confirmed == effects.digest
            transaction.set_rollback(not is_done)
    except CannotUndo as refused:
        return _Outcome(reasons=refused.reasons)
    return _Outcome(lines, effects, is_done=is_done)


def _history_of(page: Any, row: Model) -> str:
    """The tab of a page that has one, else the page of its own."""
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}"
    if page.history_tab:
        return reverse(f"{name}_change", args=[row.pk]) + f"#{page.history_tab}"
    return reverse(f"{name}_history", args=[row.pk])
