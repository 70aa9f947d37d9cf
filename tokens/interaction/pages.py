"""What the pages around an authorization request have in common."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.csp import CSP, build_policy
from django.utils.translation import gettext_lazy as _

from branding.models import Brand
from branding.page_language import ask_for
from branding.pages import render_error
from clients_admin.models import Client
from idp import net, paths
from idp.audit import references
from tokens import authorization, wire
from tokens.authorization import AuthorizationRequest
from tokens.errors import MethodNotAllowed, ProtocolError
from tokens.interaction import browser, session

log = logging.getLogger(__name__)


def bad_request_page(
    request: HttpRequest, error: Exception, brand: Brand | None = None
) -> HttpResponse:
    """Tells the user that an application sent them here in a wrong way, and sends them nowhere.

    What exactly was wrong is for the application's developer: it is in the audit and in the log,
    under the reference that the page shows.
    """
    reference = _refer(request, getattr(error, "reason", "") or str(error))
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
    # The whole reason may repeat headers of the request.
    reference = _refer(request, f"the form was refused: {reason.partition(' - ')[0]}")
    return render_error(
        request,
        None,
        heading=_("This page has expired"),
        message=_(
            "It was open for too long, you came back to it, or your browser did not send our "
            "cookie. Nothing was changed."
        ),
        reference=reference,
        status=403,
        again=_("Load the page anew"),
    )


def _refer(request: HttpRequest, reason: str) -> str:
    """What the user can tell, and an operator looks up, of a refusal for this reason."""
    page = paths.shown(request)
    reference = references.known.refer(
        timezone.now(),
        address=net.address_of(request),
        page=f"{request.method} {page}",
        reason=reason,
        client_id=_known_client(request),
    )
    log.warning("Refused %s %s: %r (reference %s)", request.method, page, reason, reference)
    return reference


def _known_client(request: HttpRequest) -> str | None:
    """The client of the request, if there is one of that name."""
    client_id = request.GET.get("client_id", "")
    if not client_id.isprintable():
        return None
    try:
        is_known = Client.objects.filter(client_id=client_id).exists()
    except DatabaseError:
        return None
    return client_id if is_known else None


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
