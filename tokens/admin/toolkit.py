"""Pages of the toolkit's models, which stay closed: it registers one for each, so each is here.

Tokens are not browsed: a list of ten million rows serves nobody, and rows hold nothing to read.
"""

from django.urls import URLPattern
from unfold.admin import ModelAdmin


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
