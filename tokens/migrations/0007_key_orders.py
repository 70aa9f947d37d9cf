from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tokens", "0006_revoke_permission")]

    operations = [
        migrations.AlterModelOptions(
            name="signingkey",
            options={
                "ordering": ["algorithm", "-created_at", "-pk"],
                "permissions": [("order_signingkey", "Can rotate signing keys and go back")],
            },
        ),
    ]
