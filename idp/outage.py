"""The answer to what no view has answered: 503 while the database is away, a plain 500 otherwise;
404; and 405 where a view said it without a word.

Django calls `server_error` for an exception in any view or middleware, sessions and CSRF included.
A browser gets a page wherever it asks (`Accept: text/html`), in the look of the host's brand.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _
from psycopg.errors import ReadOnlySqlTransaction

from branding.pages import render_error
from idp import paths, problems

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

RETRY_AFTER_SECONDS = 5
_PAGES = (
    *("/sign-in", "/consent", "/sign-out", "/account/", "/admin"),
    *("/oauth2/authorize", "/oauth2/logout"),
)
_DEVICE_PAGE = "/oauth2/device"  # The endpoint that devices ask begins in the same way.

_PROTOCOL = ("/oauth2/", "/.well-known/", "/internal/", "/api/")

log = logging.getLogger(__name__)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`; the exception is the one being handled."""
    error = sys.exception()
    if _is_outage(error):
        log.error("Database unavailable at %s: %s", paths.shown(request), type(error).__name__)
        response = _answer(
            request,
            status=503,
            code="temporarily_unavailable",
            description="The server cannot reach its database. Try again in a moment.",
        )
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        # Django would add the same traceback for each request of an outage.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
    return _answer(
        request, status=500, code="server_error", description="Something went wrong on our side."
    )


def _is_outage(error: BaseException | None) -> bool:
    """No connection; or one to a standby that is not, or not yet, the primary."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, InternalError) and isinstance(error.__cause__, ReadOnlySqlTransaction)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`."""
    if request.path.startswith(_PROTOCOL) and not _is_browser(request):
        description = "There is nothing at this address."
        if problems.are_spoken_at(request.path):
            return problems.response(404, "not_found", description)
        body = {"error": "not_found", "error_description": description}
        response = HttpResponse(json.dumps(body), status=404, content_type="application/json")
        patch_vary_headers(response, ["Accept"])
        return response
    return _page(request, 404, _("There is nothing here"))


class MethodNotAllowedMiddleware:
    """Gives a page to a browser that was refused without one. Programs see the status and `Allow`,
    and at the protocol endpoints the JSON of each."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_bare = isinstance(response, HttpResponseNotAllowed) and not response.content
        if not is_bare or not _is_browser(request):
            return response
        page = _page(request, 405, _("This cannot be done here"))
        page.headers["Allow"] = response.headers["Allow"]
        return page


def _page(request: HttpRequest, status: int, heading: "_StrPromise") -> HttpResponse:
    message = _("Check the address, or go back to the application that you came from.")
    response = render_error(request, None, heading=heading, message=message, status=status)
    patch_vary_headers(response, ["Accept"])
    return response


def _is_browser(request: HttpRequest) -> bool:
    """Whether the request says by itself that it wants a page: programs take `*/*`."""
    return "text/html" in request.headers.get("Accept", "").lower()


def _answer(request: HttpRequest, *, status: int, code: str, description: str) -> HttpResponse:
    """A page for people, RFC JSON for applications; neither needs the database."""
    is_page = request.path.startswith(_PAGES) or request.path == _DEVICE_PAGE
    if is_page or _is_browser(request):
        return render_error(
            request,
            None,
            heading=_("We are away for a moment"),
            message=_("Something on our side is being mended. Please try again in a moment."),
            status=status,
            again=_("Try again") if request.method == "GET" else "",
        )
    if problems.are_spoken_at(request.path):
        return problems.response(status, code, description)
    return HttpResponse(
        json.dumps({"error": code, "error_description": description}),
        status=status,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )
