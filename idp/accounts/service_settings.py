"""The settings of login services, by kind: what there is, what it means, and what is wrong with it.

The configuration file, the admin and the services themselves read them by these models. They are
flat, so that each is a field on a page; and none holds a secret (`secret_references`).
"""

import difflib
import re
import string
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from idp.accounts.foreign_identity import CLAIM_NAME
from idp.accounts.foreign_passwords import Scheme

MAX_PORT = 65_535
LIKENESS = 0.6
_VARIABLE = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*\Z")
_HOST = re.compile(r"\A[A-Za-z0-9._:-]+\Z")
_ATTRIBUTE = re.compile(r"\A[A-Za-z0-9.;-]{1,100}\Z")

type Place = tuple[str | int, ...]
type Problem = tuple[Place, str]


# --- What single settings may be: text in, text out, ValueError with the rest of the sentence -----


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable, without blanks around it")
    return text


def _absolute(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError("must be an absolute path")
    return text


def _variable(text: str) -> str:
    if text and not _VARIABLE.match(text):
        raise ValueError("must be the name of an environment variable")
    if text.startswith("IDP_"):
        raise ValueError("must not begin with IDP_: those names are taken by settings")
    return text


def _host(text: str) -> str:
    if not _HOST.match(text):
        raise ValueError("must be the name or address of a host")
    return text


def _host_or_folder(text: str) -> str:
    return text if text.startswith("/") else _host(text)


def _attribute(text: str) -> str:
    if not _ATTRIBUTE.match(text):
        raise ValueError("must be the name of an attribute")
    return text


def _query(name: str) -> AfterValidator:
    """A statement that has the placeholder of this one parameter, as both drivers read it."""

    def checked(text: str) -> str:
        if not text:
            return text
        used = _Used()
        try:
            _ = text % used
        except (TypeError, ValueError, KeyError):
            raise ValueError(f"must have no other % than %({name})s; write %% for one") from None
        if used.names != {name}:
            raise ValueError(f"must name its one parameter as %({name})s")
        if f"'%({name})s'" in text:
            raise ValueError(f"must have no quotes around %({name})s")
        return text

    return AfterValidator(checked)


class _Used(dict[str, str]):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def __missing__(self, name: str) -> str:
        self.names.add(name)
        return ""


def _filter(name: str) -> AfterValidator:
    """An LDAP filter with the placeholder of this one name."""

    def checked(text: str) -> str:
        if not text:
            return text
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError:
            parts = []
        fields = [(field, spec, how) for _, field, spec, how in parts if field is not None]
        if not fields or any(field != (name, "", None) for field in fields):
            raise ValueError(f"must name what it looks for as {{{name}}}, and have no other braces")
        if text.count("(") != text.count(")") or not (text[0] == "(" and text[-1] == ")"):
            raise ValueError("must be a filter in parentheses")
        return text

    return AfterValidator(checked)


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_loopback = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_loopback = False
    try:
        parts, _ = urlsplit(text), urlsplit(text).port
    except ValueError:
        raise ValueError("must be a URL") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be an https URL")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must have no blanks and no other characters than ASCII's")
    if parts.username is not None or "?" in text or "#" in text:
        raise ValueError("must have no credentials, no query and no fragment")
    if parts.scheme == "http" and not is_loopback:
        raise ValueError("must begin with https://; plain http is for loopback addresses only")
    return text.rstrip("/")


def _claim_names(table: dict[str, str]) -> dict[str, str]:
    for ours, theirs in table.items():
        if not CLAIM_NAME.match(ours) or ours == "sub":
            raise ValueError("must have claims named with a to z, 0 to 9 and underscores, not sub")
        _attribute(theirs)
    return table


def _group_names(table: dict[str, str]) -> dict[str, str]:
    for name, dn in table.items():
        if not name or not name.isprintable() or "=" not in dn or not dn.isprintable():
            raise ValueError("must be a table of our names of groups and their DNs")
    return table


# Bounded, for a page must show them.
type Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(_printable)]
type Required = Annotated[Text, StringConstraints(min_length=1)]
type File = Annotated[Text, AfterValidator(_absolute)]
type Variable = Annotated[Text, AfterValidator(_variable)]
type Attribute = Annotated[Text, AfterValidator(_attribute)]
type Port = Annotated[int, Field(ge=1, le=MAX_PORT)] | None
type Seconds = Annotated[int, Field(ge=1, le=30)]
type Names = Annotated[list[Required], Field(max_length=50)]


