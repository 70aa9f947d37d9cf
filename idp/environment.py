"""The settings that operators give as IDP_* variables: names, types, defaults, meaning.

Everything is checked before anything starts; what is wrong is said in one line for each setting.
"""

import base64
import binascii
import difflib
import functools
import ipaddress
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import BeforeValidator, Field, JsonValue, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "IDP_"
PROJECT = Path(__file__).resolve().parent.parent

SECRET_KEY_MIN_CHARACTERS = 32
TOKEN_KEY_BYTES = 32
TOKEN_KEY_MAX_ID = 255
MAX_PORT = 65535
SHOWN_CHARACTERS = 80

BROKER_SCHEMES = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps"}
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*\Z")
_NOTIFY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.")

# A plain address, in ASCII: what goes into the From of every mail.
_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
_MAIL_PORTS = {("smtp", "starttls"): 587, ("smtp", "none"): 25, ("smtps", ""): 465}
# So long the worker waits for a mail server.
MAIL_SECONDS = 20

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadEnvironment(Exception):
    """The environment can't be used; the text holds one line for each setting that is wrong."""


@dataclass(frozen=True)
class BindAddress:
    """Where the web server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class TokenKey:
    """One key of the ring that protects tokens; its id travels in each token made with it."""

    id: int
    key: bytes = field(repr=False)


# Parsers: text in, value out, ValueError with the rest of the sentence "IDP_NAME ...".


def _items(given: Any) -> list[Any]:
    """Split a comma separated list; what is no text (a default) passes as it is."""
    if not isinstance(given, str):
        return list(given)
    return [item for item in (part.strip() for part in given.split(",")) if item]


def _parse_database_url(text: str) -> str:
    try:
        parts = conninfo_to_dict(text)
        known_scheme = text.startswith(("postgresql://", "postgres://"))
        ports = [port for port in str(parts.get("port") or "").split(",") if port]
    except ProgrammingError:
        known_scheme = False
    # The driver's own message repeats the address, password included.
    if not known_scheme:
        raise ValueError("is not a URL such as postgresql://user:password@host:5432/name")
    if not parts.get("dbname"):
        raise ValueError("names no database (the path of the URL)")
    if not all(port.isdecimal() and 0 < int(port) <= MAX_PORT for port in ports):
        raise ValueError("has a port that is no number")
    return text


def _parse_broker_url(text: str) -> str:
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in BROKER_SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(sorted(BROKER_SCHEMES))} and ://")
    return text


def _parse_public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("must be an absolute URL such as https://id.example.org")
    # OpenID Connect Discovery 1.0 section 3: "no query or fragment components".
    if "?" in text or "#" in text:
        raise ValueError("must have no query and no fragment")
    if text.endswith("/"):
        raise ValueError("must not end with a slash")
    if not text.isprintable() or " " in text:
        raise ValueError("must have no blanks and no control characters")
    _ = parts.port  # raises ValueError when it is no number
    return text


def _parse_bind(text: object) -> object:
    if not isinstance(text, str):
        return text
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000")
    return BindAddress(host.removeprefix("[").removesuffix("]"), int(port))


def _parse_secret_keys(text: str) -> list[str]:
    keys = _items(text)
    if not keys:
        raise ValueError("holds no key")
    for position, key in enumerate(keys, 1):
        if len(key) < SECRET_KEY_MIN_CHARACTERS:
            raise ValueError(
                f"key {position} is shorter than {SECRET_KEY_MIN_CHARACTERS} characters"
            )
    return keys


def _parse_token_key(position: int, text: str) -> TokenKey:
    # The id is written down, never counted: putting a key in front must not rename the others.
    id_text, separator, key_text = text.partition(":")
    if not separator or not id_text.isdecimal() or int(id_text) > TOKEN_KEY_MAX_ID:
        raise ValueError(
            f"key {position} must be written ID:KEY, with an ID from 0 to {TOKEN_KEY_MAX_ID}"
        )
    padded = key_text.rstrip("=") + "=" * (-len(key_text.rstrip("=")) % 4)
    try:
        key = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"key {position} is not base64url") from None
    if len(key) != TOKEN_KEY_BYTES:
        raise ValueError(f"key {position} has {len(key)} bytes instead of {TOKEN_KEY_BYTES}")
    return TokenKey(int(id_text), key)


def _parse_token_keys(text: str) -> list[TokenKey]:
    ring = [_parse_token_key(position, item) for position, item in enumerate(_items(text), 1)]
    if not ring:
        raise ValueError("holds no key")
    if len({key.id for key in ring}) < len(ring):
        raise ValueError("gives the same ID to two keys")
    if len({key.key for key in ring}) < len(ring):
        raise ValueError("holds the same key twice")
    return ring


def _parse_networks(text: object) -> list[object]:
    networks: list[object] = []
    for item in _items(text):
        try:
            networks.append(ipaddress.ip_network(item))
        except ValueError as problem:
            raise ValueError(f"holds what is no network: {problem}") from None
    return networks


def _parse_folder(text: object) -> object:
    if text == "":
        raise ValueError("is empty")  # Path("") would be the folder that we run in.
    return text


def _parse_hosts(text: object) -> list[object]:
    hosts = _items(text)
    for host in hosts:
        if not _HOST.match(host):
            raise ValueError(f"holds {host!r}, which is no host name such as login.example.org")
    return hosts


def _parse_notify_urls(text: object) -> list[object]:
    urls = _items(text)
    for position, url in enumerate(urls, 1):
        if not _NOTIFY_SCHEME.match(url):
            raise ValueError(f"URL {position} does not begin with a scheme such as slack://")
    return urls


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in; without a host, it is only logged."""

    host: str = ""
    port: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: str = ""  # starttls, none, or "" where the connection begins with it

    def __bool__(self) -> bool:
        return bool(self.host)


