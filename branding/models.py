"""Brand: name, look, links and languages of the pages that an end-user sees."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator, URLValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import Exact

from branding.colors import Palette, palette
from branding.languages import CODES

validate_color = RegexValidator(r"\A#([0-9a-fA-F]{3}){1,2}\Z", "Enter a colour as #rgb or #rrggbb.")
validate_web_address = URLValidator(
    schemes=["https", "http"], message="Enter an address that begins with https:// or http://."
)


def validate_languages(codes: object) -> None:
    """Refuses what is not a list of our language codes, at least one, each once."""
    known = ", ".join(CODES)
    if not isinstance(codes, list) or not codes:
        raise ValidationError(f"Enter a list of one or more of these: {known}.")
    if strangers := [str(code) for code in codes if code not in CODES]:
        raise ValidationError(
            f"Not among the languages of the pages ({known}): {', '.join(strangers)}."
        )
    if len(set(codes)) < len(codes):
        raise ValidationError("Enter each language once.")


MAX_APPROVALS = 5


def default_languages() -> list[str]:
    return ["en"]


class WebAddressField(models.URLField):
    """A link on a page: https or http, or empty where the brand has none."""

    default_validators = [validate_web_address]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", True)
        kwargs.setdefault("max_length", 500)
        super().__init__(*args, **kwargs)


# The plugin cannot follow `Client.brand`: the toolkit, whose model Client extends, has no types.
class Brand(models.Model):  # type: ignore[django-manager-missing]
    """How the pages look for the clients and login services of one brand."""

    slug = models.SlugField("short name", unique=True)
    name = models.CharField("name", max_length=100)
    primary_color = models.CharField(
        "primary colour",
        max_length=7,
        default="#334155",
        validators=[validate_color],
        help_text="#rgb or #rrggbb. Text and link colours are computed to be readable with it.",
    )
    privacy_url = WebAddressField("privacy statement")
    terms_url = WebAddressField("terms and conditions")
    register_url = WebAddressField("registration page")
    reset_url = WebAddressField("password reset page")
    support_url = WebAddressField("support page")
    languages = models.JSONField(
        "languages",
        default=default_languages,
        validators=[validate_languages],
        help_text="The first one is shown where the browser asks for none of them.",
    )
    approvals_needed = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(MAX_APPROVALS)],
        help_text="How many people must approve a change of its clients before it is made; with 0 "
        "editors save directly.",
    )
    created_at = models.DateTimeField("created", auto_now_add=True)
    updated_at = models.DateTimeField("updated", auto_now=True)

    class Meta:
        ordering = ["name", "slug"]
        constraints = [
            models.CheckConstraint(
                name="brand_slug_is_a_slug", condition=Q(slug__regex=r"^[-a-zA-Z0-9_]+$")
            ),
            models.CheckConstraint(
                name="brand_primary_color_is_hex",
                condition=Q(primary_color__regex=r"^#([0-9a-fA-F]{3}){1,2}$"),
            ),
            models.CheckConstraint(
                name="brand_links_are_web_addresses",
                condition=Q(
                    privacy_url__regex=r"^(https?://|$)",
                    terms_url__regex=r"^(https?://|$)",
                    register_url__regex=r"^(https?://|$)",
                    reset_url__regex=r"^(https?://|$)",
                    support_url__regex=r"^(https?://|$)",
                ),
            ),
            models.CheckConstraint(
                name="brand_languages_is_a_filled_list",
                condition=Exact(
                    Func(
                        F("languages"),
                        function="jsonb_typeof",
                        output_field=models.TextField(),
                    ),
                    "array",
                )
                & ~Q(languages=[]),
            ),
            models.CheckConstraint(
                name="brand_approvals_needed_is_small",
                condition=Q(approvals_needed__gte=0, approvals_needed__lte=MAX_APPROVALS),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def palette(self) -> Palette:
        return palette(self.primary_color)

    @property
    def on_primary(self) -> str:
        """The colour of text on the primary colour: black or white, whichever can be read."""
        return self.palette.light.on_primary
