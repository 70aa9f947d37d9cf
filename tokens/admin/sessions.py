"""The sessions of a user: their logins at clients, and the buttons that end one or all of them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from clients_admin.admin.added_pages import Visit
from idp.accounts.models import User
from tokens import logins
from tokens.admin.client_tokens import REVOKE
from tokens.logins import Login

ALL = "all"


def sessions_page(visit: Visit) -> HttpResponse:
    found = logins.of(visit.target, timezone.now())
    context = {"title": "Sessions", "logins": found, "may_revoke": visit.may(REVOKE)}
    return visit.answer("tokens/admin/sessions.html", context)


def revoke_page(visit: Visit) -> HttpResponse:
    """Asks once more, then ends the login that `login` names, or all of them."""
    visit.require(REVOKE)
    request, user = visit.request, visit.target
    asked = _asked(request)
    login = None
    if asked != ALL:
        found = logins.of(user, timezone.now()).found
        login = next((known for known in found if known.name == asked), None)
        if login is None:
            messages.info(request, "That session has ended already.")
            return visit.to("sessions")
    if request.method == "POST":
        _end(visit, login)
        return visit.to("sessions")
    title = "Revoke this session?" if login else "Revoke all sessions of this user?"
    context = {"title": title, "login": login, "asked": asked}
    return visit.answer("tokens/admin/revoke_sessions.html", context)


def _asked(request: HttpRequest) -> str:
    return (request.POST if request.method == "POST" else request.GET).get("login", "")


def _end(visit: Visit, login: Login | None) -> None:
    user: User = visit.target
    if login:
        logins.end(login, user, timezone.now())
        done = f"The session at {login.client} was revoked."
    else:
        rows = logins.end_all(user, timezone.now())
        done = f"All sessions were revoked ({rows:,} tokens), browsers are signed out."
    messages.success(visit.request, done)
