"""The Django app of tokens."""

from typing import Any

from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate


class TokensConfig(AppConfig):
    name = "tokens"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_prepare, sender=self)


def _prepare(**_: Any) -> None:
    """A fresh database can make and sign tokens at once, before beat has run for the first time."""
    from tokens.cleanup import make_partitions
    from tokens.keys.models import SigningKey
    from tokens.keys.rotation import rotate_due

    make_partitions()
    # A migration may have gone only half of the way.
    if SigningKey._meta.db_table in connection.introspection.table_names():
        rotate_due()
