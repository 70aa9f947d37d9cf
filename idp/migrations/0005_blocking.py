"""Blocking: limits by network, what has failed of late, and blocks."""

import django.contrib.postgres.fields
import django.core.validators
from django.db import migrations, models

from idp.database.operations import tell_of_table

# Those that an installation most often needs: their networks are its own to name. The default is
# the table's.
PROFILES = (
    {"name": "default", "description": "All addresses that no other profile names."},
    {
        "name": "corporate-proxy",
        "description": "Many people behind one address: offices, schools, proxies.",
        "max_names": 100,
        "max_repeats": 10,
    },
    {
        "name": "mobile-carrier",
        "description": "Very many people behind one address: carriers that share addresses.",
        "max_names": 300,
        "max_repeats": 30,
    },
)

# Of a user's row by the name that somebody has typed, in any case.
INDEX = "CREATE INDEX idp_user_by_name ON idp_user (login_service_id, upper(username))"


def make_profiles(apps, schema_editor):
    profiles = apps.get_model("idp", "NetworkProfile").objects.using(schema_editor.connection.alias)
    profiles.bulk_create(profiles.model(**profile) for profile in PROFILES)


class Migration(migrations.Migration):
    dependencies = [
        ("idp", "0004_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="NetworkProfile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.SlugField(unique=True)),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50),
                        blank=True,
                        default=list,
                        help_text="Such as 192.0.2.0/24 and 2001:db8::/32.",
                    ),
                ),
                (
                    "window_seconds",
                    models.PositiveIntegerField(
                        default=600,
                        help_text="What failed longer ago than this does not count.",
                        validators=[
                            django.core.validators.MinValueValidator(10),
                            django.core.validators.MaxValueValidator(86400),
                        ],
                    ),
                ),
                (
                    "max_names",
                    models.PositiveIntegerField(
                        default=10,
                        help_text="So many different names that fail within the window are an attack.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                    ),
                ),
                (
                    "max_repeats",
                    models.PositiveIntegerField(
                        default=8,
                        help_text="So many failures of people within the window beyond the first of each name are, too.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                    ),
                ),
                (
                    "max_client_failures",
                    models.PositiveIntegerField(
                        default=100,
                        help_text="And so many wrong secrets and assertions of clients.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                    ),
                ),
                (
                    "block_seconds",
                    models.PositiveIntegerField(
                        default=900,
                        help_text="How long the first block lasts; each further one lasts four times as long.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(2592000),
                        ],
                    ),
                ),
                (
                    "longest_block_seconds",
                    models.PositiveIntegerField(
                        default=86400,
                        help_text="No block lasts longer than this.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(2592000),
                        ],
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Block",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(editable=False, max_length=100)),
                (
                    "kind",
                    models.CharField(
                        choices=[("address", "address"), ("user", "user")], max_length=10
                    ),
                ),
                (
                    "effect",
                    models.CharField(
                        choices=[
                            ("refuse", "refused"),
                            ("shadow", "would be refused (shadow)"),
                            (
                                "warning",
                                "only warned of: an application that does not forward addresses",
                            ),
                        ],
                        max_length=10,
                    ),
                ),
                ("label", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=200)),
                ("profile", models.CharField(max_length=50)),
                ("client_id", models.CharField(blank=True, max_length=255)),
                ("attempts", models.PositiveIntegerField()),
                ("names", models.JSONField(default=list)),
                ("name_count", models.PositiveIntegerField()),
                ("level", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "permissions": [("lift_block", "Can lift blocks")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["subject", "created_at"], name="block_subject"),
                    models.Index(fields=["until"], name="block_until"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("subject", "effect"),
                        name="block_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at", None), ("ended_by", "")),
                            models.Q(
                                ("ended_at__isnull", False),
                                models.Q(("ended_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="block_ended_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until__gt", models.F("created_at"))),
                        name="block_has_a_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FailedAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(max_length=100)),
                ("name_key", models.CharField(max_length=32)),
                ("name_shown", models.CharField(max_length=100)),
                ("what", models.CharField(max_length=30)),
                ("client_id", models.CharField(blank=True, max_length=255)),
                ("at", models.DateTimeField(db_index=True)),
                ("is_open", models.BooleanField(default=False)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["subject", "at"], name="failed_attempt_subject")],
            },
        ),
        tell_of_table("idp_block", "blocks"),
        migrations.RunPython(make_profiles, migrations.RunPython.noop),
        migrations.RunSQL(INDEX, "DROP INDEX idp_user_by_name"),
    ]
