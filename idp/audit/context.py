"""Who asks, and from where: what an event says of its circumstances where its writer does not.

The middleware says it of a request, the operators' UI and commands of whoever acts there.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from idp import net
from idp.audit.details import without_secrets


@dataclass(frozen=True, slots=True)
class Context:
    """`meta` is the request's environ, so that an address which somebody vouches for later on in
    the same request is the one that counts; None where there is no request. `details` are in each
    event, beside its own."""

    meta: Mapping[str, Any] | None = None
    actor: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str | None:
        """Where the request comes from; None for a command, a job, or a peer without address."""
        return None if self.meta is None else net.address_in(self.meta) or None


_NOBODY = Context()
_context: ContextVar[Context] = ContextVar("audit context", default=_NOBODY)


def current() -> Context:
    return _context.get()


@contextmanager
def acting(actor: str) -> Iterator[None]:
    """While this lasts, events without an actor are this one's. It may be a name that somebody
    has given themselves."""
    with during(replace(current(), actor=without_secrets(actor))):
        yield


@contextmanager
def noting(**details: Any) -> Iterator[None]:
    """While this lasts, events have these details too: what they are part of."""
    known = current()
    with during(replace(known, details={**known.details, **details})):
        yield


class AuditContextMiddleware:
    """Outside of all that could write an event."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with during(Context(meta=request.META)):
            return self.get_response(request)


@contextmanager
def during(context: Context) -> Iterator[None]:
    """While this lasts, events are made in these circumstances."""
    before = _context.set(context)
    try:
        yield
    finally:
        _context.reset(before)
