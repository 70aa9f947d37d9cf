"""The one ender of tokens: revocation of one token, or of a whole family."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from tokens.issue import access_tokens, lock_family, refresh_tokens
from tokens.models import AccessToken, AuthorizationCode, RefreshToken


def family(member: RefreshToken | AuthorizationCode, now: datetime | None = None) -> int:
    """Ends all tokens that stem from the login of `member`; answers how many rows went.

    Access tokens that several logins share (`issue` has taken them out of their family) go with
    the first of these.
    """
    now = now or timezone.now()
    key = member.pk if isinstance(member, AuthorizationCode) else member.family
    with transaction.atomic():
        lock_family(key)
        return sum(
            rows.delete_of_family(now, member.user_id, member.client_id, key)
            for rows in (access_tokens, refresh_tokens)
        )


def access_token(row: AccessToken) -> int:
    """Ends one access token and leaves the login alive."""
    return access_tokens.delete_by_id(row.pk)
