"""The Django apps of this floor: the configuration itself, and the admin site that shows it."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate


class ClientsAdminConfig(AppConfig):
    name = "clients_admin"
    verbose_name = "Client configuration"
    default_auto_field = "django.db.models.BigAutoField"
    default = True

    def ready(self) -> None:
        from clients_admin.admin import pages
        from clients_admin.roles import grant

        pages.register()
        post_migrate.connect(grant, dispatch_uid="clients_admin.roles")


class OperatorAdminConfig(admin_apps.AdminConfig):
    default_site = "clients_admin.admin.site.OperatorSite"
    default = False
