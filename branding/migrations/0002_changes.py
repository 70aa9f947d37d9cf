"""Changes of brands are told to all processes (`idp.database.changes`)."""

from django.db import migrations

from idp.database.operations import tell_of_table


class Migration(migrations.Migration):
    dependencies = [("branding", "0001_initial"), ("idp", "0004_changes")]

    operations = [tell_of_table("branding_brand", "clients")]
