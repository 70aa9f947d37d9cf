"""A forgotten password: who has forgotten it, the link that comes by mail, and the new one.

The first page has the query of the sign-in page that leads to it, an authorization request, or just
a `client_id`. What it answers, and how long that takes, says nothing about who has an account.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from branding.forms import ForgottenPasswordForm, NewPasswordForm
from branding.look import link_of
from branding.page_language import language_for
from branding.pages import render_page
from clients_admin.models import Client
from idp import net
from idp.accounts import password_links, password_mails, passwords
from idp.accounts.models import LocalAccount, LoginService
from idp.accounts.password_links import Link
from idp.blocking import guard
from tokens import authorization, wire
from tokens.errors import InvalidRequest, ProtocolError
from tokens.interaction.pages import asked_by, bad_request_page
from tokens.interaction.session import SIGN_IN_PATH

FORGOTTEN_PATH = "/account/password/forgotten"
RESET_PATH = password_mails.PATH
# In the browser's session: where it came from, and the link that it has followed.
_CAME_FROM, _LINK = "password_forgotten_at", "password_link"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where somebody has forgotten their password: at a client, perhaps at its sign-in page."""

    client: Client
    query: str = ""

    @property
    def sign_in_url(self) -> str:
        return f"{authorization.PATH}?{self.query}" if self.query else ""


# --- Who has forgotten it -------------------------------------------------------------------------


def forgotten_url(request: HttpRequest, client: Client) -> str:
    """Where a page that asks for a password leads whoever has none; "" where nothing helps them.

    The brand's own page goes first.
    """
    brand = client.brand
    if brand and (url := link_of(brand, "reset_url", language_for(request, brand))):
        return url
    if not _has_accounts(client):
        return ""
    if request.path == SIGN_IN_PATH:
        return f"{FORGOTTEN_PATH}?{request.META['QUERY_STRING']}"
    return _again_url(client)


@csrf_protect
def forgotten_page(request: HttpRequest) -> HttpResponse:
    place = _place_or_page(request)
    if isinstance(place, HttpResponse):
        return place
    if request.method != "POST":
        hint = {"username": request.GET.get("login_hint", "")[:255]}
        return _forgotten(request, place, ForgottenPasswordForm(initial=hint))
    form = ForgottenPasswordForm(request.POST)
    if not form.is_valid():
        return _forgotten(request, place, form, status=400)
    if not _ask(request, place.client, form.cleaned_data["username"]):
        return _forgotten(request, place, form, outcome="unavailable", status=503)
    if place.query:
        request.session[_CAME_FROM] = {"client_id": place.client.client_id, "query": place.query}
    return _forgotten(request, place, form, outcome="sent")


def _place_or_page(request: HttpRequest) -> _Place | HttpResponse:
    """Where the query says that it is; what is wrong with that is answered here."""
    try:
        wire.require_method(request, "GET", "HEAD", "POST")
        return _read_place(request, wire.read_query(wire.Call.of(request)))
    except ProtocolError as error:
        return bad_request_page(request, error)
    except authorization.UnknownDestination as error:
        return bad_request_page(request, error, error.brand)
    except authorization.Refusal as refusal:
        return authorization.redirect(refusal.location)


def _read_place(request: HttpRequest, parameters: wire.Parameters) -> _Place:
    """Raises as `authorization.read` does."""
    if parameters.keys() == {"client_id"}:
        client = _client(parameters["client_id"])
        if client is None:
            raise InvalidRequest("The client is not known.")
        place = _Place(client)
    else:
        asked = asked_by(request, parameters)
        place = _Place(asked.client, asked.query())
    if not _has_accounts(place.client):
        raise InvalidRequest("No login service of the client keeps its passwords here.")
    return place


def _ask(request: HttpRequest, client: Client, username: str) -> bool:
    """Counts the request against the address, and hands it over; nobody is looked up."""
    address = net.address_of(request)
    guard.failed(address, what=guard.Failure.PASSWORD_RESET, name=username)
    return password_mails.ask(
        list(client.ordered_login_services()),
        username,
        client_id=client.client_id,
        brand=client.brand,
        language=language_for(request, client.brand),
        address=address,
    )


