"""What the rest of the product asks and tells: is this address blocked, and what has failed.

`is_known_free` and `blocked` stand before every request, `begin` and `close` around every password;
`failed` counts whatever else may be guessed.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from django.utils import timezone

from idp.blocking import attempts, blocks, mode, subjects
from idp.blocking.attempts import AddressBlocked, Attempt, Crowded, Failure, UserName
from idp.blocking.kept import MARKS, Blocked, kept
from idp.blocking.models import Block
from idp.database import statements
from idp.database.changes import changes

__all__ = [
    "AddressBlocked",
    "Attempt",
    "Blocked",
    "Crowded",
    "Failure",
    "UserName",
    "begin",
    "blocked",
    "close",
    "failed",
    "is_known_free",
    "is_user_blocked",
    "lift_user",
]

# So long an attempt waits while others from its address are being decided.
PATIENCE_SECONDS = 1.5
POLL_SECONDS = 0.05


def is_known_free(address: str) -> bool:
    """Whether an address is certainly not blocked; a microsecond, and never a query.

    False means that it has to be looked up, by `blocked`.
    """
    if not mode.refuses():
        return True
    living = kept.fresh()
    return living is not None and (not living or subjects.of_address(address) not in living)


def blocked(address: str, now: datetime) -> Blocked | None:
    """The block of an address, if it has one now.

    From what this process keeps where that is fresh; otherwise one query, in the fast lane too.
    """
    if is_known_free(address):
        return None
    subject = subjects.of_address(address)
    if not subject:
        return None
    block = kept.get(subject)
    return block if block and block.until > now else None


def begin(
    address: str,
    name: str,
    users: Iterable[UserName],
    *,
    client_id: str = "",
    now: datetime | None = None,
) -> Attempt | AddressBlocked | Crowded:
    """Opens an attempt at a password, which has to be closed whatever comes of it.

    Waits for a moment where so many are open that the limit could be passed. `client_id` is that of
    a client which has proved itself and through which the attempt comes, such as in the password
    grant.
    """
    users = tuple(users)
    if not mode.counts():
        return Attempt(address, name, users, client_id)
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        moment = now or timezone.now()
        opened = attempts.begin(address, name, users, client_id=client_id, now=moment)
        if not isinstance(opened, Crowded) or time.monotonic() > give_up_at:
            return opened
        time.sleep(POLL_SECONDS)


def close(  # noqa: PLR0913 - what there is to say
    attempt: Attempt,
    *,
    failed: Iterable[UserName] = (),
    counts: bool = False,
    is_known: bool = False,
    blocked: Callable[[UserName], None] | None = None,
    closing: Callable[[bool], None] | None = None,
    now: datetime | None = None,
) -> bool:
    """Ends an attempt: `failed` are the users whose login service has refused the password,
    `counts` says whether the address has failed with it; without either it is forgotten.

    `is_known`: there is such a user, so their name may be shown. `blocked` is called for each user
    that is blocked for it, in the transaction of the block; answers whether one is, and calls
    `closing` with that in the same transaction.
    """
    if not attempt.rows:
        if closing is not None:
            closing(False)
        return False
    return attempts.close(
        attempt,
        failed=failed,
        counts=counts,
        is_known=is_known,
        blocked=blocked,
        closing=closing,
        now=now or timezone.now(),
    )


def is_user_blocked(user: UserName, now: datetime | None = None) -> bool:
    """Whether a user is blocked; one query."""
    if not mode.refuses():
        return False
    living = Block.objects.living(now or timezone.now())
    return living.filter(subject=user.subject, effect=Block.Effect.REFUSE).exists()


def lift_user(user: UserName, *, actor: str, now: datetime | None = None) -> bool:
    """Ends the block of a user before its time, such as for a new password; whether there was
    one. In the caller's transaction."""
    return bool(blocks.lift_all(user.subject, actor=actor, now=now or timezone.now()))


def failed(  # noqa: PLR0913 - what there is to say
    address: str,
    *,
    what: Failure,
    name: str,
    is_known: bool = False,
    client_id: str = "",
    now: datetime | None = None,
) -> Block | None:
    """Counts a failure that is no password's; answers the block that comes of it, if one does.

    It is counted apart from the caller's transaction. `is_known`: the name is of a client or user
    that exists, so it may be shown. Raises NotAlone in the fast lane.
    """
    if not mode.counts():
        return None
    statements.require_django()
    block = attempts.failed(
        address,
        what=what,
        name=name,
        is_known=is_known,
        client_id=client_id,
        now=now or timezone.now(),
    )
    if block is not None:
        # This process need not wait until the database tells it.
        for mark in MARKS:
            changes.hear(mark)
    return block
