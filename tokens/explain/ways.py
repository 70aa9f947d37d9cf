"""The ways to tokens that can be explained: one line a grant."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clients_admin.models import Client, GrantType
from idp.accounts import assurance
from idp.accounts.assurance import Methods
from tokens import scopes
from tokens.grants import on_behalf_of


def _as_asked(client: Client, asked: Iterable[str]) -> str:
    return scopes.to_store(client, asked)


def _as_granted(client: Client, asked: Iterable[str]) -> str:
    return scopes.as_granted(client, scopes.to_store(client, asked))


def _on_behalf(client: Client, asked: Iterable[str]) -> str:
    return on_behalf_of.scope_of(client, {"scope": " ".join(asked)})


@dataclass(frozen=True, slots=True)
class Way:
    """One grant. A login gives a family: refresh tokens and an ID token, where they are had.

    `stored` is what is kept of the scope that was asked for; it raises InvalidScope.
    """

    name: str
    label: str
    grant_type: GrantType
    has_user: bool
    is_login: bool
    stored: Callable[[Client, Iterable[str]], str]

    @property
    def can_ask_for_second_factor(self) -> bool:
        """The user is at a page of ours."""
        return self in {AUTHORIZATION_CODE, DEVICE_CODE}

    def amr_at(self, client: Client) -> Methods:
        """How a user proves who they are, with no more than the client requires; of a trusted
        issuer's, nobody here knows."""
        if not self.is_login or self is JWT_BEARER:
            return ()
        required = client.effective_flags.required_acr
        if required == assurance.TWO_FACTORS and self.can_ask_for_second_factor:
            return (assurance.PASSWORD, assurance.ONE_TIME_CODE, assurance.SEVERAL)
        return (assurance.PASSWORD,)


AUTHORIZATION_CODE = Way(
    "authorization_code",
    "Authorization code",
    GrantType.AUTHORIZATION_CODE,
    True,
    True,
    _as_granted,
)
DEVICE_CODE = Way("device_code", "Device code", GrantType.DEVICE_CODE, True, True, _as_granted)
PASSWORD = Way("password", "Password", GrantType.PASSWORD, True, True, _as_granted)
JWT_BEARER = Way(
    "jwt_bearer", "JWT of a trusted issuer", GrantType.JWT_BEARER, True, True, _as_granted
)
CLIENT_CREDENTIALS = Way(
    "client_credentials",
    "Client credentials",
    GrantType.CLIENT_CREDENTIALS,
    False,
    False,
    _as_asked,
)
ON_BEHALF_OF = Way(
    "on_behalf_of", "On behalf of a user", GrantType.TOKEN_EXCHANGE, True, False, _on_behalf
)
WAYS = (*(AUTHORIZATION_CODE, DEVICE_CODE, CLIENT_CREDENTIALS, PASSWORD, JWT_BEARER, ON_BEHALF_OF),)
BY_NAME = {way.name: way for way in WAYS}
