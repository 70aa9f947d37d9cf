"""The ground floor's Django app: users, login services and what all floors share."""

from django.apps import AppConfig


class IDPConfig(AppConfig):
    name = "idp"
    verbose_name = "Users and login services"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from idp.accounts import browser_sessions

        browser_sessions.connect()
