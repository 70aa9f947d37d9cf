"""Making and ending the secrets of a client.

A new secret exists in one response and nowhere else: not in the session, not in a message, not in
an address. The page says so, and is never kept by a cache.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from clients_admin import secrets
from clients_admin.models import Client

if TYPE_CHECKING:
    from clients_admin.admin.clients import ClientAdmin

View = Callable[..., HttpResponse]
_TOO_MANY = "Two secrets are live. End one of them first."
# When the old secret of a rotation ends, by the name of the button.
OLD_ENDS_IN = {
    "now": timedelta(),
    "in 1 day": timedelta(days=1),
    "in 7 days": timedelta(days=7),
}
_NEW, _END = "clients_admin.add_clientsecret", "clients_admin.change_clientsecret"


def may_see_secrets(request: HttpRequest, page: "ClientAdmin", client: Client | None) -> bool:
    """When a secret was made and used is for those who may change the client."""
    may_change = page.has_change_permission(request, client)
    return may_change and request.user.has_perm("clients_admin.view_clientsecret")


def new_secret_view(page: "ClientAdmin") -> View:
    @require_POST
    @sensitive_variables("secret")
    def new_secret(request: HttpRequest, client_pk: int) -> HttpResponse:
        client = _client(request, page, client_pk, _NEW)
        if not client.is_confidential:
            return _back(request, client, "A public client has no secret.")
        try:
            secret = secrets.add(client, actor=str(request.user))
        except secrets.TooManySecretsError:
            return _back(request, client, _TOO_MANY)
        return _new_secret(request, page, client, secret)

    return new_secret


def rotate_secret_view(page: "ClientAdmin") -> View:
    @require_POST
    @sensitive_variables("secret")
    def rotate_secret(request: HttpRequest, client_pk: int) -> HttpResponse:
        client = _client(request, page, client_pk, _NEW)
        when = request.POST.get("old_ends", "")
        if when not in OLD_ENDS_IN or not request.user.has_perm(_END):
            raise PermissionDenied
        if not client.is_confidential:
            return _back(request, client, "A public client has no secret.")
        try:
            secret = secrets.rotate(client, old_ends_in=OLD_ENDS_IN[when], actor=str(request.user))
        except secrets.TooManySecretsError:
            return _back(request, client, _TOO_MANY)
        return _new_secret(request, page, client, secret, old_ends=when)

    return rotate_secret


def end_secret_view(page: "ClientAdmin") -> View:
    @require_http_methods(["GET", "POST"])
    def end_secret(request: HttpRequest, client_pk: int, secret_pk: int) -> HttpResponse:
        client = _client(request, page, client_pk, _END)
        known = get_object_or_404(client.secrets, pk=secret_pk)
        if request.method == "POST":
            secrets.end(known, actor=str(request.user))
            return _back(request, client)
        context = {"title": "End this secret?", "subtitle": str(client), "known": known}
        return _answer(request, page, client, "end_secret.html", context)

    return end_secret


def _client(request: HttpRequest, page: "ClientAdmin", client_pk: int, permission: str) -> Client:
    if not request.user.has_perm(permission) or not page.has_change_permission(request):
        raise PermissionDenied
    return get_object_or_404(Client, pk=client_pk)


@sensitive_variables("secret")
def _new_secret(
    request: HttpRequest, page: "ClientAdmin", client: Client, secret: str, old_ends: str = ""
) -> HttpResponse:
    """The one answer in which a secret can be read."""
    context = {
        "title": "New secret",
        "subtitle": str(client),
        "secret": secret,
        "old_ends": old_ends,
    }
    return _answer(request, page, client, "new_secret.html", context)


def _back(request: HttpRequest, client: Client, problem: str | None = None) -> HttpResponse:
    if problem:
        messages.error(request, problem)
    page = reverse("admin:clients_admin_client_change", args=[client.pk])
    return HttpResponseRedirect(f"{page}#secrets")


def _answer(
    request: HttpRequest,
    page: "ClientAdmin",
    client: Client,
    template: str,
    context: dict[str, Any],
) -> HttpResponse:
    everywhere = page.admin_site.each_context(request)
    template = f"admin/clients_admin/client/{template}"
    about = {"opts": page.opts, "client": client}
    return TemplateResponse(request, template, {**everywhere, **about, **context})
