"""Login services, the accounts of the local ones, and the shadow users of all of them."""

import re
import secrets
import uuid
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.crypto import salted_hmac

from idp.accounts import certificates, service_settings
from idp.accounts.outcomes import Outage
from idp.accounts.service_settings import Settings


def _first(place: service_settings.Place) -> str:
    return str(place[0]) if place else ""


class LoginService(models.Model):
    """Where a password is checked. A client names the ones it may use, in order."""

    class Kind(models.TextChoices):
        LOCAL = "local", "Local accounts (this database)"
        SQL = "sql", "SQL (accounts in another database)"
        REST = "rest", "REST (a login server of our own)"
        LDAP = "ldap", "LDAP (a directory)"
        CORPORATE = "corporate", "Corporate (a trusted issuer's JWTs, no passwords)"

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
    settings = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="By kind; see `service_settings`."
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Checks what one row can say; the code of an error about a setting is its name."""
        errors: dict[str, list[Any]] = {}
        is_corporate = self.kind == self.Kind.CORPORATE
        if self.pk and not is_corporate and self.trusted_issuers.exists():
            errors["kind"] = ["Trusted issuers name it, so it stays corporate."]
        if self.kind in service_settings.BY_KIND:
            errors["settings"] = [
                ValidationError(f"{'.'.join(map(str, place))} {text}".strip(), code=_first(place))
                for place, text in service_settings.problems(self.kind, self.settings)
            ]
        if found := {field: problems for field, problems in errors.items() if problems}:
            raise ValidationError(found)

    def read_settings[Typed: Settings](self, model: type[Typed]) -> Typed:
        """Its settings, typed. Raises Outage where they are wrong: a release may ask for more."""
        try:
            return model.model_validate(self.settings)
        except ValueError:
            raise Outage("its settings are not valid; save it in the admin to see why") from None


ALGORITHMS = (
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "PS256",
    "PS384",
    "PS512",
    "RS256",
    "RS384",
    "RS512",
)


def default_algorithms() -> list[str]:
    return ["ES256", "RS256"]


MAX_CLAIMS = 50
_OUR_CLAIM = re.compile(r"\A[a-z][a-z0-9_]{0,99}\Z")
_THEIR_CLAIM = re.compile(r"\A[\x21-\x7e]{1,200}\Z")


class TrustedIssuer(models.Model):
    """Somebody whose JWTs are accepted for tokens (RFC 7523), and whose users they speak of.

    The issuer is pinned: a JWT is looked at with the keys of the very row that its `iss` names.
    Either the keys are here, as PEM (public keys or certificates), or the URL of a JWKS is.
    """

    name = models.SlugField(unique=True, help_text="Short name, used in configuration files.")
    issuer = models.CharField(
        max_length=500, unique=True, help_text="The iss of its JWTs, exactly."
    )
    audience = models.CharField(
        max_length=500, help_text="The aud that its JWTs must name: this product, and nobody else."
    )
    algorithms = ArrayField(
        models.CharField(max_length=8, choices=[(name, name) for name in ALGORITHMS]),
        default=default_algorithms,
    )
    public_keys = ArrayField(
        models.TextField(), default=list, blank=True, help_text="PEM: public keys or certificates."
    )
    jwks_url = models.CharField("JWKS URL", max_length=500, blank=True)
    max_lifetime_seconds = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="The longest time between iat and exp that is accepted.",
    )
    subject_claim = models.CharField(
        max_length=100, default="sub", help_text="The claim that identifies the user, for ever."
    )
    claims = models.JSONField(
        default=dict, blank=True, help_text="Our claims about the user, by the names of theirs."
    )
    login_service = models.ForeignKey(
        LoginService, on_delete=models.PROTECT, related_name="trusted_issuers"
    )
    is_enabled = models.BooleanField("enabled", default=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Checks what one row can say; everything wrong is reported, each beside its field."""
        errors = {
            "issuer": _problems_with_text(self.issuer),
            "audience": _problems_with_text(self.audience),
            "subject_claim": _problems_with_text(self.subject_claim),
            "algorithms": _problems_with_algorithms(self.algorithms),
            "public_keys": certificates.problems_with(self.public_keys, self.algorithms),
            "claims": _problems_with_claims(self.claims),
        }
        if self.public_keys and self.jwks_url:
            errors["jwks_url"] = ["Give public keys or the URL of a JWKS, not both."]
        elif self.jwks_url:
            errors["jwks_url"] = certificates.problems_with_url(self.jwks_url)
        elif not self.public_keys:
            errors["public_keys"] = ["Give public keys, or the URL of a JWKS."]
        service = LoginService.objects.filter(pk=self.login_service_id).first()
        if service and service.kind != LoginService.Kind.CORPORATE:
            errors["login_service"] = [f"{service} is not of the kind corporate."]
        if found := {field: problems for field, problems in errors.items() if problems}:
            raise ValidationError(found)


