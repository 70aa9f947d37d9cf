"""What users read of a scope, in their languages."""

from django.db import migrations, models

import clients_admin.models


class Migration(migrations.Migration):
    dependencies = [("clients_admin", "0004_proposals")]

    operations = [
        migrations.AddField(
            model_name="scope",
            name="translations",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                validators=[clients_admin.models.validate_translations],
            ),
        ),
    ]
