"""Where clients are told of logouts (OpenID Connect Back-Channel Logout 1.0 section 2.2)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("clients_admin", "0005_scope_translations")]

    operations = [
        migrations.AddField(
            model_name="client",
            name="backchannel_logout_uri",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where the client is told that a user has signed out (a logout token, "
                "by POST).",
                max_length=500,
                verbose_name="back-channel logout URI",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="backchannel_logout_session_required",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Always name the session (sid), also where all sessions of a user end "
                "at once.",
                verbose_name="tell of each session",
            ),
        ),
        migrations.AlterField(
            model_name="client",
            name="jwks_url",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where they are read, in place of a JWKS.",
                max_length=500,
                verbose_name="JWKS URL",
            ),
        ),
    ]
