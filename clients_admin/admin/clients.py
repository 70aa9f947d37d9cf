"""The pages of a client."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import slugify
from unfold.admin import TabularInline

from clients_admin import effects, secrets
from clients_admin.admin import history
from clients_admin.admin.added_pages import WithAddedPages
from clients_admin.admin.base import without_buttons
from clients_admin.admin.client_form import ClientForm
from clients_admin.admin.client_secrets import (
    OLD_ENDS_IN,
    end_secret_view,
    may_see_secrets,
    new_secret_view,
    rotate_secret_view,
)
from clients_admin.admin.exposed_secrets import badge, with_warning
from clients_admin.admin.flag_table import TEMPLATE as FLAGS_TEMPLATE
from clients_admin.admin.flag_table import Submitted, flag_rows
from clients_admin.admin.key_table import jwks_table
from clients_admin.admin.links import lines
from clients_admin.admin.proposing import ProposingAdmin, is_proposing
from clients_admin.effects import Holdings
from clients_admin.models import Client, ClientLoginService, GrantType

LOGIN_TAB = "Login and brand"


@dataclass(slots=True)
class Tab:
    """One tab of the client page: a fieldset, inlines, or a part of the template (`secrets`,
    `history`)."""

    name: str
    fieldset: Any = None
    inlines: list[Any] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return slugify(self.name)

    @property
    def error_count(self) -> int:
        fields = [f for line in self.fieldset or () for f in line if not f.is_readonly]
        in_fields = sum(bool(f.errors()) for f in fields)
        in_rows = sum(bool(row) for inline in self.inlines for row in inline.formset.errors)
        in_lists = sum(bool(inline.formset.non_form_errors()) for inline in self.inlines)
        return in_fields + in_rows + in_lists


class GrantTypeFilter(admin.SimpleListFilter):
    title = "grant type"
    parameter_name = "grant_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(grant_type.value, short_name(grant_type)) for grant_type in GrantType]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(grant_types__contains=[self.value()]) if self.value() else queryset


class LoginServiceInline(TabularInline):
    model = ClientLoginService
    extra = 0
    ordering_field = "position"
    verbose_name = "login service"
    verbose_name_plural = "login services, in the order in which a password is tried"
    fields = ("login_service", "position")

    def has_add_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        return is_proposing(request) or super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        return is_proposing(request) or super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        return is_proposing(request) or super().has_delete_permission(request, obj)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        form_field = super().formfield_for_dbfield(db_field, request, **kwargs)
        without_buttons(form_field)
        return form_field


class ClientAdmin(ProposingAdmin, WithAddedPages):
    """Registered by the toolkit, which finds it by APPLICATION_ADMIN_CLASS."""

    form = ClientForm
    change_form_template = "admin/clients_admin/client/change_form.html"
    list_display = (
        "client_id",
        "name",
        "brand",
        "client_type",
        "grant_type_names",
        "is_active",
        "warning",
    )
    list_select_related = ("brand",)
    list_filter = ("brand", GrantTypeFilter, "client_type", "is_active")
    search_fields = ("client_id", "name", "description")
    search_help_text = "Client ID, name or description."
    ordering = ("client_id",)
    fixed_fields = ("client_id",)
    readonly_fields = ("created", "updated", "key_list")
    shown_as = {
        "grant_types": "grant_type_list",
        "redirect_uris": "redirect_uri_list",
        "post_logout_redirect_uris": "post_logout_redirect_uri_list",
        "jwks": "",
        "flags": "flag_list",
    }
    autocomplete_fields = ("scopes", "scope_groups")
    inlines = (LoginServiceInline,)
    can_undo = True
    history_tab = "history"
    fieldsets = (
        (
            "Basics",
            {
                "classes": ["tab"],
                "fields": ["client_id", "name", "description", "client_type", "is_active"],
            },
        ),
        (
            "Grants and redirects",
            {
                "classes": ["tab"],
                "fields": [
                    "grant_types",
                    "redirect_uris",
                    "post_logout_redirect_uris",
                    "backchannel_logout_uri",
                    "backchannel_logout_session_required",
                ],
            },
        ),
        ("Scopes and groups", {"classes": ["tab"], "fields": ["scopes", "scope_groups"]}),
        (LOGIN_TAB, {"classes": ["tab"], "fields": ["brand"]}),
        ("Keys", {"classes": ["tab"], "fields": ["key_list", "jwks", "jwks_url"]}),
        ("Flags", {"classes": ["tab", "flags"], "fields": ["flags"]}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:client_pk>/secrets/new/",
                view(new_secret_view(self)),
                name="clients_admin_client_new_secret",
            ),
            path(
                "<int:client_pk>/secrets/rotate/",
                view(rotate_secret_view(self)),
                name="clients_admin_client_rotate_secret",
            ),
            path(
                "<int:client_pk>/secrets/<int:secret_pk>/end/",
                view(end_secret_view(self)),
                name="clients_admin_client_end_secret",
            ),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        client: Client | None = kwargs.get("obj")
        context["client_tabs"] = tabs = list(_tabs(context))
        context["exposed_secrets"] = secrets.exposed(client) if client else []
        if may_see_secrets(request, self, client):
            tabs.append(Tab("Secrets"))
            context["secrets"] = secrets.live(client) if client else []
            context["secrets_at_once"] = secrets.LIVE_AT_ONCE
            context["old_ends_in"] = OLD_ENDS_IN
        if client:
            tabs.append(Tab("History"))
            context["history"] = history.of(client)
            context["may_undo"] = self.has_change_permission(request, client)
        wrong = [tab.slug for tab in tabs if tab.error_count]
        context["first_tab"] = wrong[0] if wrong else tabs[0].slug
        context["has_wrong_tab"] = bool(wrong)
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(
        self, request: HttpRequest, obj: Client, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Stays on the page of the new client, where its first secret is made."""
        response = super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST:
            return response
        page = reverse("admin:clients_admin_client_change", args=[obj.pk])
        return HttpResponseRedirect(page)

    def holdings(self, row: Client) -> Holdings:
        return effects.of_client(row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        return with_warning(super().get_queryset(request))

    @admin.display(description="warning")
    def warning(self, client: Client) -> SafeString:
        return badge(client)

    @admin.display(description="grant types")
    def grant_type_names(self, client: Client) -> str:
        return ", ".join(short_name(GrantType(name)) for name in client.grant_types) or "-"

    @admin.display(description="grant types")
    def grant_type_list(self, client: Client) -> SafeString:
        return lines(GrantType(name).label for name in client.grant_types)

    @admin.display(description="redirect URIs")
    def redirect_uri_list(self, client: Client) -> SafeString:
        return lines(client.redirect_uris.split())

    @admin.display(description="redirect URIs after logout")
    def post_logout_redirect_uri_list(self, client: Client) -> SafeString:
        return lines(client.post_logout_redirect_uris.split())

    @admin.display(description="keys now")
    def key_list(self, client: Client) -> SafeString:
        # What is stored: a refused form has left its values on the object.
        return jwks_table(
            Client.objects.filter(pk=client.pk).values_list("jwks", flat=True).first()
        )

    @admin.display(description="flags")
    def flag_list(self, client: Client) -> SafeString:
        rows, others = flag_rows(Submitted.of(client.flags), {})
        context = {"rows": rows, "others": others, "is_readonly": True}
        return SafeString(render_to_string(FLAGS_TEMPLATE, context))


def short_name(grant_type: GrantType) -> str:
    """The label without its explanation."""
    return str(grant_type.label).partition(" (")[0]


def _tabs(context: dict[str, Any]) -> Iterator[Tab]:
    for fieldset in context["adminform"]:
        inlines = context["inline_admin_formsets"] if fieldset.name == LOGIN_TAB else []
        yield Tab(fieldset.name, fieldset, inlines)
