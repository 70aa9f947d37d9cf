"""Two processes under Granian on one PostgreSQL, a worker, a chat: guessed at by 200 threads."""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from idp.environment import PROJECT
from tests.blocking.test_refusal import PATHS, WATCHED
from tests.broker import own_broker
from tests.interop import demo
from tests.servers import LiveIDP, live_database_url, manage

ATTACKER, OTHER = "203.0.113.66", "203.0.113.1"
THREADS = 200
PASSWORD = "the operators own password"
# With the built-in profile: the first failure, and eight repeats.
LIMIT = 9
PATIENCE_SECONDS = 30
# Granian knows the length of a list, and not that of what Django answers.
VARYING = {"retry-after", "date", "content-length", "transfer-encoding"}


class Chat:
    """A real HTTP server that takes notifications."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                chat.titles.append(json.loads(body)["title"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"json://127.0.0.1:{self.server.server_port}/"


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    made = Chat()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def settings_of_all(chat: Chat) -> dict[str, str]:
    return {
        "IDP_BLOCKING": "on",
        "IDP_TRUSTED_PROXIES": "127.0.0.0/8",
        "IDP_NOTIFY_URLS": chat.url,
        "IDP_BROKER_URL": own_broker(1),
    }


@pytest.fixture(scope="module")
def two(settings_of_all, request) -> Iterator[tuple[LiveIDP, LiveIDP]]:
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    url = live_database_url(f"blocking_{worker}")
    with LiveIDP(url, threads=8, **settings_of_all) as first:
        first.manage("ensure_operator", "--username", "root", "--password-stdin", text=PASSWORD)
        with LiveIDP(url, threads=8, public_url=first.public_url, **settings_of_all) as second:
            yield first, second


@pytest.fixture(scope="module")
def worker(two, tmp_path_factory) -> Iterator[None]:
    log = (tmp_path_factory.mktemp("worker") / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "idp", "worker", "--loglevel", "warning"],
        cwd=PROJECT,
        env=two[0].environment,
        stdout=log,
        stderr=log,
    )
    yield
    process.terminate()
    process.wait(PATIENCE_SECONDS)
    log.close()


@pytest.fixture
def database(two) -> Iterator[psycopg.Connection]:
    url = two[0].environment["IDP_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def headers(server: LiveIDP, address: str) -> dict[str, str]:
    return {"Host": urlsplit(server.public_url).netloc, "X-Forwarded-For": address}


class Guesser:
    """A browser at the sign-in form of the admin, which asks the login service `operators`."""

    def __init__(self, server: LiveIDP, address: str) -> None:
        self.url = f"{server.url}/admin/login/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(headers(server, address))
        page = self.session.get(self.url, timeout=60)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        self.token = found[1] if found else ""

    def guess(self, password: str, username: str = "root") -> requests.Response:
        form = {
            "username": username,
            "password": password,
            "csrfmiddlewaretoken": self.token,
        }
        return self.session.post(self.url, form, timeout=120, allow_redirects=False)


def checks(servers) -> int:
    """How often the login service was asked, as all processes have counted."""
    total = 0
    for server in servers:
        text = requests.get(
            f"{server.url}/metrics",
            headers={"Host": urlsplit(server.public_url).netloc},
            timeout=30,
        ).text
        total += sum(
            int(float(value))
            for value in re.findall(
                r'idp_logins_total\{[^}]*service="operators"[^}]*\} (\S+)', text
            )
        )
    return total


def status(server: LiveIDP, address: str, path: str = "/.well-known/jwks.json") -> int:
    url = f"{server.url}{path}"
    return requests.get(url, headers=headers(server, address), timeout=30).status_code


def eventually(look) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.02)


def seconds_until(look) -> float:
    began = time.monotonic()
    eventually(look)
    return time.monotonic() - began


@pytest.mark.usefixtures("worker")
def test_200_threads_that_guess_at_two_processes(two, chat, database):
    guessers = [Guesser(two[number % 2], ATTACKER) for number in range(THREADS)]
    before = checks(two)
    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda g: g.guess("wrong").status_code, guessers))
    print(f"{time.monotonic() - began:.1f} seconds, {Counter(answers)}")

    # No more than the limit got through to the login service.
    assert checks(two) - before == LIMIT
    assert set(answers) <= {200, 429}
    # One block, one audit event, one message.
    rows = "SELECT label, effect, attempts FROM idp_block"
    assert database.execute(rows).fetchall() == [(ATTACKER, "refuse", LIMIT)]
    events = "SELECT count(*) FROM idp_auditevent WHERE tag = 'blocking:address:blocked'"
    assert database.execute(events).fetchone() == (1,)
    eventually(lambda: chat.titles)
    time.sleep(1)
    assert chat.titles == [f"Address {ATTACKER} is blocked"]

    # Both refuse it everywhere, the right password included; nobody else notices.
    for server in two:
        assert {status(server, ATTACKER, path) for path in PATHS} == {429}
        assert {status(server, OTHER, f"/{path}") for path in WATCHED} <= {200, 404}
        assert Guesser(server, ATTACKER).guess(PASSWORD).status_code == 429
        assert Guesser(server, OTHER).guess(PASSWORD).status_code == 302

    # Unblocking is seen by both at once.
    manage(two[0].environment, "unblock", ATTACKER)
    took = [seconds_until(lambda s=server: status(s, ATTACKER) == 200) for server in two]
    print(f"free after {[f'{seconds * 1000:.0f} ms' for seconds in took]}")
    assert max(took) < 1
    assert Guesser(two[1], ATTACKER).guess(PASSWORD).status_code == 302


def test_what_the_api_lifts_is_free_at_both_at_once(two, database):
    operations = demo.client("demo-operations")
    credentials = (operations.client_id, operations.secret)
    granted = requests.post(
        f"{two[0].url}/oauth2/token",
        {"grant_type": "client_credentials"},
        auth=credentials,
        headers=headers(two[0], OTHER),
        timeout=30,
    ).json()
    bearer = {"Authorization": f"Bearer {granted['access_token']}"}
    took = []
    for number, server in enumerate(two):
        address = f"203.0.113.{80 + number}"
        database.execute(
            "INSERT INTO idp_block (subject, kind, effect, label, reason, profile, client_id,"
            " attempts, names, name_count, level, created_at, until, ended_by) VALUES (%(address)s,"
            " 'address', 'refuse', %(address)s, 'by hand', 'default', '', 1, '[]', 1, 0, now(),"
            " now() + interval '1 hour', '')",
            {"address": address},
        )
        eventually(lambda a=address: [status(s, a) for s in two] == [429, 429])
        answer = requests.post(
            f"{server.url}/api/v1/blocks/lift",
            json={"address": address},
            headers={**headers(server, OTHER), **bearer},
            timeout=30,
        )
        assert [block["label"] for block in answer.json()["lifted"]] == [address]
        took += [seconds_until(lambda s=s, a=address: status(s, a) == 200) for s in two]
    print(f"free after {[f'{seconds * 1000:.0f} ms' for seconds in took]}")
    assert max(took) < 1


def test_counting_for_one_address_does_not_wait_for_another(two, database):
    with psycopg.connect(two[0].environment["IDP_DATABASE_URL"]) as other:
        # As a process that is just counting for this address.
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('203.0.113.50', 7462))")
        began = time.monotonic()
        assert Guesser(two[0], "203.0.113.51").guess("wrong", "somebody").status_code == 200
        assert time.monotonic() - began < 5
        other.rollback()


def test_a_block_made_by_hand_in_the_database_is_heard_by_both(two, database):
    """Whoever writes the table is heard, by its trigger."""
    assert [status(server, "203.0.113.70") for server in two] == [200, 200]
    database.execute(
        "INSERT INTO idp_block (subject, kind, effect, label, reason, profile, client_id, attempts,"
        " names, name_count, level, created_at, until, ended_by) VALUES ('203.0.113.70', 'address',"
        " 'refuse', '203.0.113.70', 'by hand', 'default', '', 1, '[]', 1, 0, now(),"
        " now() + interval '1 hour', '')"
    )
    took = [seconds_until(lambda s=s: status(s, "203.0.113.70") == 429) for s in two]
    database.execute("DELETE FROM idp_block WHERE subject = '203.0.113.70'")
    took += [seconds_until(lambda s=s: status(s, "203.0.113.70") == 200) for s in two]
    print([f"{seconds * 1000:.0f} ms" for seconds in took])
    assert max(took) < 1


def test_without_a_listener_blocks_count_all_the_same(two, database):
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'idp changes' AND datname = current_database()"
    )
    database.execute(
        "INSERT INTO idp_block (subject, kind, effect, label, reason, profile, client_id, attempts,"
        " names, name_count, level, created_at, until, ended_by) VALUES ('203.0.113.71', 'address',"
        " 'refuse', '203.0.113.71', 'by hand', 'default', '', 1, '[]', 1, 0, now(),"
        " now() + interval '1 hour', '')"
    )
    eventually(lambda: [status(s, "203.0.113.71") for s in two] == [429, 429])
    for _ in range(20):
        database.execute(kill)
        assert [status(s, "203.0.113.71") for s in two] == [429, 429]
        assert [status(s, OTHER) for s in two] == [200, 200]
    database.execute("DELETE FROM idp_block WHERE subject = '203.0.113.71'")


def test_the_fast_lane_refuses_as_django_does(two, database):
    """Byte for byte but for the seconds: `token` is answered in front of Django, `revoke` in it."""
    database.execute(
        "INSERT INTO idp_block (subject, kind, effect, label, reason, profile, client_id, attempts,"
        " names, name_count, level, created_at, until, ended_by) VALUES ('203.0.113.72', 'address',"
        " 'refuse', '203.0.113.72', 'by hand', 'default', '', 1, '[]', 1, 0, now(),"
        " now() + interval '1 hour', '')"
    )
    eventually(lambda: status(two[0], "203.0.113.72") == 429)
    answers = [
        requests.post(
            f"{two[0].url}/oauth2/{endpoint}",
            {"token": "x", "grant_type": "client_credentials"},
            headers=headers(two[0], "203.0.113.72"),
            timeout=30,
        )
        for endpoint in ("token", "introspect", "revoke")
    ]
    told = [
        (
            answer.status_code,
            answer.content,
            [pair for pair in answer.headers.items() if pair[0].lower() not in VARYING],
        )
        for answer in answers
    ]
    assert told[0][0] == 429
    assert told[0] == told[1] == told[2]
    database.execute("DELETE FROM idp_block WHERE subject = '203.0.113.72'")
