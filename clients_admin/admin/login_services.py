"""The page of a login service."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.links import lines, links
from clients_admin.admin.operators import may_change_login_service
from idp.accounts.models import LoginService


class LoginServiceAdmin(OperatorModelAdmin):
    list_display = ("name", "kind", "brand", "is_enabled")
    list_select_related = ("brand",)
    list_filter = ("kind", "brand", "is_enabled")
    search_fields = ("name",)
    fixed_fields = ("name", "kind")
    readonly_fields = ("by_clients", "by_issuers")
    fields = ("name", "kind", "brand", "is_enabled", "by_clients", "by_issuers")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_change_login_service(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or may_change_login_service(request, obj))

    @admin.display(description="used by clients")
    def by_clients(self, service: LoginService) -> SafeString:
        return links(service.clients.all()) if service.pk else lines([])

    @admin.display(description="trusted issuers that speak of its users")
    def by_issuers(self, service: LoginService) -> SafeString:
        return links(service.trusted_issuers.all()) if service.pk else lines([])
