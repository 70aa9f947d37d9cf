"""What the pages around an authorization request have in common."""

import logging
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.csp import CSP, build_policy
from django.utils.translation import gettext_lazy as _

from branding.models import Brand
from branding.page_language import ask_for
from branding.pages import render_error
from idp import paths
from tokens import authorization, wire
from tokens.authorization import AuthorizationRequest
from tokens.errors import MethodNotAllowed, ProtocolError
from tokens.interaction import browser, session

log = logging.getLogger(__name__)


def bad_request_page(
    request: HttpRequest, error: Exception, brand: Brand | None = None
) -> HttpResponse:
    """Tells the user that an application sent them here in a wrong way, and sends them nowhere.

    What exactly was wrong is for the application's developer: it is in the log, under the
    reference that the page shows.
    """
    reference = uuid.uuid4().hex[:12]
    reason = getattr(error, "reason", "") or str(error)
    path = paths.shown(request)
    log.warning("Refused %s %s: %r (reference %s)", request.method, path, reason, reference)
    response = render_error(
        request,
        brand,
        heading=_("This link does not work"),
        message=_(
            "The application that sent you here is not known to us, or its request was not right. "
            "Go back to the application and try again."
        ),
        reference=reference,
        status=getattr(error, "status_code", 400),
    )
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW: a form that was not made for this browser's present session.

    Whoever has signed in in another tab meanwhile goes on as that user.
    """
    if request.path == session.SIGN_IN_PATH and session.user_of(request):
        return authorization.redirect(f"{authorization.PATH}?{request.META['QUERY_STRING']}")
    return render_error(
        request,
        None,
        heading=_("Please try again"),
        message=_(
            "This page was open for too long, or your browser did not send our cookie. "
            "Go back, load the page anew and try again."
        ),
        status=403,
    )


type Page = Callable[[HttpRequest, AuthorizationRequest], HttpResponse]


def about_authorization(page: Page) -> Callable[[HttpRequest], HttpResponse]:
    """Gives a page the authorization request that its query says; a wrong one is answered here."""

    @wraps(page)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            wire.require_method(request, "GET", "HEAD", "POST")
            asked = asked_by(request, wire.read_query(wire.Call.of(request)))
        except ProtocolError as error:
            return bad_request_page(request, error)
        except authorization.UnknownDestination as error:
            return bad_request_page(request, error, error.brand)
        except authorization.Refusal as refusal:
            return authorization.redirect(refusal.location)
        ask_for(request, asked.parameters.get("ui_locales", ""))
        return page(request, asked)

    return answer


def asked_by(request: HttpRequest, parameters: wire.Parameters) -> AuthorizationRequest:
    """What a browser asks for. Raises as `authorization.read` does."""
    return authorization.read(parameters, lambda: browser.name_of(request))


def let_form_end_at(response: HttpResponse, uri: str) -> HttpResponse:
    """Browsers hold all redirects that follow a form against `form-action`.

    The application may send the user on to other sites, so its scheme is allowed and not just its
    host. What the form itself is sent to is written by us.
    """
    scheme = f"{uri.partition(':')[0]}:"
    policy: dict[str, Any] = {**settings.SECURE_CSP, "form-action": [CSP.SELF, "https:", scheme]}
    response.headers[CSP.HEADER_ENFORCE] = build_policy(policy)
    return response
