"""The browser session: who is signed in, since when, and for which clients that counts."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth import login, logout, update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from clients_admin.models import Client
from idp.accounts import browser_sessions
from idp.accounts.models import User

SIGN_IN_PATH = "/sign-in"
_AUTH_TIME = "auth_time"
_BACKEND = "idp.accounts.backends.OperatorBackend"


def begin(request: HttpRequest, user: User) -> None:
    """Signs the user in. The session gets a new key, so that nobody can have planted it."""
    with transaction.atomic():
        login(request, user, backend=_BACKEND)
    request.session[_AUTH_TIME] = timezone.now().timestamp()


def end(request: HttpRequest) -> None:
    with transaction.atomic():
        logout(request)


def go_on(request: HttpRequest, user: User) -> None:
    """Keeps this session of a user whose others have just ended, under a new key."""
    user.refresh_from_db()
    update_session_auth_hash(request, user)


def user_of(request: HttpRequest) -> User | None:
    """Whoever is signed in in this browser."""
    return request.user if isinstance(request.user, User) and request.user.is_active else None


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in user, when they last proved who they are, and the name of their session."""

    user: User
    auth_time: datetime
    sid: str


def visitor_for(request: HttpRequest, client: Client) -> Visitor | None:
    """Who is signed in, if the client accepts the login service that knows them."""
    user = user_of(request)
    if user is None or _AUTH_TIME not in request.session:
        return None
    if not client.ordered_login_services().filter(pk=user.login_service_id).exists():
        return None
    auth_time = datetime.fromtimestamp(request.session[_AUTH_TIME], UTC)
    return Visitor(user, auth_time, browser_sessions.sid_of(request.session))