def _read_mail_url(text: str) -> MailServer:
    """Raises ValueError; no message repeats the URL, which may hold a password."""
    if text == "console://":
        return MailServer()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not a URL such as smtp://user:password@host:587") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in {"smtp", "smtps"} or not host:
        raise ValueError("must be smtp://HOST, smtps://HOST or console://")
    if parts.path not in {"", "/"} or parts.fragment or set(options) - {"tls"}:
        raise ValueError("may say nothing after host and port but ?tls=starttls or ?tls=none")
    tls = options.get("tls", "starttls" if parts.scheme == "smtp" else "")
    if (parts.scheme, tls) not in _MAIL_PORTS:
        raise ValueError("takes tls=starttls or tls=none with smtp://, and neither with smtps://")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("needs a user name and a password, or neither")
    if parts.username and tls == "none":
        raise ValueError("would send its password in clear: leave out tls=none")
    return MailServer(
        host,
        port or _MAIL_PORTS[parts.scheme, tls],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        tls,
    )


def _parse_mail_url(text: str) -> str:
    _read_mail_url(text)
    return text


def _parse_mail_from(text: str | None) -> str | None:
    if text is not None and not _MAIL_ADDRESS.fullmatch(text):
        raise ValueError("must be a plain address such as no-reply@id.example.org")
    return text


def _in_project(text: object) -> Path:
    """A relative path counts from the project's folder, whoever starts from wherever."""
    if not str(text):
        raise ValueError("names no folder")
    return PROJECT / Path(str(text)).expanduser()


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


def _setting(
    group: str,
    kind: str,
    description: str,
    *,
    default: Any = PydanticUndefined,
    shown_default: str = "",
    **limits: Any,
) -> Any:
    extra: dict[str, JsonValue] = {"group": group, "kind": kind, "shown_default": shown_default}
    return Field(default=default, description=description, json_schema_extra=extra, **limits)


LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class Environment(BaseSettings):
    """What the environment says; `environment()` gives the one instance."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        enable_decoding=False,  # lists are comma separated here, not JSON
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    environment: Literal["production", "development"] = _setting(
        "Place",
        "production or development",
        "What this instance is for; development lets go of what only production needs.",
        default="production",
    )
    public_url: Annotated[str, BeforeValidator(_parse_public_url)] = _setting(
        "Place",
        "URL",
        "The issuer: where browsers and applications reach this product; https in production.",
    )
    bind: Annotated[BindAddress, BeforeValidator(_parse_bind)] = _setting(
        "Place",
        "host:port",
        "Where the web server listens.",
        default=BindAddress("127.0.0.1", 8000),
    )
    var_dir: Annotated[Path, BeforeValidator(_in_project)] = _setting(
        "Place",
        "path",
        "Folder for what this instance keeps: embedded servers, beat's schedule, static files, "
        "metrics.",
        default=Path("var"),
    )
    config: Path | None = _setting(
        "Place",
        "path",
        "Configuration file that `make run` applies instead of the demo.",
        default=None,
    )
    brand_templates: Annotated[Path | None, BeforeValidator(_parse_folder)] = _setting(
        "Place",
        "path",
        "Folder with templates of single brands, each in a folder with its short name.",
        default=None,
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = (
        _setting(
            "Place", "debug, info, warning, error", "Least level of log lines.", default="info"
        )
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = _setting(
        "Place",
        "text or json",
        "Log lines for people, or each a JSON object on standard output for whoever collects them.",
        default="text",
    )
    debug: bool = _setting(
        "Place",
        "yes or no",
        "Django's debug pages; refused in production.",
        default=False,
        shown_default="no",
    )

    database_url: Annotated[SecretStr, BeforeValidator(_parse_database_url)] = _setting(
        "State",
        "URL",
        "PostgreSQL: postgresql://user:password@host:5432/name, several hosts by comma, or a "
        "socket folder as postgresql://user@/name?host=/folder.",
    )
    broker_url: Annotated[SecretStr, BeforeValidator(_parse_broker_url)] = _setting(
        "State",
        "URL",
        "Celery's broker: redis://, rediss://, redis+socket://, sentinel://, amqp:// or amqps://.",
    )
    audit_days: int = _setting(
        "State",
        "number",
        "Least days that an audit event is kept; 30 days of them are dropped at a time.",
        default=400,
        ge=1,
        le=3650,
    )
    audit_log: Annotated[Literal["on", "off"], BeforeValidator(_lower)] = _setting(
        "State",
        "on or off",
        "Whether each audit event is also a log line, once its transaction has committed.",
        default="off",
    )

    introspection_cache_seconds: float = _setting(
        "State",
        "seconds",
        "How long a process may say an answer about a token again without asking the database; "
        "revocation is heard at once all the same. 0 switches it off.",
        default=10,
        shown_default="10",
        ge=0,
        le=60,
    )

    secret_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_parse_secret_keys)] = _setting(
        "Keys",
        "list of secrets",
        "Keys for sessions, cookies and keys at rest, newest first, "
        f"each of {SECRET_KEY_MIN_CHARACTERS} characters or more.",
    )
    token_keys: Annotated[tuple[TokenKey, ...], BeforeValidator(_parse_token_keys)] = _setting(
        "Keys",
        "list of ID:secret",
        "Keys that tokens are made with, newest first. ID is a number from 0 to "
        f"{TOKEN_KEY_MAX_ID} that stays with its key, the secret {TOKEN_KEY_BYTES} bytes as "
        "base64url: 2:NEW,1:OLD.",
    )

    hosts: Annotated[tuple[str, ...], BeforeValidator(_parse_hosts)] = _setting(
        "Network",
        "list of host names",
        "Further names that this server is reached by, in lower case, such as those of brands; the "
        "one of IDP_PUBLIC_URL need not be said.",
        default=(),
    )
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_parse_networks)] = _setting(
        "Network",
        "list of networks",
        "Proxies whose X-Forwarded-For counts: the address of a request is the last one in it that "
        "is in none of these networks. Without any, it is the peer's.",
        default=(),
    )
    internal_networks: Annotated[tuple[Network, ...], BeforeValidator(_parse_networks)] = _setting(
        "Network",
        "list of networks",
        "Peers that /metrics and /internal/jwt answer, when no proxy has forwarded the request.",
        default=LOOPBACK,
    )
    jwks_allowed_networks: Annotated[tuple[Network, ...], BeforeValidator(_parse_networks)] = (
        _setting(
            "Network",
            "list of networks",
            "Networks that are not public and may all the same be asked for the keys of clients "
            "and trusted issuers (JWKS URLs); by plain http in 127.0.0.0/8 and ::1 alone.",
            default=(),
        )
    )
    logout_allowed_networks: Annotated[tuple[Network, ...], BeforeValidator(_parse_networks)] = (
        _setting(
            "Network",
            "list of networks",
            "Networks that are not public and may all the same be told of logouts (back-channel "
            "logout URIs of clients); by plain http in 127.0.0.0/8 and ::1 alone.",
            default=(),
        )
    )
    admin_login_services: Annotated[tuple[str, ...], BeforeValidator(_items)] = _setting(
        "Network",
        "list of names",
        "Login services whose users may sign in to the admin.",
        default=("operators",),
    )

    blocking: Annotated[Literal["on", "shadow", "off"], BeforeValidator(_lower)] = _setting(
        "Blocking",
        "on, shadow, off",
        "Whether addresses and users with too many failed attempts are refused for a while; "
        "shadow: nobody is, and the admin shows who would be.",
        default="on",
    )
    user_failures: int = _setting(
        "Blocking",
        "number",
        "Wrong passwords of one user within a quarter of an hour that block this user; for "
        "addresses see the network profiles in the admin.",
        default=10,
        ge=2,
        le=1000,
    )

    notify_urls: Annotated[tuple[SecretStr, ...], BeforeValidator(_parse_notify_urls)] = _setting(
        "Notifications",
        "list of secrets",
        "Where operators are told of what needs them: Apprise URLs of Rocket.Chat, Slack, Teams, "
        "mail and others, a comma within one written %2C. With none, messages are only logged.",
        default=(),
    )

    mail_url: Annotated[SecretStr, BeforeValidator(_parse_mail_url)] = _setting(
        "Mail",
        "URL",
        "Where mail to users is handed in: smtp://user:password@host:587 (STARTTLS, or in clear "
        "with ?tls=none) or smtps://user:password@host:465. console:// sends none and logs that.",
        default="console://",
        shown_default="console://",
    )
    mail_from: Annotated[str | None, BeforeValidator(_parse_mail_from)] = _setting(
        "Mail",
        "address",
        "The sender of these mails, shown by the name of the brand; needed where mail is sent.",
        default=None,
    )

    workers: int = _setting(
        "Web server", "number", "Processes of the web server.", default=2, ge=1, le=256
    )
    threads: int = _setting(
        "Web server",
        "number",
        "Threads of each process; each may hold two database connections, the process one more.",
        default=8,
        ge=1,
        le=256,
    )

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        if self.environment == "development":
            return self
        if self.debug:
            raise ValueError("IDP_DEBUG must be off in production")
        parts = urlsplit(self.public_url)
        # OpenID Connect Discovery 1.0 section 3: the issuer "using the https scheme".
        if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("IDP_PUBLIC_URL must be https in production")
        return self

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.mail_server and not self.mail_from:
            raise ValueError("IDP_MAIL_FROM is missing: IDP_MAIL_URL sends mail, which needs it")
        return self

    @property
    def mail_server(self) -> MailServer:
        return _read_mail_url(self.mail_url.get_secret_value())

    @property
    def mailer(self) -> dict[str, Any]:
        """What Django's MAILERS says of it."""
        server = self.mail_server
        if not server:
            return {"BACKEND": "idp.mail.LoggingBackend"}
        return {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {
                "host": server.host,
                "port": server.port,
                "username": server.username,
                "password": server.password,
                "use_tls": server.tls == "starttls",
                "use_ssl": not server.tls,
                "timeout": MAIL_SECONDS,
            },
        }

    @property
    def metrics_dir(self) -> Path:
        """Where the processes of this instance keep what they count."""
        return self.var_dir / "metrics"

    @property
    def database_settings(self) -> dict[str, Any]:
        """The URL as Django's NAME, USER, PASSWORD, HOST, PORT; all other parameters in OPTIONS."""
        parts = conninfo_to_dict(self.database_url.get_secret_value())
        return {
            "NAME": parts.pop("dbname"),
            "USER": parts.pop("user", ""),
            "PASSWORD": parts.pop("password", ""),
            "HOST": parts.pop("host", ""),
            "PORT": parts.pop("port", ""),
            "OPTIONS": parts,
        }


