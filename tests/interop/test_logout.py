"""Relying parties of others sign in, refresh and are signed out: Apache's mod_auth_openidc, and
openid-client with jose."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import yaml

from tests.configuration import PASSWORD, SECRET
from tests.interop.apache import Apache
from tests.interop.conftest import RelyingParty
from tests.interop.user_agent import Landing, UserAgent
from tests.relying_parties import LogoutEndpoint
from tests.servers import LiveIDP, live_database_url

CALLBACK = "http://127.0.0.1:1/callback"
DELIVER = "from tokens import logout_notices; print(logout_notices.deliver())"
SCOPES = ["openid", "profile", "email"]


def configuration(apache: Apache, endpoint: LogoutEndpoint) -> dict[str, Any]:
    shared = {
        "client_secret": SECRET,
        "grant_types": ["authorization_code", "refresh_token"],
        "scopes": SCOPES,
        "login_services": ["acme-web"],
        "flags": {"consent": "never"},
    }
    node = {"redirect_uris": [CALLBACK], "backchannel_logout_uri": endpoint.url}
    claims = {"name": "Jane Doe", "email": "jane@example.org"}
    account = {"login_service": "acme-web", "username": "jane", "claims": claims}
    return {
        "scopes": dict.fromkeys(SCOPES, ""),
        "login_services": [{"name": "acme-web", "kind": "local"}],
        "users": [{**account, "password": PASSWORD}],
        "clients": [
            {**shared, **apache.client(), "client_id": "shop"},
            {**shared, **node, "client_id": "node"},
        ],
    }


@dataclass
class World:
    idp: LiveIDP
    apache: Apache
    endpoint: LogoutEndpoint

    def deliver(self) -> str:
        """What the worker does, and what it says of it."""
        return self.idp.manage("shell", "--verbosity", "0", "-c", DELIVER).splitlines()[-1]


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    apache = Apache(tmp_path_factory.mktemp("apache"))
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    with LogoutEndpoint() as endpoint:
        file = tmp_path_factory.mktemp("configuration") / "logout.yaml"
        file.write_text(yaml.safe_dump(configuration(apache, endpoint)))
        database = live_database_url(f"logout_{worker}", file)
        with LiveIDP(database, IDP_LOGOUT_ALLOWED_NETWORKS="127.0.0.0/8") as idp:
            try:
                yield World(idp, apache.start(idp.public_url, SECRET), endpoint)
            finally:
                apache.stop()


class Visitor(UserAgent):
    """A browser that goes to the application of Apache, by way of the identity provider."""

    def __init__(self, world: World) -> None:
        super().__init__(world.idp.public_url)
        self.apache = world.apache

    def ask(self, path: str) -> requests.Response:
        """One request to the application, redirects not followed."""
        return self.session.get(f"{self.apache.url}{path}", allow_redirects=False, timeout=20)

    def page(self) -> dict[str, str] | None:
        """The headers that the application got; None where the browser was sent to sign in."""
        answer = self.ask("/orders")
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith(f"{self.issuer}/oauth2/authorize?")
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()

    def enter(self) -> dict[str, str]:
        """The whole login, typing a password where that is asked for."""
        at = self.open(self.ask("/orders").headers["Location"])
        if not isinstance(at, Landing):
            at = self.sign_in(at, "jane", PASSWORD)
        assert isinstance(at, Landing), at
        assert at.url == f"{self.apache.url}/openid"
        back = self.ask(f"/openid?{urlencode(at.parameters)}")
        assert back.headers.get("Location") == f"{self.apache.url}/orders", self.apache.log()
        page = self.page()
        assert page is not None, self.apache.log()
        return page


def test_apache_signs_in_and_refreshes(world: World) -> None:
    visitor = Visitor(world)
    assert visitor.page() is None
    page = visitor.enter()
    assert page["OIDC_CLAIM_email"] == "jane@example.org"
    assert len(page["OIDC_CLAIM_sid"]) == 22
    there = {"refresh": f"{world.apache.url}/orders", "access_token": page["OIDC_access_token"]}
    answer = visitor.ask(f"/openid?{urlencode(there)}")
    assert answer.headers["Location"] == there["refresh"], world.apache.log()
    refreshed = visitor.page()
    assert refreshed is not None
    assert refreshed["OIDC_access_token"] != page["OIDC_access_token"]
    assert refreshed["OIDC_CLAIM_sub"] == page["OIDC_CLAIM_sub"]


def test_apache_signs_out_here_and_comes_back(world: World) -> None:
    visitor = Visitor(world)
    visitor.enter()
    goodbye = f"{world.apache.url}/bye"
    answer = visitor.ask(f"/openid?{urlencode({'logout': goodbye})}")
    location = answer.headers["Location"]
    assert location.startswith(f"{visitor.issuer}/oauth2/logout?")
    assert visitor.open(location) == Landing(goodbye, {})
    assert visitor.page() is None
    assert not isinstance(visitor.open(visitor.ask("/orders").headers["Location"]), Landing)
    assert "delivered" in world.deliver(), "it is told also where it has asked for it"


def test_apache_is_signed_out_by_a_logout_elsewhere(world: World) -> None:
    visitor, other = Visitor(world), Visitor(world)
    page, others_page = visitor.enter(), other.enter()
    assert page["OIDC_CLAIM_sid"] != others_page["OIDC_CLAIM_sid"]
    visitor.submit(visitor.open(f"{visitor.issuer}/sign-out"), "Sign out")
    assert visitor.page() is not None, "it has not been told yet"
    assert world.deliver() == "{'delivered': 1}"
    assert visitor.page() is None, world.apache.log()
    assert other.page() is not None, "that was another browser"


def test_openid_client_signs_in_refreshes_and_believes_a_logout_token(
    world: World, relying_party: RelyingParty
) -> None:
    issuer = world.idp.public_url
    relying_party.ask("discover", issuer=issuer, client_id="node", secret=SECRET)
    begun = relying_party.ask(
        "authorize", client_id="node", scope="openid email", redirect_uri=CALLBACK
    )
    agent = UserAgent(issuer)
    landing = agent.sign_in(agent.open(begun["url"]), "jane", PASSWORD)
    assert isinstance(landing, Landing), landing
    url = f"{landing.url}?{urlencode(landing.parameters)}"
    login = relying_party.ask("callback", client_id="node", url=url, state=begun["state"])
    sid, refresh_token = login["claims"]["sid"], login["tokens"]["refresh_token"]
    renewed = relying_party.ask("refresh", client_id="node", refresh_token=refresh_token)
    assert renewed["claims"]["sid"] == sid

    away = relying_party.ask(
        "end_session", client_id="node", id_token_hint=renewed["tokens"]["id_token"]
    )
    agent.open(away["url"])
    assert world.deliver() == "{'delivered': 1}"
    (token,) = world.endpoint.tokens
    believed = relying_party.ask(
        "verify", client_id="node", token=token, audience="node", typ="logout+jwt"
    )
    assert (believed["claims"]["sid"], believed["claims"]["sub"]) == (sid, login["claims"]["sub"])
    refused = relying_party.ask(
        "refresh", client_id="node", refresh_token=renewed["tokens"]["refresh_token"]
    )
    assert refused["error"] == "invalid_grant"
