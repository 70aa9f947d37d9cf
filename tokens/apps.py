"""The Django app of tokens."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TokensConfig(AppConfig):
    name = "tokens"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_prepare, sender=self)


def _prepare(**_: Any) -> None:
    """A fresh database can make and sign tokens at once, before beat has run for the first time."""
    from tokens.cleanup import make_partitions
    from tokens.keys.rotation import rotate_due

    make_partitions()
    rotate_due()
