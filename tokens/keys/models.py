"""Signing keys, private parts encrypted."""

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.utils import timezone

from tokens.keys import vault


class SigningKeys(models.QuerySet["SigningKey"]):
    def published(self) -> Self:
        """Those in the JWKS."""
        return self.exclude(state=SigningKey.State.RETIRED)

    def have_signed(self) -> Self:
        """Those that a rollback may go back to, the one that signed last in front."""
        signed = self.filter(
            state__in=[SigningKey.State.RETIRING, SigningKey.State.RETIRED],
            retiring_at__isnull=False,
            compromised_at=None,
        )
        return signed.order_by("-retiring_at", "-pk")


class SigningKey(models.Model):
    """One key pair. What it may do follows from its state, which only `keys.rotation` changes."""

    class Algorithm(models.TextChoices):
        ES256 = "ES256", "ES256 (gateway JWTs)"
        RS256 = "RS256", "RS256 (ID tokens)"
        EDDSA = "EdDSA", "EdDSA (where a client asks for it)"

    class State(models.TextChoices):
        NEXT = "next", "Next: published, signs nothing yet"
        ACTIVE = "active", "Active: signs"
        RETIRING = "retiring", "Retiring: published until its last token has ended"
        RETIRED = "retired", "Retired: no longer published"

    kid = models.CharField("key ID", max_length=43, unique=True, editable=False)
    algorithm = models.CharField(max_length=8, choices=Algorithm, editable=False)
    state = models.CharField(max_length=8, choices=State, editable=False)
    public_jwk = models.JSONField(editable=False)
    # Empty once the key was compromised: nothing can sign with it any more.
    private_encrypted = models.BinaryField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Only where the key has left the JWKS and come back.
    published_again_at = models.DateTimeField(null=True, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    retiring_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)
    compromised_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar = SigningKeys.as_manager()

    class Meta:
        ordering: ClassVar = ["algorithm", "-created_at", "-pk"]
        permissions: ClassVar = [("order_signingkey", "Can rotate signing keys and go back")]
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
            models.CheckConstraint(
                name="compromised_key_is_retired",
                condition=models.Q(compromised_at=None) | models.Q(state="retired"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid[:8]} ({self.state})"

    @property
    def published_since(self) -> datetime:
        return self.published_again_at or self.created_at

    @property
    def has_signed_since_published(self) -> bool:
        return self.activated_at is not None and self.activated_at >= self.published_since

    @property
    def can_sign_again(self) -> bool:
        """As `SigningKeys.have_signed` says it of many."""
        is_over = self.state in {SigningKey.State.RETIRING, SigningKey.State.RETIRED}
        return is_over and self.retiring_at is not None and self.compromised_at is None

    @property
    def seal(self) -> vault.Seal:
        return vault.seal_of(self.private_encrypted)

    @property
    def is_locked(self) -> bool:
        """Whether nothing can sign with it here."""
        return self.seal in {vault.Seal.MISSING, vault.Seal.DESTROYED}
