"""Tells clients of logouts (OpenID Connect Back-Channel Logout 1.0), and again until they listen.

A notice is a row, written in the transaction of the logout: nobody waits for a client, and nothing
is lost while the broker or the worker is away. Beat starts `deliver` every minute; a logout starts
it at once.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from clients_admin.models import Client
from idp import metrics, outbound, worker
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import logout_token
from tokens.models import LogoutNotice, SessionLogin

TASK = "tokens.deliver_logouts"
TASK_EXPIRES_SECONDS = 60

# After each attempt but the last one, which is made some nine hours after the logout.
PAUSES_SECONDS = (15, 60, 300, 1800, 7200, 21_600)
MAX_ATTEMPTS = len(PAUSES_SECONDS) + 1
KEPT = timedelta(days=1)

# One client that does not answer holds up the others for so long, once in a run.
SECONDS_A_CLIENT = 5.0
BATCH, THREADS = 64, 8
# A batch is another worker's after this, where the one that took it has died.
LEASE = timedelta(seconds=120)

log = logging.getLogger(__name__)


def queue(user: User, ended: Iterable[SessionLogin], *, are_all: bool, now: datetime) -> None:
    """Writes what the clients of ended logins are to be told, in the caller's transaction.

    Where all sessions of a user have ended, once for all of them. Section 2.4: without `sid`, "the
    intent is that all sessions at the RP for the End-User … be logged out". A client that wants the
    `sid` always (section 2.2) is told of each.
    """
    sids: dict[int, set[str]] = {}
    for login in ended:
        sids.setdefault(login.client_id, set()).add(login.sid)
    told = Client.objects.filter(pk__in=sids).exclude(backchannel_logout_uri="")
    notices = [
        LogoutNotice(client=client, user=user, sid=sid, ended_at=now, due_at=now)
        for client in told
        for sid in (
            [""]
            if are_all and not client.backchannel_logout_session_required
            else sorted(sids[client.pk])
        )
    ]
    if notices:
        LogoutNotice.objects.bulk_create(notices)
        transaction.on_commit(_start)


def _start() -> None:
    worker.hand_over(TASK, (), expires_seconds=TASK_EXPIRES_SECONDS)


def deliver() -> dict[str, int]:
    """Tells of all that is due; answers how often with which outcome."""
    counts: dict[str, int] = {}
    away: dict[int, str] = {}
    while notices := _take(timezone.now()):
        for notice, problem in _tell(notices, away):
            outcome = _settle(notice, problem)
            counts[outcome] = counts.get(outcome, 0) + 1
    return counts


def give_up_overdue(now: datetime) -> int:
    """Gives up what is still there after a day, whatever has kept it from being told."""
    overdue = LogoutNotice.objects.select_related("client").filter(ended_at__lte=now - KEPT)
    return sum(_give_up(notice, "it is older than a day") for notice in list(overdue))


def _take(now: datetime) -> list[LogoutNotice]:
    """A batch that is due, by client; nobody else takes it meanwhile."""
    with transaction.atomic():
        due = LogoutNotice.objects.select_for_update(skip_locked=True, of=("self",))
        taken = list(
            due.select_related("client", "user").filter(due_at__lte=now).order_by("due_at")[:BATCH]
        )
        for notice in taken:
            notice.attempts += 1
            notice.due_at = now + LEASE
        LogoutNotice.objects.bulk_update(taken, ["attempts", "due_at"])
    return sorted(taken, key=lambda notice: notice.client_id)


def _tell(notices: list[LogoutNotice], away: dict[int, str]) -> list[tuple[LogoutNotice, str]]:
    """Speaks to several clients at once; answers each notice and what went wrong with it.

    One that cannot be reached is `away`, and is not tried again in this run.
    """
    signed = [(notice, _form_of(notice)) for notice in notices]
    by_client = [list(group) for _, group in groupby(signed, lambda pair: pair[0].client_id)]
    with ThreadPoolExecutor(THREADS) as pool:
        groups = pool.map(partial(_tell_client, away), by_client)
        return [told for group in groups for told in group]


def _form_of(notice: LogoutNotice) -> bytes:
    token = logout_token.of(notice.client, notice.user.sub, notice.sid, timezone.now())
    return urlencode({"logout_token": token}).encode()


def _tell_client(
    away: dict[int, str], signed: list[tuple[LogoutNotice, bytes]]
) -> list[tuple[LogoutNotice, str]]:
    """One notice after the other, in a thread without a database connection."""
    told: list[tuple[LogoutNotice, str]] = []
    for notice, form in signed:
        if notice.client_id not in away:
            try:
                told.append((notice, _post(notice.client.backchannel_logout_uri, form)))
                continue
            except outbound.Unreachable as error:
                away[notice.client_id] = f"the address {error}"
        told.append((notice, away[notice.client_id]))
    return told


def _post(url: str, form: bytes) -> str:
    """What was wrong with the answer, if anything. Section 2.8: 200 where the logout succeeded,
    and "some Web frameworks will substitute an HTTP 204 No Content"."""
    answer = outbound.post(
        url,
        form,
        allowed=settings.LOGOUT_ALLOWED_NETWORKS,
        seconds=SECONDS_A_CLIENT,
        content_type="application/x-www-form-urlencoded",
    )
    if answer.status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
        return ""
    return f"it answered with status {answer.status}"


def _settle(notice: LogoutNotice, problem: str) -> str:
    """What becomes of a notice after an attempt, in one word."""
    if not problem:
        _end(notice, Tag.TOKENS_LOGOUT_DELIVERED)
        _count(notice, "delivered")
        return "delivered"
    if notice.attempts >= MAX_ATTEMPTS:
        _give_up(notice, problem)
        return "given_up"
    pause = PAUSES_SECONDS[notice.attempts - 1]
    log.warning(
        "Client %s was not told of a logout, next attempt in %d seconds: %s",
        notice.client.client_id, pause, problem,
    )  # fmt: skip
    taken = LogoutNotice.objects.filter(pk=notice.pk, attempts=notice.attempts)
    taken.update(due_at=timezone.now() + timedelta(seconds=pause))
    _count(notice, "failed")
    return "failed"


def _give_up(notice: LogoutNotice, problem: str) -> bool:
    log.error("Client %s is not told of a logout: %s", notice.client.client_id, problem)
    _count(notice, "given_up")
    return _end(notice, Tag.TOKENS_LOGOUT_GIVEN_UP, reason=problem)


def _count(notice: LogoutNotice, outcome: str) -> None:
    metrics.count(metrics.BACKCHANNEL_LOGOUTS, client=notice.client.client_id, outcome=outcome)


def _end(notice: LogoutNotice, tag: Tag, **details: Any) -> bool:
    """Lets go of a notice with its event; False where another worker has."""
    with transaction.atomic():
        gone, _ = LogoutNotice.objects.filter(pk=notice.pk).delete()
        if gone:
            record(
                tag,
                client_id=notice.client.client_id,
                user_id=notice.user_id,
                attempts=notice.attempts,
                **details,
            )
    return bool(gone)
