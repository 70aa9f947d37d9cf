"""The Django app that owns the look of the end-user pages."""

from django.apps import AppConfig


class BrandingConfig(AppConfig):
    name = "branding"
    label = "branding"
    default_auto_field = "django.db.models.BigAutoField"
