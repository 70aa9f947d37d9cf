"""Consent: whether a user must be asked, the page that asks, and what is remembered."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect

from branding.pages import render_page
from clients_admin.models import Scope
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import authorization
from tokens.authorization import AuthorizationRequest
from tokens.errors import AccessDenied, InvalidRequest
from tokens.interaction import session
from tokens.interaction.pages import about_authorization, bad_request_page, let_form_end_at
from tokens.interaction.reasons import must_sign_in
from tokens.models import Consent
from tokens.scopes import OPENID

PATH = "/consent"


def is_needed(asked: AuthorizationRequest, user: User) -> bool:
    rule = asked.client.effective_flags.consent
    if "consent" in asked.prompts or rule == "always":
        return True
    if rule == "never":
        return False
    return not set(asked.asked_scopes()) <= _remembered(asked, user)


@csrf_protect
@about_authorization
def consent_page(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    """Shows what is asked for; takes the decision."""
    visitor = session.visitor_for(request, asked.client)
    if visitor is None or must_sign_in(asked, visitor) or not is_needed(asked, visitor.user):
        return authorization.redirect(f"{authorization.PATH}?{asked.query()}")
    if request.method != "POST":
        return _page(request, asked, visitor.user)
    match request.POST.get("decision"):
        case "allow":
            _remember(asked, visitor.user)
            return authorization.grant(asked, visitor.user, visitor.auth_time, visitor.sid)
        case "deny":
            return authorization.refuse(asked, AccessDenied("The user refused."))
        case _:
            return bad_request_page(request, InvalidRequest(), asked.client.brand)


def _page(request: HttpRequest, asked: AuthorizationRequest, user: User) -> HttpResponse:
    client = asked.client
    response = render_page(
        request,
        "branding/consent.html",
        client.brand,
        title=client.name or client.client_id,
        client_name=client.name or client.client_id,
        user_name=user.get_full_name(),
        # Who the user is comes first, whatever the alphabet says.
        scopes=sorted(
            Scope.objects.filter(name__in=asked.asked_scopes()),
            key=lambda scope: (scope.name != OPENID, scope.name),
        ),
    )
    return let_form_end_at(response, asked.redirect_uri)


def _remembered(asked: AuthorizationRequest, user: User) -> set[str]:
    row = Consent.objects.filter(user=user, client=asked.client).first()
    return set(row.scope.split()) if row else set()


def _remember(asked: AuthorizationRequest, user: User) -> None:
    """Adds to what was allowed before; the row is held, so that two tabs add up."""
    with transaction.atomic():
        row, _ = Consent.objects.select_for_update().get_or_create(user=user, client=asked.client)
        row.scope = " ".join(sorted({*row.scope.split(), *asked.asked_scopes()}))
        row.granted_at = timezone.now()
        row.save()
        record(
            Tag.TOKENS_CONSENT_GIVEN,
            client_id=asked.client.client_id,
            user_id=user.pk,
            scopes=asked.asked_scopes(),
        )
