"""Clients as this process knows them: read once, with all that a request asks of a client.

A known client is shared by all threads and saved by nobody (`Client.save` refuses). What is kept is
dropped when PostgreSQL tells of a change, and kept only while changes are heard
(`idp.database.changes`); otherwise each request reads anew, and no request is answered from what
may have changed. In the fast lane nothing is read: what is not known there is Django's to answer.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from clients_admin.models import Client, Known, scope_group_members
from idp.accounts.models import LoginService
from idp.database import statements
from idp.database.changes import changes

ALL = "clients"


def mark(client_id: int) -> str:
    """What a change of this client is told as."""
    return f"client:{client_id}"


class Directory:
    """Clients by public id and by key, and what they all share."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_client_id: dict[str, Client] = {}
        self._by_key: dict[int, Client] = {}
        self._shared: dict[str, Any] = {}

    def client(self, client_id: str) -> Client | None:
        """The client of that public id, active or not. Raises NotAlone where it would be read."""
        if (known := self._by_client_id.get(client_id)) and changes.is_live:
            return known
        return self._read(client_id=client_id)

    def client_by_key(self, key: int) -> Client | None:
        """The client of that primary key, active or not. Raises NotAlone, as `client`."""
        if (known := self._by_key.get(key)) and changes.is_live:
            return known
        return self._read(pk=key)

    def knows(self, client: Client) -> bool:
        """Whether this very client is the one that is known now."""
        return self._by_key.get(client.pk) is client and changes.is_live

    def login_service_name(self, key: int) -> str:
        """The name of a login service. Raises NotAlone, as `client`."""
        names = self._share("login services", _login_service_names)
        if key not in names:  # Made just now, and not heard of yet.
            statements.require_django()
            names = _login_service_names()
        return str(names[key])

    def scope_groups(self) -> dict[str, list[str]]:
        """All scope groups, see `scope_group_members`. Raises NotAlone, as `client`."""
        groups: dict[str, list[str]] = self._share("scope groups", scope_group_members)
        return groups

    def forget(self, changed: str | None) -> None:
        """Drops what a mark is about; None and the mark of all drop everything."""
        with self._lock:
            if changed is None or changed == ALL:
                self._by_client_id, self._by_key, self._shared = {}, {}, {}
                return
            kind, _, key = changed.partition(":")
            if kind == "client" and key.isdecimal():
                self._by_key.pop(int(key), None)
                for client_id, known in list(self._by_client_id.items()):
                    if known.pk == int(key):
                        del self._by_client_id[client_id]

    def _share(self, name: str, read: Callable[[], Any]) -> Any:
        if name in self._shared and changes.is_live:
            return self._shared[name]
        statements.require_django()
        read_at = time.monotonic()
        found = read()
        with self._lock:
            if not changes.changed_since(read_at, [ALL]):
                self._shared[name] = found
        return found

    def _read(self, **key: Any) -> Client | None:
        statements.require_django()
        read_at = time.monotonic()
        client: Client | None = Client.objects.select_related("brand").filter(**key).first()
        if client is None:
            return None
        client.known = Known.of(client, self.scope_groups())
        with self._lock:
            if not changes.changed_since(read_at, [ALL, mark(client.pk)]):
                self._by_client_id[client.client_id] = self._by_key[client.pk] = client
        return client


def _login_service_names() -> dict[int, str]:
    return dict(LoginService.objects.values_list("pk", "name"))


directory = Directory()
changes.subscribe(directory.forget)
