"""Brand: name, look, texts, links and languages of the pages that an end-user sees."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator, URLValidator
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q
from django.db.models.lookups import Exact
from django.utils import timezone

from branding import texts
from branding.colors import Palette, palette
from branding.languages import CODES
from branding.uploads import PURPOSES, Upload, data_url

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


# RFC 1123 section 2.1, in lower case, as a registered name is compared.
_HOST = re.compile(r"\A(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z")
MAX_HOSTS = 20


def validate_hosts(names: object) -> None:
    """Refuses what is not a list of host names, without ports, each once."""
    if not isinstance(names, list) or len(names) > MAX_HOSTS:
        raise ValidationError(f"Enter a list of at most {MAX_HOSTS} host names.")
    for name in names:
        if not isinstance(name, str) or len(name) > 253 or not _HOST.match(name):  # noqa: PLR2004
            raise ValidationError(
                f"“{name}” is no host name such as login.example.org, in lower case."
            )
    if len(set(names)) < len(names):
        raise ValidationError("Enter each host name once.")


def validate_links(table: object) -> None:
    texts.validate_links(table, WebAddressField().run_validators)


MAX_APPROVALS = 5
MAX_RADIUS = 32
# Longer than any transaction that has kept a file and not yet named it.
FILES_KEPT = timedelta(days=1)
FILES = tuple(PURPOSES)


def default_languages() -> list[str]:
    return ["en"]


class WebAddressField(models.URLField):
    """A link on a page: https or http, or empty where the brand has none."""

    default_validators = [validate_web_address]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", True)
        kwargs.setdefault("max_length", 500)
        super().__init__(*args, **kwargs)


class BrandFile(models.Model):
    """A logo, an icon or a font. It is called by the hash of its content and never changed."""

    name = models.CharField(max_length=48, primary_key=True)
    content = models.BinaryField()
    kept_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, upload: Upload) -> Self:
        """Not stored until a brand that has it is."""
        return cls(name=upload.name, content=upload.content)

    @property
    def is_stored(self) -> bool:
        return not self._state.adding

    @property
    def data_url(self) -> str:
        return data_url(self.name.rpartition(".")[2], bytes(self.content))

    def keep(self) -> None:
        """Stores it. The same content may be there already, and may be about to be cleaned up."""
        self.kept_at = timezone.now()
        BrandFile.objects.bulk_create(
            [self],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["kept_at"],
        )
        self._state.adding = False

    @staticmethod
    def unused(now: datetime) -> Q:
        """Files that no brand has."""
        is_named = Q()
        for field in FILES:
            is_named |= Q(**{field: OuterRef("pk")})
        return Q(~Exists(Brand.objects.filter(is_named)), kept_at__lte=now - FILES_KEPT)


def _file(field: str) -> models.ForeignKey:
    purpose = PURPOSES[field]
    return models.ForeignKey(
        BrandFile,
        models.PROTECT,
        verbose_name=purpose.label,
        help_text=purpose.help_text,
        null=True,
        blank=True,
        related_name="+",
    )


# The plugin cannot follow `Client.brand`: the toolkit, whose model Client extends, has no types.
class Brand(models.Model):  # type: ignore[django-manager-missing]
    """How the pages look for the clients and login services of one brand."""

    class Scheme(models.TextChoices):
        AUTOMATIC = "automatic", "as the visitor's device is set"
        LIGHT = "light", "always light"
        DARK = "dark", "always dark"

    class Font(models.TextChoices):
        SYSTEM = "system", "the device's own"
        HUMANIST = "humanist", "humanist: open and friendly"
        GEOMETRIC = "geometric", "geometric: round and modern"
        GROTESQUE = "grotesque", "grotesque: sober"
        SERIF = "serif", "serif: bookish"

    slug = models.SlugField("short name", unique=True)
    name = models.CharField("name", max_length=100)
    primary_color = models.CharField(
        "primary colour",
        max_length=7,
        default="#334155",
        validators=[validate_color],
        help_text="#rgb or #rrggbb. Text and link colours are computed to be readable with it.",
    )
    background_color = models.CharField(
        "background colour",
        max_length=7,
        blank=True,
        default="",
        db_default="",
        validators=[validate_color],
        help_text="Around the card on wide windows, #rgb or #rrggbb; dark pages have a dark shade "
        "of it. Empty: a light grey with a breath of the primary colour.",
    )
    scheme = models.CharField(
        "light or dark",
        max_length=9,
        choices=Scheme,
        default=Scheme.AUTOMATIC,
        db_default=Scheme.AUTOMATIC,
    )
    corner_radius = models.PositiveSmallIntegerField(
        default=12,
        db_default=12,
        validators=[MaxValueValidator(MAX_RADIUS)],
        help_text=f"Of buttons and fields, 0 to {MAX_RADIUS} pixels; the card is a bit rounder.",
    )
    font = models.CharField(
        max_length=9,
        choices=Font,
        default=Font.SYSTEM,
        db_default=Font.SYSTEM,
        help_text="Of fonts that devices have, so nothing is loaded.",
    )
    logo = _file("logo")
    logo_dark = _file("logo_dark")
    favicon = _file("favicon")
    font_file = _file("font_file")
    texts = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        validators=[texts.validate_texts],
        help_text="By language, in place of what the pages say.",
    )
    links = models.JSONField(
        "links by language",
        default=dict,
        db_default={},
        blank=True,
        validators=[validate_links],
        help_text="Where a language has another page than the others.",
    )
    hosts = models.JSONField(
        "host names",
        default=list,
        db_default=[],
        blank=True,
        validators=[validate_hosts],
        help_text="Pages at these addresses have this look where no client says it. The server "
        "must be reached there (IDP_HOSTS).",
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
                name="brand_background_color_is_hex",
                condition=Q(background_color__regex=r"^(#([0-9a-fA-F]{3}){1,2})?$"),
            ),
            models.CheckConstraint(
                name="brand_corner_radius_is_small", condition=Q(corner_radius__lte=MAX_RADIUS)
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

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Without files that `save` is going to store: they are not there to be found."""
        super().clean_fields({*(exclude or ()), *self._files_in_hand()})

    def clean(self) -> None:
        """A host name shows one brand."""
        others = Brand.objects.exclude(pk=self.pk)
        for host in self.hosts if isinstance(self.hosts, list) else ():
            if other := others.filter(hosts__contains=[host]).first():
                raise ValidationError({"hosts": f"“{host}” shows the brand {other}."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        for file in self._files_in_hand().values():
            file.keep()
        super().save(*args, **kwargs)

    def _files_in_hand(self) -> dict[str, BrandFile]:
        """Those that were put into this object and are not stored."""
        loaded = {field: self._state.fields_cache.get(field) for field in FILES}
        return {field: file for field, file in loaded.items() if file and not file.is_stored}

    @property
    def palette(self) -> Palette:
        return palette(self.primary_color, self.background_color)
