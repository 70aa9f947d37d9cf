"""The real server, and four login services of which one is away at a time: its own logins say so,
everything else goes on, and it is back within seconds.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import bcrypt
import psycopg
import pytest
import requests
from psycopg.conninfo import make_conninfo

from idp.accounts.circuit import PAUSE_SECONDS
from tests.login_services.databases import MariaDB, PostgreSQL
from tests.login_services.rest_server import RESTServer
from tests.login_services.slapd import PASSWORD, Slapd
from tests.login_services.timing import compare
from tests.servers import LiveIDP, live_database_url

SECRET = "secret-of-the-tests-not-for-production"
SERVICES = ("directory", "crm", "legacy", "web")
AWAY_SECONDS = 1.2
BACK_SECONDS = PAUSE_SECONDS + 3


class Others:
    """The four servers, and how each of them goes away and comes back."""

    def __init__(self, stack: ExitStack) -> None:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        self.slapd = stack.enter_context(Slapd())
        self.rest = stack.enter_context(RESTServer("jane"))
        self.mariadb = stack.enter_context(MariaDB())
        self.mariadb.add("jane", hashed)
        self.database = PostgreSQL("customers_of_web")
        stack.callback(self.database.close)
        self.database.add("jane", hashed)
        self.kinds = {"directory": "ldap", "crm": "rest", "legacy": "sql", "web": "sql"}
        self.settings = {
            "directory": self.slapd.settings(),
            "crm": self.rest.settings(),
            "legacy": self.mariadb.settings(),
            "web": self.database.settings(),
        }
        self.away: dict[str, Callable[[], Any]] = {
            "directory": self.slapd.hang,
            "crm": self.rest.stop,
            "legacy": self.mariadb.stop,
            "web": lambda: self._let_in(False),
        }
        self.back: dict[str, Callable[[], Any]] = {
            "directory": self.slapd.go_on,
            "crm": self.rest.start,
            "legacy": self.mariadb.start,
            "web": lambda: self._let_in(True),
        }

    def _let_in(self, anybody: bool) -> None:
        """As a database that is taken away, on a server that also keeps our own."""
        url = make_conninfo(os.environ["IDP_DATABASE_URL"], dbname="postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            name = self.database.name
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {anybody}")
            if not anybody:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [name],
                )


def configuration(others: Others) -> dict[str, Any]:
    """As a file: JSON is YAML."""
    names = [*SERVICES, "local"]
    return {
        "brands": [{"slug": "acme", "name": "Acme"}],
        "scopes": {"openid": "Know who you are", "introspection": "Look at tokens"},
        "login_services": [
            *(
                {"name": name, "kind": kind, "brand": "acme", "settings": others.settings[name]}
                for name, kind in others.kinds.items()
            ),
            {"name": "local", "kind": "local", "brand": "acme"},
        ],
        "users": [{"login_service": "local", "username": "jane", "password": PASSWORD}],
        "clients": [
            {
                "client_id": f"app-{name}",
                "client_secret": SECRET,
                "grant_types": ["password", "refresh_token", "client_credentials"],
                "scopes": ["openid", "introspection"],
                "brand": "acme",
                "login_services": [name],
                "flags": {"allow_password_grant": True, "consent": "never"},
            }
            for name in names
        ],
    }


class World:
    def __init__(self, idp: LiveIDP, others: Others) -> None:
        self.idp, self.others = idp, others

    def post(self, path: str, client: str, **form: str) -> requests.Response:
        url = f"{self.idp.url}{path}"
        return requests.post(url, data=form, auth=(f"app-{client}", SECRET), timeout=30)

    def log_in(
        self, name: str, username: str = "jane", password: str = PASSWORD
    ) -> requests.Response:
        form = {"grant_type": "password", "username": username, "password": password}
        return self.post("/oauth2/token", name, **form)

    def refresh(self, name: str, token: str) -> requests.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.post("/oauth2/token", name, **form)

    def wait_for(self, name: str) -> float:
        """The seconds until somebody can log in."""
        began = time.monotonic()
        while self.log_in(name).status_code != 200:
            assert time.monotonic() < began + BACK_SECONDS
            time.sleep(0.1)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        others = Others(stack)
        file: Path = tmp_path_factory.mktemp("outages") / "configuration.yaml"
        file.write_text(json.dumps(configuration(others)))
        idp = stack.enter_context(
            LiveIDP(
                live_database_url(f"live_outages_{others.database.name}", file),
                threads=8,
                IDP_BLOCKING="on",
            )
        )
        yield World(idp, others)


def test_one_after_the_other_is_away_and_back(world: World):
    for name in SERVICES:
        while_one_is_away(world, name)
    nobody_has_failed(world)
    each_login_is_counted(world)


def test_an_unknown_name_takes_as_long_as_a_wrong_password(world: World):
    """All the way through the server, with every attempt counted, and nobody blocked for it."""
    url = world.idp.environment["IDP_DATABASE_URL"]
    with LiveIDP(url, threads=8, IDP_BLOCKING="shadow") as shadow:
        counting, answers = World(shadow, world.others), set()

        def attempt(service: str, username: str) -> None:
            answer = counting.log_in(service, username, "a wrong password")
            answers.add((answer.status_code, answer.text))

        for name in (*SERVICES, "local"):
            counting.wait_for(name)
            compare(name, partial(attempt, name, "jane"), partial(attempt, name, "nobody"))
    assert len(answers) == 1


def while_one_is_away(world: World, name: str) -> None:
    for service in (*SERVICES, "local"):
        world.wait_for(service)
    tokens = world.log_in(name).json()
    is_over = Event()

    def keep_trying() -> Counter[int]:
        statuses: Counter[int] = Counter()
        while not is_over.is_set():
            answer = world.log_in(name)
            statuses[answer.status_code] += 1
            assert answer.json()["error"] == "temporarily_unavailable"
        return statuses

    world.others.away[name]()
    took = []
    with ThreadPoolExecutor(6) as pool:
        trying = [pool.submit(keep_trying) for _ in range(6)]
        until = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < until:
            for service in {*SERVICES, "local"} - {name}:
                assert world.log_in(service).status_code == 200
            # Living tokens go on, those of the users of the service that is away too.
            began = time.monotonic()
            answer = world.refresh(name, tokens["refresh_token"])
            took.append((time.monotonic() - began) * 1000)
            assert answer.status_code == 200, answer.text
            tokens = answer.json()
            token = tokens["access_token"]
            assert world.post("/oauth2/introspect", "local", token=token).json()["active"]
        is_over.set()
        statuses: Counter[int] = sum((each.result() for each in trying), Counter())
    world.others.back[name]()
    seconds = world.wait_for(name)
    print(f"\n{name} away: {statuses[503]} logins said so, a refresh took at most", end=" ")
    print(f"{max(took):.0f} ms, it was back after {seconds:.1f} s")
    assert set(statuses) == {503}
    assert "Traceback" not in world.idp.log_text()


def nobody_has_failed(world: World) -> None:
    """An outage is no failed attempt, whoever counts those; and no log has a password."""
    with psycopg.connect(world.idp.environment["IDP_DATABASE_URL"]) as connection:
        counted = connection.execute("SELECT count(*) FROM idp_failedattempt").fetchone()
    assert counted == (0,)
    text = world.idp.log_text()
    assert "Login service directory is unavailable: no answer in time" in text
    assert PASSWORD not in text


def each_login_is_counted(world: World) -> None:
    text = requests.get(f"{world.idp.url}/metrics", timeout=30).text
    for service in SERVICES:
        for outcome in ("accepted", "unavailable"):
            assert f'idp_logins_total{{outcome="{outcome}",service="{service}"}}' in text
        assert f'idp_login_seconds_count{{service="{service}"}}' in text
        assert f'idp_login_service_out{{service="{service}"}} 0.0' in text
