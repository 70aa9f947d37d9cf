"""Two processes on one database are one identity provider: a login goes on wherever it arrives."""

import base64
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest
import requests

from tests.interop import demo
from tests.interop.user_agent import Landing, Page, UserAgent
from tests.servers import LiveIDP

SCOPE = "email openid profile"


@pytest.fixture(scope="module")
def first(live_idp: LiveIDP) -> LiveIDP:
    return live_idp


@pytest.fixture(scope="module")
def second(live_idp: LiveIDP, live_database: str) -> Iterator[LiveIDP]:
    with LiveIDP(live_database, public_url=live_idp.public_url) as server:
        yield server


@dataclass(frozen=True)
class Application:
    """The web shop, which reaches whichever server the test names."""

    client: demo.Client
    issuer: str

    def begin(self) -> tuple[str, str]:
        """An authorization URL, and the verifier of its challenge."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = urlencode(
            {
                "client_id": self.client.client_id,
                "redirect_uri": self.client.redirect_uri,
                "response_type": "code",
                "scope": SCOPE,
                "state": "a-state",
                "code_challenge": challenge.rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        return f"{self.issuer}/oauth2/authorize?{query}", verifier

    def redeem(self, server: LiveIDP, landing: Page | Landing, verifier: str) -> dict[str, Any]:
        assert isinstance(landing, Landing), landing
        assert landing == Landing(
            self.client.redirect_uri,
            {"code": landing.parameters["code"], "state": "a-state", "iss": self.issuer},
        )
        return self.post(
            server,
            "token",
            grant_type="authorization_code",
            code=landing.parameters["code"],
            redirect_uri=self.client.redirect_uri,
            code_verifier=verifier,
        )

    def refresh(self, server: LiveIDP, token: dict[str, Any], status: int = 200) -> dict[str, Any]:
        return self.post(
            server,
            "token",
            status,
            grant_type="refresh_token",
            refresh_token=token["refresh_token"],
        )

    def post(
        self, server: LiveIDP, endpoint: str, status: int = 200, **parameters: str
    ) -> dict[str, Any]:
        answer = requests.post(
            f"{server.url}/oauth2/{endpoint}",
            data=parameters,
            auth=(self.client.client_id, self.client.secret),
            headers={"Host": self.issuer.removeprefix("http://")},
            timeout=20,
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.text else {}


@pytest.fixture
def shop(live_idp: LiveIDP) -> Application:
    return Application(demo.client("globex-shop"), live_idp.public_url)


@pytest.fixture
def gateway(live_idp: LiveIDP) -> Application:
    return Application(demo.client("demo-gateway"), live_idp.public_url)


@pytest.fixture
def agent(live_idp: LiveIDP) -> UserAgent:
    return UserAgent(live_idp.public_url)


def test_one_login_goes_on_at_either_process(
    first: LiveIDP, second: LiveIDP, shop: Application, gateway: Application, agent: UserAgent
) -> None:
    user = demo.user("globex-web")
    url, verifier = shop.begin()

    consent = agent.reach(first.url).sign_in(agent.open(url), user.username, user.password)
    landing = agent.reach(second.url).submit(consent, "Allow")

    token = shop.redeem(first, landing, verifier)
    assert gateway.post(second, "introspect", token=token["access_token"])["active"] is True

    renewed = shop.refresh(second, token)
    seen = [
        gateway.post(server, "introspect", token=renewed["access_token"])
        for server in (first, second)
    ]
    assert seen[0] == seen[1]
    assert (seen[0]["active"], seen[0]["username"]) == (True, user.username)

    shop.post(first, "revoke", token=renewed["refresh_token"])
    for server in (second, first):
        for dead in (token, renewed):
            answer = gateway.post(server, "introspect", token=dead["access_token"])
            assert answer == {"active": False}
    assert shop.refresh(second, renewed, 400)["error"] == "invalid_grant"

    query = urlencode({"id_token_hint": token["id_token"]})
    signed_out = agent.open(f"{agent.issuer}/oauth2/logout?{query}")
    assert signed_out.heading == "You are signed out"
    assert agent.reach(first.url).open(shop.begin()[0]).heading == "Sign in"


def test_each_step_of_a_login_may_reach_another_process(
    first: LiveIDP, second: LiveIDP, shop: Application, agent: UserAgent
) -> None:
    user = demo.user("globex-web", "john")
    for servers in ((first, second), (second, first)):
        agent.session.cookies.clear()
        agent.reach(*(server.url for server in servers))
        url, verifier = shop.begin()
        consent = agent.sign_in(agent.open(url), user.username, user.password)
        landing = agent.submit(consent, "Allow")
        assert shop.redeem(servers[0], landing, verifier)["scope"] == SCOPE


def test_a_code_is_spent_for_both_once_it_is_spent_at_one(
    first: LiveIDP, second: LiveIDP, shop: Application, gateway: Application, agent: UserAgent
) -> None:
    user = demo.user("globex-web")
    url, verifier = shop.begin()
    consent = agent.sign_in(agent.open(url), user.username, user.password)
    landing = agent.submit(consent, "Allow")
    token = shop.redeem(first, landing, verifier)
    refused = shop.post(
        second,
        "token",
        400,
        grant_type="authorization_code",
        code=landing.parameters["code"],
        redirect_uri=shop.client.redirect_uri,
        code_verifier=verifier,
    )
    assert refused["error"] == "invalid_grant"
    answer = gateway.post(first, "introspect", token=token["access_token"])
    assert answer == {"active": False}


def test_a_refresh_lost_on_the_wire_is_answered_alike_by_the_other_process(
    first: LiveIDP, second: LiveIDP, shop: Application, agent: UserAgent
) -> None:
    user = demo.user("globex-web")
    url, verifier = shop.begin()
    consent = agent.sign_in(agent.open(url), user.username, user.password)
    token = shop.redeem(first, agent.submit(consent, "Allow"), verifier)
    answers = [shop.refresh(server, token) for server in (first, second)]
    names = ("access_token", "refresh_token", "scope")
    assert [answers[0][name] for name in names] == [answers[1][name] for name in names]


@pytest.mark.skipif(sys.platform != "linux", reason="SCHED_BATCH is Linux's")
def test_no_thread_takes_the_core_from_the_one_that_holds_the_interpreter(first: LiveIDP):
    requests.get(f"{first.url}/healthz", timeout=30)
    threads = [
        thread for child in psutil.Process(first.pid).children() for thread in child.threads()
    ]
    policies = {os.sched_getscheduler(thread.id) for thread in threads}
    assert policies == {os.SCHED_BATCH}


def test_both_processes_publish_the_same_keys_and_the_same_issuer(
    first: LiveIDP, second: LiveIDP
) -> None:
    for document in ("openid-configuration", "oauth-authorization-server", "jwks.json"):
        bodies = [
            requests.get(f"{server.url}/.well-known/{document}", timeout=20).json()
            for server in (first, second)
        ]
        assert bodies[0] == bodies[1]
        assert document == "jwks.json" or bodies[0]["issuer"] == first.public_url
