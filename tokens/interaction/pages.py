"""Pages around an authorization request, in the brand of its client."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.csp import CSP, build_policy
from django.utils.translation import gettext_lazy as _

from branding.models import Brand
from branding.pages import render_error
from tokens import authorization, wire
from tokens.authorization import AuthorizationRequest
from tokens.errors import MethodNotAllowed, ProtocolError


def bad_request_page(
    request: HttpRequest, error: Exception, brand: Brand | None = None
) -> HttpResponse:
    """Tells the user that an application sent them here in a wrong way, and sends them nowhere."""
    response = render_error(
        request,
        brand,
        heading=_("This link does not work"),
        message=str(getattr(error, "description", "") or error),
        reference=uuid.uuid4().hex[:12],
        status=getattr(error, "status_code", 400),
    )
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


type Page = Callable[[HttpRequest, AuthorizationRequest], HttpResponse]


def about_authorization(page: Page) -> Callable[[HttpRequest], HttpResponse]:
    """Gives a page the authorization request that its query says; a wrong one is answered here."""

    @wraps(page)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            wire.require_method(request, "GET", "HEAD", "POST")
            asked = authorization.read(wire.read_query(request))
        except (ProtocolError, authorization.UnknownDestination) as error:
            return bad_request_page(request, error)
        except authorization.Refusal as refusal:
            return authorization.redirect(refusal.location)
        return page(request, asked)

    return answer


def allow_form_to_end_at(response: HttpResponse, asked: AuthorizationRequest) -> HttpResponse:
    """Browsers follow a form's redirects only to where `form-action` allows."""
    form_action = [CSP.SELF, asked.redirect_origin()]
    policy: dict[str, Any] = {**settings.SECURE_CSP, "form-action": form_action}
    response.headers[CSP.HEADER_ENFORCE] = build_policy(policy)
    return response
