"""Mails about passwords: asked for by a page, written and sent by the worker.

The page hands over what was typed and looks nobody up, so its answer and its time say nothing about
who has an account. Nothing that is handed over is a secret: a link is made when its mail is sent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from branding import mail
from branding.models import Brand
from idp import worker
from idp.accounts import credentials, local, password_links
from idp.accounts.models import LocalAccount, LoginService
from idp.audit.record import record
from idp.audit.tags import Tag

ASKED, LINK, CHANGED = "idp.password_asked", "idp.password_link", "idp.password_changed"
# Where a link leads; `tokens.interaction.password_reset` answers there.
PATH = "/account/password/reset"

LINKS_AN_HOUR = 3
HOUR = timedelta(hours=1)

# A mail server that is down is asked again for half an hour. Each pause is shorter than what Redis
# waits before it gives a message to another worker.
MAX_RETRIES = 7
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 15, 900
EXPIRES_SECONDS = 3600


# --- In the request -------------------------------------------------------------------------------


def ask(  # noqa: PLR0913 - what the worker has to know
    services: Sequence[LoginService],
    username: str,
    *,
    client_id: str,
    brand: Brand | None,
    language: str,
    address: str,
) -> bool:
    """Has links sent to whom the local ones of these services know by that name; whether anybody
    will see to it, which is not whether there is such a user."""
    keys = [service.pk for service in services]
    slug = brand.slug if brand else ""
    return worker.hand_over(
        ASKED, (keys, username, client_id, slug, language, address), expires_seconds=EXPIRES_SECONDS
    )


def tell_of_change(account: LocalAccount, brand: Brand | None, language: str) -> None:
    """Has the owner told, whoever it was that set the new password."""
    arguments = (str(account.external_id), brand.slug if brand else "", language)
    worker.hand_over(CHANGED, arguments, expires_seconds=EXPIRES_SECONDS)


# --- In the worker --------------------------------------------------------------------------------


def find(
    service_ids: Sequence[int], username: str, *, client_id: str, address: str, now: datetime
) -> list[str]:
    """External ids of the accounts that get a link, in each login service where there is one of
    that name; all that were asked for are audited."""
    if credentials.are_malformed(username, "any"):
        return []
    with transaction.atomic():
        accounts = LocalAccount.objects.named(username, *service_ids).filter(
            login_service__is_enabled=True,
            login_service__kind=LoginService.Kind.LOCAL,
        )
        return [
            str(account.external_id)
            for account in accounts.select_for_update(of=("self",))
            .select_related("login_service")
            .order_by("pk")
            if _may_have_link(account, client_id, address, now)
        ]


def send_link(external_id: str, client_id: str, brand_slug: str, language: str) -> bool:
    """Whether there was somebody to send it to. Raises OSError where the mail server takes none."""
    account = LocalAccount.objects.filter(external_id=external_id, is_active=True).first()
    if account is None or not mail_address(account):
        return False
    token = password_links.make(account, client_id, timezone.now())
    mail.send(
        mail_address(account),
        Brand.objects.filter(slug=brand_slug).first(),
        language,
        "branding/mail/password_link",
        subject=_("Set a new password"),
        user_name=account.username,
        link=f"{settings.PUBLIC_URL}{PATH}/{token}",
        minutes=int(password_links.LIFETIME.total_seconds() // 60),
    )
    return True


def send_changed(external_id: str, brand_slug: str, language: str) -> bool:
    """As `send_link`."""
    account = LocalAccount.objects.filter(external_id=external_id).first()
    if account is None or not mail_address(account):
        return False
    mail.send(
        mail_address(account),
        Brand.objects.filter(slug=brand_slug).first(),
        language,
        "branding/mail/password_changed",
        subject=_("Your password was changed"),
        user_name=account.username,
    )
    return True


def retry_seconds(retries: int) -> int:
    """The pause after so many retries: doubled each time, up to a quarter of an hour."""
    return int(min(FIRST_RETRY_SECONDS * 2**retries, LONGEST_RETRY_SECONDS))


def mail_address(account: LocalAccount) -> str:
    """The account's e-mail address; "" where its claim is none."""
    address = account.claims.get("email")
    if not isinstance(address, str):
        return ""
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address


def _may_have_link(account: LocalAccount, client_id: str, address: str, now: datetime) -> bool:
    """Counts the link, if it is sent."""
    recent = [moment for moment in account.link_sent_at if moment > now - HOUR]
    may = account.is_active and bool(mail_address(account)) and len(recent) < LINKS_AN_HOUR
    if may:
        account.link_sent_at = [*recent, now]
        account.save(update_fields=["link_sent_at"])
    user = local.user_of(account)
    record(
        Tag.ACCOUNTS_PASSWORD_RESET_REQUESTED,
        client_id=client_id,
        user_id=user.pk if user else None,
        address=address or None,
        at=now,
        login_service=account.login_service.name,
        username=account.username,
        is_sent=may,
    )
    return may