def _forgotten(
    request: HttpRequest,
    place: _Place,
    form: ForgottenPasswordForm,
    *,
    outcome: str = "",
    status: int = 200,
) -> HttpResponse:
    return render_page(
        request,
        "branding/password_forgotten.html",
        place.client.brand,
        status=status,
        title=_("Forgot your password?"),
        form=form,
        outcome=outcome,
        sign_in_url=place.sign_in_url,
    )


# --- The link -------------------------------------------------------------------------------------


def follow_link(request: HttpRequest, token: str) -> HttpResponse:
    """Moves what the link says into the session and goes on where the address does not hold it.

    Nothing else happens, for programs that look at mail follow links too.
    """
    try:
        wire.require_method(request, "GET", "HEAD")
    except ProtocolError as error:
        return bad_request_page(request, error)
    link = password_links.read(token)
    if link is None or password_links.account_of(link, timezone.now()) is None:
        return _link_is_over(request, link)
    request.session.cycle_key()
    request.session[_LINK] = link.to_keep()
    return authorization.redirect(RESET_PATH)


@sensitive_post_parameters("new_password", "repeated")
@csrf_protect
def reset_page(request: HttpRequest) -> HttpResponse:
    try:
        wire.require_method(request, "GET", "HEAD", "POST")
    except ProtocolError as error:
        return bad_request_page(request, error)
    link = Link.kept(request.session.get(_LINK))
    account = password_links.account_of(link, timezone.now()) if link else None
    if link is None or account is None:
        return _link_is_over(request, link)
    if request.method != "POST":
        return _new_password(request, link, account, NewPasswordForm())
    form = NewPasswordForm(request.POST)
    if not form.is_valid() or form.refuse_password(
        passwords.problems_with(form.cleaned_data["new_password"], account)
    ):
        return _new_password(request, link, account, form, status=400)
    return _reset(request, link, form.cleaned_data["new_password"])


def _reset(request: HttpRequest, link: Link, password: str) -> HttpResponse:
    address = net.address_of(request)
    account = passwords.reset(link, password, address=address, now=timezone.now())
    if account is None:
        return _link_is_over(request, link)
    client = _client(link.client_id)
    brand = client.brand if client else account.login_service.brand
    password_mails.tell_of_change(account, brand, language_for(request, brand))
    del request.session[_LINK]
    return render_page(
        request,
        "branding/password_done.html",
        brand,
        title=_("Your new password is set"),
        sign_in_url=_way_back(request, link),
        is_changed=False,
    )


def _way_back(request: HttpRequest, link: Link) -> str:
    """The authorization request at which this very browser was, if it was at that client's."""
    came_from = request.session.pop(_CAME_FROM, None)
    if not came_from or came_from["client_id"] != link.client_id:
        return ""
    return f"{authorization.PATH}?{came_from['query']}"


def _new_password(
    request: HttpRequest,
    link: Link,
    account: LocalAccount,
    form: NewPasswordForm,
    *,
    status: int = 200,
) -> HttpResponse:
    client = _client(link.client_id)
    return render_page(
        request,
        "branding/password_new.html",
        client.brand if client else account.login_service.brand,
        status=status,
        title=_("Set a new password"),
        user_name=account.username,
        form=form,
        outcome="",
    )


def _link_is_over(request: HttpRequest, link: Link | None) -> HttpResponse:
    """It was used, is too old, or we have never made it; in the first two cases it says for which
    client it was."""
    client = _client(link.client_id) if link else None
    return render_page(
        request,
        "branding/password_link_over.html",
        client.brand if client else None,
        status=400,
        title=_("This link no longer works"),
        again_url=_again_url(client) if client and _has_accounts(client) else "",
    )


# --- Clients --------------------------------------------------------------------------------------


def _client(client_id: str) -> Client | None:
    found: Client | None = (
        Client.objects.select_related("brand").filter(client_id=client_id).first()
    )
    return found


def _has_accounts(client: Client) -> bool:
    services = client.ordered_login_services()
    return bool(services.filter(kind=LoginService.Kind.LOCAL).exists())


def _again_url(client: Client) -> str:
    return f"{FORGOTTEN_PATH}?{urlencode({'client_id': client.client_id})}"
