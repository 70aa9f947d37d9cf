"""Links by which an account of a local login service gets a new password.

A link is signed and kept nowhere. It holds for half an hour and for the password that the account
had when it was made: whoever has used one has ended them all, and so has whoever signs in to change
the password. Another e-mail address ends them too.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from idp.accounts.models import LocalAccount, LoginService

LIFETIME = timedelta(minutes=30)
MAX_TOKEN_CHARACTERS = 1000
_SALT = "idp.accounts.password_links"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says. `state` stands for the password and the address that the account had."""

    external_id: str
    client_id: str
    state: str
    expires_at: float

    @classmethod
    def kept(cls, values: Any) -> Self | None:
        """As `to_keep` has made it; None for anything else."""
        try:
            return cls(**values)
        except TypeError:
            return None

    def to_keep(self) -> dict[str, Any]:
        """For the session of a browser that has followed it. It opens nothing by itself."""
        return asdict(self)


def make(account: LocalAccount, client_id: str, now: datetime) -> str:
    """The secret part of a link, for the address of the account and nobody else.

    `client_id` is that of the client at whose sign-in page it was asked for.
    """
    link = Link(str(account.external_id), client_id, _state(account), (now + LIFETIME).timestamp())
    return signing.dumps(list(asdict(link).values()), salt=_SALT)


def read(token: str) -> Link | None:
    """What a link says that we have made, though it may be over; None for any other."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        return None
    try:
        return Link(*signing.loads(token, salt=_SALT))
    except (signing.BadSignature, ValueError, TypeError):
        return None


def account_of(link: Link, now: datetime, *, lock: bool = False) -> LocalAccount | None:
    """The account that a link opens; None where it is over.

    `lock` holds the account until the transaction ends, so that a link is used once.
    """
    if now.timestamp() >= link.expires_at:
        return None
    accounts = LocalAccount.objects.select_related("login_service")
    if lock:
        accounts = accounts.select_for_update(of=("self",))
    account = accounts.filter(
        external_id=UUID(link.external_id),
        is_active=True,
        login_service__is_enabled=True,
        login_service__kind=LoginService.Kind.LOCAL,
    ).first()
    if account is None or not _is_state(link.state, account):
        return None
    return account


def _state(account: LocalAccount, secret: str | None = None) -> str:
    said = f"{account.password}\n{account.claims.get('email')}"
    return salted_hmac(_SALT, said, secret=secret, algorithm="sha256").hexdigest()[:32]


def _is_state(state: str, account: LocalAccount) -> bool:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(state, _state(account, secret)) for secret in secrets)
