"""Tasks that are sent and not scheduled; what beat starts is in `tokens/tasks.py`."""

import logging
from typing import Any

from celery import shared_task

from idp import metrics, notifications

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


def _places(places: tuple[int, ...]) -> str:
    return ", ".join(map(str, places))
