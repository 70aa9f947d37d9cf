"""The answer to what no view has answered: 503 while the database is away, a plain 500 otherwise.

Django calls `server_error` for an exception in any view or middleware, sessions and CSRF included.
"""

import json
import logging
import sys

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from psycopg.errors import ReadOnlySqlTransaction

from branding.pages import render_error
from idp import paths, problems

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
    if request.path.startswith(_PROTOCOL):
        description = "There is nothing at this address."
        if problems.are_spoken_at(request.path):
            return problems.response(404, "not_found", description)
        body = {"error": "not_found", "error_description": description}
        return HttpResponse(json.dumps(body), status=404, content_type="application/json")
    return render_error(
        request,
        None,
        heading=_("There is nothing here"),
        message=_("Check the address, or go back to the application that you came from."),
        status=404,
    )


def _answer(request: HttpRequest, *, status: int, code: str, description: str) -> HttpResponse:
    """A page for people, RFC JSON for applications; neither needs the database."""
    if request.path.startswith(_PAGES) or request.path == _DEVICE_PAGE:
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
