"""The page on which operators ask a login service about a user name, to see what it answers.

Nobody is signed in, no password is asked for, and nothing counts as an attempt. What it shows are
data of a person, so it is audited who has looked.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminTextInputWidget

from idp.accounts.login import FINDERS, LOOK_UPS
from idp.accounts.models import LoginService, User
from idp.accounts.outcomes import Identity, Outcome, Refused, Unavailable
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking import subjects
from idp.blocking.guard import UserName
from idp.blocking.models import Block

if TYPE_CHECKING:
    from clients_admin.admin.login_services import LoginServiceAdmin

TEMPLATE = "clients_admin/look_up.html"


class LookUpForm(forms.Form):
    username = forms.CharField(
        label="User name", max_length=255, widget=UnfoldAdminTextInputWidget, strip=False
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service has said, in words; the facts are names and values."""

    text: str
    is_good: bool
    milliseconds: int
    facts: list[tuple[str, str]] = field(default_factory=list)
    user: User | None = None


def look_up_view(page: "LoginServiceAdmin") -> Callable[..., HttpResponse]:
    @require_http_methods(["GET", "POST"])
    def look_up(request: HttpRequest, service_pk: int) -> HttpResponse:
        service = get_object_or_404(LoginService.objects.select_related("brand"), pk=service_pk)
        if not page.has_view_permission(request, service) or not request.user.has_perm(
            "idp.view_user"
        ):
            raise PermissionDenied
        form = LookUpForm(request.POST if request.method == "POST" else None)
        answer = None
        if form.is_valid():
            answer = _ask(service, form.cleaned_data["username"])
        context = {
            **page.admin_site.each_context(request),
            "opts": page.opts,
            "title": "Test a user name",
            "subtitle": str(service),
            "service": service,
            "form": form,
            "answer": answer,
        }
        return TemplateResponse(request, TEMPLATE, context)

    return look_up


def _ask(service: LoginService, username: str) -> Answer:
    begun = time.perf_counter()
    outcome = _outcome(service, username)
    milliseconds = round((time.perf_counter() - begun) * 1000)
    # Somebody may have typed their password there.
    shown = subjects.shown(username, is_known=isinstance(outcome, Identity))
    record(Tag.ACCOUNTS_USER_LOOKED_UP, login_service=service.name, username=shown)
    match outcome:
        case Identity():
            return _found(service, outcome, milliseconds)
        case Unavailable(reason):
            return Answer(f"It could not be asked: {reason}.", False, milliseconds)
        case Refused(reason):
            return Answer(f"It lets nobody in by that name: {reason}.", False, milliseconds)


def _outcome(service: LoginService, username: str) -> Outcome:
    kind = LoginService.Kind(service.kind)
    if look_up := LOOK_UPS.get(kind):
        return look_up(service, username)
    known = User.objects.filter(login_service=service, username__iexact=username).first()
    if known is None:
        return Refused("it cannot be asked about names, and nobody of that name has signed in here")
    if find := FINDERS.get(kind):
        return find(service, known.external_id)
    return Identity(known.external_id, known.username, known.claims)


def _found(service: LoginService, identity: Identity, milliseconds: int) -> Answer:
    user = User.objects.filter(login_service=service, external_id=identity.external_id).first()
    facts = [("External ID", identity.external_id), ("User name", identity.username)]
    facts += [(f"claim {name}", str(value)) for name, value in sorted(identity.claims.items())]
    if identity.roles is not None:
        facts.append(("Roles here", ", ".join(sorted(identity.roles)) or "none"))
    facts.append(("Known here as", user.sub if user else "nobody yet: not signed in so far"))
    if user and not user.is_active:
        facts.append(("Refused here", "this user is switched off"))
    name = UserName(service.pk, service.name, identity.username)
    if Block.objects.living(timezone.now()).filter(subject=name.subject, effect="refuse").exists():
        facts.append(("Refused here", "this user name is blocked"))
    return Answer("It knows this user.", True, milliseconds, facts, user)
