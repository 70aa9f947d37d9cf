"""The browser's sessions: who is signed in, since when, and for which clients that counts.

Each account has a session of its own, a row that ends alone. One is active: its key is in Django's
cookie, and it is `request.session`. The keys of the others are in a cookie beside it (decision
0020).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, login, logout, update_session_auth_hash
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from clients_admin.models import Client
from idp.accounts import assurance, browser_sessions
from idp.accounts.assurance import Methods
from idp.accounts.models import User
from tokens.interaction import browser

SIGN_IN_PATH = "/sign-in"
MAX_ACCOUNTS = 5
# The clients of which a session remembers that it was chosen for them.
MAX_CHOSEN = 20
_AUTH_TIME, _AMR, _CHOSEN = "auth_time", "amr", "chosen_for"
# Who has proved to know the password, and has a second factor to prove yet.
_WAITING = "waiting_for_second_factor"
WAITING_SECONDS = 600
_BACKEND = "idp.accounts.backends.OperatorBackend"
_BETWEEN_KEYS = "."


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in user, when and how they last proved who they are, and their session."""

    user: User
    auth_time: datetime
    amr: Methods
    session: SessionBase

    @property
    def sid(self) -> str:
        return browser_sessions.sid_of(self.session)

    @classmethod
    def of(cls, user: User, session: SessionBase) -> "Visitor":
        auth_time = datetime.fromtimestamp(session[_AUTH_TIME], UTC)
        # Those that the release before began, began with a password.
        return cls(user, auth_time, tuple(session.get(_AMR, (assurance.PASSWORD,))), session)

    def chosen_at(self, client: Client) -> datetime | None:
        """When this account was last chosen for the client, or signed in there."""
        moment = self.session.get(_CHOSEN, {}).get(client.client_id)
        return datetime.fromtimestamp(moment, UTC) if moment is not None else None


# --- Beginning and ending -------------------------------------------------------------------------


def begin(
    request: HttpRequest,
    user: User,
    client: Client | None = None,
    amr: Methods = (assurance.PASSWORD,),
) -> None:
    """Signs the user in who has proved by these methods who they are, beside whoever is signed in
    already, and for the client at once.

    The session gets a new key, so that nobody can have planted it.
    """
    wait_no_longer(request)
    others = [visitor for visitor in accounts(request) if visitor.user.pk != user.pk]
    if again := account_of(request, user.sub):
        activate(request, again)
    elif others and others[0].session is request.session:
        # Django would end the session of somebody else.
        request.session = _store()
    with transaction.atomic():
        if SESSION_KEY in request.session:
            request.session.cycle_key()  # Django keeps the key where it is the same user again.
        login(request, user, backend=_BACKEND)
    request.session[_AUTH_TIME] = timezone.now().timestamp()
    request.session[_AMR] = list(amr)
    for oldest in others[MAX_ACCOUNTS - 1 :]:
        _end_beside(request, oldest)
    _keep(request, (visitor.session for visitor in others[: MAX_ACCOUNTS - 1]))
    if client is not None:
        choose(request, client)


def end(request: HttpRequest) -> None:
    """Signs everybody out in this browser."""
    others = [one for one in accounts(request) if one.session is not request.session]
    with transaction.atomic():
        logout(request)
        for visitor in others:
            _end_beside(request, visitor)
    _keep(request, ())


def end_account(request: HttpRequest, visitor: Visitor) -> None:
    """Signs one account out; the others stay, and one of them is active."""
    others = [one for one in accounts(request) if one.user.pk != visitor.user.pk]
    activate(request, visitor)
    with transaction.atomic():
        logout(request)
    _keep(request, (one.session for one in others))
    if others:
        activate(request, others[0])


def _end_beside(request: HttpRequest, visitor: Visitor) -> None:
    """Ends a session that is not active, as any other ends."""
    aside = HttpRequest()
    aside.META, aside.session, aside.user = request.META, visitor.session, visitor.user
    with transaction.atomic():
        logout(aside)


def go_on(request: HttpRequest, user: User) -> None:
    """Keeps this session of a user whose others have just ended, under a new key."""
    user.refresh_from_db()
    with transaction.atomic():
        since = browser_sessions.begun_at(request)
        update_session_auth_hash(request, user)
        request.session.save()
        browser_sessions.note(request, user, since=since)


def strengthen(request: HttpRequest, user: User, amr: Methods) -> None:
    """The signed-in user has proved more; since when they are signed in stays as it was."""
    request.session[_AMR] = list(amr)
    go_on(request, user)


