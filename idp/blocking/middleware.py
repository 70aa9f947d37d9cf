"""Refuses blocked addresses at every URL, before there is a session; tells the rest who asks."""

import math
from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from branding.pages import render_error
from idp import metrics, net
from idp.blocking import guard
from idp.blocking.kept import Blocked
from idp.blocking.refusal import STATUS, refusal, wants_page

# What watches over this instance has to go on seeing it.
WATCHED = frozenset({"/healthz", "/readyz", "/metrics"})


# As the protocol endpoints send it.
POLICY_FOR_PROGRAMS = "default-src 'none'; frame-ancestors 'none'"

_AGAIN_SOON = (
    "Too many attempts to sign in from your network have failed. "
    "Please try again in %(minutes)d minute."
)
_AGAIN_LATER = (
    "Too many attempts to sign in from your network have failed. "
    "Please try again in %(minutes)d minutes."
)


class BlockingMiddleware:
    """Outside sessions, so that no cookie helps; inside static files, which pages need."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        address = net.address_of(request)
        request.META[net.ADDRESS] = address
        request.client_address = address  # type: ignore[attr-defined]
        return refused_if_blocked(request, timezone.now()) or self.get_response(request)


def refused_if_blocked(request: HttpRequest, now: datetime) -> HttpResponse | None:
    """What a request is answered whose address is blocked; None where it may pass."""
    address = net.address_of(request)
    if guard.is_known_free(address) or _is_watched(request, address):
        return None
    block = guard.blocked(address, now)
    if block is None:
        return None
    answer = "page" if wants_page(request.path_info) else "json"
    metrics.count(metrics.BLOCKED_REQUESTS, answer=answer)
    return _refuse(request, block, address, now)


def _is_watched(request: HttpRequest, address: str) -> bool:
    """By somebody inside, or by one of our proxies that asks for itself."""
    if request.path_info not in WATCHED:
        return False
    peer = request.META.get("REMOTE_ADDR", "")
    return net.is_from_inside(request) or (
        net.is_own_proxy(peer) and address == net.client_address({"REMOTE_ADDR": peer})
    )


def _refuse(request: HttpRequest, block: Blocked, address: str, now: datetime) -> HttpResponse:
    answer = refusal(block, now, request.path_info)
    if not wants_page(request.path_info):
        response = HttpResponse(answer.body, status=answer.status, headers=answer.headers)
        response.headers[CSP.HEADER_ENFORCE] = POLICY_FOR_PROGRAMS
        response.speaks_no_language = True  # type: ignore[attr-defined]
        return response
    minutes = math.ceil(block.retry_after(now) / 60)
    page = render_error(
        request,
        None,
        heading=_("Too many attempts"),
        message=ngettext_lazy(_AGAIN_SOON, _AGAIN_LATER, minutes) % {"minutes": minutes},
        reference=address,
        status=STATUS,
    )
    page.headers["Retry-After"] = answer.headers["Retry-After"]
    return page
