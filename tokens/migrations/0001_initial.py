import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from idp.partitioning.operations import CreatePartitionedModel


def reference(model, **options):
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to=model,
        **options,
    )


def token_row():
    """The columns of all token tables; the eight-byte ones in front, so that none is padded."""
    return [
        ("id", models.BigIntegerField(primary_key=True, serialize=False)),
        ("nonce", models.BigIntegerField()),
        ("issued_at", models.DateTimeField()),
        ("expires_at", models.DateTimeField()),
    ]


def token_rest():
    return [
        ("client", reference(settings.OAUTH2_PROVIDER_APPLICATION_MODEL)),
        ("scope", models.TextField()),
    ]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE tokens_sequence MAXVALUE 2199023255551 CYCLE",  # 41 bits
            "DROP SEQUENCE tokens_sequence",
        ),
        CreatePartitionedModel(
            name="AccessToken",
            fields=[
                *token_row(),
                ("user", reference(settings.AUTH_USER_MODEL, null=True)),
                ("family", models.BigIntegerField(null=True)),
                ("auth_time", models.DateTimeField(null=True)),
                *token_rest(),
                ("extra", models.JSONField(null=True)),
            ],
            options={"indexes": [models.Index(fields=["user", "client"], name="accesstoken_user")]},
        ),
        CreatePartitionedModel(
            name="RefreshToken",
            fields=[
                *token_row(),
                ("user", reference(settings.AUTH_USER_MODEL)),
                ("family", models.BigIntegerField()),
                ("auth_time", models.DateTimeField()),
                ("login_at", models.DateTimeField()),
                ("rotated_at", models.DateTimeField(null=True)),
                ("successor", models.BigIntegerField(null=True)),
                ("successor_access_token", models.BigIntegerField(null=True)),
                *token_rest(),
                ("extra", models.JSONField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["user", "client"], name="refreshtoken_user")]
            },
        ),
        CreatePartitionedModel(
            name="AuthorizationCode",
            fields=[
                *token_row(),
                ("user", reference(settings.AUTH_USER_MODEL)),
                ("auth_time", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                *token_rest(),
                ("redirect_uri", models.TextField()),
                ("redirect_uri_was_given", models.BooleanField()),
                ("code_challenge", models.CharField(max_length=128)),
                ("openid_nonce", models.TextField()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("scope", models.TextField()),
                ("granted_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "client"), name="consent_unique")
                ]
            },
        ),
        # The toolkit wants these two models; neither has a table.
        migrations.CreateModel(
            name="IDToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                )
            ],
            options={"managed": False},
        ),
        migrations.CreateModel(
            name="DeviceGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                )
            ],
            options={"managed": False},
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kid",
                    models.CharField(
                        editable=False, max_length=43, unique=True, verbose_name="key ID"
                    ),
                ),
                (
                    "algorithm",
                    models.CharField(
                        choices=[
                            ("ES256", "ES256 (gateway JWTs)"),
                            ("RS256", "RS256 (ID tokens)"),
                        ],
                        editable=False,
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("next", "Next: published, signs nothing yet"),
                            ("active", "Active: signs"),
                            ("retiring", "Retiring: published until its last token has ended"),
                            ("retired", "Retired: no longer published"),
                        ],
                        editable=False,
                        max_length=8,
                    ),
                ),
                ("public_jwk", models.JSONField(editable=False)),
                ("private_encrypted", models.BinaryField()),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("activated_at", models.DateTimeField(editable=False, null=True)),
                ("retiring_at", models.DateTimeField(editable=False, null=True)),
                ("retired_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "ordering": ["algorithm", "-created_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["next", "active"])),
                        fields=("algorithm", "state"),
                        name="one_next_and_one_active_key",
                    ),
                    models.CheckConstraint(
                        condition=(
                            models.Q(
                                activated_at=None, retired_at=None, retiring_at=None, state="next"
                            )
                            | models.Q(
                                activated_at__isnull=False,
                                retired_at=None,
                                retiring_at=None,
                                state="active",
                            )
                            | models.Q(
                                activated_at__isnull=False,
                                retired_at=None,
                                retiring_at__isnull=False,
                                state="retiring",
                            )
                            | models.Q(retired_at__isnull=False, state="retired")
                        ),
                        name="key_state_has_its_date",
                    ),
                ],
            },
        ),
    ]