def _problems_with_text(text: str) -> list[str]:
    """Names are compared letter for letter, so none may hold what cannot be seen."""
    is_fine = text.isprintable() and text == text.strip()
    return [] if is_fine else ["Use printable characters, without blanks around them."]


def _problems_with_algorithms(names: list[str]) -> list[str]:
    return ["Each algorithm once."] if len(set(names)) < len(names) else []


def _problems_with_claims(claims: object) -> list[str]:
    """`{ours: theirs}`; the subject has a field of its own."""
    if not isinstance(claims, dict):
        return ["Give a table of our claims and the names of theirs."]
    if len(claims) > MAX_CLAIMS:
        return [f"There are more than {MAX_CLAIMS} claims."]
    problems = []
    for ours, theirs in claims.items():
        if not _OUR_CLAIM.match(ours):
            problems.append("Our claims have names of a to z, 0 to 9 and underscores.")
        elif ours == "sub":
            problems.append("sub is not taken over: the subject claim identifies the user.")
        elif not isinstance(theirs, str) or not _THEIR_CLAIM.match(theirs):
            problems.append(f"{ours} needs the name of their claim, without blanks.")
    return list(dict.fromkeys(problems))


class LocalAccountQuerySet(models.QuerySet["LocalAccount"]):
    def named(self, username: str, *login_services: LoginService | int) -> Self:
        """Those of that name, in whatever letters, one in each login service; as their index is
        sorted, which `iexact` is not."""
        same_name = Exact(Lower("username"), Lower(Value(username)))
        return self.filter(same_name, login_service__in=login_services)


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
    link_sent_at = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        editable=False,
        help_text="When links for a new password were sent of late.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LocalAccountQuerySet.as_manager()

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

    def clean(self) -> None:
        service = LoginService.objects.filter(pk=self.login_service_id).first()
        if service and service.kind != LoginService.Kind.LOCAL:
            raise ValidationError({"login_service": f"{service} has no local accounts."})


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
    roles_checked_at = models.DateTimeField(
        null=True, editable=False, help_text="When the login service last said what they may."
    )
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

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Django's asks nobody about a superuser; our backend asks the directory about them too."""
        return self.is_active and perm in self.get_all_permissions(obj)

    def has_module_perms(self, app_label: str) -> bool:
        held = self.get_all_permissions() if self.is_active else set()
        return any(name.startswith(f"{app_label}.") for name in held)

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


class BrowserSession(models.Model):
    """What a user is shown of one of their browsers; it goes with Django's row of the session.

    Tied to the salt as the session is: with a new one, a row is that of a session which has ended.
    """

    session = models.OneToOneField(Session, on_delete=models.DB_CASCADE, related_name="+")
    # Of a deleted user, it goes with the session all the same.
    user = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    sessions_salt = models.CharField(max_length=22)
    user_agent = models.CharField(max_length=300, blank=True)
    address = models.GenericIPAddressField(null=True)
    begun_at = models.DateTimeField()
    used_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"browser of {self.user}"


class AuthenticatorApp(models.Model):
    """A user's second factor: a secret that they share with an app on their telephone (RFC 6238).

    `last_step` is that of the last code that was accepted: none counts twice.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="+")
    sealed_secret = models.BinaryField()
    last_step = models.BigIntegerField(default=0)
    added_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"authenticator app of {self.user}"


class Passkey(models.Model):
    """What a user signs in with in place of a password (WebAuthn): its public key.

    `credential` is the attested credential data (section 6.5.1); `sign_count` what it has counted
    to, 0 where it does not count.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    credential_id = models.BinaryField(unique=True, max_length=1023)
    credential = models.BinaryField()
    sign_count = models.BigIntegerField()
    is_synced = models.BooleanField()
    added_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"passkey of {self.user}"


class RecoveryCode(models.Model):
    """What lets a user in who has lost their second factor: kept as a keyed hash, and used once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_unique")
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user}"
