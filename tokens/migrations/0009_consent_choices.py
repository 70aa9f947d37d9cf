"""What a user has left out of a consent, and until when it is remembered."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tokens", "0008_pushed_requests_and_claims")]

    operations = [
        migrations.AddField(
            model_name="consent",
            name="declined_scope",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="consent",
            name="remembered_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
