"""Which account of the browser answers an authorization request, and the page that asks."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect

from branding.pages import render_page
from tokens import authorization
from tokens.authorization import AuthorizationRequest
from tokens.errors import InvalidRequest
from tokens.interaction import session
from tokens.interaction.pages import about_authorization, bad_request_page, let_form_end_at
from tokens.interaction.session import SIGN_IN_PATH, Visitor

PATH = "/select-account"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose account it is, or that the user has to say so."""

    visitor: Visitor | None
    is_open: bool = False


def choose(request: HttpRequest, asked: AuthorizationRequest) -> Choice:
    """The account that is meant, which is active then; none where somebody must sign in."""
    visitors = session.visitors_for(request, asked.client)
    if _must_ask(asked, visitors):
        return Choice(None, is_open=True)
    visitor = _meant(asked, visitors)
    if visitor is not None:
        session.activate(request, visitor)
        return Choice(visitor)
    return Choice(None, is_open=len(visitors) > 1)


def _must_ask(asked: AuthorizationRequest, visitors: list[Visitor]) -> bool:
    """OpenID Connect Core 1.0 section 3.1.2.1: "SHOULD prompt the End-User to select a user
    account"."""
    if "select_account" not in asked.prompts or not visitors:
        return False
    chosen_at = visitors[0].chosen_at(asked.client)
    return chosen_at is None or not asked.is_answered_by(chosen_at)


def _meant(asked: AuthorizationRequest, visitors: list[Visitor]) -> Visitor | None:
    """As the request says; else as was chosen before; else the only one there is."""
    if asked.names_a_user():
        return next((one for one in visitors if asked.fits(one.user)), None)
    hint = asked.parameters.get("login_hint", "").casefold()
    hinted = [one for one in visitors if hint and hint in _names(one)]
    if len(hinted) == 1:
        return hinted[0]
    if len(visitors) == 1 or (visitors and visitors[0].chosen_at(asked.client)):
        return visitors[0]
    return None


def _names(visitor: Visitor) -> set[str]:
    """What a client may call a user in a login_hint."""
    names = (visitor.user.username, visitor.user.claims.get("email"), visitor.user.sub)
    return {name.casefold() for name in names if isinstance(name, str)}


@csrf_protect
@about_authorization
def account_page(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    """Shows the accounts, and goes on with one, or signs it out."""
    visitors = session.visitors_for(request, asked.client)
    if request.method != "POST":
        if not visitors:
            return authorization.redirect(f"{authorization.PATH}?{asked.query()}")
        return let_form_end_at(_page(request, asked, visitors), asked.redirect_uri)
    for action in ("account", "sign_out"):
        if sub := request.POST.get(action):
            visitor = next((one for one in visitors if one.user.sub == sub), None)
            return _go_on(request, asked, action, visitor)
    return bad_request_page(request, InvalidRequest(), asked.client.brand)


def _go_on(
    request: HttpRequest, asked: AuthorizationRequest, action: str, visitor: Visitor | None
) -> HttpResponse:
    """An account may have been signed out meanwhile: then the others are shown."""
    if visitor is None:
        return authorization.redirect(f"{PATH}?{asked.query()}")
    if action == "sign_out":
        session.end_account(request, visitor)
        return authorization.redirect(f"{PATH}?{asked.query()}")
    session.activate(request, visitor)
    session.choose(request, asked.client)
    return authorization.redirect(f"{authorization.PATH}?{asked.query_after_choice()}")


def _page(
    request: HttpRequest, asked: AuthorizationRequest, visitors: list[Visitor]
) -> HttpResponse:
    client = asked.client
    return render_page(
        request,
        "branding/select_account.html",
        client.brand,
        title=_("Choose an account"),
        client_name=client.name or client.client_id,
        accounts=[visitor.user for visitor in visitors],
        another_url=f"{SIGN_IN_PATH}?{asked.query()}",
    )
