"""Whether an access token is alive, and all that is known of it."""

from dataclasses import dataclass
from datetime import datetime

from clients_admin.models import Client
from idp.accounts.models import User
from tokens import issue, scopes
from tokens.format import Reference
from tokens.models import AccessToken


@dataclass(frozen=True, slots=True)
class Living:
    """A living access token with its client and, where there is one, its user."""

    token: AccessToken
    client: Client
    user: User | None
    scopes: frozenset[str]

    @property
    def subject(self) -> str:
        """RFC 9068 section 2.2: "In cases of access tokens obtained through grants where no
        resource owner is involved … the value of sub SHOULD correspond to … the client"."""
        return self.user.sub if self.user else self.client.client_id


def living(reference: Reference | None, now: datetime) -> Living | None:
    """None for what is unknown, expired or revoked, or whose client or user is shut out."""
    if reference is None:
        return None
    token = issue.access_tokens.get(reference, now)
    if token is None:
        return None
    client = Client.objects.select_related("brand").filter(pk=token.client_id).first()
    if client is None or not client.is_active:
        return None
    user = None
    if token.user_id is not None:
        user = User.objects.select_related("login_service__brand").filter(pk=token.user_id).first()
        if user is None or not user.is_active:
            return None
    return Living(token, client, user, scopes.effective(client, token.scope))
