"""What has happened to one row is found by an index: events about it carry its key.

The release before writes no such key and goes on as it does; what it has written stays in the
searches by tag and client.
"""

from django.db import migrations, models
from django.db.models.fields.json import KT


class Migration(migrations.Migration):
    dependencies = [("idp", "0009_tallies")]

    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                KT("details__row"),
                models.F("id"),
                condition=models.Q(("details__has_key", "row")),
                name="auditevent_row",
            ),
        ),
    ]
