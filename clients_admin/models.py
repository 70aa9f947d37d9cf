"""Clients, their secrets, and the scopes and scope groups that they may use."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from oauth2_provider.models import AbstractApplication

from branding.languages import OTHER_LANGUAGES
from clients_admin.flags import FLAGS, LOGIN_SERVICE, SCOPE_OR_GROUP, ClientFlags, problems
from clients_admin.proposals.models import Approval, Comment, Proposal
from clients_admin.scopes import expand
from idp import jwks
from idp.accounts import certificates
from idp.accounts.models import LoginService

__all__ = [
    "Approval",
    "Client",
    "ClientLoginService",
    "ClientSecret",
    "Comment",
    "GrantType",
    "Proposal",
    "Scope",
    "ScopeGroup",
]

# RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ); `*` alone is ours.
scope_name = RegexValidator(
    re.compile(r"\A(?!\*\Z)[\x21\x23-\x5b\x5d-\x7e]+\Z"),
    "A scope is printable ASCII without spaces, quotes or backslashes, and not just *.",
)
# RFC 6749 appendix A.1: client-id = *VSCHAR; without the colon and percent sign, which Basic
# authentication would have to escape.
client_id_syntax = RegexValidator(
    re.compile(r"\A[A-Za-z0-9._~-]+\Z"), "Use letters, digits, dots, dashes and underscores."
)


MAX_DESCRIPTION = 200


def validate_translations(value: object) -> None:
    """A table of language code to text, without the language of `description`."""
    if not isinstance(value, dict):
        raise ValidationError("Enter a table of language code to text.")
    if strangers := sorted(str(code) for code in value if code not in OTHER_LANGUAGES):
        known = ", ".join(OTHER_LANGUAGES)
        raise ValidationError(f"None of the other languages ({known}): {', '.join(strangers)}.")
    for code, text in value.items():
        if not isinstance(text, str) or not text.strip() or not text.isprintable():
            raise ValidationError(f"Enter the description in the language {code}, in one line.")
        if len(text) > MAX_DESCRIPTION:
            raise ValidationError(
                f"The description in the language {code} has over {MAX_DESCRIPTION} characters."
            )


class Scope(models.Model):
    """A right that a client may ask for; its description is what a user reads on consent."""

    name = models.CharField(max_length=100, unique=True, validators=[scope_name])
    description = models.CharField(
        max_length=MAX_DESCRIPTION,
        blank=True,
        help_text="In plain words, as users read it: “See your orders”.",
    )
    translations = models.JSONField(
        default=dict, db_default={}, blank=True, validators=[validate_translations]
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def description_in(self, language: str) -> str:
        """As users of that language read it; the English one where there is no other."""
        return str(self.translations.get(language) or self.description)

    def clean(self) -> None:
        if ScopeGroup.objects.filter(name=self.name).exists():
            raise ValidationError({"name": "A scope group has this name."})


class ScopeGroup(models.Model):
    """A name for several scopes and other groups, opened when a token is looked at."""

    name = models.CharField(max_length=100, unique=True, validators=[scope_name])
    description = models.CharField(max_length=200, blank=True)
    scopes = models.ManyToManyField(Scope, blank=True, related_name="groups")
    groups = models.ManyToManyField(
        "self", symmetrical=False, blank=True, related_name="contained_in"
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if Scope.objects.filter(name=self.name).exists():
            raise ValidationError({"name": "A scope has this name."})

    @classmethod
    def hold_all(cls) -> None:
        """Keeps others from changing any group until the end of the transaction: two who save at
        once would each see no cycle. In the order in which files hold them, so that they wait
        for each other only once."""
        list(cls._base_manager.select_for_update().order_by("name").values_list("pk"))


def scope_group_members() -> dict[str, list[str]]:
    """All groups as `{group: [scope or group, …]}`, in two queries."""
    members: dict[str, list[str]] = {name: [] for name in ScopeGroup.objects.values_list(
        "name", flat=True
    )}  # fmt: skip
    pairs = ScopeGroup.objects.filter(scopes__isnull=False).values_list("name", "scopes__name")
    nested = ScopeGroup.objects.filter(groups__isnull=False).values_list("name", "groups__name")
    for name, member in pairs.union(nested):
        members[name].append(member)
    return members


class GrantType(models.TextChoices):
    """The values of `grant_type` that a client can be given (RFC 6749, 7523, 8628, 8693)."""

    AUTHORIZATION_CODE = "authorization_code", "Authorization code (a user signs in)"
    CLIENT_CREDENTIALS = "client_credentials", "Client credentials (the client itself)"
    REFRESH_TOKEN = "refresh_token", "Refresh token"
    TOKEN_EXCHANGE = (
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "Token exchange (gateway JWTs; tokens on behalf of users)",
    )
    JWT_BEARER = (
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "JWT bearer (a trusted issuer's JWT)",
    )
    DEVICE_CODE = (
        "urn:ietf:params:oauth:grant-type:device_code",
        "Device code (a user signs in elsewhere)",
    )
    PASSWORD = "password", "Password (legacy)"


def validate_uri(uri: str) -> None:
    """RFC 6749 section 3.1.2: an absolute URI without a fragment; http for loopback only."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise ValidationError(f"“{uri}” is not a URI.") from None
    if not parts.scheme or "#" in uri or not (parts.netloc or parts.path):
        raise ValidationError(f"“{uri}” is not an absolute URI without a fragment.")
    if parts.scheme in {"javascript", "data", "vbscript", "file", "about", "blob"}:
        raise ValidationError(f"“{uri}”: the scheme {parts.scheme} is not allowed.")
    if parts.scheme in {"http", "https"} and not parts.hostname:
        raise ValidationError(f"“{uri}” has no host.")
    if parts.username is not None or "*" in uri or "\\" in uri:
        raise ValidationError(f"“{uri}” must not hold credentials, wildcards or backslashes.")
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ValidationError(f"“{uri}”: plain http is for loopback addresses only.")


