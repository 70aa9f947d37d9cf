"""The Django app of tokens."""

from typing import Any

from django.apps import AppConfig
from django.db import connection
from django.db.models import Model
from django.db.models.signals import post_migrate


class TokensConfig(AppConfig):
    name = "tokens"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from idp.signals import password_changed, sessions_ended, user_blocked
        from tokens import blocked_users, session_logins

        post_migrate.connect(_prepare, sender=self)
        for signal in (user_blocked, password_changed):
            signal.connect(blocked_users.hear, dispatch_uid="tokens.blocked_users")
        sessions_ended.connect(session_logins.hear, dispatch_uid="tokens.session_logins")


def _prepare(**_: Any) -> None:
    """A fresh database can make and sign tokens at once, before beat has run for the first time."""
    from idp.audit.models import AuditEvent
    from tokens.cleanup import make_partitions
    from tokens.keys.models import SigningKey
    from tokens.keys.rotation import rotate_due

    make_partitions()
    # A migration may have gone only half of the way.
    if _is_migrated(SigningKey) and _is_migrated(AuditEvent):
        rotate_due(actor="command migrate")


def _is_migrated(model: type[Model]) -> bool:
    """Whether the table has all columns that this release writes."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return False
        there = {
            column.name for column in connection.introspection.get_table_description(cursor, table)
        }
    return {field.column for field in model._meta.concrete_fields} <= there
