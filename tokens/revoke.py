"""The one ender of tokens: revocation of one token, or of a whole family."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from tokens.issue import access_tokens, lock_family, refresh_tokens
from tokens.models import AccessToken, AuthorizationCode, RefreshToken


def family(member: RefreshToken | AuthorizationCode, now: datetime | None = None) -> int:
    """Ends all tokens that stem from the login of `member`; answers how many rows went."""
    now = now or timezone.now()
    key = member.pk if isinstance(member, AuthorizationCode) else member.family
    with transaction.atomic():
        lock_family(key)
        of_family = {"client_id": member.client_id, "family": key}
        return access_tokens.delete_of_user(
            now, member.user_id, **of_family
        ) + refresh_tokens.delete_of_user(now, member.user_id, **of_family)


def access_token(row: AccessToken) -> int:
    """Ends one access token and leaves the login alive."""
    return access_tokens.delete_by_id(row.pk)
