"""What happened hour by hour, for the operators' start page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("idp", "0008_audit_lets_less_go")]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "hour",
                        "name",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("name", models.TextField()),
                ("number", models.BigIntegerField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
