"""A few connections of each process to the database of a login service, kept between sign-ins.

No library's pool: theirs connect in the background, so that whoever asks waits for a server that is
known to be away. How many there are at once is the circuit's to say.
"""

import time
from threading import Lock

from idp.accounts import secret_references
from idp.accounts.models import LoginService
from idp.accounts.service_settings import SQLSettings
from idp.accounts.sql_connections import Broken, Connection, Row, connect

KEPT = 4
# Firewalls forget connections that say nothing, and tell nobody.
KEPT_SECONDS = 60.0


class Pool:
    """The connections that one set of settings opens."""

    def __init__(self, settings: SQLSettings) -> None:
        self.settings = settings
        self._lock = Lock()
        self._idle: list[tuple[float, Connection]] = []

    def rows(self, query: str, name: str, value: str) -> list[Row]:
        """Raises Outage. A connection that has ended meanwhile is replaced, once."""
        connection = self._kept()
        if connection is not None:
            try:
                return self._ask(connection, query, name, value)
            except Broken:
                self.close()
        return self._ask(self._new(), query, name, value)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _ask(self, connection: Connection, query: str, name: str, value: str) -> list[Row]:
        try:
            rows = connection.rows(query, name, value)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if len(self._idle) < KEPT:
                self._idle.append((time.monotonic(), connection))
                return rows
        connection.close()
        return rows

    def _kept(self) -> Connection | None:
        """The one that was used last, if that is not long ago."""
        with self._lock:
            since, connection = self._idle.pop() if self._idle else (0.0, None)
        if connection is None or time.monotonic() < since + KEPT_SECONDS:
            return connection
        connection.close()
        self.close()
        return None

    def _new(self) -> Connection:
        settings = self.settings
        password = secret_references.read(settings.password_file, settings.password_variable)
        return connect(settings, password)


_pools: dict[int, Pool] = {}
_pools_lock = Lock()


def of(service: LoginService, settings: SQLSettings) -> Pool:
    """The pool of a service; a new one where its settings have changed."""
    with _pools_lock:
        pool = _pools.get(service.pk)
        if pool is not None and pool.settings == settings:
            return pool
        fresh = _pools[service.pk] = Pool(settings)
    if pool is not None:
        pool.close()
    return fresh


def forget() -> None:
    """Closes all connections; for tests, whose servers come and go."""
    with _pools_lock:
        for pool in _pools.values():
            pool.close()
        _pools.clear()