def variable(field_name: str) -> str:
    return PREFIX + field_name.upper()


@functools.cache
def environment() -> Environment:
    """Read the environment once. Raises BadEnvironment."""
    problems = list(_unknown_variables())
    try:
        answer = Environment()
    except ValidationError as invalid:
        problems += [_line(error) for error in invalid.errors(include_url=False)]
    if problems:
        # Outside the except block, so that no traceback can carry the values.
        raise BadEnvironment("\n".join(problems))
    return answer


def environment_or_exit() -> Environment:
    """For entry points: what is wrong goes to stderr, a line each, and the process ends with 2."""
    try:
        return environment()
    except BadEnvironment as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(2)


def _unknown_variables() -> Iterator[str]:
    known = [variable(name) for name in Environment.model_fields]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "see manage.py settings_help"
            yield f"{name} is not a setting: {hint}"


def _line(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    field_name = str(error["loc"][0]).lower().removeprefix(PREFIX.lower())
    name, info = variable(field_name), Environment.model_fields[field_name]
    if error["type"] == "missing":
        return f"{name} is missing: {info.description}"
    if os.environ.get(name) == "":
        return f"{name} is empty: unset it or give it a value"
    if error["type"] != "value_error":
        message = f"is wrong: {message}"
    return f"{name} {message}{_shown(name, info)}"


def _shown(name: str, info: FieldInfo) -> str:
    value = os.environ.get(name, "")
    if is_secret(info) or "@" in value:  # a URL with a password in it, in the wrong place
        return ""
    text = repr(value)
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
    return f" (it is {short})"


def is_secret(info: FieldInfo) -> bool:
    return any(kind in repr(info.annotation) for kind in ("SecretStr", "TokenKey"))
