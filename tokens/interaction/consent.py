"""Consent: whether a user must be asked, the page that asks, and what is remembered."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect

from branding.page_language import language_for
from branding.pages import render_page
from clients_admin.models import Client
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import authorization, logins, revoke, scopes
from tokens.authorization import AuthorizationRequest
from tokens.errors import AccessDenied, InvalidRequest
from tokens.interaction import accounts, shared
from tokens.interaction.claim_names import CLAIM_NAMES
from tokens.interaction.pages import about_authorization, bad_request_page, let_form_end_at
from tokens.interaction.reasons import must_sign_in
from tokens.interaction.session import Visitor
from tokens.interaction.shared import Before
from tokens.interaction.step_up import Step, step_for
from tokens.models import Consent

PATH = "/consent"


def is_needed(asked: AuthorizationRequest, user: User) -> bool:
    rule = asked.client.effective_flags.consent
    if "consent" in asked.prompts or rule == "always":
        return True
    if rule == "never":
        return False
    remembered, wanted = _remembered(asked.client, user), set(asked.asked_scopes())
    if not (wanted <= remembered.decided and wanted & remembered.granted):
        return True
    return not remembered.claims.issuperset(asked.individual_claims())


def granted_scope(asked: AuthorizationRequest, user: User) -> str | None:
    """What is remembered of this request where nobody is asked: without what the user has left
    out. None for a client of our own, which asks nobody."""
    if asked.client.effective_flags.consent == "never":
        return None
    granted = _remembered(asked.client, user).granted
    return scopes.as_text(granted.intersection(asked.asked_scopes()))


@csrf_protect
@about_authorization
def consent_page(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    """Shows what is asked for; takes the decision."""
    visitor = accounts.choose(request, asked).visitor
    if (
        visitor is None
        or must_sign_in(asked, visitor)
        or step_for(asked, visitor) is not Step.NONE
        or not is_needed(asked, visitor.user)
    ):
        return authorization.redirect(f"{authorization.PATH}?{asked.query()}")
    if request.method != "POST":
        return _page(request, asked, visitor.user)
    if request.POST.get("account", visitor.user.sub) != visitor.user.sub:
        # Another account was chosen in another tab: it has not seen this page.
        return authorization.redirect(f"{authorization.PATH}?{asked.query()}")
    return _decided_by(request, asked, visitor)


def _decided_by(
    request: HttpRequest, asked: AuthorizationRequest, visitor: Visitor
) -> HttpResponse:
    match request.POST.get("decision"):
        case "allow":
            chosen = shared.chosen(asked.client, asked.asked_scopes(), request.POST.dict())
            if not chosen:
                return authorization.refuse(asked, AccessDenied("The user refused."))
            _remember(asked, visitor.user, chosen, is_kept="forget" not in request.POST)
            is_own = asked.client.effective_flags.consent == "never"
            scope = None if is_own else scopes.as_text(chosen)
            return authorization.grant(asked, visitor, scope=scope)
        case "deny":
            return authorization.refuse(asked, AccessDenied("The user refused."))
        case _:
            return bad_request_page(request, InvalidRequest(), asked.client.brand)


def _page(request: HttpRequest, asked: AuthorizationRequest, user: User) -> HttpResponse:
    client, before = asked.client, _decided(asked.client, user)
    language = language_for(request, client.brand)
    lines = shared.lines(client, user, asked.asked_scopes(), language, before)
    response = render_page(
        request,
        "branding/consent.html",
        client.brand,
        title=client.name or client.client_id,
        client_name=client.name or client.client_id,
        user_name=user.get_full_name(),
        account=user.sub,
        scopes=lines,
        claims=[CLAIM_NAMES[claim] for claim in asked.individual_claims()],
        asks_for_more=any(line.is_new for line in lines),
        third_party=third_party(client),
        remembers=client.effective_flags.consent == "remember",
        remember_days=client.effective_flags.consent_days,
    )
    return let_form_end_at(response, asked.redirect_uri)


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """Whose application it is, as far as its flags say so."""

    website: str
    privacy: str
    terms: str

    @property
    def is_named(self) -> bool:
        return bool(self.website or self.privacy or self.terms)


def third_party(client: Client) -> ThirdParty | None:
    """None for a client of our own."""
    flags = client.effective_flags
    if flags.consent == "never":
        return None
    return ThirdParty(flags.website_url, flags.privacy_url, flags.terms_url)


def _decided(client: Client, user: User) -> Before:
    """What the user has last decided, however long ago."""
    return _before(Consent.objects.filter(user=user, client=client).first())


def _remembered(client: Client, user: User) -> Before:
    """What the user has decided and need not be asked about again."""
    return _before(
        Consent.objects.remembered(timezone.now()).filter(user=user, client=client).first()
    )


def _before(row: Consent | None) -> Before:
    if row is None:
        return Before()
    return Before(
        frozenset(row.scope.split()),
        frozenset(row.declined_scope.split()),
        frozenset(row.claims.split()),
    )


def _remember(
    asked: AuthorizationRequest, user: User, granted: frozenset[str], *, is_kept: bool
) -> None:
    """Adds to what was decided before; the row is held, so that two tabs add up.

    Whoever takes back what they once gave ends all that the client has under it.
    """
    now, client, wanted = timezone.now(), asked.client, set(asked.asked_scopes())
    with transaction.atomic():
        row, _ = Consent.objects.select_for_update().get_or_create(user=user, client=client)
        before = _before(row)
        row.scope = scopes.as_text((before.granted - wanted) | granted)
        row.declined_scope = scopes.as_text((before.declined - wanted) | (wanted - granted))
        row.claims = scopes.as_text(before.claims.union(asked.individual_claims()))
        row.granted_at = now
        row.remembered_until = _remembered_until(client, is_kept=is_kept)
        row.save()
        record(
            Tag.TOKENS_CONSENT_GIVEN,
            client_id=client.client_id,
            user_id=user.pk,
            scopes=sorted(granted),
            declined=sorted(wanted - granted),
        )
        if before.granted & wanted - granted:
            _end_logins(client, user)


def _remembered_until(client: Client, *, is_kept: bool) -> datetime | None:
    """None: until the user withdraws it."""
    flags, now = client.effective_flags, timezone.now()
    if not is_kept or flags.consent != "remember":
        return now
    return now + timedelta(days=flags.consent_days) if flags.consent_days else None


def _end_logins(client: Client, user: User) -> None:
    now = timezone.now()
    for login in logins.of(user, now).found:
        if login.client.pk == client.pk:
            revoke.login(user.pk, client, login.key, Tag.TOKENS_CONSENT_NARROWED, now)