def wait_for_second_factor(request: HttpRequest, user: User) -> None:
    """Remembers who has proved to know the password. Nobody is signed in by that, and the session
    gets a new key all the same, so that nobody waits along who has planted it."""
    request.session.cycle_key()
    request.session[_WAITING] = [user.pk, user.sessions_salt, timezone.now().timestamp()]


def waiting(request: HttpRequest) -> User | None:
    """Whose second factor is awaited; nobody's after ten minutes, or where all has ended since."""
    key, salt, since = request.session.get(_WAITING, (None, "", 0))
    if key is None or since + WAITING_SECONDS < timezone.now().timestamp():
        return None
    users = User.objects.select_related("login_service__brand")
    return users.filter(pk=key, sessions_salt=salt, is_active=True).first()


def wait_no_longer(request: HttpRequest) -> None:
    if request.session.pop(_WAITING, None) is not None:
        request.session.save()  # Another one may take its place in this request.


# --- Who is there ---------------------------------------------------------------------------------


def user_of(request: HttpRequest) -> User | None:
    """Whoever is active in this browser."""
    return request.user if isinstance(request.user, User) and request.user.is_active else None


def accounts(request: HttpRequest) -> list[Visitor]:
    """Everybody who is signed in in this browser on our pages, the active one first."""
    stores = [request.session, *map(_store, _kept_keys(request))]
    found = (_visitor(store) for store in stores if _AUTH_TIME in store)
    return [visitor for visitor in found if visitor is not None]


def _visitor(store: SessionBase) -> Visitor | None:
    """Whose session it is; nobody's where all sessions of that user have been ended."""
    aside = HttpRequest()
    aside.session = store
    user = get_user(aside)
    if not isinstance(user, User) or not user.is_active:
        return None
    return Visitor.of(user, store)


def account_of(request: HttpRequest, sub: str) -> Visitor | None:
    """The account of this user, if it is signed in in this browser."""
    return next((visitor for visitor in accounts(request) if visitor.user.sub == sub), None)


def visitors_for(request: HttpRequest, client: Client) -> list[Visitor]:
    """The accounts whose login service the client accepts: the one that was last chosen for it
    comes first."""
    found = accounts(request)
    if not found:
        return []
    accepted = set(client.ordered_login_services().values_list("pk", flat=True))
    visitors = [one for one in found if one.user.login_service_id in accepted]
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(visitors, key=lambda one: one.chosen_at(client) or never, reverse=True)


def visitor_for(request: HttpRequest, client: Client) -> Visitor | None:
    """Who goes on at this client where nobody is asked; their account is then active."""
    visitors = visitors_for(request, client)
    if not visitors:
        return None
    activate(request, visitors[0])
    browser_sessions.note_use(request, timezone.now())
    return visitors[0]


def current(request: HttpRequest) -> Visitor | None:
    """Whose account is active, whatever clients make of it."""
    user = user_of(request)
    if user is None or _AUTH_TIME not in request.session:
        return None
    browser_sessions.note_use(request, timezone.now())
    return Visitor.of(user, request.session)


# --- Which of them --------------------------------------------------------------------------------


def activate(request: HttpRequest, visitor: Visitor) -> None:
    """Makes an account the active one; the one that was stays signed in beside it."""
    if visitor.session is request.session:
        return
    rest = [one.session for one in accounts(request) if one.user.pk != visitor.user.pk]
    request.session, request.user = visitor.session, visitor.user
    request.session.modified = True  # Its key becomes Django's cookie.
    _keep(request, rest)


def choose(request: HttpRequest, client: Client) -> None:
    """Remembers that the active account is the one for this client."""
    chosen = {**request.session.get(_CHOSEN, {}), client.client_id: timezone.now().timestamp()}
    newest = sorted(chosen, key=lambda name: chosen[name], reverse=True)[:MAX_CHOSEN]
    request.session[_CHOSEN] = {name: chosen[name] for name in newest}


def _store(key: str | None = None) -> SessionBase:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return store


def _kept_keys(request: HttpRequest) -> list[str]:
    """Each once, and not the active one: a cookie can say anything."""
    keys = browser.kept(request, browser.ACCOUNTS_COOKIE)[:200].split(_BETWEEN_KEYS)
    others = [key for key in dict.fromkeys(keys) if key and key != request.session.session_key]
    return others[: MAX_ACCOUNTS - 1]


def _keep(request: HttpRequest, sessions: Iterable[SessionBase]) -> None:
    keys = [session.session_key for session in sessions if session.session_key]
    said = _BETWEEN_KEYS.join(keys)
    if said != browser.kept(request, browser.ACCOUNTS_COOKIE):
        browser.keep(request, browser.ACCOUNTS_COOKIE, said)
