"""Local accounts remember when links for a new password were mailed."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("idp", "0006_login_services")]

    operations = [
        migrations.AddField(
            model_name="localaccount",
            name="link_sent_at",
            field=ArrayField(
                base_field=models.DateTimeField(),
                db_default=[],
                default=list,
                editable=False,
                help_text="When links for a new password were sent of late.",
            ),
        ),
    ]
