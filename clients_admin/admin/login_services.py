"""The page of a login service.

Who says where a secret is and what host it is sent to could have it sent to themselves. So services
that ask others are made and changed by superusers, and by configuration files; editors see them.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from clients_admin.admin import setting_fields
from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.links import lines, links
from clients_admin.admin.login_service_form import KINDS, LoginServiceForm
from clients_admin.admin.look_up import look_up_view
from clients_admin.admin.operators import may_change_login_service
from idp.accounts.models import LoginService


class LoginServiceAdmin(OperatorModelAdmin):
    form = LoginServiceForm
    list_display = ("name", "kind", "brand", "is_enabled")
    list_select_related = ("brand",)
    list_filter = ("kind", "brand", "is_enabled")
    search_fields = ("name",)
    fixed_fields = ("name", "kind")
    readonly_fields = ("by_clients", "by_issuers", "setting_list")

    change_form_template = "clients_admin/login_service.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(look_up_view(self))
        name = "idp_loginservice_look_up"
        return [path("<int:service_pk>/look-up/", view, name=name), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """With the settings of its kind; of every kind as long as none is chosen."""
        shown = [(None, {"fields": ["name", "kind", "brand", "is_enabled"]})]
        if obj is None:
            return [*shown, *(map(_settings, KINDS) if request.user.is_superuser else ())]
        used = (None, {"fields": ["by_clients", "by_issuers"]})
        if not self.has_change_permission(request, obj):
            return [*shown, ("Settings", {"fields": ["setting_list"]}), used]
        return [*shown, *([_settings(obj.kind)] if obj.kind in KINDS else []), used]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or _may_change(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or _may_change(request, obj))

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind" and not request.user.is_superuser:
            kwargs["choices"] = [pair for pair in db_field.choices if pair[0] not in KINDS]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    @admin.display(description="settings")
    def setting_list(self, service: LoginService) -> SafeString:
        """None of them is a secret."""
        return lines(
            f"{setting_fields.label(name)}: {_in_words(value)}"
            for name, value in service.settings.items()
        )

    @admin.display(description="used by clients")
    def by_clients(self, service: LoginService) -> SafeString:
        return links(service.clients.all()) if service.pk else lines([])

    @admin.display(description="trusted issuers that speak of its users")
    def by_issuers(self, service: LoginService) -> SafeString:
        return links(service.trusted_issuers.all()) if service.pk else lines([])


def _may_change(request: HttpRequest, service: LoginService) -> bool:
    if not may_change_login_service(request, service):
        return False
    return bool(request.user.is_superuser) or service.kind not in KINDS


def _settings(kind: str) -> tuple[str, dict[str, Any]]:
    return (
        f"Settings of the kind {kind}",
        {"fields": setting_fields.names(kind), "classes": [f"settings-of-{kind}"]},
    )


def _in_words(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{name}: {text}" for name, text in sorted(value.items()))
        case list():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
    return str(value)
