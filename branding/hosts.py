"""Which brand an address shows, where no client says it: the one that has registered the host.

The Host header is the visitor's to choose. It is looked up and never repeated: a name that this
server does not answer to (`IDP_PUBLIC_URL`, `IDP_HOSTS`) costs no query and shows the plain look.
What was found is kept for half a minute, and for as long as the database is away.
"""

import time
from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.http.request import split_domain_port

from branding.models import Brand

KEPT_SECONDS = 30


def brand_at(request: HttpRequest) -> Brand | None:
    """The brand of the request's host. None too while nobody can say it: a page is more than its
    look."""
    try:
        host, _port = split_domain_port(request.get_host())
    except DisallowedHost:
        return None
    return _kept.brand_at(host) if host in settings.BRAND_HOSTS else None


def forget() -> None:
    """What is kept here: the next page asks the database. Other processes follow by themselves."""
    _kept.ask_again_at = 0.0


@dataclass(slots=True)
class _Kept:
    brands: dict[str, Brand] = field(default_factory=dict)
    ask_again_at: float = 0.0

    def brand_at(self, host: str) -> Brand | None:
        now = time.monotonic()
        if now >= self.ask_again_at and not connection.needs_rollback:
            # First, so that in an outage one request waits for the database and no second one.
            self.ask_again_at = now + KEPT_SECONDS
            self._ask()
        return self.brands.get(host)

    def _ask(self) -> None:
        try:
            # A failure must not end a transaction of the caller's.
            with transaction.atomic():
                found = list(Brand.objects.exclude(hosts=[]).order_by("-pk"))
        except DatabaseError:
            return
        # Of two with the same host, which `Brand.clean` refuses, the older one.
        self.brands = {host: brand for brand in found for host in brand.hosts}


_kept = _Kept()
