"""How a user has signed in goes from the code into the tokens; a consent can be withdrawn.

Codes of the release before say nothing of it, and their tokens neither.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0009_consent_choices"),
    ]

    operations = [
        migrations.AddField(
            model_name="authorizationcode",
            name="amr",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="consent",
            name="withdrawn_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="deviceauthorization",
            name="amr",
            field=models.JSONField(null=True),
        ),
    ]
