"""Changes of users and login services are told to all processes (`idp.database.changes`)."""

from django.db import migrations

from idp.database.operations import create_function, tell_of_rows, tell_of_table


class Migration(migrations.Migration):
    dependencies = [("idp", "0003_trusted_issuers")]

    operations = [
        create_function(),
        # Not of sign-ins, which write other columns.
        tell_of_rows(
            "idp_user",
            "user",
            "id",
            columns="sub, login_service_id, username, claims, is_active",
        ),
        tell_of_table("idp_loginservice", "clients"),
    ]
