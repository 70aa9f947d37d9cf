from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tokens", "0003_device_authorization")]

    operations = [
        migrations.AlterModelOptions(
            name="signingkey", options={"ordering": ["algorithm", "-created_at", "-pk"]}
        ),
        # Both may be empty: the release before this one makes keys without them.
        migrations.AddField(
            model_name="signingkey",
            name="published_again_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="compromised_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="signingkey",
            constraint=models.CheckConstraint(
                name="compromised_key_is_retired",
                condition=models.Q(("compromised_at", None), ("state", "retired"), _connector="OR"),
            ),
        ),
    ]