def _seconds(default: int, description: str) -> Any:
    return Field(default, description=description)


_PASSWORD_FILE = Field("", description="File that holds the password, such as /run/secrets/crm.")
_PASSWORD_VARIABLE = Field(
    "", description="Environment variable that holds it, in place of a file; not IDP_*."
)
_CA_FILE = Field("", description="PEM file of the authority that its certificate must be from.")


# --- The settings of each kind --------------------------------------------------------------------


class Settings(BaseModel):
    """The settings of a kind that has none; and what those of all kinds have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @model_validator(mode="after")
    def _one_place_for_each_secret(self) -> Self:
        for secret in ("password", "token"):
            file, variable = (getattr(self, f"{secret}_{at}", "") for at in ("file", "variable"))
            if file and variable:
                raise ValueError(f"{secret}_variable: must not be given together with a file")
        return self

    def plain(self) -> dict[str, Any]:
        """As they are stored and exported: without what is as it would be anyway."""
        return self.model_dump(exclude_defaults=True)


class SQLSettings(Settings):
    """Another database, asked with a query of its operator's."""

    engine: Literal["postgresql", "mysql"] = Field(description="mysql is for MariaDB too.")
    host: Annotated[Required, AfterValidator(_host_or_folder)] = Field(
        description="Host name or address; or the folder (PostgreSQL) or file (MySQL) of a socket."
    )
    port: Port = Field(None, description="5432 or 3306 unless given.")
    database: Required
    user: Required = Field(description="An account that may do nothing but read.")
    password_file: File = _PASSWORD_FILE
    password_variable: Variable = _PASSWORD_VARIABLE
    tls: bool = Field(
        True, description="Encrypted, with a certificate that is checked; a socket needs none."
    )
    ca_file: File = _CA_FILE
    query: Annotated[str, StringConstraints(min_length=1, max_length=5000), _query("username")] = (
        Field(
            description="SELECT with the parameter %(username)s. It needs the columns external_id, "
            "username and password_hash; is_active may be there; all others are claims."
        )
    )
    find_query: Annotated[str, StringConstraints(max_length=5000), _query("external_id")] = Field(
        "", description="The same for %(external_id)s, without password_hash; for acting on behalf."
    )
    password_schemes: Annotated[list[Scheme], Field(min_length=1, max_length=10)] = Field(
        description="Hashes that are accepted, the most frequent first."
    )
    connect_timeout_seconds: Seconds = _seconds(2, "Longest wait for a connection.")
    statement_timeout_seconds: Seconds = _seconds(3, "Longest wait for the query.")


class RESTSettings(Settings):
    """A login server that speaks our small HTTP contract."""

    url: Annotated[Required, AfterValidator(_url)] = Field(
        description="https address of the server, without /verify and /users."
    )
    ca_file: File = _CA_FILE
    user: Text = Field("", description="Name for HTTP Basic, where its password is given.")
    password_file: File = _PASSWORD_FILE
    password_variable: Variable = _PASSWORD_VARIABLE
    token_file: File = Field("", description="File that holds a bearer token, in place of those.")
    token_variable: Variable = Field(
        "", description="Environment variable that holds the token, in place of a file; not IDP_*."
    )
    timeout_seconds: Seconds = _seconds(3, "Longest wait for a whole answer.")

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        password = self.password_file or self.password_variable
        if bool(self.user) != bool(password):
            raise ValueError("user: must be given together with a password")
        if password and (self.token_file or self.token_variable):
            raise ValueError("user: must not be given together with a token")
        if ":" in self.user:
            raise ValueError("user: must have no colon, which ends the name in HTTP Basic")
        return self


