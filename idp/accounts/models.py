"""Login services, the accounts of the local ones, and the shadow users of all of them."""

import secrets
import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac


class LoginService(models.Model):
    """Where a password is checked. A client names the ones it may use, in order."""

    class Kind(models.TextChoices):
        LOCAL = "local", "Local accounts (this database)"

    name = models.SlugField(unique=True, help_text="Short name, used in configuration files.")
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.LOCAL)
    brand = models.ForeignKey(
        "branding.Brand",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="login_services",
        help_text="The brand whose users these are; empty for staff.",
    )
    is_enabled = models.BooleanField("enabled", default=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class LocalAccount(models.Model):
    """A user name and a password of a `local` login service; its uuid is the external id."""

    external_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    login_service = models.ForeignKey(
        LoginService, on_delete=models.PROTECT, related_name="accounts"
    )
    username = models.CharField(max_length=255)
    password = models.CharField(max_length=255, editable=False)
    claims = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "login_service",
                Lower("username"),
                name="local_account_username_unique",
                violation_error_message="This user name is taken in this login service.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.username} ({self.login_service})"


def new_subject() -> str:
    """128 random bits as 22 characters: the `sub` of a user, for ever."""
    return secrets.token_urlsafe(16)


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(sub=username)


class User(AbstractBaseUser, PermissionsMixin):
    """The shadow of somebody known to a login service.

    Identity is `(login_service, external_id)` and nothing else: a user is never looked up by
    user name or e-mail, so nobody can be injected into an account that has the same ones.
    """

    password = None  # type: ignore[assignment] # Passwords live in login services.
    sub = models.CharField(max_length=22, unique=True, default=new_subject, editable=False)
    login_service = models.ForeignKey(LoginService, on_delete=models.PROTECT, related_name="users")
    external_id = models.CharField(max_length=255)
    username = models.CharField(max_length=255, help_text="As the login service last said it.")
    claims = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("may enter the admin", default=False)
    sessions_salt = models.CharField(max_length=22, default=new_subject, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "sub"
    REQUIRED_FIELDS: ClassVar = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["login_service", "external_id"], name="user_identity_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.username} ({self.login_service})"

    def get_full_name(self) -> str:
        return str(self.claims.get("name") or self.username)

    def get_short_name(self) -> str:
        return str(self.claims.get("given_name") or self.username)

    def has_usable_password(self) -> bool:
        return False

    def get_session_auth_hash(self) -> str:
        """Ties browser sessions to `sessions_salt`: a new salt ends all of them."""
        return self._session_hash()

    def get_session_auth_fallback_hash(self):
        from django.conf import settings

        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(secret)

    def _session_hash(self, secret: str | None = None) -> str:
        return salted_hmac(
            "idp.accounts.session", self.sessions_salt, secret=secret, algorithm="sha256"
        ).hexdigest()
