"""Tasks that are sent and not scheduled; what beat starts is in `tokens/tasks.py`."""

import logging
from collections.abc import Callable
from functools import partial
from smtplib import SMTPRecipientsRefused
from typing import Any

from celery import shared_task
from django.utils import timezone

from idp import metrics, notifications, worker
from idp.accounts import password_mails

_PERMANENT = 500

log = logging.getLogger(__name__)


@shared_task(name=notifications.TASK, bind=True, max_retries=notifications.MAX_RETRIES)
def notify(self: Any, title: str, body: str = "", only: list[str] | None = None) -> None:
    """Delivers a message; where it fails, only those who have not got it are tried again."""
    outcome = notifications.deliver(title, body, only)
    metrics.count(metrics.NOTIFICATIONS, len(outcome.sent), outcome="sent")
    metrics.count(metrics.NOTIFICATIONS, len(outcome.failed), outcome="failed")
    if outcome.unusable:
        log.error("IDP_NOTIFY_URLS: Apprise knows no service for URL %s", _places(outcome.unusable))
        metrics.count(metrics.NOTIFICATIONS, len(outcome.unusable), outcome="lost")
    if not outcome.left:
        return
    if self.request.retries >= self.max_retries:
        log.error("Given up at URL %s of IDP_NOTIFY_URLS: %r", _places(outcome.failed), title)
        metrics.count(metrics.NOTIFICATIONS, len(outcome.failed), outcome="lost")
        return
    log.warning("Refused by URL %s of IDP_NOTIFY_URLS, tried again later", _places(outcome.failed))
    raise self.retry(
        args=(title, body, outcome.left),
        countdown=notifications.retry_seconds(self.request.retries),
    )


@shared_task(name=password_mails.ASKED)
def password_asked(  # noqa: PLR0913, PLR0917 - what the page hands over
    service_ids: list[int], username: str, client_id: str, brand: str, language: str, address: str
) -> None:
    """Has a link mailed to everybody who has that name at one of these login services."""
    now = timezone.now()
    found = password_mails.find(
        service_ids, username, client_id=client_id, address=address, now=now
    )
    for external_id in found:
        worker.hand_over(
            password_mails.LINK,
            (external_id, client_id, brand, language),
            expires_seconds=password_mails.EXPIRES_SECONDS,
        )


@shared_task(name=password_mails.LINK, bind=True, max_retries=password_mails.MAX_RETRIES)
def password_link(self: Any, external_id: str, client_id: str, brand: str, language: str) -> None:
    _mail(self, partial(password_mails.send_link, external_id, client_id, brand, language))


@shared_task(name=password_mails.CHANGED, bind=True, max_retries=password_mails.MAX_RETRIES)
def password_changed(self: Any, external_id: str, brand: str, language: str) -> None:
    _mail(self, partial(password_mails.send_changed, external_id, brand, language))


def _mail(task: Any, send: Callable[[], bool]) -> None:
    """Sends a mail, later where the mail server takes none now. What it says may hold the address
    of a user, so its error is in the log by its kind alone."""
    try:
        is_sent = send()
    except OSError as problem:
        metrics.count(metrics.MAILS, outcome="failed")
        kind = type(problem).__name__
        is_last = task.request.retries >= task.max_retries
        if is_last or _is_final(problem):
            log.error("Mail given up (%s)", kind)  # noqa: TRY400
            metrics.count(metrics.MAILS, outcome="lost")
            return
        log.warning("Mail not taken (%s), tried again later", kind)
    else:
        metrics.count(metrics.MAILS, is_sent, outcome="sent")
        return
    raise task.retry(countdown=password_mails.retry_seconds(task.request.retries))


def _is_final(problem: OSError) -> bool:
    """RFC 5321 section 4.2.1: of a reply 5yz the client "SHOULD NOT repeat the exact request"."""
    if not isinstance(problem, SMTPRecipientsRefused):
        return False
    return all(code >= _PERMANENT for code, _text in problem.recipients.values())


def _places(places: tuple[int, ...]) -> str:
    return ", ".join(map(str, places))
