"""The admin site, and the one content security policy that is looser than the others."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import translation
from django.utils.csp import CSP
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.csrf import csrf_protect
from unfold.sites import UnfoldAdminSite

from clients_admin.admin.client_requests import may_request, request_view
from clients_admin.admin.sign_in import OperatorSignInForm
from idp.audit.context import acting

# unfold is driven by Alpine, whose standard build compiles the expressions in its attributes with
# `new Function`: without 'unsafe-eval' no menu, tab or filter opens. Inline scripts, foreign
# scripts, inline style elements and frames stay refused as everywhere else; what unfold has of
# inline style elements is replaced by files (`appearance`, `operators.js`). Alpine and unfold also
# write `style` attributes (width of the sidebar), which is all that style-src-attr allows.
OPERATOR_CSP: dict[str, Any] = {
    **settings.SECURE_CSP,
    "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
    "style-src-attr": [CSP.UNSAFE_INLINE],
}

# Passwords live in login services, no object has a page for end-users, and who has no role must be
# able to sign out, too.
_LEFT_OUT = {"logout", "password_change", "password_change_done", "view_on_site"}


class OperatorSite(UnfoldAdminSite):
    """Django's admin in unfold's clothes, under a policy of its own, in English."""

    login_form = OperatorSignInForm
    login_template = "clients_admin/sign_in.html"
    index_title = "What happens"
    index_template = "clients_admin/start.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Objects are deleted one at a time, each after a page that shows what goes with it.
        self.disable_action("delete_selected")

    def get_urls(self) -> list[URLResolver | URLPattern]:
        known = [url for url in super().get_urls() if getattr(url, "name", "") not in _LEFT_OUT]
        return [
            path("request-client/", _without_role(request_view(self)), name="request_client"),
            path("logout/", _without_role(self.logout), name="logout"),
            *known,
        ]

    def admin_view(
        self, view: Callable[..., HttpResponse], cacheable: bool = False
    ) -> Callable[..., HttpResponse]:
        return _under_policy(_opened(super().admin_view(_acted(view), cacheable)))

    @method_decorator(never_cache)
    @method_decorator(csp_override(OPERATOR_CSP))
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "GET" and not self.has_permission(request) and may_request(request):
            return HttpResponseRedirect(reverse("admin:request_client"))
        # Session and audit are written together. What has failed counts apart (`idp.blocking`).
        with transaction.atomic():
            return _opened(super().login)(request, extra_context)

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        with transaction.atomic():
            response: HttpResponse = super().logout(request, extra_context)
        return response

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Without `colors`, which unfold writes as an inline style: `operators.css` has them."""
        return {**super().each_context(request), "colors": None}


def _under_policy(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Under that policy, unless the view has one of its own."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if not hasattr(response, "_csp_config"):
            response._csp_config = OPERATOR_CSP  # type: ignore[attr-defined]
        return response

    return answered


def _without_role(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page of the site that asks by itself who may see it."""
    return csp_override(OPERATOR_CSP)(never_cache(_opened(_acted(csrf_protect(view)))))


def _acted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What is audited meanwhile was done by the operator who is signed in."""

    @wraps(view)
    def acted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with acting(str(request.user)):
            return view(request, *args, **kwargs)

    return acted


def _opened(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """In English, and without addresses that PostgreSQL would choke on."""

    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("\0" in text for values in request.GET.lists() for text in (values[0], *values[1])):
            return HttpResponseBadRequest("NUL in the address.", content_type="text/plain")
        # Our own texts are English: Django's would be Dutch among them for a Dutch browser. Not
        # `override`, because the response is rendered after the view; LocaleMiddleware activates
        # the language of the next request anew.
        translation.activate("en")
        return view(request, *args, **kwargs)

    return opened
