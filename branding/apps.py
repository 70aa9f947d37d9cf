"""The Django app that owns the look of the end-user pages."""

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class BrandingConfig(AppConfig):
    name = "branding"
    label = "branding"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from branding import hosts, overrides  # noqa: F401 (the check registers itself)

        for signal in (post_save, post_delete):
            signal.connect(lambda **_: hosts.forget(), sender="branding.Brand", weak=False)
