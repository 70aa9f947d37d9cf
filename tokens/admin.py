"""Admin pages of this floor: signing keys, and those of the toolkit's models, which stay closed.

The toolkit registers a page for each of its models, so each is named here. Tokens are not browsed:
a list of ten million rows serves nobody, and rows hold nothing to read.
"""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from unfold.admin import ModelAdmin

from clients_admin.admin.base import OperatorModelAdmin
from tokens.keys.models import SigningKey


class _HiddenAdmin(ModelAdmin):
    """A page that nobody may open, whatever their permissions."""

    def get_urls(self) -> list[URLPattern]:
        """None: Django looks for the object before it asks for a permission."""
        return []

    def has_module_permission(self, request: object) -> bool:
        return False

    def has_view_permission(self, request: object, obj: object = None) -> bool:
        return False

    has_add_permission = has_view_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


class AccessTokenAdmin(_HiddenAdmin):
    pass


class RefreshTokenAdmin(_HiddenAdmin):
    pass


class AuthorizationCodeAdmin(_HiddenAdmin):
    pass


class IDTokenAdmin(_HiddenAdmin):
    pass


@admin.register(SigningKey)
class SigningKeyAdmin(OperatorModelAdmin):
    """Which keys there are and in which state; only `keys.rotation` changes that."""

    list_display = (
        "kid",
        "algorithm",
        "state",
        "created_at",
        "activated_at",
        "retiring_at",
        "retired_at",
    )
    list_filter = ("algorithm", "state")
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[SigningKey]:
        # The private part is not even read here.
        keys: QuerySet[SigningKey] = super().get_queryset(request)
        return keys.defer("private_encrypted")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
