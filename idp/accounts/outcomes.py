"""What a login service answers when it is asked about a user name and a password."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What an operator may do; the values are the names of Django's groups."""

    EDITOR = "Editors"
    VIEWER = "Viewers"
    APPROVER = "Approvers"


@dataclass(frozen=True, slots=True)
class Identity:
    """The password is right; `external_id` is how the service knows this user, for ever.

    `roles` is what the service says of an operator's rights; None where it says nothing of them.
    """

    external_id: str
    username: str
    claims: dict[str, Any] = field(default_factory=dict)
    roles: frozenset[Role] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The service does not let this user in. The reason is for logs, never for the page."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The service could not answer: nothing is known about the password."""

    reason: str


Outcome = Identity | Refused | Unavailable


class Outage(Exception):
    """Ends a question to a login service that cannot be answered; `circuit` makes it Unavailable.

    The text is for logs: it names hosts, files and variables, and neither secrets nor users.
    """


class UnusableAnswer(Outage):
    """The service did answer, at once, but not what can be used. That may be about one user alone,
    who must not be able to shut it for all others: it opens no circuit."""
