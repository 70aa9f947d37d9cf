"""Who may open a page of the account: whoever signs in, and for a change, has done so of late.

The form to sign in is answered in place, and posts to the page itself: there is no address to be
sent on to. What was to be changed is said again with it, so that nobody has to press twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from branding.forms import SignInForm
from branding.models import Brand
from branding.pages import render_error, render_page
from clients_admin.models import Client
from idp import net
from idp.accounts import assurance, second_factor
from idp.accounts.login import BLOCKED_USER, Authenticated, Door, sign_in
from idp.accounts.models import LoginService, User
from idp.accounts.outcomes import Refused, Unavailable
from tokens import authorization, wire
from tokens.errors import InvalidRequest, ProtocolError
from tokens.interaction import second_factor as pages
from tokens.interaction import session
from tokens.interaction.pages import bad_request_page
from tokens.interaction.password_reset import forgotten_url
from tokens.interaction.session import Visitor

# So long after a sign-in a change needs no other one.
FRESH = timedelta(minutes=10)
# What the forms of the account post, beside what signs in.
FIELDS = ("session", "application", "second_factor", "passkey")
_MAX_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in user at a page of theirs; `client` is whose link they followed, if any."""

    request: HttpRequest
    visitor: Visitor
    client: Client | None

    @property
    def user(self) -> User:
        return self.visitor.user

    @property
    def brand(self) -> Brand | None:
        return self.client.brand if self.client else self.user.login_service.brand

    @property
    def query(self) -> str:
        """What each link of a page says again."""
        return f"?{urlencode({'client_id': self.client.client_id})}" if self.client else ""

    def posted(self, field: str) -> str:
        """What a form of the account says; "" where it is not said, or is nothing of ours."""
        text = self.request.POST.get(field, "")
        return "" if len(text) > _MAX_CHARACTERS or "\0" in text else text

    def answer(self, template: str, status: int = 200, **context: object) -> HttpResponse:
        return render_page(
            self.request,
            f"branding/account/{template}.html",
            self.brand,
            status,
            user_name=self.user.get_full_name(),
            query=self.query,
            **context,
        )

    def to(self, path: str) -> HttpResponse:
        return authorization.redirect(f"{path}{self.query}")


type Page = Callable[[Visit], HttpResponse]


def account_page(page: Page) -> Callable[[HttpRequest], HttpResponse]:
    """A page that changes nothing unless it is posted to."""

    @sensitive_post_parameters("password")
    @csrf_protect
    @wraps(page)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            wire.require_method(request, "GET", "HEAD", "POST")
            client = _client(wire.read_query(wire.Call.of(request)))
        except ProtocolError as error:
            return bad_request_page(request, error)
        visitor = session.current(request)
        if visitor is None or (request.method == "POST" and not _is_fresh(visitor)):
            signed_in = _sign_in(request, client, visitor)
            if isinstance(signed_in, HttpResponse):
                return signed_in
            visitor = signed_in
            if not any(name in request.POST for name in FIELDS):
                return authorization.redirect(request.get_full_path())
        return page(Visit(request, visitor, client))

    return answer


def _is_fresh(visitor: Visitor) -> bool:
    return visitor.auth_time + FRESH >= timezone.now()


def _client(query: wire.Parameters) -> Client | None:
    """The application whose brand the page has, as its link says."""
    client_id = query.get("client_id")
    if client_id is None:
        return None
    clients = Client.objects.select_related("brand").filter(is_active=True)
    client: Client | None = None
    if "\0" not in client_id:
        client = clients.filter(client_id=client_id).first()
    if client is None:
        raise InvalidRequest("The client is not known.")
    return client


def _sign_in(
    request: HttpRequest, client: Client | None, known: Visitor | None
) -> Visitor | HttpResponse:
    """Who has signed in by the posted form; else the form. Somebody whom we know already can but
    prove that they are still the same."""
    if known is None and client is None:
        return render_error(
            request,
            None,
            heading=_("You are not signed in"),
            message=_("Sign in to the application first, and open this page again."),
            status=401,
        )
    waiting = None if known or "username" in request.POST else session.waiting(request)
    if waiting:
        return _by_second_factor(request, client, waiting)
    if request.method != "POST" or "password" not in request.POST:
        return _form(request, client, known, _SignInForm.again(request, known))
    return _by_password(request, client, known)


def _by_second_factor(
    request: HttpRequest, client: Client | None, user: User
) -> Visitor | HttpResponse:
    brand, client_id = (client.brand, client.client_id) if client else (None, None)
    amr = pages.asked_for(request, user, brand, client_id)
    if isinstance(amr, HttpResponse):
        return amr
    session.begin(request, user, amr=amr)
    return _just_signed_in(request)


def _by_password(
    request: HttpRequest, client: Client | None, known: Visitor | None
) -> Visitor | HttpResponse:
    form = _SignInForm(request.POST)
    if not form.is_valid():
        return _form(request, client, known, form, status=400)
    outcome = sign_in(
        _services(client, known),
        form.cleaned_data["username"],
        form.cleaned_data["password"],
        address=net.address_of(request),
        door=Door("account", client.client_id if client else None),
    )
    if isinstance(outcome, Unavailable):
        return _form(request, client, known, form, outcome="unavailable", status=503)
    if not isinstance(outcome, Authenticated) or (known and outcome.user != known.user):
        shown = "blocked" if outcome == Refused(BLOCKED_USER) else "refused"
        return _form(request, client, known, form, outcome=shown, status=401)
    if known is None and second_factor.is_set_up(outcome.user):
        session.wait_for_second_factor(request, outcome.user)
        return authorization.redirect(request.get_full_path())
    # What was proved in this session besides the password stays proved.
    session.begin(request, outcome.user, amr=known.amr if known else (assurance.PASSWORD,))
    return _just_signed_in(request)


def _services(client: Client | None, known: Visitor | None) -> list[LoginService]:
    if known:
        return [known.user.login_service]
    return list(client.ordered_login_services()) if client else []


def _just_signed_in(request: HttpRequest) -> Visitor:
    visitor = session.current(request)
    if visitor is None:
        raise RuntimeError("A session that has just begun is nobody's.")
    return visitor


class _SignInForm(SignInForm):
    """With what was to be changed, said again."""

    session = forms.CharField(required=False, widget=forms.HiddenInput)
    application = forms.CharField(required=False, widget=forms.HiddenInput)
    second_factor = forms.CharField(required=False, widget=forms.HiddenInput)
    passkey = forms.CharField(required=False, widget=forms.HiddenInput)

    @classmethod
    def again(cls, request: HttpRequest, known: Visitor | None) -> "_SignInForm":
        said = {name: request.POST[name] for name in FIELDS if name in request.POST}
        form = cls(initial={**said, "username": known.user.username if known else ""})
        for name in FIELDS:
            if name not in said:
                del form.fields[name]
        return form


def _form(  # noqa: PLR0913 - what it shows
    request: HttpRequest,
    client: Client | None,
    known: Visitor | None,
    form: SignInForm,
    *,
    outcome: str = "",
    status: int = 200,
) -> HttpResponse:
    brand = client.brand if client else known.user.login_service.brand if known else None
    return render_page(
        request,
        "branding/sign_in.html",
        brand,
        status=status,
        title=_("Sign in again to change this") if known else _("Your account"),
        client_name=_("your account"),
        form=form,
        outcome=outcome,
        reset_url=forgotten_url(request, client) if client else "",
    )
