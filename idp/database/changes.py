"""What has changed, as PostgreSQL tells every process (LISTEN/NOTIFY), for those that cache.

A *mark* names what changed: `client:12`, `user:7`, `token:5041...`. Triggers tell of rows that
people edit, `tell` of tokens that end; both are heard when their transaction commits, and by
nobody where it does not. Each process that serves requests has one listener.

What is kept counts for as long as the listener is known to hear: it makes itself heard by the
server twice a second, and has a lease of two. Where it is lost, nothing is kept or used until it is
back. So no process believes anything for longer than the lease that another has changed.
"""

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event, Lock, Thread
from typing import Any

import psycopg
from django.db import connection

from idp.database.connections import connect

CHANNEL = "idp_changes"
LEASE_SECONDS = 2.0
BEAT_SECONDS = 0.5
RECONNECT_SECONDS = 0.1
# For so long a mark is remembered; whatever was read before that is taken for changed.
MEMORY_SECONDS = 120.0

type Callback = Callable[[str | None], None]

log = logging.getLogger(__name__)


def tell(marks: Iterable[str]) -> None:
    """Tells all processes, once the transaction at hand commits."""
    if told := list(marks):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, mark) FROM unnest(%s::text[]) AS mark", [CHANNEL, told]
            )


class Changes:
    """What this process has heard. Times are `time.monotonic()`."""

    def __init__(self) -> None:
        self.lease_until = 0.0
        self.last_heard_at = 0.0
        self._complete_since = float("inf")
        self._heard_at: dict[str, float] = {}
        self._callbacks: list[Callback] = []
        self._lock = Lock()

    @property
    def is_live(self) -> bool:
        """Whether what is kept may be used, and what is read may be kept."""
        return time.monotonic() < self.lease_until

    def changed_since(self, read_at: float, marks: Iterable[str]) -> bool:
        """Whether any of these has changed since; True where that is not known.

        `read_at` is the time *before* the reading began.
        """
        if read_at < self._complete_since or not self.is_live:
            return True
        if read_at > self.last_heard_at:
            return False
        heard_at = self._heard_at
        return any(heard_at.get(mark, 0.0) >= read_at for mark in marks)

    def subscribe(self, callback: Callback) -> None:
        """Calls back with every mark that is heard; with None where anything may have changed."""
        self._callbacks.append(callback)

    # --- For the listener ---------------------------------------------------------------------

    def renew(self, heard_until: float) -> None:
        self.lease_until = heard_until + LEASE_SECONDS
        if heard_until - self._complete_since > MEMORY_SECONDS:
            self._forget_before(heard_until - MEMORY_SECONDS / 2)

    def hear(self, mark: str) -> None:
        # Until all have dropped what they know, whoever reads may still be given it: what is read
        # meanwhile counts as read before.
        with self._lock:
            self.last_heard_at = self._heard_at[mark] = float("inf")
        self._call_back(mark)
        with self._lock:
            self.last_heard_at = self._heard_at[mark] = time.monotonic()

    def begin(self) -> None:
        """The listener hears from now on; what was read before may have changed."""
        with self._lock:
            self._heard_at = {}
            self._complete_since = time.monotonic()
        self._call_back(None)

    def end(self) -> None:
        """The listener hears nothing any more."""
        self.lease_until, self._complete_since = 0.0, float("inf")
        self._call_back(None)

    def _forget_before(self, moment: float) -> None:
        with self._lock:
            self._heard_at = {mark: at for mark, at in self._heard_at.items() if at >= moment}
            self._complete_since = moment

    def _call_back(self, mark: str | None) -> None:
        for callback in self._callbacks:
            callback(mark)


changes = Changes()


class Listener:
    """The thread that listens for as long as the process lives."""

    def __init__(self, heard: Changes) -> None:
        self._changes = heard
        self._stopped = Event()
        self._is_lost = False
        self._thread = Thread(target=self._run, name="idp-changes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                if not self._is_lost:
                    # Not its text, which may name the server's address and user.
                    log.warning("Changes are not heard, nothing is kept: %s", type(error).__name__)
                self._is_lost = True
            except Exception:
                log.exception("Changes are not heard, nothing is kept")
                self._stopped.wait(LEASE_SECONDS)
            finally:
                self._changes.end()
            self._stopped.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with connect("idp changes") as server:
            server.execute(f"LISTEN {CHANNEL}")
            self._changes.begin()
            if self._is_lost:
                log.warning("Changes are heard again")
            self._is_lost = False
            while not self._stopped.is_set():
                sent_at = time.monotonic()
                server.execute("SELECT 1")
                # What was told before the server answered that has been received with it.
                self._hear(server, 0)
                self._changes.renew(sent_at)
                self._hear(server, BEAT_SECONDS)

    def _hear(self, server: psycopg.Connection[Any], seconds: float) -> None:
        for notification in server.notifies(timeout=seconds):
            self._changes.hear(notification.payload)


_lock = Lock()
_listener: Listener | None = None


def listen() -> None:
    """Starts this process's listener, once."""
    global _listener  # noqa: PLW0603 - one a process
    if _listener is None:
        with _lock:
            if _listener is None:
                _listener = Listener(changes)
                _listener.start()
