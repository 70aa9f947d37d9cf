from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tokens", "0005_changes")]

    operations = [
        migrations.AlterModelOptions(
            name="refreshtoken",
            options={
                "permissions": [("revoke_refreshtoken", "Can end tokens and logins of others")]
            },
        ),
    ]
