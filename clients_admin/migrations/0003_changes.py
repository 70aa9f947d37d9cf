"""Changes of clients, scopes and groups are told to all processes (`idp.database.changes`).

A scope or group concerns any number of clients, so it is told of as all of them.
"""

from django.db import migrations

from idp.database.operations import tell_of_rows, tell_of_table


class Migration(migrations.Migration):
    dependencies = [("clients_admin", "0002_client_keys"), ("idp", "0004_changes")]

    operations = [
        tell_of_rows("clients_admin_client", "client", "id"),
        tell_of_rows("clients_admin_client_scopes", "client", "client_id"),
        tell_of_rows("clients_admin_client_scope_groups", "client", "client_id"),
        # Not of uses, which come every five minutes.
        tell_of_rows(
            "clients_admin_clientsecret", "client", "client_id", columns="digest, expires_at"
        ),
        tell_of_table("clients_admin_scope", "clients"),
        tell_of_table("clients_admin_scopegroup", "clients"),
        tell_of_table("clients_admin_scopegroup_scopes", "clients"),
        tell_of_table("clients_admin_scopegroup_groups", "clients"),
    ]
