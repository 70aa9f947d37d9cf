"""PostgreSQL stopped for real: 503 everywhere, and all is well again when it is back."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from idp.ops.embedded import EmbeddedPostgres
from tests.configuration import ACCESS_TOKEN_TYPE, CHALLENGE, EXCHANGE, VERIFIER
from tests.interop import demo
from tests.interop.user_agent import Landing, UserAgent
from tests.servers import DEMO_CONFIGURATION, LiveIDP, manage

THREADS = 8
# The pool waits three seconds for a connection before it gives up.
ANSWERED_SECONDS = 8.0
RECOVERED_SECONDS = 5.0
TIMEOUT_SECONDS = 60
DATABASE_PASSWORD = "the-password-of-the-database"
SHOP, BATCH, GATEWAY, OPERATIONS = map(
    demo.client, ("globex-shop", "demo-batch", "demo-gateway", "demo-operations")
)
USER = demo.user("globex-web")
AUTHORIZATION = {
    "client_id": SHOP.client_id,
    "redirect_uri": SHOP.redirect_uri,
    "response_type": "code",
    "scope": "openid email",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@dataclass
class World:
    """The application, a database of its own, and somebody who signed in before the outage."""

    postgres: EmbeddedPostgres
    idp: LiveIDP
    agent: UserAgent
    tokens: dict[str, Any]
    client_token: str
    operations_token: str = ""

    def get(self, path: str, **parameters: str) -> requests.Response:
        """As the browser of whoever is signed in."""
        return self._ask("GET", path, params=parameters, cookies=self.agent.session.cookies)

    def post(self, client: demo.Client, endpoint: str, **form: str) -> requests.Response:
        credentials = (client.client_id, client.secret)
        return self._ask("POST", f"/oauth2/{endpoint}", data=form, auth=credentials)

    def userinfo(self) -> requests.Response:
        bearer = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return self._ask("GET", "/oauth2/userinfo", headers=bearer)

    def blocks(self) -> requests.Response:
        bearer = {"Authorization": f"Bearer {self.operations_token}"}
        return self._ask("GET", "/api/v1/blocks", headers=bearer)

    def refresh(self) -> requests.Response:
        token = self.tokens["refresh_token"]
        return self.post(SHOP, "token", grant_type="refresh_token", refresh_token=token)

    def introspect(self) -> requests.Response:
        return self.post(GATEWAY, "introspect", token=self.client_token)

    def begin_device(self) -> requests.Response:
        return self._ask("POST", "/oauth2/device_authorization", data={"client_id": "acme-tv"})

    def exchange(self) -> requests.Response:
        types = {"subject_token_type": ACCESS_TOKEN_TYPE}
        token = self.client_token
        return self.post(GATEWAY, "token", grant_type=EXCHANGE, subject_token=token, **types)

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"{self.idp.url}{path}"
        return requests.request(
            method, url, allow_redirects=False, timeout=TIMEOUT_SECONDS, **options
        )

    @property
    def secrets(self) -> list[str]:
        """What no log may hold."""
        return [
            *(self.tokens[name] for name in ("access_token", "refresh_token", "id_token")),
            *(client.secret for client in (SHOP, BATCH, GATEWAY, OPERATIONS)),
            *self.agent.session.cookies.get_dict().values(),
            *(self.client_token, self.operations_token, VERIFIER, USER.password, DATABASE_PASSWORD),
        ]


type Ask = Callable[[World], requests.Response]

# Whatever cannot be answered without the database, and what it answers with one.
PROTOCOL: dict[str, tuple[Ask, int]] = {
    "token": (lambda world: world.post(BATCH, "token", grant_type="client_credentials"), 200),
    "refresh": (World.refresh, 200),
    "exchange": (World.exchange, 200),
    "introspect": (World.introspect, 200),
    "revoke": (lambda world: world.post(BATCH, "revoke", token="at_of_nobody"), 200),
    "userinfo": (World.userinfo, 200),
    "device authorization": (World.begin_device, 200),
}
PAGES: dict[str, tuple[Ask, int]] = {
    "authorize": (lambda world: world.get("/oauth2/authorize", **AUTHORIZATION), 303),
    "sign-in": (lambda world: world.get("/sign-in", **AUTHORIZATION), 200),
    "consent": (lambda world: world.get("/consent", **AUTHORIZATION), 200),
    "logout": (lambda world: world.get("/oauth2/logout", client_id=SHOP.client_id), 303),
    "sign-out": (lambda world: world.get("/sign-out", client_id=SHOP.client_id), 200),
    "device": (lambda world: world.get("/oauth2/device", user_code="BBBB-BBBB"), 400),
    "admin": (lambda world: world.get("/admin/"), 302),
    "admin login": (lambda world: world.get("/admin/login/"), 200),
}
API: dict[str, tuple[Ask, int]] = {"blocks": (World.blocks, 200)}
ALL = PROTOCOL | PAGES | API


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    run = Path(os.environ["IDP_VAR_DIR"]) / f"outage-{os.getpid()}"
    postgres = EmbeddedPostgres(run, durable=False)
    postgres.start()
    # It asks for no password; this one is there to see whether passwords are written anywhere.
    url = postgres.url.replace("postgres@", f"postgres:{DATABASE_PASSWORD}@", 1)
    try:
        environment = os.environ | {"IDP_DATABASE_URL": url}
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "config", "apply", str(DEMO_CONFIGURATION))
        with LiveIDP(url, threads=THREADS) as idp:
            yield signed_in(postgres, idp)
    finally:
        postgres.destroy()


def signed_in(postgres: EmbeddedPostgres, idp: LiveIDP) -> World:
    world = World(postgres, idp, UserAgent(idp.url), {}, "")
    url = requests.Request("GET", f"{idp.url}/oauth2/authorize", params=AUTHORIZATION).prepare().url
    agent = world.agent
    consent = agent.sign_in(agent.open(str(url)), USER.username, USER.password)
    landing = agent.submit(consent, "Allow")
    assert isinstance(landing, Landing), landing
    code = {"code": landing.parameters["code"], "code_verifier": VERIFIER}
    code |= {"grant_type": "authorization_code", "redirect_uri": SHOP.redirect_uri}
    world.tokens = world.post(SHOP, "token", **code).json()
    granted = world.post(BATCH, "token", grant_type="client_credentials").json()
    world.client_token = granted["access_token"]
    granted = world.post(OPERATIONS, "token", grant_type="client_credentials").json()
    world.operations_token = granted["access_token"]
    return world


def at_once(world: World, asked: dict[str, tuple[Ask, int]]) -> dict[str, requests.Response]:
    """Asks all of it at the same time, so that the pool fills up."""
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(asked, pool.map(lambda ask: ask[0](world), asked.values()), strict=True))


def assert_all_is_well(world: World) -> None:
    answers = at_once(world, ALL)
    assert {name: answer.status_code for name, answer in answers.items()} == {
        name: status for name, (_, status) in ALL.items()
    }
    assert answers["introspect"].json()["active"] is True
    assert answers["userinfo"].json()["email"] == USER.claims["email"]
    # The next refresh is another one, not the same answer again.
    world.tokens |= answers["refresh"].json()


# After twenty seconds the pool's own attempts would have become rare, were they not cut short.
@pytest.mark.parametrize(("mode", "seconds"), [("fast", 8.0), ("immediate", 20.0)])
def test_an_outage_is_a_503_and_leaves_nothing_behind(world, mode, seconds):
    assert_all_is_well(world)
    world.postgres.stop(mode)
    stopped_at = time.monotonic()
    try:
        for answer in at_once(world, PROTOCOL).values():
            assert_away(answer, "application/json")
            assert answer.json()["error"] == "temporarily_unavailable"
        for answer in at_once(world, PAGES).values():
            assert_away(answer, "text/html; charset=utf-8")
            assert "We are away for a moment" in answer.text
        for answer in at_once(world, API).values():
            assert_away(answer, "application/problem+json")
            assert answer.json()["code"] == "temporarily_unavailable"
        assert_health(world)
        time.sleep(max(0.0, stopped_at + seconds - time.monotonic()))
    finally:
        world.postgres.start()

    back_at = time.monotonic()
    while (answer := world.introspect()).status_code == 503:
        time.sleep(0.1)
    assert time.monotonic() - back_at < RECOVERED_SECONDS
    assert answer.json()["active"] is True
    for _ in range(3):
        assert_all_is_well(world)
    assert world.get("/readyz").json()["status"] == "ok"
    assert_log_tells_what_and_no_secret(world)


def assert_away(answer: requests.Response, content_type: str) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.elapsed.total_seconds() < ANSWERED_SECONDS
    assert "Traceback" not in answer.text


def assert_health(world: World) -> None:
    """The process lives, and says that it cannot work."""
    alive, ready = world.get("/healthz"), world.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert ready.status_code == 503
    assert int(ready.headers["Retry-After"]) > 0
    assert ready.json()["checks"]["database"].startswith("failed")
    assert ready.elapsed.total_seconds() < ANSWERED_SECONDS
    # The documents need no database, or may say that they do.
    assert world.get("/.well-known/openid-configuration").status_code == 200
    assert world.get("/.well-known/jwks.json").status_code in {200, 503}


def assert_log_tells_what_and_no_secret(world: World) -> None:
    log = world.idp.log_text()
    assert "Database unavailable at /oauth2/introspect:" in log
    assert [secret for secret in world.secrets if secret in log] == []
    assert "Traceback" not in log
