"""Messages to the operators' chat or mailbox: handed to the worker, which speaks Apprise.

Whoever sends one waits for no chat and fails for no broker. URLs of chats are secrets: messages in
the queue know them by a fingerprint, and logs by their place in IDP_NOTIFY_URLS.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from idp import worker
from idp.environment import environment

TASK = "idp.notify"
MAX_TITLE, MAX_BODY = 200, 4000

# A chat that is down is asked again for about an hour and a quarter. Each pause is shorter than
# what Redis waits before it gives a message to another worker.
MAX_RETRIES = 11
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 15, 900
EXPIRES_SECONDS = 2 * 3600

log = logging.getLogger(__name__)


# --- Sending --------------------------------------------------------------------------------------


def send(title: str, body: str = "") -> None:
    """Tells the operators, when the transaction around this commits. Never fails its caller.

    No secret may be in it. Without IDP_NOTIFY_URLS, or a broker, it is in the log and no more.
    """
    title, body = title[:MAX_TITLE], body[:MAX_BODY]
    # Not transaction.on_commit(), which connects to the database to see that nothing is open.
    connection = transaction.get_connection()
    if connection.in_atomic_block:
        connection.on_commit(lambda: _enqueue(title, body))
    else:
        _enqueue(title, body)


def _enqueue(title: str, body: str) -> None:
    log.warning("Notification: %r %r", title, body)
    if not environment().notify_urls:
        return
    worker.hand_over(TASK, (title, body), expires_seconds=EXPIRES_SECONDS, about=title)


# --- Delivering -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message: at which places it arrived, and at which it may yet.

    `places` count from 1, as in IDP_NOTIFY_URLS; `left` are fingerprints of URLs to try again.
    """

    sent: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    unusable: tuple[int, ...] = ()
    left: tuple[str, ...] = ()


def deliver(title: str, body: str, only: Collection[str] | None = None) -> Outcome:
    """Speaks to all URLs, or to those with the fingerprints `only`. Each is given seconds."""
    sent, failed, unusable, left = [], [], [], []
    for place, url in enumerate(_urls(), start=1):
        if only is not None and fingerprint(url) not in only:
            continue
        service = _service(url)
        if service is None:
            unusable.append(place)
        elif service.notify(title=title, body=body or title, body_format="text"):
            sent.append(place)
        else:
            failed.append(place)
            left.append(fingerprint(url))
    return Outcome(tuple(sent), tuple(failed), tuple(unusable), tuple(left))


def retry_seconds(retries: int) -> int:
    """The pause after so many retries: doubled each time, up to a quarter of an hour."""
    return int(min(FIRST_RETRY_SECONDS * 2**retries, LONGEST_RETRY_SECONDS))


def fingerprint(url: str) -> str:
    """What stands for a URL where others may read it."""
    return salted_hmac("idp.notifications", url, algorithm="sha256").hexdigest()[:16]


def _urls() -> list[str]:
    return [url.get_secret_value() for url in environment().notify_urls]


def _service(url: str) -> Any:
    """Apprise for this one URL; None where it does not know what that is."""
    from apprise import Apprise  # It costs a quarter of a second that only the worker needs.

    service = Apprise()
    return service if service.add(url) else None
