"""The rows behind the guard: limits by network, what has failed of late, and blocks.

`attempts` writes what fails, `blocks` makes and lifts blocks; nobody else writes either.
"""

from datetime import timedelta
from ipaddress import ip_network
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from idp.blocking.limits import Limits

DEFAULT = "default"
# The longest window there may be: what failed longer ago is forgotten.
LONGEST_WINDOW = timedelta(days=1)
LONGEST_BLOCK = timedelta(days=30)


def _between(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class NetworkProfile(models.Model):
    """What addresses of some networks may do before they are blocked.

    Of several profiles that name an address, the one that names the smallest network counts; for
    all others, the one that is called `default`.
    """

    name = models.SlugField(unique=True)
    description = models.CharField(max_length=200, blank=True)
    networks = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        help_text="Such as 192.0.2.0/24 and 2001:db8::/32.",
    )
    window_seconds = models.PositiveIntegerField(
        default=600,
        validators=_between(10, int(LONGEST_WINDOW.total_seconds())),
        help_text="What failed longer ago than this does not count.",
    )
    max_names = models.PositiveIntegerField(
        default=10,
        validators=_between(1, 1_000_000),
        help_text="So many different names that fail within the window are an attack.",
    )
    max_repeats = models.PositiveIntegerField(
        default=8,
        validators=_between(1, 1_000_000),
        help_text="So many failures of people within the window beyond the first of each name "
        "are, too.",
    )
    max_client_failures = models.PositiveIntegerField(
        default=100,
        validators=_between(1, 1_000_000),
        help_text="And so many wrong secrets and assertions of clients.",
    )
    block_seconds = models.PositiveIntegerField(
        default=900,
        validators=_between(1, int(LONGEST_BLOCK.total_seconds())),
        help_text="How long the first block lasts; each further one lasts four times as long.",
    )
    longest_block_seconds = models.PositiveIntegerField(
        default=86_400,
        validators=_between(1, int(LONGEST_BLOCK.total_seconds())),
        help_text="No block lasts longer than this.",
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.name == DEFAULT and self.networks:
            raise ValidationError({"networks": "The default is for all that no profile names."})
        problems = [problem for text in self.networks if (problem := _problem_with(text))]
        taken = {
            network: profile.name
            for profile in NetworkProfile.objects.exclude(pk=self.pk)
            for network in profile.networks
        }
        problems += [f"{text} is in {taken[text]}." for text in self.networks if text in taken]
        if len(set(self.networks)) < len(self.networks):
            problems.append("Each network once.")
        if problems:
            raise ValidationError({"networks": problems})
        if self.longest_block_seconds < self.block_seconds:
            raise ValidationError({"longest_block_seconds": "It is shorter than the first block."})

    @property
    def limits(self) -> Limits:
        return Limits(
            profile=self.name,
            window=timedelta(seconds=self.window_seconds),
            max_names=self.max_names,
            max_repeats=self.max_repeats,
            max_client_failures=self.max_client_failures,
            block=timedelta(seconds=self.block_seconds),
            longest=timedelta(seconds=self.longest_block_seconds),
        )


def _problem_with(text: str) -> str | None:
    try:
        network = ip_network(text)
    except ValueError as problem:
        return f"{problem}."
    return None if str(network) == text else f"Write {text} as {network}."


class FailedAttempt(models.Model):
    """That something failed for a subject, under a name; or has begun and may fail (`is_open`)."""

    subject = models.CharField(max_length=100)
    name_key = models.CharField(max_length=32)
    name_shown = models.CharField(max_length=100)
    what = models.CharField(max_length=30)
    # The client that it came through, where that has proved itself.
    client_id = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField(db_index=True)
    is_open = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["subject", "at"], name="failed_attempt_subject")]

    def __str__(self) -> str:
        return f"{self.what} at {self.at:%Y-%m-%d %H:%M:%S}"


class BlockQuerySet(models.QuerySet["Block"]):
    def living(self, now: object) -> "BlockQuerySet":
        """Those that have neither run out nor been lifted."""
        return self.filter(ended_at=None, until__gt=now)


class Block(models.Model):
    """That an address or a user is refused until a time, or would have been.

    A block that nobody has lifted ends by its time; `ended_at` is written when the next one is
    made, so that at most one of each effect is open for a subject.
    """

    class Kind(models.TextChoices):
        ADDRESS = "address", "address"
        USER = "user", "user"

    class Effect(models.TextChoices):
        REFUSE = "refuse", "refused"
        SHADOW = "shadow", "would be refused (shadow)"
        WARNING = "warning", "only warned of: an application that does not forward addresses"

    subject = models.CharField(max_length=100, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    effect = models.CharField(max_length=10, choices=Effect)
    label = models.CharField(max_length=200)
    reason = models.CharField(max_length=200)
    profile = models.CharField(max_length=50)
    client_id = models.CharField(max_length=255, blank=True)
    attempts = models.PositiveIntegerField()
    names = models.JSONField(default=list)
    name_count = models.PositiveIntegerField()
    level = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)

    objects = BlockQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions: ClassVar = [("lift_block", "Can lift blocks")]
        indexes: ClassVar = [
            models.Index(fields=["subject", "created_at"], name="block_subject"),
            models.Index(fields=["until"], name="block_until"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject", "effect"], name="block_once", condition=Q(ended_at=None)
            ),
            models.CheckConstraint(
                name="block_ended_by_somebody",
                condition=Q(ended_at=None, ended_by="")
                | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
            ),
            models.CheckConstraint(name="block_has_a_time", condition=Q(until__gt=F("created_at"))),
        ]

    def __str__(self) -> str:
        return self.label
