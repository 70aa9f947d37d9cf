"""How a change is saved: by whom has seen what it does.

Nobody else has saved one since the page was opened (`conflicts`), and whoever saves has seen which
clients gain or lose scopes by it (`effects`). Both are found by saving it in a transaction that is
then taken back, so that they cannot say anything else than what would happen.
"""

from typing import Any

from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpResponse
from unfold.admin import ModelAdmin

from clients_admin.admin import conflicts
from clients_admin.admin.conflicts import Conflict, Opened
from clients_admin.admin.effect_preview import CONFIRMED, preview
from clients_admin.effects import Effects, Holdings
from idp.audit import changes

# The button on the preview that leads back to the form.
REVISE = "_revise"
NOT_YET = "Nothing has been saved yet."

# A request that carries, from here to the forms, the `conflict` that was found and why a form is
# refused (`refusal`, a sentence, or empty).
type Request = Any


class _TakenBack(Exception):
    """Ends the transaction in which a change was tried."""


class _Conflicting(_TakenBack):
    pass


class _Unconfirmed(_TakenBack):
    def __init__(self, effects: Effects) -> None:
        super().__init__()
        self.effects = effects


class GuardedSaving(ModelAdmin):
    """Part of `OperatorModelAdmin`: what comes between a form and its row."""

    def hold(self, row: Model) -> None:
        """Keeps others from changing the row, and what a change of it depends on, until the end of
        the transaction."""
        changes.state_of(row)

    def holdings(self, row: Any) -> Holdings | None:
        """Whose scopes a change of the row may change, as they are now; None where it cannot."""
        return None

    def changeform_view(
        self,
        request: Request,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        def show(opened: Opened | None, conflict: Conflict | None = None) -> HttpResponse:
            more = {**(extra_context or {}), "opened": opened, "conflict": conflict}
            request.conflict = conflict
            return super(GuardedSaving, self).changeform_view(request, object_id, form_url, more)

        row = self._to_change(request, object_id)
        if row is None:
            return show(None)
        if request.method != "POST":
            return show(Opened.now(row))
        request.refusal = NOT_YET if REVISE in request.POST else ""
        try:
            with transaction.atomic():
                self.hold(row)
                conflict = conflicts.find(row, request.POST)
                now = Opened.now(row)
                return show(Opened.said_by(request.POST), conflict)
        except _Unconfirmed as unconfirmed:
            return preview(request, self, row, unconfirmed.effects)
        except _Conflicting:
            request.refusal = conflicts.MESSAGE
            return show(now, conflict)

    def _to_change(self, request: Request, object_id: str | None) -> Model | None:
        """The row that Django is going to change, if it does."""
        to_field = request.POST.get(TO_FIELD_VAR, request.GET.get(TO_FIELD_VAR))
        if object_id is None or "_saveasnew" in request.POST:
            return None  # Django adds one.
        if to_field and not self.to_field_allowed(request, to_field):
            return None  # Django refuses the request.
        row: Model | None = self.get_object(request, unquote(object_id), to_field)
        return row if row is not None and self.has_change_permission(request, row) else None

    def get_form(
        self, request: Request, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, "refusal", "")
        return _refusing(form, refusal) if change and refusal else form

    def render_change_form(
        self, request: Request, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if getattr(request, "refusal", ""):
            context["errors"] = None  # There is nothing to correct, and what there is, is said.
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: Request, obj: Any, form: Any, change: bool) -> None:
        form.holdings_before = self.holdings(obj) if change else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: Request, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not change:
            return
        if request.conflict:
            request.conflict.entered = changes.state_of(form.instance)
            raise _Conflicting
        effects = self._effects(form)
        if effects and request.POST.get(CONFIRMED) != effects.digest:
            raise _Unconfirmed(effects)

    def _effects(self, form: Any) -> Effects:
        after = self.holdings(form.instance)
        return Effects.of(form.holdings_before, after) if after else Effects()


def _refusing(form: type[ModelForm], problem: str) -> type[ModelForm]:
    """A form that comes back as it was filled in, whatever that is, and says why."""

    class Refusing(form):  # type: ignore[misc, valid-type] # The class is the argument.
        def clean(self) -> dict[str, Any]:
            cleaned = super().clean() or self.cleaned_data
            self.add_error(None, problem)
            return cleaned

    return Refusing
