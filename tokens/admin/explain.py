"""The tab “Explain” of a client: a form to look with, and what would come out."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils import timezone

from clients_admin.admin.added_pages import Visit
from clients_admin.models import Client, scope_name
from idp.accounts import finding
from idp.accounts.models import User
from tokens import scopes
from tokens.explain import flags, granted, preview, time_line, ways
from tokens.explain.case import Case, Decided, decide, known

SEE_USERS = "idp.view_user"


class ExplainForm(forms.Form):
    """What somebody asks about; everything wrong is said beside its field."""

    template_name = "tokens/admin/fields.html"
    grant = forms.ChoiceField(choices=[(way.name, way.label) for way in ways.WAYS])
    user = forms.CharField(
        required=False, max_length=600, help_text=f"{finding.HOW_TO_NAME}; or none."
    )
    scope = forms.CharField(
        required=False,
        max_length=4000,
        help_text="As a client asks for it, names with blanks between them; none: all that it has.",
    )
    gateway = forms.CharField(
        required=False,
        max_length=100,
        help_text="The client ID of whoever gets the JWT for the token; none: this client itself.",
    )

    def __init__(self, data: Any, *, client: Client, may_see_users: bool) -> None:
        super().__init__(data, label_suffix="")
        self._client, self._may_see_users = client, may_see_users
        for field in self.fields.values():
            field.widget.attrs |= {"class": "operators-input", "spellcheck": "false"}

    def clean_user(self) -> User | None:
        text = self.cleaned_data["user"]
        if not text:
            return None
        if not self._may_see_users:
            raise ValidationError("You may not see users.")
        found = finding.find(text)
        if not found:
            raise ValidationError("No such user has been here.")
        if len(found) > 1:
            raise ValidationError("Several users have this name: give the subject (sub).")
        return found[0]

    def clean_scope(self) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(self.cleaned_data["scope"].split()))
        for name in names:
            scope_name(name)
        return names

    def clean_gateway(self) -> Client:
        client_id = self.cleaned_data["gateway"]
        if not client_id or client_id == self._client.client_id:
            return self._client
        gateway: Client | None = Client.objects.filter(client_id=client_id).first()
        if gateway is None:
            raise ValidationError("There is no such client.")
        return known(gateway)

    def clean(self) -> dict[str, Any]:
        way = ways.BY_NAME.get(self.cleaned_data.get("grant", ""))
        if way and not way.has_user and self.cleaned_data.get("user"):
            self.add_error("user", f"{way.label}: no user takes part. Leave it empty.")
        return self.cleaned_data

    def case(self) -> Case:
        asked = self.cleaned_data
        way = ways.BY_NAME[asked["grant"]]
        return Case(
            self._client, asked["gateway"], way, asked["user"], asked["scope"], timezone.now()
        )


def explain_page(visit: Visit) -> HttpResponse:
    """Nothing is issued, written or audited by looking."""
    client = known(visit.target)
    data = visit.request.GET or {"grant": _first_way(client)}
    form = ExplainForm(data, client=client, may_see_users=visit.may(SEE_USERS))
    # Not `form`: unfold's buttons take that for an attribute of their own.
    context: dict[str, Any] = {"title": "Explain", "question": form}
    if form.is_valid():
        context |= explained(form.case())
    return visit.answer("tokens/admin/explain.html", context)


def explained(case: Case) -> dict[str, Any]:
    """All that the page shows of a case."""
    decided = decide(case)
    return {
        "decided": decided,
        "facts": list(_facts(decided)),
        "granted": granted.granted(decided),
        "refused": granted.refused(case),
        "bars": time_line.bars(decided),
        "previews": preview.previews(decided),
        "flags": flags.rows(decided),
        "needs_user": case.way.has_user and case.user is None,
    }


def _first_way(client: Client) -> str:
    """The first that the client has."""
    had = (way.name for way in ways.WAYS if client.allows_grant_type(way.grant_type))
    return next(had, ways.WAYS[0].name)


def _facts(decided: Decided) -> Iterator[tuple[str, str, str]]:
    """What is not a flag: what it is about, what holds, and what decided it."""
    case = decided.case
    brand = case.client.brand
    yield (
        "Brand",
        brand.name if brand else "none",
        "The client's brand: the look of its pages, and the claim brand."
        if brand
        else "The client has no brand: plain pages, and no claim brand.",
    )
    yield (
        "Login services",
        ", ".join(decided.login_services) or "none",
        "Those of the client that are enabled, in the order in which a password is tried.",
    )
    if case.user:
        yield (
            "User's login service",
            case.user.login_service.name,
            "It knows the user; the claim login_service.",
        )
    yield (
        "Scope that is kept",
        decided.stored or "none",
        _kept(decided.stored),
    )
    yield (
        "Asks for the gateway JWT",
        case.gateway.client_id,
        "Its flags decide audience and algorithm.",
    )


def _kept(stored: str) -> str:
    if not stored:
        return "No scope is granted."
    if stored == scopes.ALL:
        return "Open: what the client has whenever somebody looks."
    return "A list: what the client gets later is not added, what it loses is lost."
