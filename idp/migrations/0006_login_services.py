"""Login services of others' databases, servers and directories: their settings."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("idp", "0005_blocking")]

    operations = [
        migrations.AlterField(
            model_name="loginservice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("local", "Local accounts (this database)"),
                    ("sql", "SQL (accounts in another database)"),
                    ("rest", "REST (a login server of our own)"),
                    ("ldap", "LDAP (a directory)"),
                    ("corporate", "Corporate (a trusted issuer's JWTs, no passwords)"),
                ],
                default="local",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="loginservice",
            name="settings",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                help_text="By kind; see `service_settings`.",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="roles_checked_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When the login service last said what they may.",
                null=True,
            ),
        ),
    ]
