"""Who is who in the demo configuration, read from the file that the servers were given."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from ruamel.yaml import YAML

from tests.servers import DEMO_CONFIGURATION

# OpenID Connect Core 1.0 section 5.4, as far as the demo's users have such claims.
CLAIMS_OF_SCOPE = {
    "profile": ("name", "given_name", "family_name"),
    "email": ("email", "email_verified"),
}


@dataclass(frozen=True)
class User:
    """Somebody who can sign in, and what is known about them."""

    username: str
    password: str
    claims: dict[str, Any]

    def claims_for(self, scope: str) -> dict[str, Any]:
        """What a token with that scope opens."""
        names = [name for word in scope.split() for name in CLAIMS_OF_SCOPE.get(word, ())]
        claims = {name: self.claims[name] for name in names if name in self.claims}
        if "profile" in scope.split():
            claims["preferred_username"] = self.username
        return claims


@dataclass(frozen=True)
class Client:
    """An application; on a loopback address it may use another port than the registered one."""

    client_id: str
    name: str
    secret: str
    redirect_uri: str
    post_logout_redirect_uri: str


@cache
def configuration() -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(DEMO_CONFIGURATION)


def client(client_id: str) -> Client:
    row = _only("clients", client_id=client_id)
    return Client(
        client_id,
        row["name"],
        row.get("client_secret", ""),
        *row.get("redirect_uris", [""]),
        *row.get("post_logout_redirect_uris", [""]),
    )


def user(login_service: str, username: str = "jane") -> User:
    row = _only("users", login_service=login_service, username=username)
    return User(username, row["password"], row["claims"])


def scope_description(name: str) -> str:
    return in_language(name, "en")


def in_language(scope: str, language: str) -> str:
    said = configuration()["scopes"][scope]
    return said.get(language, said["en"]) if isinstance(said, dict) else said


def _only(kind: str, **values: str) -> dict[str, Any]:
    rows = [row for row in configuration()[kind] if row.items() >= values.items()]
    assert len(rows) == 1, f"{len(rows)} {kind} with {values}"
    return rows[0]
