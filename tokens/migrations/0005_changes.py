"""Changes of signing keys are told to all processes (`idp.database.changes`)."""

from django.db import migrations

from idp.database.operations import tell_of_table


class Migration(migrations.Migration):
    dependencies = [("tokens", "0004_signing_keys_both_ways"), ("idp", "0004_changes")]

    operations = [tell_of_table("tokens_signingkey", "keys")]
