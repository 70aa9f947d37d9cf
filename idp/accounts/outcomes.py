"""What a login service answers when it is asked about a user name and a password."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """The password is right; `external_id` is how the service knows this user, for ever."""

    external_id: str
    username: str
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The service does not let this user in. The reason is for logs, never for the page."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The service could not answer: nothing is known about the password."""

    reason: str


Outcome = Identity | Refused | Unavailable
