"""The brands."""

import django.core.validators
import django.db.models.lookups
from django.db import migrations, models

import branding.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Brand",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(unique=True, verbose_name="short name")),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "primary_color",
                    models.CharField(
                        default="#334155",
                        help_text="#rgb or #rrggbb. Text and link colours are computed to be readable with it.",
                        max_length=7,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A#([0-9a-fA-F]{3}){1,2}\\Z", "Enter a colour as #rgb or #rrggbb."
                            )
                        ],
                        verbose_name="primary colour",
                    ),
                ),
                (
                    "privacy_url",
                    branding.models.WebAddressField(
                        blank=True, max_length=500, verbose_name="privacy statement"
                    ),
                ),
                (
                    "terms_url",
                    branding.models.WebAddressField(
                        blank=True, max_length=500, verbose_name="terms and conditions"
                    ),
                ),
                (
                    "register_url",
                    branding.models.WebAddressField(
                        blank=True, max_length=500, verbose_name="registration page"
                    ),
                ),
                (
                    "reset_url",
                    branding.models.WebAddressField(
                        blank=True, max_length=500, verbose_name="password reset page"
                    ),
                ),
                (
                    "support_url",
                    branding.models.WebAddressField(
                        blank=True, max_length=500, verbose_name="support page"
                    ),
                ),
                (
                    "languages",
                    models.JSONField(
                        default=branding.models.default_languages,
                        help_text="The first one is shown where the browser asks for none of them.",
                        validators=[branding.models.validate_languages],
                        verbose_name="languages",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
            ],
            options={
                "ordering": ["name", "slug"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("slug__regex", "^[-a-zA-Z0-9_]+$")),
                        name="brand_slug_is_a_slug",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("primary_color__regex", "^#([0-9a-fA-F]{3}){1,2}$")),
                        name="brand_primary_color_is_hex",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("privacy_url__regex", "^(https?://|$)"),
                            ("register_url__regex", "^(https?://|$)"),
                            ("reset_url__regex", "^(https?://|$)"),
                            ("support_url__regex", "^(https?://|$)"),
                            ("terms_url__regex", "^(https?://|$)"),
                        ),
                        name="brand_links_are_web_addresses",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                models.Func(
                                    models.F("languages"),
                                    function="jsonb_typeof",
                                    output_field=models.TextField(),
                                ),
                                "array",
                            ),
                            models.Q(("languages", []), _negated=True),
                        ),
                        name="brand_languages_is_a_filled_list",
                    ),
                ],
            },
        ),
    ]