class LDAPSettings(Settings):
    """A directory: OpenLDAP, Active Directory and their like."""

    host: Annotated[Required, AfterValidator(_host)] = Field(
        description="Name or address of the server, as it stands in its certificate."
    )
    port: Port = Field(None, description="636 for ldaps and 389 for starttls unless given.")
    security: Literal["ldaps", "starttls"] = Field(
        "ldaps", description="Nothing is ever sent without TLS."
    )
    ca_file: File = _CA_FILE
    bind_dn: Text = Field("", description="Account that searches; empty for an anonymous search.")
    password_file: File = _PASSWORD_FILE
    password_variable: Variable = _PASSWORD_VARIABLE
    base_dn: Required = Field(description="Where users are, such as ou=people,dc=example,dc=org.")
    user_filter: Annotated[Required, _filter("username")] = Field(
        "(&(objectClass=inetOrgPerson)(uid={username}))",
        description="Filter for the one entry of a user, who types {username}.",
    )
    id_attribute: Attribute = Field(
        "entryUUID",
        description="What identifies a user for ever: entryUUID, or objectGUID in Active "
        "Directory. Never a user name.",
    )
    username_attribute: Attribute = Field("uid", description="What we show as the user name.")
    claims: Annotated[dict[str, str], Field(max_length=50), AfterValidator(_claim_names)] = Field(
        {}, description="Our claims and their attributes, such as email: mail."
    )
    groups: Annotated[dict[str, str], Field(max_length=100), AfterValidator(_group_names)] = Field(
        {}, description="Our names of groups, and their DNs; the claim groups has these names."
    )
    member_of_attribute: Attribute = Field(
        "memberOf", description="Attribute of a user with the DNs of their groups."
    )
    group_filter: Annotated[Text, _filter("dn")] = Field(
        "", description="In place of that: filter for a group that has the user {dn} as a member."
    )
    required_groups: Names = Field(
        [], description="Groups of which a user must be in one; empty lets in every user."
    )
    editor_groups: Names = Field([], description="Groups whose members are editors in the admin.")
    viewer_groups: Names = Field([], description="Groups whose members are viewers in the admin.")
    approver_groups: Names = Field(
        [], description="Groups whose members approve proposals in the admin."
    )
    role_check_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        60, description="For so long an operator's rights are believed without asking again."
    )
    decoy_dn: Text = Field(
        "",
        description="An entry with a password that nobody knows; unknown names are tried with it, "
        "so that they take as long as wrong passwords.",
    )
    connect_timeout_seconds: Seconds = _seconds(2, "Longest wait for a connection.")
    receive_timeout_seconds: Seconds = _seconds(3, "Longest wait for each answer.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        has_password = bool(self.password_file or self.password_variable)
        if bool(self.bind_dn) != has_password:
            raise ValueError("bind_dn: must be given together with a password")
        for field in ("required_groups", "editor_groups", "viewer_groups", "approver_groups"):
            for name in getattr(self, field):
                if name not in self.groups:
                    raise ValueError(f"{field}: names “{name}”, which is not in groups")
        return self

    @property
    def gives_roles(self) -> bool:
        """Whether the directory decides who may do what in the admin."""
        return bool(self.editor_groups or self.viewer_groups or self.approver_groups)


BY_KIND: dict[str, type[Settings]] = {
    "local": Settings,
    "corporate": Settings,
    "sql": SQLSettings,
    "rest": RESTSettings,
    "ldap": LDAPSettings,
}


# --- Reading them, and saying what is wrong -------------------------------------------------------


def read(kind: str, values: Mapping[str, Any]) -> Settings:
    """Raises pydantic's ValidationError."""
    return BY_KIND[kind].model_validate(dict(values))


def problems(kind: str, values: object) -> list[Problem]:
    """Everything that is wrong, each with the path to it and the rest of a sentence about it."""
    if not isinstance(values, Mapping):
        return [((), "must be a table")]
    try:
        read(kind, values)
    except ValidationError as invalid:
        return [_problem(kind, error) for error in invalid.errors(include_url=False)]
    return []


def _problem(kind: str, error: ErrorDetails) -> Problem:
    # The name of a branch of a union (`int`) is no part of the path.
    place = tuple(part for part in error["loc"] if part not in {"constrained-int", "int"})
    if not place:
        # Of a rule about several settings, which names the one to look at first.
        field, _, text = str(error["ctx"]["error"]).partition(": ")
        return (field,), text
    return place, _sentence(kind, error)


_SENTENCES = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of {expected}",
    "value_error": "{error}",
}


def _sentence(kind: str, error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        names = BY_KIND[kind].model_fields
        close = difflib.get_close_matches(str(error["loc"][-1]), names, 1, LIKENESS)
        return f"is no known key{f'; did you mean {close[0]}?' if close else ''}"
    sentence = _SENTENCES.get(error["type"], "is not what it must be")
    return sentence.format(**error.get("ctx", {}))
