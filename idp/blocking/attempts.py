"""What fails is counted here, for its address and for its user: the one writer of those rows.

A password is counted *before* it is checked, as an open attempt, and closed or withdrawn when the
login service has answered. So of any number of guesses made at once, in any processes, no more
reach a login service than the limit lets fail. All who count for one subject take turns; those who
count for another do not notice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import connection
from django.db.models import Count, Q

from idp import metrics
from idp.blocking import blocks, mode, profiles, subjects
from idp.blocking.apart import apart
from idp.blocking.limits import FEW_NAMES, Limits, Tally, reached
from idp.blocking.models import Block, FailedAttempt

Effect, Kind = Block.Effect, Block.Kind

# An open attempt of a process that was killed counts no longer than this.
OPEN_FOR = timedelta(seconds=60)
SHOWN_NAMES = 20


class Failure(StrEnum):
    """What has failed."""

    PASSWORD = "password"
    CLIENT_SECRET = "client secret"
    CLIENT_ASSERTION = "client assertion"
    ASSERTION = "assertion"
    USER_CODE = "user code"
    PASSWORD_RESET = "password reset"


# What nobody guesses: it is a service that fails.
OF_CLIENTS = frozenset({Failure.CLIENT_SECRET, Failure.CLIENT_ASSERTION})


@dataclass(frozen=True, slots=True)
class UserName:
    """A name at a login service, whether or not there is a user of that name."""

    login_service_id: int
    login_service: str
    name: str

    @property
    def subject(self) -> str:
        return subjects.of_user(self.login_service_id, self.name)

    def label(self, *, is_known: bool) -> str:
        return f"{subjects.shown(self.name, is_known=is_known)} ({self.login_service})"


@dataclass(frozen=True, slots=True)
class AddressBlocked:
    """The address is blocked; nothing was counted."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Crowded:
    """If all attempts that are open now were to fail, there would be too many."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A name and a password on their way to login services; `rows` are its own, by subject.

    `blocked` are the users among its names that no login service may be asked about.
    """

    address: str
    name: str
    users: tuple[UserName, ...]
    client_id: str
    rows: dict[str, int] = field(default_factory=dict)
    blocked: frozenset[UserName] = frozenset()


def begin(
    address: str, name: str, users: Iterable[UserName], *, client_id: str, now: datetime
) -> Attempt | AddressBlocked | Crowded:
    """Opens an attempt at a password. `client_id` is of a client that has proved itself, or ""."""
    attempt = Attempt(address, name, tuple(users), client_id)
    of_address = subjects.of_address(address)
    of_users = {user.subject: user for user in attempt.users}
    limits = {subject: profiles.of_user() for subject in of_users}
    with apart():
        _take_turns([of_address, *of_users])
        living = _living([of_address, *of_users], now)
        if mode.refuses() and Effect.REFUSE in living.get(of_address, {}):
            return AddressBlocked(living[of_address][Effect.REFUSE].until)
        if of_address:
            limits[of_address] = profiles.of_address(address)
        blocked = frozenset(
            user for subject, user in of_users.items()
            if mode.refuses() and Effect.REFUSE in living.get(subject, {})
        )  # fmt: skip
        counted = [s for s in limits if not _is_settled(living.get(s, {}), client_id)]
        # At the address of an application that has proved itself, many names at once are its users.
        bounded = [s for s in counted if subjects.is_user(s) or not client_id]
        if mode.refuses() and any(
            reached(limits[subject], _tally(subject, limits[subject], now, with_open=True))
            for subject in bounded
        ):
            return Crowded()
        rows = FailedAttempt.objects.bulk_create(
            _row(subject, name, Failure.PASSWORD, client_id, now, is_open=True)
            for subject in counted
        )
        return Attempt(
            address, name, attempt.users, client_id, {r.subject: r.pk for r in rows}, blocked
        )


def close(  # noqa: PLR0913 - what there is to say
    attempt: Attempt,
    *,
    failed: Iterable[UserName],
    counts: bool,
    is_known: bool,
    blocked: Callable[[UserName], None] | None,
    closing: Callable[[bool], None] | None,
    now: datetime,
) -> bool:
    """Ends an attempt: of its users those count that `failed`, its address if it `counts`; the
    rest is withdrawn. Calls `blocked`, in the same transaction, for each user that is blocked for
    it, and `closing` with whether one is, which is also answered."""
    of_users = {user.subject: user for user in failed}
    of_address = subjects.of_address(attempt.address)
    counted = {*of_users, of_address} if counts else set(of_users)
    keep = {subject: row for subject, row in attempt.rows.items() if subject in counted}
    withdrawn = set(attempt.rows.values()) - set(keep.values())
    with apart():
        _take_turns(attempt.rows)
        FailedAttempt.objects.filter(pk__in=withdrawn).delete()
        is_blocked = False
        if keep:
            shown = subjects.shown(attempt.name, is_known=is_known)
            kept = FailedAttempt.objects.filter(pk__in=keep.values())
            kept.update(is_open=False, name_shown=shown)
            metrics.count(metrics.FAILED_ATTEMPTS, what=Failure.PASSWORD)
        for subject in sorted(keep):
            user = of_users.get(subject)
            label = user.label(is_known=is_known) if user else subject
            block = _decide(subject, label, attempt.address, attempt.client_id, now)
            if block and user and block.effect == Effect.REFUSE:
                is_blocked = True
                if blocked is not None:
                    blocked(user)
        if closing is not None:
            closing(is_blocked)
        return is_blocked


