"""The pages of proposals: those that wait, what one would change, and what can be done with it."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Model, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextareaWidget

from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.proposing import page_of
from clients_admin.proposals import life, targets
from clients_admin.proposals.differences import differences
from clients_admin.proposals.models import MAX_TEXT, Proposal

PAGE = "clients_admin/proposals/page.html"
# What each button does, and what is said when it is done.
DEEDS: dict[str, tuple[Callable[..., None], str]] = {
    "approve": (life.approve, "You have approved it."),
    "comment": (life.comment, "Your comment is there."),
    "reject": (life.reject, "It is rejected."),
    "withdraw": (life.withdraw, "It is withdrawn."),
    "apply": (life.apply, "It is applied."),
}
WITH_TEXT = {"comment", "reject"}


class TextForm(forms.Form):
    text = forms.CharField(
        label="Comment",
        required=False,
        max_length=MAX_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class ProposalAdmin(OperatorModelAdmin):
    """Proposals change by what is done with them, and by nothing else."""

    list_display = ("title", "kind", "name", "author", "opened_at", "state")
    list_select_related = ("author__login_service",)
    list_filter = ("status", "kind")
    search_fields = ("title", "name")
    search_help_text = "Title, or the name of the client, scope or group."
    list_before_template = "clients_admin/proposals/list_top.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_ordering(self, request: HttpRequest) -> Any:
        """What waits comes first."""
        waits = Case(When(status=Proposal.Status.OPEN, then=Value(0)), default=Value(1))
        return [waits, "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Proposal]:
        return Proposal.objects.select_related("author__login_service", "closed_by__login_service")

    @admin.display(description="state", ordering="status")
    def state(self, proposal: Proposal) -> str:
        return "Expired" if is_overdue(proposal) else proposal.get_status_display()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.deed_view))
        deed = path("<int:proposal_pk>/<slug:deed>/", view, name="clients_admin_proposal_deed")
        known = super().get_urls()
        # Behind the pages that Django has under such an address, like that of the history.
        return [*known[:-1], deed, known[-1]]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        proposal = self.get_object(request, object_id)
        if proposal is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, proposal):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            **_context(request, proposal),
            "opts": self.opts,
            "text_form": TextForm(),
        }
        return TemplateResponse(request, PAGE, context)

    def deed_view(self, request: HttpRequest, proposal_pk: int, deed: str) -> HttpResponse:
        if not self.has_view_permission(request) or deed not in DEEDS:
            raise PermissionDenied
        proposal = get_object_or_404(self.get_queryset(request), pk=proposal_pk)
        do, done = DEEDS[deed]
        form = TextForm(request.POST)
        try:
            if deed in WITH_TEXT and not form.is_valid():
                raise life.Refused(" ".join(map(str, form.errors["text"])))
            do(proposal, request.user, *([form.cleaned_data["text"]] if deed in WITH_TEXT else []))
        except life.Refused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, done)
        return HttpResponseRedirect(page_of(proposal))


def is_overdue(proposal: Proposal) -> bool:
    return proposal.is_open and proposal.expires_at <= timezone.now()


def _context(request: HttpRequest, proposal: Proposal) -> dict[str, Any]:
    target, row = targets.of(proposal), targets.of(proposal).find(proposal.name)
    is_open = proposal.is_open and not is_overdue(proposal)
    moved = life.moved_since(proposal) if proposal.is_open else []
    approvals = proposal.approvals.select_related("approver__login_service")
    counting = len(life.counting(proposal))
    approvals_needed = life.needed_now(proposal)
    user: Any = request.user
    is_author = proposal.author_id == user.pk
    may_approve = user.has_perm(life.APPROVE)
    may_apply = user.has_perm(target.permission(proposal.before, proposal.wanted))
    has_approved = any(approval.approver_id == user.pk for approval in approvals)
    meta = target.model._meta
    return {
        "title": f"Proposal {proposal.pk}",
        "subtitle": proposal.title,
        "proposal": proposal,
        "noun": meta.verbose_name,
        "target_page": row
        and reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk]),
        "lines": differences(proposal.before, proposal.wanted),
        "moved": moved,
        "state": "Expired" if is_overdue(proposal) else proposal.get_status_display(),
        "is_open": is_open,
        "approvals": approvals,
        "approvals_counting": counting,
        "approvals_needed": approvals_needed,
        "comments": proposal.comments.select_related("author__login_service"),
        "is_author": is_author,
        "may_comment": user.has_perm(life.PROPOSE),
        "may_approve": is_open and not moved and may_approve and not is_author and not has_approved,
        "may_reject": is_open and not is_author and (may_approve or may_apply),
        "may_withdraw": proposal.is_open and is_author,
        "may_apply": is_open and not moved and may_apply and counting >= approvals_needed,
    }
