"""How often things happened, hour by hour in all processes together, for the operators' UI.

Prometheus has more, where there is one. Each process adds what it has counted once in
`WRITE_SECONDS`, in one statement; what a killed process had not yet added is missing here and
nowhere else. `idp/metrics.py` says what is tallied; `models.py` reads it.
"""

import atexit
import logging
import time
from collections import Counter
from collections.abc import Mapping
from threading import Lock, Thread

from django.db import connection

WRITE_SECONDS = 10.0
# Names are made of labels, such as those of login services; no process remembers more.
MAX_NAMES = 1000

log = logging.getLogger(__name__)


class _Pending:
    """What this process has counted and not yet added."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()
        self._lock = Lock()
        self._writing = Lock()
        self._is_started = False

    def add(self, name: str, number: int) -> None:
        with self._lock:
            if name in self._numbers or len(self._numbers) < MAX_NAMES:
                self._numbers[name] += number

    def start(self) -> None:
        with self._lock:
            if self._is_started:
                return
            self._is_started = True
        Thread(target=self._write_again_and_again, name="tallies", daemon=True).start()
        atexit.register(self._write_or_log)

    def write(self) -> None:
        with self._writing:
            with self._lock:
                taken, self._numbers = self._numbers, Counter()
            if not taken:
                return
            try:
                _add(taken)
            except Exception:
                for name, number in taken.items():
                    self.add(name, number)
                raise

    def _write_again_and_again(self) -> None:
        while True:
            time.sleep(WRITE_SECONDS)
            self._write_or_log()

    def _write_or_log(self) -> None:
        try:
            self.write()
        except Exception as problem:  # noqa: BLE001 - whatever it is, the next time may do
            log.warning("Tallies are not written, and kept: %s", type(problem).__name__)
        finally:
            connection.close()


def _add(numbers: Mapping[str, int]) -> None:
    # In the order of their names, so that no two processes wait for each other.
    names = sorted(numbers)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO idp_tally (hour, name, number)
            SELECT date_trunc('hour', now(), 'UTC'), name, number
            FROM unnest(%s::text[], %s::bigint[]) AS taken (name, number)
            ON CONFLICT (hour, name) DO UPDATE SET number = idp_tally.number + excluded.number
            """,
            [names, [numbers[name] for name in names]],
        )


_pending = _Pending()
add, write = _pending.add, _pending.write


def start() -> None:
    """Has a thread of this process write what is counted, until it ends."""
    _pending.start()
