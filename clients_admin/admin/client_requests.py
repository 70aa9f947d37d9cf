"""The page for people without a role: “I need a client”, which becomes a proposal.

They have an account in one of the operators' login services and nothing else: they are no staff,
and see no page of the admin but this one, with their own requests.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from branding.models import Brand
from clients_admin.admin.client_form import LinesField
from clients_admin.configuration import sections
from clients_admin.models import Client, GrantType, Proposal, Scope
from clients_admin.proposals import life
from clients_admin.proposals.targets import Entry
from idp.accounts.backends import operator_services
from idp.accounts.models import User

if TYPE_CHECKING:
    from clients_admin.admin.site import OperatorSite

MAX_OPEN = 10
# What people want to do, and the grant types that it takes.
WAYS: dict[str, tuple[str, tuple[GrantType, ...]]] = {
    "sign-in": (
        "People sign in with a browser or an app",
        (GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN),
    ),
    "device": (
        "People sign in on a device without a keyboard, such as a television",
        (GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN),
    ),
    "program": (
        "A program calls services by itself, without anybody signed in",
        (GrantType.CLIENT_CREDENTIALS,),
    ),
}
PLACES = {
    Client.CLIENT_CONFIDENTIAL: "On a server of ours, which can keep a secret",
    Client.CLIENT_PUBLIC: "In browsers or on devices of users, which cannot",
}


class ClientRequestForm(forms.Form):
    """In plain words what a client needs to be told."""

    name = forms.CharField(
        label="Name of the application", max_length=80, widget=UnfoldAdminTextInputWidget
    )
    why = forms.CharField(
        label="What it is for",
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    responsible = forms.CharField(
        label="Who is responsible for it",
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="A team or a person, and how to reach them.",
    )
    brand = forms.ModelChoiceField(
        Brand.objects, required=False, widget=UnfoldAdminSelectWidget, help_text="If it has one."
    )
    ways = forms.MultipleChoiceField(
        label="How it is used",
        choices=[(name, text) for name, (text, _) in WAYS.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    place = forms.ChoiceField(
        label="Where it runs", choices=list(PLACES.items()), widget=UnfoldAdminSelectWidget
    )
    redirect_uris = LinesField(
        label="Redirect URIs",
        required=False,
        max_length=5000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Where browsers come back to after signing in, one a line.",
    )
    scopes = forms.ModelMultipleChoiceField(
        Scope.objects, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes: Any = self.fields["scopes"]
        scopes.label_from_instance = lambda scope: (
            f"{scope.name}: {scope.description}" if scope.description else scope.name
        )

    def entry(self) -> Entry:
        """The client as it would stand in a configuration file."""
        said = self.cleaned_data
        grant_types = {grant for way in said["ways"] for grant in WAYS[way][1]}
        plain = {
            key.name: key.default
            for key in sections.OBJECTS["clients"]
            if key.default is not sections.LEFT_ALONE
        }
        return {
            **plain,
            "client_id": _free_client_id(said["name"]),
            "name": said["name"],
            "description": f"{said['why']}\nResponsible: {said['responsible']}",
            "client_type": said["place"],
            "grant_types": sorted(grant.value for grant in grant_types),
            "redirect_uris": said["redirect_uris"].split(),
            "scopes": sorted(scope.name for scope in said["scopes"]),
            "brand": said["brand"].slug if said["brand"] else None,
            "active": True,
        }


def may_request(request: HttpRequest) -> bool:
    """Whoever has proved to have an account where operators have theirs."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return False
    return user.login_service in operator_services()


def request_view(site: "OperatorSite") -> Any:
    @require_http_methods(["GET", "HEAD", "POST"])
    def request_client(request: Any) -> HttpResponse:
        if not may_request(request):
            return HttpResponseRedirect(reverse("admin:login"))
        page = HttpResponseRedirect(reverse("admin:request_client"))
        form = ClientRequestForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and _opened(request, form):
            return page
        requests = Proposal.objects.filter(author=request.user).prefetch_related("comments")
        context = {
            **site.each_context(request),
            "title": "Do you need a client?",
            "request_form": form,
            "requests": requests,
        }
        return TemplateResponse(request, "clients_admin/request_client.html", context)

    return request_client


def _opened(request: Any, form: ClientRequestForm) -> bool:
    try:
        proposal = life.open_proposal(
            Proposal.Kind.CLIENT,
            None,
            form.entry(),
            author=request.user,
            title=f"New client: {form.cleaned_data['name']}",
            why=form.entry()["description"],
            max_open=MAX_OPEN,
        )
    except life.Refused as refused:
        form.add_error(None, str(refused))
        return False
    messages.success(request, f"Your request has the number {proposal.pk}.")
    return True


def _free_client_id(name: str) -> str:
    """Made of the name, and not taken by a client or another request."""
    base = slugify(name)[:80] or "client"
    taken = {
        *Client.objects.filter(client_id__startswith=base).values_list("client_id", flat=True),
        *Proposal.objects.open().filter(name__startswith=base).values_list("name", flat=True),
    }
    candidates = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return next(candidate for candidate in (base, *candidates) if candidate not in taken)
