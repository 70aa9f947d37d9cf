"""Forms whose changes are proposed where they may not be saved.

A form is saved, what that has come to is read, and all of it is taken back: so what is proposed is
by construction what would have been saved, checked by the same rules.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.proposals import life
from clients_admin.proposals.models import MAX_TEXT, Proposal
from clients_admin.proposals.needed import needed
from clients_admin.proposals.targets import BY_MODEL, Entry, Target
from idp.audit import changes

# A request that carries, from here to the forms, whether it may only propose (`is_proposing`), and
# why a proposal was refused (`not_proposed`).
type Request = Any


class ReasonForm(forms.Form):
    """What a proposal is called, and what it is for."""

    prefix = "proposal"
    title = forms.CharField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: which parts change.",
    )
    why = forms.CharField(
        required=False,
        max_length=MAX_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For those who are asked to approve it.",
    )


class _Proposed(Exception):
    """Ends the transaction in which a change was tried that must be proposed."""

    def __init__(self, before: Entry | None, wanted: Entry | None) -> None:
        super().__init__()
        self.before, self.wanted = before, wanted


def is_proposing(request: Request) -> bool:
    """Whether the form of this request is there to be proposed, and never saved."""
    return getattr(request, "is_proposing", False)


class ProposingAdmin(OperatorModelAdmin):
    """A page of which some changes need approvals, whoever makes them, and on which those who may
    only look can propose some. `…/propose/` is the form for that."""

    change_form_outer_before_template = "clients_admin/proposals/form_top.html"
    change_form_after_template = "clients_admin/proposals/form_reason.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.propose_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_propose"
        return [
            path("propose/", view, name=f"{name}_new"),
            path("<int:object_pk>/propose/", view, name=name),
            *super().get_urls(),
        ]

    def propose_view(self, request: Request, object_pk: int | None = None) -> HttpResponse:
        if not request.user.has_perm(life.PROPOSE) or not self.has_view_permission(request):
            raise PermissionDenied
        request.is_proposing = True
        return self.changeform_view(request, None if object_pk is None else str(object_pk))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_proposing(request) or super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_proposing(request) or super().has_change_permission(request, obj)

    # --- Saving -----------------------------------------------------------------------------------

    def changeform_view(
        self,
        request: Request,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        def show() -> HttpResponse:
            view = super(ProposingAdmin, self).changeform_view
            return view(request, object_id, form_url, extra_context)

        try:
            return show()
        except _Proposed as proposed:
            return self._open(request, proposed) or show()

    def save_model(self, request: Request, obj: Any, form: Any, change: bool) -> None:
        form.entry_before = self._held(obj) if change else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: Request, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        before, wanted = form.entry_before, self.target.now(self._name_of(form.instance))
        if is_proposing(request) or (before != wanted and self._needed(before, wanted)):
            raise _Proposed(before, wanted)

    def delete_view(
        self, request: Request, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except _Proposed as proposed:
            page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            back = HttpResponseRedirect(reverse(page, args=[object_id]))
            return self._open(request, proposed) or back

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        before = self._held(obj)
        if self._needed(before, None):
            raise _Proposed(before, None)
        super().delete_model(request, obj)

    def _open(self, request: Request, proposed: _Proposed) -> HttpResponse | None:
        """To the page of the proposal; None where there is none, and the form says why."""
        reason = ReasonForm(request.POST)
        try:
            if not reason.is_valid():
                problems = (str(text) for texts in reason.errors.values() for text in texts)
                raise life.Refused(" ".join(problems))
            proposal = life.open_proposal(
                self.target.kind,
                proposed.before,
                proposed.wanted,
                author=request.user,
                **reason.cleaned_data,
            )
        except life.Refused as refused:
            request.not_proposed = str(refused)
            messages.error(request, str(refused))
            return None
        messages.success(request, f"This is proposal {proposal.pk} now; nothing is changed yet.")
        return HttpResponseRedirect(page_of(proposal))

    # --- Showing ----------------------------------------------------------------------------------

    def get_form(
        self, request: Request, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        problem = getattr(request, "not_proposed", "")
        return _refusing(form, problem) if problem else form

    def render_change_form(
        self, request: Request, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        stored = None if row is None else self.target.now(self._name_of(row))
        approvals = self._needed(stored, stored) if stored else 0
        may_save = self.has_change_permission(request, row) if row else True
        may_only_propose = not may_save and request.user.has_perm(life.PROPOSE)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_propose"
        context |= {
            "approvals_needed": approvals,
            "is_proposing": is_proposing(request),
            "is_proposal": is_proposing(request) or (approvals > 0 and may_save),
            "propose_page": reverse(name, args=[row.pk]) if row and may_only_propose else "",
            "reason": ReasonForm(request.POST if request.method == "POST" else None),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # --- Its objects ------------------------------------------------------------------------------

    @property
    def target(self) -> Target:
        return BY_MODEL[self.model]

    def _name_of(self, row: Model) -> str:
        return str(getattr(row, self.target.key))

    def _held(self, row: Model) -> Entry | None:
        """What is stored; held, or somebody could move it into a stricter brand meanwhile."""
        changes.state_of(row)
        return self.target.now(self._name_of(row))

    def _needed(self, before: Entry | None, wanted: Entry | None) -> int:
        return needed(self.target.kind, before, wanted)


def page_of(proposal: Proposal) -> str:
    return reverse("admin:clients_admin_proposal_change", args=[proposal.pk])


def _refusing(form: type[forms.ModelForm], problem: str) -> type[forms.ModelForm]:
    """A form that comes back as it was filled in, and says why."""

    class Refusing(form):  # type: ignore[misc, valid-type] # The class is the argument.
        def clean(self) -> dict[str, Any]:
            cleaned = super().clean() or self.cleaned_data
            self.add_error(None, problem)
            return cleaned

    return Refusing
