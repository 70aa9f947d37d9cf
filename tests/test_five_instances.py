"""Five instances behind a real nginx, in turn and without stickiness. In the middle of each step of
a login, the instance that works on it is killed: the step goes through all the same."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import psycopg
import pytest
import requests
import yaml

from idp.environment import PROJECT
from tests.configuration import CHALLENGE, PASSWORD, SECRET, VERIFIER
from tests.interop.user_agent import Landing, Page, UserAgent
from tests.nginx import Nginx, wait_until
from tests.servers import LiveIDP, free_port, live_database_url

EXAMPLE = PROJECT / "docs" / "examples" / "nginx-upstream.conf"
NUMBER = 5
CALLBACK = "https://shop.example/callback"
GOODBYE = "https://shop.example/bye"
SCOPES = {"openid": "Know who you are", "orders.read": "See your orders"}

CONFIGURATION: dict[str, Any] = {
    "scopes": SCOPES,
    "login_services": [{"name": "acme-web", "kind": "local"}],
    "users": [
        {"login_service": "acme-web", "username": name, "password": PASSWORD}
        for name in ("jane", "john")
    ],
    "clients": [
        {
            "client_id": "shop",
            "client_secret": SECRET,
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [GOODBYE],
            "scopes": list(SCOPES),
            "login_services": ["acme-web"],
            "flags": {"consent": "remember"},
        }
    ],
}


def nginx_conf(folder: Path, port: int, instances: list[LiveIDP]) -> str:
    """The documented file with the places in it replaced; nothing else, but for TLS."""
    text = EXAMPLE.read_text()
    places = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "    ssl_certificate /etc/nginx/id.example.org.crt;\n": "",
        "    ssl_certificate_key /etc/nginx/id.example.org.key;\n": "",
        "/var/log/nginx/id.example.org.log": f"{folder}/access.log",
        # The port is part of this test's issuer.
        "proxy_set_header Host $host;": f"proxy_set_header Host 127.0.0.1:{port};",
    }
    for number, instance in enumerate(instances, start=1):
        places[f"10.0.0.{number}:8000"] = f"127.0.0.1:{instance.port}"
    for place, value in places.items():
        assert text.count(place) == 1, place
        text = text.replace(place, value)
    return text


@dataclass
class World:
    database: str
    url: str
    instances: list[LiveIDP]
    access_log: Path

    def kill_in_the_middle_of[T](self, step: Callable[[], T], table: str) -> T:
        """Does a step that writes to a table, and kills the instance while it waits to do so."""
        with ThreadPoolExecutor(1) as pool:
            with self.held(table):
                done = pool.submit(step)
                wait_until(lambda: bool(self._waiting()))
                (name,) = self._waiting()
                self._kill(name)
                # The next instance is on it before the table is let go.
                wait_until(lambda: bool(self._waiting() - {name}))
            return done.result(30)

    def one_after_the_other(
        self, first: Callable[[], Any], second: Callable[[], Any], table: str
    ) -> list[Any]:
        """Lets both run into each other: the first one waits to write to a table, and the second
        one for the first."""
        with ThreadPoolExecutor(2) as pool:
            with self.held(table):
                done = []
                for number, step in enumerate([first, second], start=1):
                    done.append(pool.submit(step))
                    wait_until(lambda number=number: self._waiters() == number)
            return [one.result(30) for one in done]

    @contextmanager
    def held(self, table: str) -> Iterator[None]:
        """Nobody writes to the table meanwhile."""
        with psycopg.connect(self.database) as server:
            server.execute(f"LOCK TABLE {table} IN SHARE MODE")
            yield

    def _waiting(self) -> set[str]:
        """The instances that wait for a lock, by the names of their connections."""
        return set(self._names_of_waiters())

    def _waiters(self) -> int:
        return len(self._names_of_waiters())

    def _names_of_waiters(self) -> list[str]:
        with psycopg.connect(self.database, autocommit=True) as server:
            found = server.execute(
                "SELECT application_name FROM pg_stat_activity WHERE "
                "datname = current_database() AND wait_event_type = 'Lock'"
            )
            return [name for (name,) in found.fetchall()]

    def _kill(self, name: str) -> None:
        """SIGKILL, to the supervisor first: it would start its process anew."""
        instance = next(
            one for one in self.instances if name in one.environment["IDP_DATABASE_URL"]
        )
        self.instances.remove(instance)
        children = psutil.Process(instance.pid).children(recursive=True)
        for pid in [instance.pid, *(child.pid for child in children)]:
            os.kill(pid, signal.SIGKILL)

    def ask(self, path: str, form: dict[str, str]) -> requests.Response:
        return requests.post(f"{self.url}{path}", data=form, auth=("shop", SECRET), timeout=30)

    def exchange(self, code: str) -> requests.Response:
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.ask("/oauth2/token", {"grant_type": "authorization_code", **form})

    def is_alive(self, tokens: dict[str, Any]) -> bool:
        """Whether the access token opens anything. The refresh token must say the same."""
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        userinfo = requests.get(f"{self.url}/oauth2/userinfo", headers=bearer, timeout=30)
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        refreshed = self.ask("/oauth2/token", refresh)
        assert (userinfo.status_code, refreshed.status_code) in {(200, 200), (401, 400)}
        return userinfo.ok

    def address(self, **parameters: str) -> str:
        """Where the shop sends a browser."""
        asked = {
            "response_type": "code",
            "client_id": "shop",
            "redirect_uri": CALLBACK,
            "scope": " ".join(SCOPES),
            "state": "the-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **parameters,
        }
        return f"{self.url}/oauth2/authorize?{urlencode(asked)}"


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("nginx")
    file = folder / "five.yaml"
    file.write_text(yaml.safe_dump(CONFIGURATION))
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    database = live_database_url(f"five_{worker}", file)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    instances = [instance(database, url, number) for number in range(NUMBER)]
    with ExitStack() as stack:
        for one in instances:
            stack.push(one)
        with ThreadPoolExecutor(NUMBER) as pool:
            list(pool.map(LiveIDP.start, instances))
        nginx = Nginx(folder, nginx_conf(folder, port, instances))
        stack.callback(nginx.stop)
        yield World(database, url, list(instances), folder / "access.log")


def instance(database: str, public_url: str, number: int) -> LiveIDP:
    separator = "&" if "?" in database else "?"
    return LiveIDP(
        f"{database}{separator}application_name=instance-{number}",
        public_url=public_url,
        threads=2,
        IDP_TRUSTED_PROXIES="127.0.0.0/8",
    )


def signed_in(world: World) -> tuple[UserAgent, str]:
    """A browser, and a code that is not exchanged yet."""
    agent = UserAgent(world.url)
    at = agent.sign_in(agent.open(world.address()), "jane", PASSWORD)
    landing = agent.submit(at, "Allow") if isinstance(at, Page) else at
    assert isinstance(landing, Landing), landing
    return agent, landing.parameters["code"]


def test_a_logout_waits_for_the_exchange_of_a_code_and_ends_what_came_of_it(world: World) -> None:
    agent, code = signed_in(world)
    page = agent.open(f"{world.url}/sign-out")
    answer, _ = world.one_after_the_other(
        lambda: world.exchange(code), lambda: agent.submit(page, "Sign out"), "tokens_refreshtoken"
    )
    assert answer.status_code == 200
    assert not world.is_alive(answer.json())


def test_a_code_is_worth_nothing_once_its_session_is_ending(world: World) -> None:
    agent, code = signed_in(world)
    page = agent.open(f"{world.url}/sign-out")
    _, answer = world.one_after_the_other(
        lambda: agent.submit(page, "Sign out"), lambda: world.exchange(code), "django_session"
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_every_step_goes_through_though_its_instance_dies(world: World) -> None:
    agent = UserAgent(world.url)
    page = agent.open(world.address())

    page = world.kill_in_the_middle_of(
        lambda: agent.sign_in(page, "john", PASSWORD), "django_session"
    )
    assert isinstance(page, Page)
    assert "See your orders" in page.text

    landing = world.kill_in_the_middle_of(lambda: agent.submit(page, "Allow"), "tokens_consent")
    assert isinstance(landing, Landing)
    assert landing.parameters["state"] == "the-state"

    answer = world.kill_in_the_middle_of(
        lambda: world.exchange(landing.parameters["code"]), "tokens_refreshtoken"
    )
    assert answer.status_code == 200, answer.text
    tokens = answer.json()

    bye = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": GOODBYE}
    landing = world.kill_in_the_middle_of(
        lambda: agent.open(f"{world.url}/oauth2/logout?{urlencode(bye)}"), "django_session"
    )
    assert landing == Landing(GOODBYE, {})
    assert len(world.instances) == NUMBER - 4

    # The last one knows all that the dead have done.
    assert not world.is_alive(tokens)
    at = agent.sign_in(agent.open(world.address()), "john", PASSWORD)
    assert isinstance(at, Landing), "consent was remembered"


def test_a_code_whose_answer_was_lost_costs_one_redirect(world: World) -> None:
    """Its instance died after the commit: nginx asks another one, which sees the code again."""
    agent, code = signed_in(world)
    lost, again = world.exchange(code).json(), world.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert not world.is_alive(lost), "what nobody got is worth nothing"
    landing = agent.open(world.address(prompt="none"))
    assert isinstance(landing, Landing)
    assert world.exchange(landing.parameters["code"]).status_code == 200


def test_nothing_of_a_query_is_in_the_log(world: World) -> None:
    requests.get(f"{world.url}/healthz?client_secret=in-a-query", timeout=30)
    assert "/healthz 200" in world.access_log.read_text()
    assert "in-a-query" not in world.access_log.read_text()
