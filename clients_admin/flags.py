"""The registry of client flags: every key of a client's additional information that has a meaning.

The admin's key/value table, the YAML schema, the validation and the documentation are made from
`FLAGS`; the rest of the product reads flags through the typed `ClientFlags`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from idp.accounts.assurance import TWO_FACTORS

MINUTE, HOUR, DAY = 60, 3600, 86400
LOGIN_SERVICE, SCOPE_OR_GROUP = "login service", "scope or scope group"


class Kind(StrEnum):
    SECONDS = "seconds"
    COUNT = "count"
    CHOICE = "choice"
    TEXT = "text"
    WEB_ADDRESS = "web address"
    SWITCH = "switch"
    NAMES = "names"


@dataclass(frozen=True, slots=True)
class Flag:
    """One typed key. `minimum` and `maximum` bound a number, a text's length or a list's.

    `names_of` says what a list of names names: each must exist.
    """

    name: str
    kind: Kind
    default: int | str | bool | tuple[str, ...]
    help: str
    minimum: int = 0
    maximum: int = 0
    choices: tuple[str, ...] = ()
    names_of: str = ""

    def problem_with(self, value: object) -> str | None:
        """What is wrong with `value`, as one sentence; None when it is fine."""
        return _PROBLEMS[self.kind](self, value)


def _problem_with_number(flag: Flag, value: object) -> str | None:
    unit = " seconds" if flag.kind is Kind.SECONDS else ""
    if not isinstance(value, int) or isinstance(value, bool):
        return f"must be a whole number{unit and ' of'}{unit}"
    if not flag.minimum <= value <= flag.maximum:
        return f"must be between {flag.minimum} and {flag.maximum}{unit}"
    return None


def _problem_with_choice(flag: Flag, value: object) -> str | None:
    return None if value in flag.choices else f"must be one of {', '.join(flag.choices)}"


def _problem_with_text(flag: Flag, value: object) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    if not flag.minimum <= len(value) <= flag.maximum:
        return f"must have {flag.minimum} to {flag.maximum} characters"
    return None


_validate_web_address = URLValidator(schemes=["https", "http"])


def _problem_with_web_address(flag: Flag, value: object) -> str | None:
    if problem := _problem_with_text(flag, value):
        return problem
    try:
        _validate_web_address(value)
    except ValidationError:
        return "must be an address that begins with https:// or http://"
    return None


def _problem_with_switch(flag: Flag, value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _problem_with_names(flag: Flag, value: object) -> str | None:
    if not isinstance(value, list) or not all(_is_name(name) for name in value):
        return "must be a list of names without blanks"
    if len(value) > flag.maximum or len(set(value)) < len(value):
        return f"must have at most {flag.maximum} names, each once"
    return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and value.split() == [value]


_PROBLEMS: dict[Kind, Callable[[Flag, object], str | None]] = {
    Kind.SECONDS: _problem_with_number,
    Kind.COUNT: _problem_with_number,
    Kind.CHOICE: _problem_with_choice,
    Kind.TEXT: _problem_with_text,
    Kind.WEB_ADDRESS: _problem_with_web_address,
    Kind.SWITCH: _problem_with_switch,
    Kind.NAMES: _problem_with_names,
}

FLAGS: tuple[Flag, ...] = (
    Flag(
        "access_token_seconds",
        Kind.SECONDS,
        2 * HOUR,
        "How long an access token lives.",
        minimum=1,
        maximum=30 * DAY,
    ),
    Flag(
        "access_token_reuse",
        Kind.CHOICE,
        "never",
        "What a request gets while an access token for the same client, user and scope lives. "
        "never: a new one. recent: the same one again where it was issued within "
        "reuse_recent_seconds, so that requests made at once share it. always: the same one again, "
        "shared by all sessions of the user.",
        choices=("never", "recent", "always"),
    ),
    Flag(
        "reuse_recent_seconds",
        Kind.SECONDS,
        5,
        "With access_token_reuse recent: how long after its issue a token is said again.",
        minimum=1,
        maximum=HOUR,
    ),
    Flag(
        "reuse_min_remaining_seconds",
        Kind.SECONDS,
        MINUTE,
        "With access_token_reuse: a token that ends sooner than this is never said again.",
        minimum=0,
        maximum=30 * DAY,
    ),
    Flag(
        "refresh_token_seconds",
        Kind.SECONDS,
        90 * DAY,
        "How long a refresh token lives when it is not used.",
        minimum=1,
        maximum=400 * DAY,
    ),
    Flag(
        "refresh_expiry",
        Kind.CHOICE,
        "sliding",
        "sliding: each refresh starts the lifetime anew. fixed: the successor inherits the "
        "deadline of the first login. sliding_capped: sliding, but never past refresh_max_seconds "
        "after the login.",
        choices=("sliding", "fixed", "sliding_capped"),
    ),
    Flag(
        "refresh_max_seconds",
        Kind.SECONDS,
        365 * DAY,
        "With sliding_capped: the longest that one login may last.",
        minimum=1,
        maximum=1000 * DAY,
    ),
    Flag(
        "refresh_rotation",
        Kind.CHOICE,
        "rotate",
        "rotate: each refresh gives a new refresh token. keep: the same one stays valid.",
        choices=("rotate", "keep"),
    ),
    Flag(
        "refresh_grace_seconds",
        Kind.SECONDS,
        10,
        "How long a rotated refresh token still gets the identical answer, so that an answer "
        "lost on the wire logs nobody out. 0 switches it off.",
        minimum=0,
        maximum=HOUR,
    ),
    Flag(
        "max_access_tokens",
        Kind.COUNT,
        8,
        "How many access tokens with the same client, user and scope may live at once. A job ends "
        "the oldest of more. 0: no limit.",
        minimum=0,
        maximum=10_000,
    ),
    Flag(
        "max_refresh_tokens",
        Kind.COUNT,
        8,
        "How many refresh tokens with the same client, user and scope may live at once, so on how "
        "many devices a user stays signed in. A job ends the oldest login of more. 0: no limit.",
        minimum=0,
        maximum=10_000,
    ),
    Flag(
        "jwt_seconds",
        Kind.SECONDS,
        5 * MINUTE,
        "How long a gateway JWT made for this client lives; never longer than its access token.",
        minimum=10,
        maximum=HOUR,
    ),
    Flag(
        "jwt_audience",
        Kind.TEXT,
        "services",
        "The audience of gateway JWTs made for this client.",
        minimum=1,
        maximum=200,
    ),
    Flag(
        "jwt_alg",
        Kind.CHOICE,
        "ES256",
        "The algorithm that signs gateway JWTs made for this client.",
        choices=("ES256", "EdDSA", "RS256"),
    ),
    Flag(
        "id_token_seconds",
        Kind.SECONDS,
        HOUR,
        "How long an ID token is valid.",
        minimum=10,
        maximum=DAY,
    ),
    Flag(
        "id_token_alg",
        Kind.CHOICE,
        "RS256",
        "The algorithm that signs this client's ID tokens.",
        choices=("RS256", "ES256", "EdDSA"),
    ),
    Flag(
        "consent",
        Kind.CHOICE,
        "remember",
        "never: a client of our own, users are not asked. remember: users are asked once for each "
        "scope. always: users are asked each time.",
        choices=("never", "remember", "always"),
    ),
    Flag(
        "require_pushed_authorization_requests",
        Kind.SWITCH,
        False,
        "Refuses authorization requests that come by the browser: the client has to push them "
        "first (RFC 9126).",
    ),
    Flag(
        "consent_days",
        Kind.COUNT,
        0,
        "With consent remember: for how many days users are not asked again. 0: until they "
        "withdraw it.",
        minimum=0,
        maximum=3650,
    ),
    *(
        Flag(
            name,
            Kind.WEB_ADDRESS,
            "",
            f"{what} of a client that is not ours, for users who are asked for consent.",
            minimum=1,
            maximum=500,
        )
        for name, what in (
            ("website_url", "The website"),
            ("privacy_url", "The privacy statement"),
            ("terms_url", "The terms and conditions"),
        )
    ),
    Flag(
        "required_acr",
        Kind.CHOICE,
        "any",
        "How users must have signed in. any: as they can. urn:idp:acr:2fa: with two factors; local "
        "users who have no second one set it up then. What nobody signs in for, passwords that the "
        "client sends and tokens on behalf of a user, is refused then.",
        choices=("any", TWO_FACTORS),
    ),
    Flag(
        "allow_password_grant",
        Kind.SWITCH,
        False,
        "Lets a client that has the password grant use it. For applications of old only: they see "
        "the passwords of users.",
    ),
    Flag(
        "on_behalf_of_login_services",
        Kind.NAMES,
        (),
        "Login services for whose users this client gets tokens without their credentials, by "
        "token exchange. None: it may not.",
        maximum=50,
        names_of=LOGIN_SERVICE,
    ),
    Flag(
        "on_behalf_of_scopes",
        Kind.NAMES,
        (),
        "Scopes and scope groups that a token on behalf of a user may have, of those the client "
        "has. None: it may not.",
        maximum=200,
        names_of=SCOPE_OR_GROUP,
    ),
    Flag(
        "on_behalf_of_unknown_users",
        Kind.CHOICE,
        "look_up",
        "look_up: a user who never signed in here must be known to the login service. create: a "
        "user is made of whatever the client says, where the service cannot be asked.",
        choices=("look_up", "create"),
    ),
    Flag(
        "may_assert_client_ip",
        Kind.SWITCH,
        False,
        "Lets a confidential client say, in a JWT that it signs, from which address a request "
        "comes that it passes on: what fails then counts there.",
    ),
)
BY_NAME = {flag.name: flag for flag in FLAGS}


@dataclass(frozen=True, slots=True)
class ClientFlags:
    """All flags of one client with their effective values."""

    access_token_seconds: int
    access_token_reuse: str
    reuse_recent_seconds: int
    reuse_min_remaining_seconds: int
    refresh_token_seconds: int
    refresh_expiry: str
    refresh_max_seconds: int
    refresh_rotation: str
    refresh_grace_seconds: int
    max_access_tokens: int
    max_refresh_tokens: int
    jwt_seconds: int
    jwt_audience: str
    jwt_alg: str
    id_token_seconds: int
    id_token_alg: str
    consent: str
    require_pushed_authorization_requests: bool
    consent_days: int
    website_url: str
    privacy_url: str
    terms_url: str
    required_acr: str
    allow_password_grant: bool
    on_behalf_of_login_services: tuple[str, ...]
    on_behalf_of_scopes: tuple[str, ...]
    on_behalf_of_unknown_users: str
    may_assert_client_ip: bool

    @classmethod
    def of(cls, additional_information: Mapping[str, Any]) -> "ClientFlags":
        """The effective flags: what is set here, or else the default."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            value = additional_information.get(field.name, BY_NAME[field.name].default)
            values[field.name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


def problems(additional_information: object) -> dict[str, str]:
    """What is wrong, by flag name; empty when all is fine.

    A key that the registry does not know is kept as long as it is text: it belongs to somebody
    else's tooling.
    """
    if not isinstance(additional_information, dict):
        return {"": "must be a table of flags"}
    found = {}
    for name, value in additional_information.items():
        if flag := BY_NAME.get(name):
            problem = flag.problem_with(value)
        else:
            problem = None if isinstance(value, str) else "is no known flag, so it must be text"
        if problem:
            found[name] = problem
    return found
