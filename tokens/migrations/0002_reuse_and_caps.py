from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="authorizationcode",
            name="auth_time_is_essential",
            field=models.BooleanField(default=False, db_default=False),
        ),
        migrations.RemoveIndex(model_name="accesstoken", name="accesstoken_user"),
        migrations.RemoveIndex(model_name="refreshtoken", name="refreshtoken_user"),
        migrations.AddIndex(
            model_name="accesstoken",
            index=models.Index(fields=["user", "client", "id"], name="accesstoken_use_case"),
        ),
        migrations.AddIndex(
            model_name="refreshtoken",
            index=models.Index(fields=["user", "client", "id"], name="refreshtoken_use_case"),
        ),
        migrations.CreateModel(
            name="Watermark",
            fields=[
                ("job", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(default=0)),
                ("sample", models.BigIntegerField(default=0)),
                (
                    "sample_xid",
                    models.DecimalField(decimal_places=0, default=0, max_digits=20),
                ),
                ("sampled_at", models.DateTimeField()),
            ],
        ),
    ]
