"""Credentials in a URL: refused, whatever is there and by whatever method; audited and counted.

Access logs, histories and proxies keep URLs, so a secret that stood in one is no secret any more.
A client's live secret is marked, and the admin shows it until it has ended. Only the very secret
is: whoever sends rubbish can brand nobody's client.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from django.core.exceptions import RequestDataTooBig, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, UnreadablePostError
from django.utils import timezone

from clients_admin import secrets
from clients_admin.models import Client, client_id_syntax
from idp import metrics, paths, problems
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import client_authentication, wire
from tokens.errors import InvalidRequest, ProtocolError
from tokens.interaction.pages import bad_request_page

PLACES = (
    *("/oauth2/", "/internal/", "/.well-known/", "/api/"),
    *("/sign-in", "/select-account", "/consent", "/sign-out", "/account/"),
)
# Where people look, and want a page.
PAGES = frozenset(
    {
        *("/oauth2/authorize", "/oauth2/device", "/oauth2/logout"),
        *("/sign-in", "/select-account", "/consent", "/sign-out"),
        *("/account/password", "/account/password/forgotten", "/account/password/reset"),
    }
)
CLIENT_ID, CLIENT_SECRET = "client_id", "client_secret"
# Of what somebody repeats, so many are looked at.
MAX_CANDIDATES = 5


class ExposedCredentialsMiddleware:
    """The innermost: before any view, and with all that a page needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        query = request.META.get("QUERY_STRING")
        if query and request.path_info.startswith(PLACES):
            found = look(query)
            if found.parameters:
                _note(request, found)
                return _refuse(request, found)
        return self.get_response(request)


# --- Looking --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What a query holds: names of credentials, and what could be a client and its secret."""

    parameters: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()
    client_secrets: tuple[str, ...] = ()


def look(query: str) -> Found:
    """Reads what no endpoint would: repeated, malformed and overlong queries show secrets too."""
    values: dict[str, list[str]] = {}
    for name, value in _pairs(query):
        if name in wire.CREDENTIALS or name == CLIENT_ID:
            kept = values.setdefault(name, [])
            if len(kept) < MAX_CANDIDATES:
                kept.append(_decoded(value).decode("utf-8", "replace"))
    client_ids = values.pop(CLIENT_ID, [])
    return Found(tuple(sorted(values)), tuple(client_ids), tuple(values.get(CLIENT_SECRET, ())))


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        # An empty value shows nothing.
        if value:
            yield _decoded(name).decode("latin-1") if "%" in name else name, value


def _decoded(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1", "replace"))


# --- Telling --------------------------------------------------------------------------------------


def _note(request: HttpRequest, found: Found) -> None:
    """The database may be away: then the answer is a 503, and whoever repeats it is noted."""
    now = timezone.now()
    with transaction.atomic():
        clients = _clients(request, found)
        marked = [
            secrets.mark_exposed(client, secret, now=now)
            for client in clients
            for secret in found.client_secrets
        ]
        record(
            Tag.CLIENTS_CREDENTIAL_EXPOSED,
            client_id=clients[0].client_id if clients else None,
            at=now,
            path=_path(request),
            parameters=found.parameters,
            secret_ids={known.pk for known in marked if known},
        )
        for parameter in found.parameters:
            metrics.count(metrics.EXPOSED_CREDENTIALS, parameter=parameter)


def _clients(request: HttpRequest, found: Found) -> list[Client]:
    """The clients that exist among those that the request names, the query's first."""
    names = [*found.client_ids, _in_header(request), _in_body(request)]
    names = [name for name in dict.fromkeys(names) if _can_be_a_client(name)][:MAX_CANDIDATES]
    if not names:
        return []
    return sorted(
        Client.objects.filter(client_id__in=names), key=lambda client: names.index(client.client_id)
    )


def _can_be_a_client(name: str) -> bool:
    try:
        client_id_syntax(name)
    except ValidationError:
        return False
    return len(name) <= 100  # noqa: PLR2004 - what the column takes


def _in_header(request: HttpRequest) -> str:
    try:
        authorization = request.META.get("HTTP_AUTHORIZATION", "")
        return client_authentication.read({}, authorization).client_id
    except ProtocolError:
        return ""


def _in_body(request: HttpRequest) -> str:
    if request.content_type != wire.FORM:
        return ""
    try:
        body = request.read(wire.MAX_BODY_BYTES)
        return wire.parse(body).get(CLIENT_ID, "")
    except (ProtocolError, UnreadablePostError, RequestDataTooBig):
        return ""


def _path(request: HttpRequest) -> str:
    """As our table of addresses says it: what is in no table could hold anything."""
    shown = paths.shown(request)
    if shown != paths.UNKNOWN:
        return shown
    return next(place for place in PLACES if request.path_info.startswith(place)) + shown


# --- Refusing -------------------------------------------------------------------------------------


def _refuse(request: HttpRequest, found: Found) -> HttpResponseBase:
    """RFC 6749 section 2.3.1: credentials "MUST NOT be included in the request URI"."""
    error = InvalidRequest(
        "Credentials must not be sent in the URL.", reason=f"exposed: {', '.join(found.parameters)}"
    )
    if request.path_info in PAGES or request.path_info.startswith("/account/"):
        # No link of the page may say them again.
        request.holds_credentials = True  # type: ignore[attr-defined]
        return bad_request_page(request, error)
    if problems.are_spoken_at(request.path_info):
        return problems.response(error.status_code, error.error, str(error.description))
    return _refused(request, error)


@wire.django_endpoint
def _refused(request: HttpRequest, error: InvalidRequest) -> HttpResponseBase:
    raise error