_ORIGIN = re.compile(r"\Ahttps?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?\Z")


def validate_origin(origin: str) -> None:
    """RFC 6454 section 6.2: scheme, host and port in lower case, as browsers send it."""
    if not _ORIGIN.match(origin):
        raise ValidationError(f"“{origin}” is not an origin such as https://shop.example.")


# What each list of a client may hold.
_URI_LISTS = {
    "redirect_uris": validate_uri,
    "post_logout_redirect_uris": validate_uri,
    "allowed_origins": validate_origin,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What a request asks of a client, read once; see `directory`."""

    flags: ClientFlags
    allowed_scopes: frozenset[str]
    grantable_scopes: frozenset[str]
    scope_groups: Mapping[str, list[str]]
    secrets: "tuple[ClientSecret, ...]"
    # What stored scopes have been found to stand for; `tokens.scopes` keeps it.
    opened: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, client: "Client", scope_groups: Mapping[str, list[str]]) -> Self:
        scopes = client.scopes.values_list("name", flat=True)
        groups = client.scope_groups.values_list("name", flat=True)
        allowed = expand([*scopes, *groups], scope_groups)
        return cls(
            flags=ClientFlags.of(client.flags),
            allowed_scopes=allowed,
            grantable_scopes=allowed | frozenset(groups),
            scope_groups=scope_groups,
            secrets=tuple(client.secrets.all()),
        )


class Client(AbstractApplication):
    """An application registered here. Extends the toolkit's application; see decision 0004."""

    # Replaced below, or not offered: one grant type, one slowly hashed secret, an owner, the
    # consent switch (a flag here), HS256, and two ways of registering that we do not have.
    authorization_grant_type = None
    client_secret = None
    hash_client_secret = None
    user = None
    skip_authorization = None
    algorithm = None
    registration_source = None
    cimd_expires_at = None

    id = models.AutoField(primary_key=True)
    client_id = models.CharField(
        "client ID", max_length=100, unique=True, validators=[client_id_syntax]
    )
    description = models.TextField(blank=True, help_text="What it is and whom to call.")
    is_active = models.BooleanField("active", default=True)
    grant_types = ArrayField(
        models.CharField(max_length=60, choices=GrantType), default=list, blank=True
    )
    scopes = models.ManyToManyField(Scope, blank=True, related_name="clients")
    scope_groups = models.ManyToManyField(ScopeGroup, blank=True, related_name="clients")
    brand = models.ForeignKey(
        "branding.Brand", null=True, blank=True, on_delete=models.PROTECT, related_name="clients"
    )
    login_services = models.ManyToManyField(
        "idp.LoginService", through="ClientLoginService", related_name="clients"
    )
    flags = models.JSONField("additional information", default=dict, blank=True)
    jwks = models.JSONField(
        "JWKS", null=True, blank=True, help_text="Public keys for private_key_jwt (RFC 7523)."
    )
    jwks_url = models.CharField(
        "JWKS URL",
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="Where they are read, in place of a JWKS.",
    )
    backchannel_logout_uri = models.CharField(
        "back-channel logout URI",
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="Where the client is told that a user has signed out (a logout token, by POST).",
    )
    backchannel_logout_session_required = models.BooleanField(
        "tell of each session",
        default=False,
        db_default=False,
        help_text="Always name the session (sid), also where all sessions of a user end at once.",
    )

    known: Known | None = None

    class Meta(AbstractApplication.Meta):
        ordering: ClassVar = ["client_id"]

    def __str__(self) -> str:
        return self.name or self.client_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises TypeError for a known client, which other threads share."""
        if self.known is not None:
            raise TypeError("A client of the directory is read by all and saved by nobody.")
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Checks what one row can say; everything wrong is reported, each beside its field."""
        errors: dict[str, list[Any]] = {}
        for field, validate in _URI_LISTS.items():
            for uri in getattr(self, field).split():
                try:
                    validate(uri)
                except ValidationError as error:
                    errors.setdefault(field, []).extend(error.messages)
        if GrantType.AUTHORIZATION_CODE in self.grant_types and not self.redirect_uris.split():
            errors.setdefault("redirect_uris", []).append(
                "The authorization code grant needs at least one redirect URI."
            )
        if self.client_type == self.CLIENT_PUBLIC:
            confidential = {GrantType.CLIENT_CREDENTIALS, GrantType.TOKEN_EXCHANGE}
            if kept := confidential.intersection(self.grant_types):
                errors["grant_types"] = [
                    f"A public client cannot have {', '.join(sorted(kept))}."
                ]  # RFC 6749 section 4.4: "MUST only be used by confidential clients".
        if self.backchannel_logout_uri and (
            wrong_uri := certificates.problems_with_url(self.backchannel_logout_uri)
        ):
            errors["backchannel_logout_uri"] = [*wrong_uri]
        errors |= _problems_with_keys(self)
        if wrong := problems(self.flags) or _problems_with_names(self.flags):
            # The code of an error tells the table of flags which row it belongs to.
            errors["flags"] = [
                ValidationError(f"{name}: {problem}", code=name) for name, problem in wrong.items()
            ]
        if errors:
            raise ValidationError(errors)

    @property
    def is_confidential(self) -> bool:
        return self.client_type == self.CLIENT_CONFIDENTIAL

    @property
    def effective_flags(self) -> ClientFlags:
        return self.known.flags if self.known else ClientFlags.of(self.flags)

    def allows_grant_type(self, *grant_types: str) -> bool:
        return any(grant_type in self.grant_types for grant_type in grant_types)

    def is_usable(self, request: object) -> bool:
        return self.is_active

    def redirect_uri_allowed(self, uri: str) -> bool:
        """RFC 9700 section 2.1: "exact string matching", ports of loopback addresses aside."""
        return _matches_exactly(uri, self.redirect_uris.split())

    def post_logout_redirect_uri_allowed(self, uri: str) -> bool:
        return _matches_exactly(uri, self.post_logout_redirect_uris.split())

    def read(self) -> Known:
        """What is known of this client, or is now read anew."""
        return self.known or Known.of(self, scope_group_members())

    def ordered_login_services(self) -> models.QuerySet:
        """The enabled login services, in the order in which passwords are tried."""
        return self.login_services.filter(is_enabled=True).order_by("clientloginservice__position")


def _problems_with_names(flags: dict[str, Any]) -> dict[str, str]:
    """The flags that name what does not exist, each with the first such name."""
    models_of: dict[str, tuple[type[models.Model], ...]] = {
        LOGIN_SERVICE: (LoginService,),
        SCOPE_OR_GROUP: (Scope, ScopeGroup),
    }
    found = {}
    for flag in FLAGS:
        names = flags.get(flag.name) if flag.names_of else None
        known: set[str] = set()
        for model in models_of[flag.names_of] if names else ():
            known.update(
                model._default_manager.filter(name__in=names).values_list("name", flat=True)
            )
        for missing in sorted(set(names or ()) - known, reverse=True):
            found[flag.name] = f"there is no {flag.names_of} “{missing[:100]}”"
    return found


def _problems_with_keys(client: Client) -> dict[str, list[Any]]:
    """What is wrong with the keys for private_key_jwt, beside the field that holds them."""
    found: dict[str, list[Any]] = {}
    if client.jwks is not None:
        try:
            unusable = jwks.unusable(client.jwks)
            found["jwks"] = [f"Key {number} cannot verify signatures here." for number in unusable]
        except jwks.BadKeySet as problem:
            found["jwks"] = [f"This {problem}."]
    if client.jwks_url:
        found["jwks_url"] = certificates.problems_with_url(client.jwks_url)
        if client.jwks is not None:
            found["jwks_url"].append("Give a JWKS or its URL, not both.")
    if not client.is_confidential:
        found |= {field: ["A public client has no keys."] for field in found}
    return {field: problems for field, problems in found.items() if problems}


_LOOPBACK = re.compile(r"\Ahttp://(127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?=/|\?|\Z)")


def _matches_exactly(uri: str, registered: list[str]) -> bool:
    if uri in registered:
        return True
    # RFC 8252 section 7.3: "MUST allow any port to be specified at the time of the request for
    # loopback IP redirect URIs".
    if not _LOOPBACK.match(uri):
        return False
    portless = _LOOPBACK.sub(r"http://\1", uri)
    return any(portless == _LOOPBACK.sub(r"http://\1", known) for known in registered)


class ClientLoginService(models.Model):
    """One login service of a client, with its place in the order of trying."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE)
    login_service = models.ForeignKey("idp.LoginService", on_delete=models.PROTECT)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["client", "login_service"], name="client_login_service_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.client} signs in at {self.login_service}"


class ClientSecret(models.Model):
    """A secret of a client, as a keyed hash; two may live at once while one replaces the other."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets")
    digest = models.BinaryField(max_length=32, editable=False)
    key_id = models.BinaryField(max_length=4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    exposed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"Secret of {self.client} made at {self.created_at:%Y-%m-%d %H:%M}"
