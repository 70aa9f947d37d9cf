"""One circuit breaker for each login service and process: an outage costs its own users only.

Whoever asks a server that does not answer waits for a timeout, and holds a thread. So after a few
outages in a row nobody asks for some seconds; then one does, and its answer decides. And a slow
server, before it is known to be one, never holds more than half of the threads.
"""

import logging
import time
from collections.abc import Callable
from threading import BoundedSemaphore, Lock

from idp import metrics
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Outage, Outcome, Unavailable, UnusableAnswer
from idp.environment import environment

OUTAGES_IN_A_ROW = 3
PAUSE_SECONDS = 3.0
WAIT_FOR_A_PLACE_SECONDS = 0.25

log = logging.getLogger(__name__)


class Circuit:
    """What this process knows of one login service."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = Lock()
        self._places = BoundedSemaphore(max(1, environment().threads // 2))
        self._outages = 0
        self._opened_at: float | None = None
        self._is_tried = False

    def ask(self, question: Callable[[], Outcome]) -> Outcome:
        """The answer, or `Unavailable` at once while the service is known to be out."""
        if not self._may_ask():
            return Unavailable("not asked: it has been unavailable")
        if not self._places.acquire(timeout=WAIT_FOR_A_PLACE_SECONDS):
            # Neither an outage nor a sign of life.
            self._is_tried = False
            return Unavailable("not asked: too many wait for it")
        is_answer = False
        try:
            answer = question()
            is_answer = not isinstance(answer, Unavailable)
        except Outage as outage:
            is_answer = isinstance(outage, UnusableAnswer)
            log.warning("Login service %s is unavailable: %s", self.name, outage)
            return Unavailable(str(outage))
        else:
            return answer
        finally:
            self._places.release()
            self._close() if is_answer else self._count_outage()

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def _may_ask(self) -> bool:
        with self._lock:
            if self._opened_at is None:
                return True
            if self._is_tried or self._clock() < self._opened_at + PAUSE_SECONDS:
                return False
            self._is_tried = True
            return True

    def _close(self) -> None:
        with self._lock:
            was_open = self.is_open
            self._outages, self._opened_at, self._is_tried = 0, None, False
        if was_open:
            log.warning("Login service %s is available again", self.name)
            metrics.LOGIN_SERVICE_OUT.labels(self.name).set(0)

    def _count_outage(self) -> None:
        with self._lock:
            self._outages += 1
            opens = self.is_open or self._outages >= OUTAGES_IN_A_ROW
            if opens:
                self._opened_at, self._is_tried = self._clock(), False
        if opens:
            metrics.LOGIN_SERVICE_OUT.labels(self.name).set(1)


_circuits: dict[int, Circuit] = {}
_circuits_lock = Lock()


def ask(service: LoginService, question: Callable[[], Outcome]) -> Outcome:
    """Asks the service through its circuit; `question` raises Outage where there is no answer."""
    return of(service).ask(question)


def of(service: LoginService) -> Circuit:
    with _circuits_lock:
        return _circuits.setdefault(service.pk, Circuit(service.name))


def forget() -> None:
    """For tests: as a process that has asked nobody yet."""
    _circuits.clear()
