"""Whether an access token is alive, and all that is known of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from clients_admin import secrets
from clients_admin.directory import ALL as ALL_CLIENTS
from clients_admin.directory import directory
from clients_admin.directory import mark as mark_of_client
from clients_admin.models import Client
from idp.accounts.models import User
from tokens import scopes
from tokens.format import Reference
from tokens.identifiers import mark_of_token
from tokens.introspection.look_up import Token, look_up
from tokens.kept_answers import Keepable
from tokens.keys import ring


class Subject(NamedTuple):
    """The user of a token, as far as it is told; `login_service` is its name."""

    sub: str
    username: str
    claims: Mapping[str, Any]
    login_service: str

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(user.sub, user.username, user.claims, user.login_service.name)


class Living(NamedTuple):
    """A living access token with its client and, where there is one, its user."""

    token: Token
    client: Client
    user: Subject | None
    scopes: frozenset[str]

    @property
    def subject(self) -> str:
        """RFC 9068 section 2.2: "In cases of access tokens obtained through grants where no
        resource owner is involved … the value of sub SHOULD correspond to … the client"."""
        return self.user.sub if self.user else self.client.client_id

    def keepable(
        self,
        requester: Client,
        until: datetime | None = None,
        *,
        signed: bool = False,
        expires_in: int | None = None,
    ) -> Keepable:
        """How an answer to `requester` about this token may be kept, `until` at the latest.

        `expires_in` is what the answer says of what it gives, in seconds.
        """
        clients = {mark_of_client(self.client.pk), mark_of_client(requester.pk)}
        marks = [ALL_CLIENTS, *clients]
        if self.token.id is not None:
            marks.append(mark_of_token(self.token.id))
        if self.token.user_id is not None:
            marks.append(f"user:{self.token.user_id}")
        if signed:
            marks.append(ring.MARK)
        ends = [self.token.expires_at, *secrets.ends(requester)]
        return Keepable(tuple(marks), min([*ends, until] if until else ends), expires_in)


def living(reference: Reference | None, now: datetime) -> Living | None:
    """None for what is unknown, expired or revoked, or whose client or user is shut out."""
    if reference is None:
        return None
    found = look_up(reference, now)
    if found is None:
        return None
    token, user = found
    client = directory.client_by_key(token.client_id)
    if client is None or not client.is_active:
        return None
    subject = None
    if token.user_id is not None:
        if user is None or not user.is_active:
            return None
        service = directory.login_service_name(user.login_service_id)
        subject = Subject(user.sub, user.username, user.claims, service)
    return Living(token, client, subject, scopes.effective(client, token.scope))
