"""Signing keys, private parts encrypted."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class SigningKey(models.Model):
    """One key pair. What it may do follows from its state, which only `keys.rotation` changes."""

    class Algorithm(models.TextChoices):
        ES256 = "ES256", "ES256 (gateway JWTs)"
        RS256 = "RS256", "RS256 (ID tokens)"

    class State(models.TextChoices):
        NEXT = "next", "Next: published, signs nothing yet"
        ACTIVE = "active", "Active: signs"
        RETIRING = "retiring", "Retiring: published until its last token has ended"
        RETIRED = "retired", "Retired: no longer published"

    kid = models.CharField("key ID", max_length=43, unique=True, editable=False)
    algorithm = models.CharField(max_length=8, choices=Algorithm, editable=False)
    state = models.CharField(max_length=8, choices=State, editable=False)
    public_jwk = models.JSONField(editable=False)
    private_encrypted = models.BinaryField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    retiring_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["algorithm", "-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["algorithm", "state"],
                condition=models.Q(state__in=["next", "active"]),
                name="one_next_and_one_active_key",
            ),
            models.CheckConstraint(
                name="key_state_has_its_date",
                condition=(
                    models.Q(state="next", activated_at=None, retiring_at=None, retired_at=None)
                    | models.Q(
                        state="active",
                        activated_at__isnull=False,
                        retiring_at=None,
                        retired_at=None,
                    )
                    | models.Q(
                        state="retiring",
                        activated_at__isnull=False,
                        retiring_at__isnull=False,
                        retired_at=None,
                    )
                    | models.Q(state="retired", retired_at__isnull=False)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid[:8]} ({self.state})"
