"""Work for the Celery worker, handed over by whoever answers a request.

Whoever hands something over waits for a broker for seconds at most, and fails for none.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

from celery import current_app
from kombu import Connection

from idp.environment import environment

# What a caller waits for a broker that does not answer, and how long the broker is then left alone.
BROKER_SECONDS = 1.0
PAUSE_SECONDS = 30.0

log = logging.getLogger(__name__)


def hand_over(
    task: str, arguments: tuple[Any, ...], *, expires_seconds: int, about: str = ""
) -> bool:
    """Whether the broker has it. `about` is for the log where it has not; no secret may be there.

    The arguments are in no event and no log.
    """
    about = about or task
    if time.monotonic() < _broker.shunned_until:
        log.error("Not sent, the broker was away a moment ago: %r", about)
        return False
    try:
        with _connection() as connection:
            current_app.send_task(
                task,
                arguments,
                connection=connection,
                expires=expires_seconds,
                retry=False,
                argsrepr="(...)",
            )
    except Exception as problem:  # noqa: BLE001 - brokers fail in their clients' ways
        _broker.shunned_until = time.monotonic() + PAUSE_SECONDS
        # Without its text, in which a broker's URL may stand.
        log.error(  # noqa: TRY400
            "Not sent, the broker is away (%s): %r", type(problem).__name__, about
        )
        return False
    return True


@dataclass(slots=True)
class _Broker:
    shunned_until: float = 0.0


_broker = _Broker()


def _connection() -> Connection:
    """A connection of its own, which gives up soon; the worker's must wait for ever."""
    return Connection(
        environment().broker_url.get_secret_value(),
        connect_timeout=BROKER_SECONDS,
        transport_options={
            "max_retries": 0,
            **dict.fromkeys(("socket_connect_timeout", "socket_timeout"), BROKER_SECONDS),
            **dict.fromkeys(("read_timeout", "write_timeout"), BROKER_SECONDS),
        },
    )
