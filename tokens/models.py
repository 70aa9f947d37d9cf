"""The rows behind tokens, consents and keys.

The three token tables are partitioned by id (decision 0002): they are made by hand-written SQL in
the first migration, written only by `issue` and ended only by `revoke` and `cleanup`.
"""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tokens.keys.models import SigningKey

__all__ = [
    "AccessToken",
    "AuthorizationCode",
    "Consent",
    "DeviceAuthorization",
    "DeviceGrant",
    "IDToken",
    "LogoutNotice",
    "PushedAuthorizationRequest",
    "RefreshToken",
    "SessionLogin",
    "SigningKey",
    "Watermark",
]


def _reference_to(model: str, **options: Any) -> "models.ForeignKey[Any, Any]":
    """A foreign key without a constraint or an index of its own: token rows die by partition."""
    return models.ForeignKey(
        model,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        **options,
    )


class TokenRow(models.Model):
    """What all token rows have. `scope` is `*` or a space-separated frozen list."""

    id = models.BigIntegerField(primary_key=True)
    nonce = models.BigIntegerField()
    client = _reference_to(settings.OAUTH2_PROVIDER_APPLICATION_MODEL)
    scope = models.TextField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class AccessToken(TokenRow):
    """Without a user where a client acts for itself.

    Without a family there, too, and where several logins share it. `extra` holds the rare rest,
    which later grants add.
    """

    user = _reference_to(settings.AUTH_USER_MODEL, null=True)
    family = models.BigIntegerField(null=True)
    auth_time = models.DateTimeField(null=True)
    extra = models.JSONField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "client", "id"], name="accesstoken_use_case")
        ]


class RefreshToken(TokenRow):
    """A rotated one stays, so that it gets the same answer again or is seen as a replay."""

    user = _reference_to(settings.AUTH_USER_MODEL)
    family = models.BigIntegerField()
    auth_time = models.DateTimeField()
    extra = models.JSONField(null=True)
    login_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True)
    successor = models.BigIntegerField(null=True)
    successor_access_token = models.BigIntegerField(null=True)

    class Meta:
        permissions: ClassVar = [("revoke_refreshtoken", "Can end tokens and logins of others")]
        indexes: ClassVar = [
            models.Index(fields=["user", "client", "id"], name="refreshtoken_use_case")
        ]


class AuthorizationCode(TokenRow):
    """A used one stays until its partition goes, so that a replay can end what came of it.

    Its id is the family of all tokens that it was exchanged for.
    """

    user = _reference_to(settings.AUTH_USER_MODEL)
    redirect_uri = models.TextField()
    redirect_uri_was_given = models.BooleanField()
    code_challenge = models.CharField(max_length=128)
    openid_nonce = models.TextField()
    auth_time = models.DateTimeField()
    auth_time_is_essential = models.BooleanField(default=False, db_default=False)
    amr = models.JSONField(null=True)
    sid = models.CharField(max_length=32, default="", db_default="")
    used_at = models.DateTimeField(null=True)
    extra = models.JSONField(null=True)


class PushedAuthorizationRequest(models.Model):
    """An authorization request that waits for a browser, and then belongs to it (RFC 9126).

    `digest` is that of the request_uri, `browser` that of the browser's cookie.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    client = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    parameters = models.JSONField()
    hinted_sub = models.TextField(blank=True)
    browser = models.CharField(max_length=64, blank=True)
    pushed_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"request of {self.client}"


class SessionLogin(models.Model):
    """A login at a client, in a browser session, from its authorization code on.

    Its `family` is the code's id. The row goes when the session ends; one that is offline keeps its
    tokens then (OpenID Connect Core 1.0 section 11). Written by `session_logins` alone.
    """

    family = models.BigIntegerField(primary_key=True)
    sid = models.CharField(max_length=32, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    client = _reference_to(settings.OAUTH2_PROVIDER_APPLICATION_MODEL)
    is_offline = models.BooleanField()

    def __str__(self) -> str:
        return f"login {self.family} of user {self.user_id}"


class LogoutNotice(models.Model):
    """A logout that a client has not been told of yet; of all sessions where there is no `sid`.

    It goes when the client has taken it, or is given up. Written by `logout_notices` alone.
    """

    client = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    sid = models.CharField(max_length=32, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"logout of user {self.user_id} at {self.client}"


class DeviceAuthorization(models.Model):
    """A device that waits until its user has signed in elsewhere (RFC 8628).

    Its device code is said from id and nonce, as tokens are; the user code is what people type.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        DENIED = "denied"
        USED = "used"

    id = models.BigIntegerField(primary_key=True)
    nonce = models.BigIntegerField()
    user_code = models.CharField(max_length=16, unique=True)
    client = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    scope = models.TextField()
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    auth_time = models.DateTimeField(null=True)
    amr = models.JSONField(null=True)
    interval_seconds = models.PositiveSmallIntegerField()
    polled_at = models.DateTimeField(null=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="device_approval_has_its_user",
                condition=models.Q(state__in=["pending", "denied"])
                | models.Q(user__isnull=False, auth_time__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"device of {self.client} ({self.state})"


class Watermark(models.Model):
    """How far a job has read the order of issue; see `caps`, which alone writes it.

    Every token up to `position` has been looked at. `sample` is where the sequence stood at the end
    of a run, `sample_xid` that run's transaction: once it and all before it have ended, no token up
    to `sample` can appear any more.
    """

    job = models.CharField(max_length=32, primary_key=True)
    position = models.BigIntegerField(default=0)
    sample = models.BigIntegerField(default=0)
    sample_xid = models.DecimalField(max_digits=20, decimal_places=0, default=0)
    sampled_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.job} at {self.position}"


class ConsentQuerySet(models.QuerySet["Consent"]):
    def remembered(self, now: datetime) -> Self:
        """Those that spare their users a question."""
        return self.filter(Q(remembered_until__isnull=True) | Q(remembered_until__gt=now))


class Consent(models.Model):
    """What a user has let a client have, once and for the next time: scopes, and single claims.

    Withdrawn, the row stays with no scope: a code that was issued before is then worth nothing.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    scope = models.TextField()
    claims = models.TextField(blank=True, default="", db_default="")
    # Of what was asked for, what the user has left out.
    declined_scope = models.TextField(blank=True, default="", db_default="")
    granted_at = models.DateTimeField(default=timezone.now)
    # Until then nobody asks again; without an end, until the user withdraws it.
    remembered_until = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects: ClassVar = ConsentQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "client"], name="consent_unique")
        ]

    def __str__(self) -> str:
        return f"Consent of {self.user} to {self.client}"


class IDToken(models.Model):
    """The toolkit wants a model for ID tokens. Ours are signed and said, never stored."""

    class Meta:
        managed = False

    def __str__(self) -> str:
        return f"ID token {self.pk}"


class DeviceGrant(models.Model):
    """The toolkit wants a model for the device grant. Ours is another; this one has no table."""

    class Meta:
        managed = False

    def __str__(self) -> str:
        return f"device grant {self.pk}"