def failed(  # noqa: PLR0913 - a row
    address: str, *, what: Failure, name: str, is_known: bool, client_id: str, now: datetime
) -> Block | None:
    """Counts for the address that something failed under a name; answers the block that comes of
    it."""
    subject = subjects.of_address(address)
    if not subject:
        return None
    with apart():
        _take_turns([subject])
        metrics.count(metrics.FAILED_ATTEMPTS, what=what)
        if _is_settled(_living([subject], now).get(subject, {}), client_id):
            return None
        row = _row(subject, name, what, client_id, now)
        row.name_shown = subjects.shown(name, is_known=is_known)
        row.save()
        return _decide(subject, subject, address, client_id, now)


# --- Turns ----------------------------------------------------------------------------------------


def _take_turns(of: Iterable[str]) -> None:
    """Waits until nobody else counts for these; held until the transaction ends. In order, so that
    no two wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(subject, 7462)) "
            "FROM unnest(%s::text[]) AS subject",
            [sorted(subject for subject in of if subject)],
        )


def _living(of: Iterable[str], now: datetime) -> dict[str, dict[str, Block]]:
    """`{subject: {effect: block}}`."""
    found: dict[str, dict[str, Block]] = {}
    for block in Block.objects.living(now).filter(subject__in=[s for s in of if s]):
        found.setdefault(block.subject, {})[block.effect] = block
    return found


def _is_settled(living: dict[str, Block], client_id: str) -> bool:
    """Whether a block stands already for what is about to be counted, so that nothing would come
    of it."""
    warning = living.get(Effect.WARNING)
    if warning and client_id and warning.client_id == client_id:
        return True
    return (Effect.REFUSE if mode.refuses() else Effect.SHADOW) in living


# --- Counting -------------------------------------------------------------------------------------


def _row(  # noqa: PLR0913, PLR0917 - its columns
    subject: str, name: str, what: Failure, client_id: str, now: datetime, is_open: bool = False
) -> FailedAttempt:
    return FailedAttempt(
        subject=subject,
        name_key=subjects.name_key(name),
        name_shown=subjects.HIDDEN,
        what=what,
        client_id=client_id,
        at=now,
        is_open=is_open,
    )


def _within(subject: str, limits: Limits, now: datetime) -> Q:
    return Q(subject=subject, at__gt=now - limits.window)


def _tally(subject: str, limits: Limits, now: datetime, *, with_open: bool = False) -> Tally:
    rows = FailedAttempt.objects.filter(_within(subject, limits, now))
    counting = Q(is_open=False)
    if with_open:
        counting |= Q(at__gt=now - OPEN_FOR)
    of_clients = Q(what__in=OF_CLIENTS)
    found = rows.filter(counting).aggregate(
        attempts=Count("pk"),
        names=Count("name_key", distinct=True),
        client_failures=Count("pk", filter=of_clients),
        names_of_people=Count("name_key", distinct=True, filter=~of_clients),
    )
    of_people = found["attempts"] - found["client_failures"]
    return Tally(repeats=of_people - found.pop("names_of_people"), **found)


def _decide(subject: str, label: str, address: str, client_id: str, now: datetime) -> Block | None:
    """Makes the block that the failures of a subject are worth, if any; they have then served."""
    is_user = subjects.is_user(subject)
    limits = profiles.of_user() if is_user else profiles.of_address(address)
    tally = _tally(subject, limits, now)
    reason = reached(limits, tally)
    if reason is None:
        return None
    rows = FailedAttempt.objects.filter(_within(subject, limits, now), is_open=False)
    seen = list(rows.order_by("-pk").values_list("name_key", "name_shown", "what", "client_id"))
    # One name a key, as it was shown last.
    names = dict(reversed([(key, name) for key, name, _, _ in seen]))
    through = {client for *_, client in seen}
    forwards_nothing = (
        not is_user and through == {client_id} and client_id != "" and tally.names > FEW_NAMES
    )
    if forwards_nothing:
        effect = Effect.WARNING
    else:
        effect = Effect.REFUSE if mode.refuses() else Effect.SHADOW
    block = blocks.make(
        subject,
        kind=Kind.USER if is_user else Kind.ADDRESS,
        label=label,
        effect=effect,
        limits=limits,
        evidence=blocks.Evidence(
            reason=reason,
            what=tuple(sorted({what for _, _, what, _ in seen})),
            names=tuple(sorted(set(names.values())))[:SHOWN_NAMES],
            name_count=tally.names,
            attempts=tally.attempts,
            client_id=client_id if through == {client_id} else "",
        ),
        address=address,
        now=now,
    )
    FailedAttempt.objects.filter(subject=subject, is_open=False).delete()
    return block
