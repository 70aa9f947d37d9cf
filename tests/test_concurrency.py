"""Real concurrency: threads against two real application processes and real PostgreSQL.

What takes no part in a race (clients, logins, codes) is made on the live database by a process of
the product, because a thousand browsers would take minutes; so are the jobs of beat.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
import requests

from tests.first_party import (
    CHALLENGE,
    CLIENT,
    REDIRECT_URI,
    exchange,
    is_active,
    new_code,
    refresh,
)
from tests.interop.user_agent import Landing, UserAgent
from tests.servers import LiveIDP

THREADS = 50
RACES = 1000
PATIENCE_SECONDS = 60

type Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def two(live_idp: LiveIDP, live_database: str) -> Iterator[list[str]]:
    with LiveIDP(live_database, public_url=live_idp.public_url) as second:
        yield [live_idp.url, second.url]


@pytest.fixture
def database(live_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(live_database, autocommit=True) as connection:
        yield connection


# --- Processes of the product --------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes(live_idp: LiveIDP) -> Iterator[Executor]:
    """Two processes that use the live database as the servers do."""
    with ProcessPoolExecutor(
        2, get_context("spawn"), initializer=set_up, initargs=(live_idp.environment,)
    ) as pool:
        yield pool


def set_up(environment: dict[str, str]) -> None:
    import django

    os.environ |= environment
    django.setup()


def make_client(client_id: str, **flags: Any) -> int:
    """A client with its own tokens and those of users; answers its key."""
    from tests.configuration import REDIRECT_URI, client

    grant_types = ["authorization_code", "client_credentials", "refresh_token"]
    return client(
        client_id,
        "orders.read",
        grant_types=grant_types,
        redirect_uris=REDIRECT_URI,
        flags={"consent": "never", **flags},
    ).pk


def make_codes(client_id: str, user: str, count: int) -> list[str]:
    """What a browser would bring back from so many logins."""
    from django.utils import timezone

    from clients_admin.models import Client
    from idp.accounts.models import LoginService, User
    from tests.configuration import CHALLENGE, REDIRECT_URI
    from tokens import issue

    client, now = Client.objects.get(client_id=client_id), timezone.now()
    service = LoginService.objects.get(name="acme-web")
    who, _ = User.objects.get_or_create(
        login_service=service, external_id=user, defaults={"username": user}
    )
    details = {"auth_time": now, "redirect_uri": REDIRECT_URI, "redirect_uri_was_given": True}
    details |= {"code_challenge": CHALLENGE, "openid_nonce": ""}
    codes = (issue.authorization_code(client, who, "*", now, **details) for _ in range(count))
    return [issue.say(code) for code in codes]


def log_in(client_id: str, user: str, count: int) -> list[tuple[str, str]]:
    """So many logins as (access token, refresh token)."""
    from django.db import transaction
    from django.utils import timezone

    from clients_admin.models import Client
    from idp.accounts.models import User
    from tokens import issue

    families = [row_id(code) for code in make_codes(client_id, user, count)]
    client, now = Client.objects.get(client_id=client_id), timezone.now()
    who = User.objects.get(external_id=user)
    pairs = []
    for family in families:
        with transaction.atomic():
            issue.lock_family(family)
            pairs.append(issue.first_pair(issue.Login(client, who, "*", family, now), now))
    return [(issue.say(pair.access_token), issue.say(pair.refresh_token)) for pair in pairs]


def enforce_caps(seconds: float = 0) -> int:
    """One run of the job, or one after another for so long; answers how many tokens it ended."""
    from tokens import caps

    until, ended = time.monotonic() + seconds, 0
    while True:
        ended += sum(caps.enforce().values())
        if time.monotonic() >= until:
            return ended


def enforce_caps_alone(environment: dict[str, str]) -> None:
    set_up(environment)
    enforce_caps()


# --- Requests and rows ---------------------------------------------------------------------------


def ask(url: str, endpoint: str, client_id: str, **form: str) -> requests.Response:
    from tests.configuration import SECRET

    return requests.post(
        f"{url}/oauth2/{endpoint}", data=form, auth=(client_id, SECRET), timeout=30
    )


def ask_for_itself(url: str, client_id: str) -> requests.Response:
    return ask(url, "token", client_id, grant_type="client_credentials")


def refresh_of(client_id: str, url: str, token: str) -> requests.Response:
    return ask(url, "token", client_id, grant_type="refresh_token", refresh_token=token)


def exchange_of(client_id: str, url: str, code: str) -> requests.Response:
    from tests.configuration import REDIRECT_URI, VERIFIER

    return ask(
        url,
        "token",
        client_id,
        grant_type="authorization_code",
        code=code,
        redirect_uri=REDIRECT_URI,
        code_verifier=VERIFIER,
    )


def race(two: list[str], action: Callable[..., requests.Response], *arguments: Any):
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda n: action(two[n % 2], *arguments), range(THREADS)))


def errors(answers: list[requests.Response]) -> set[tuple[int, str]]:
    return {(answer.status_code, answer.json()["error"]) for answer in answers}


def row_id(token: str) -> int:
    from tokens import issue
    from tokens.format import Prefix

    reference = issue.hear(Prefix(token[:2]), token)
    assert reference
    return reference.id


def family_of(database: psycopg.Connection, refresh_token: str) -> int:
    query = "SELECT family FROM tokens_refreshtoken WHERE id = %s"
    return database.execute(query, [row_id(refresh_token)]).fetchone()[0]


def rows_of_families(database: psycopg.Connection, families: list[int]) -> Rows:
    query = "SELECT id FROM {} WHERE family = ANY(%s)"
    return [
        row
        for table in ("tokens_accesstoken", "tokens_refreshtoken")
        for row in database.execute(query.format(table), [families]).fetchall()
    ]


# --- One code, one refresh token -----------------------------------------------------------------


def test_of_many_who_exchange_a_code_at_once_one_wins_and_loses_it_to_the_replay(two):
    answers = race(two, exchange, new_code(two[0]))
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert len(won) == 1
    assert errors(lost) == {(400, "invalid_grant")}
    # RFC 6749 section 4.1.2: a code used twice ends the tokens that came of it.
    assert not is_active(two[1], won[0].json()["access_token"])
    assert refresh(two[1], won[0].json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_all_who_refresh_at_once_get_the_identical_pair_and_there_is_one_successor(
    two, processes, database
):
    processes.submit(make_client, "graceful", refresh_grace_seconds=60).result()
    ((_, first),) = processes.submit(log_in, "graceful", "refresher", 1).result()
    answers = race(two, lambda url: refresh_of("graceful", url, first))
    assert {answer.status_code for answer in answers} == {200}
    pairs = {(answer.json()["access_token"], answer.json()["refresh_token"]) for answer in answers}
    assert len(pairs) == 1
    access_token, successor = pairs.pop()
    rows = database.execute(
        "SELECT id, successor, successor_access_token FROM tokens_refreshtoken WHERE family = %s",
        [family_of(database, first)],
    ).fetchall()
    assert sorted(rows) == sorted(
        [(row_id(first), row_id(successor), row_id(access_token)), (row_id(successor), None, None)]
    )
    assert is_active(two[1], access_token)
    assert refresh_of("graceful", two[1], successor).status_code == 200


def test_without_grace_one_refresh_wins_and_the_replays_of_the_others_end_the_login(
    two, processes, database
):
    processes.submit(make_client, "graceless", refresh_grace_seconds=0).result()
    ((first_access_token, first),) = processes.submit(log_in, "graceless", "refresher", 1).result()
    family = family_of(database, first)
    answers = race(two, lambda url: refresh_of("graceless", url, first))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert errors([answer for answer in answers if answer not in won]) == {(400, "invalid_grant")}
    assert rows_of_families(database, [family]) == []
    assert not is_active(two[0], first_access_token)
    assert not is_active(two[1], won[0].json()["access_token"])
    late = refresh_of("graceless", two[0], won[0].json()["refresh_token"])
    assert errors([late]) == {(400, "invalid_grant")}


def test_whichever_of_a_refresh_and_a_revocation_is_first_nothing_is_left_alive(
    two, processes, database
):
    processes.submit(make_client, "racer").result()
    halves = [processes.submit(log_in, "racer", user, RACES // 2) for user in ("tom", "tim")]
    pairs = [pair for half in halves for pair in half.result()]
    families = [family_of(database, refresh_token) for _, refresh_token in pairs]
    refreshed: list[Future[requests.Response]] = []
    revoked: list[Future[requests.Response]] = []

    def begin(barrier: Barrier, action: Callable[..., Any], *arguments: str, **form: str):
        barrier.wait(PATIENCE_SECONDS)
        return action(*arguments, **form)

    with ThreadPoolExecutor(8) as pool:
        for number, (_, token) in enumerate(pairs):
            here, there = two[number % 2], two[number // 2 % 2]
            barrier = Barrier(2)
            refreshed.append(pool.submit(begin, barrier, refresh_of, "racer", here, token))
            revoked.append(pool.submit(begin, barrier, ask, there, "revoke", "racer", token=token))

    assert {answer.result().status_code for answer in revoked} == {200}
    won = [answer.result() for answer in refreshed if answer.result().status_code == 200]
    lost = [answer.result() for answer in refreshed if answer.result().status_code != 200]
    assert 0 < len(won) < RACES, "it was no race"
    assert errors(lost) == {(400, "invalid_grant")}
    assert rows_of_families(database, families) == []
    for answer in won[:20]:
        assert not is_active(two[0], answer.json()["access_token"])
        late = refresh_of("racer", two[1], answer.json()["refresh_token"])
        assert errors([late]) == {(400, "invalid_grant")}


# --- Re-use --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reuse", ["recent", "always"])
def test_all_who_ask_at_once_where_tokens_are_re_used_get_the_same_one(
    two, processes, database, reuse
):
    flags = {"access_token_reuse": reuse, "reuse_recent_seconds": 60}
    key = processes.submit(make_client, f"saver-{reuse}", **flags).result()
    answers = race(two, ask_for_itself, f"saver-{reuse}")
    assert {answer.status_code for answer in answers} == {200}
    (token,) = {answer.json()["access_token"] for answer in answers}
    rows = database.execute("SELECT id FROM tokens_accesstoken WHERE client_id = %s", [key])
    assert rows.fetchall() == [(row_id(token),)]
    assert is_active(two[0], token)


def test_logins_at_once_share_one_access_token_and_it_ends_with_the_first_of_them(
    two, processes, database
):
    key = processes.submit(make_client, "sharer", access_token_reuse="always").result()
    codes = processes.submit(make_codes, "sharer", "sharer", THREADS).result()
    with ThreadPoolExecutor(THREADS) as pool:
        urls = (two[number % 2] for number in range(THREADS))
        answers = list(pool.map(lambda url, code: exchange_of("sharer", url, code), urls, codes))
    assert {answer.status_code for answer in answers} == {200}
    (token,) = {answer.json()["access_token"] for answer in answers}
    assert len({answer.json()["refresh_token"] for answer in answers}) == THREADS
    rows = database.execute("SELECT id, family FROM tokens_accesstoken WHERE client_id = %s", [key])
    assert rows.fetchall() == [(row_id(token), None)]
    revoked = ask(two[0], "revoke", "sharer", token=answers[7].json()["refresh_token"])
    assert revoked.status_code == 200
    assert not is_active(two[1], token)
    assert refresh_of("sharer", two[1], answers[8].json()["refresh_token"]).status_code == 200


# --- The caps job --------------------------------------------------------------------------------


@pytest.mark.parametrize("reuse", ["never", "always"])
def test_two_caps_jobs_and_many_logins_at_once_end_at_the_cap_and_hinder_nobody(
    two, processes, database, reuse
):
    client_id, limit, users = f"capped-{reuse}", 3, ("ann", "bob")
    flags = {"max_access_tokens": limit, "max_refresh_tokens": limit, "access_token_reuse": reuse}
    key = processes.submit(make_client, client_id, **flags).result()
    codes = [
        code
        for user in users
        for code in processes.submit(make_codes, client_id, user, 60).result()
    ]
    deadlocks = deadlocks_of(database)

    def live(number: int, url: str, code: str) -> list[requests.Response]:
        """A login and its refreshes; a token that the job has ended is no error here."""
        answers = [exchange_of(client_id, url, code)]
        for _ in range(2):
            token = answers[-1].json().get("refresh_token", "")
            if token:
                answers.append(refresh_of(client_id, two[number % 2], token))
        return answers

    jobs = [processes.submit(enforce_caps, 4) for _ in range(2)]
    with ThreadPoolExecutor(20) as pool:
        urls = (two[number // 2 % 2] for number in range(len(codes)))
        lives = list(pool.map(live, range(len(codes)), urls, codes))
    assert sum(job.result() for job in jobs) > 0
    processes.submit(enforce_caps).result()

    assert {answers[0].status_code for answers in lives} == {200}
    later = [answer for answers in lives for answer in answers[1:] if answer.status_code != 200]
    assert errors(later) <= {(400, "invalid_grant")}
    living = f"client_id = {key} AND expires_at > now()"
    for table, condition in [
        ("tokens_accesstoken", living),
        ("tokens_refreshtoken", f"{living} AND rotated_at IS NULL"),
    ]:
        query = f"SELECT count(*) FROM {table} WHERE {condition} GROUP BY user_id, scope"
        assert {count for (count,) in database.execute(query)} <= set(range(limit + 1))
    unused = f"SELECT family FROM tokens_refreshtoken WHERE {living} AND rotated_at IS NULL"
    assert database.execute(f"SELECT count(*) FROM ({unused})").fetchone() == (limit * len(users),)
    orphans = f"SELECT id FROM tokens_accesstoken WHERE {living} AND family NOT IN ({unused})"
    assert database.execute(orphans).fetchall() == []
    assert deadlocks_of(database) == deadlocks


def deadlocks_of(database: psycopg.Connection) -> int:
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return database.execute(query).fetchone()[0]


@dataclass(frozen=True)
class Killing:
    """A cap that the job is killed at, by what another connection holds so that it must wait.

    Until then it has taken so many advisory locks; at last it writes so many events.
    """

    kind: str
    flag: str
    hold: str
    advisory_locks: int
    events: int


AT_ACCESS_TOKENS = Killing(
    kind="access_token",
    flag="max_access_tokens",
    hold="LOCK TABLE idp_auditevent IN SHARE MODE",
    advisory_locks=1,
    events=1,
)
AT_THE_LAST_OF_THREE_FAMILIES = Killing(
    kind="family",
    flag="max_refresh_tokens",
    hold="SELECT FROM tokens_accesstoken WHERE client_id = {key} ORDER BY id LIMIT 1 FOR UPDATE",
    advisory_locks=4,
    events=3,
)


@pytest.mark.parametrize(
    "killing", [AT_ACCESS_TOKENS, AT_THE_LAST_OF_THREE_FAMILIES], ids=lambda killing: killing.kind
)
def test_a_caps_job_killed_within_a_step_leaves_nothing_half_done(
    processes, database, live_idp, killing
):
    client_id = f"killed-{killing.kind}"
    flags = {"max_access_tokens": 0, "max_refresh_tokens": 0} | {killing.flag: 1}
    key = processes.submit(make_client, client_id, **flags).result()
    processes.submit(enforce_caps).result()
    pairs = processes.submit(log_in, client_id, "kim", 4).result()
    before = state_of(database, key, client_id, killing.kind)
    environment = live_idp.environment
    process = get_context("spawn").Process(target=enforce_caps_alone, args=(environment,))
    with psycopg.connect(environment["IDP_DATABASE_URL"]) as other:
        other.execute(killing.hold.format(key=key))
        process.start()
        backend = eventually(lambda: waiting_backend(database))
        held = "SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'advisory'"
        assert database.execute(held, [backend]).fetchone() == (killing.advisory_locks,)
        assert state_of(database, key, client_id, killing.kind) == before
        os.kill(process.pid, signal.SIGKILL)
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == -signal.SIGKILL
        other.rollback()
    gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)"
    eventually(lambda: database.execute(gone, [backend]).fetchone()[0])
    assert state_of(database, key, client_id, killing.kind) == before

    assert processes.submit(enforce_caps).result() == 3
    after = state_of(database, key, client_id, killing.kind)
    newest_access_token, newest_refresh_token = map(row_id, pairs[-1])
    assert after["tokens_accesstoken"] == [(newest_access_token,)]
    if killing.kind == "family":
        assert after["tokens_refreshtoken"] == [(newest_refresh_token,)]
    assert after["idp_auditevent"] == [(f"tokens:{killing.kind}:evicted",)] * killing.events


def state_of(database: psycopg.Connection, key: int, client_id: str, kind: str) -> dict[str, Rows]:
    """What a step of the job can change."""
    queries = {
        "tokens_accesstoken": f"SELECT id FROM tokens_accesstoken WHERE client_id = {key}",
        "tokens_refreshtoken": f"SELECT id FROM tokens_refreshtoken WHERE client_id = {key}",
        "idp_auditevent": f"SELECT tag FROM idp_auditevent WHERE client_id = '{client_id}'"
        " AND tag LIKE '%:evicted'",
        "tokens_watermark": f"SELECT * FROM tokens_watermark WHERE job = '{kind}'",
    }
    return {table: sorted(database.execute(query)) for table, query in queries.items()}


def waiting_backend(database: psycopg.Connection) -> int | None:
    query = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    found = database.execute(query).fetchone()
    return found and found[0]


def eventually[Answer](look: Callable[[], Answer | None]) -> Answer:
    """The first answer that is not nothing."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.02)
    return found


# --- Pushed authorization requests ----------------------------------------------------------------


def push(url: str) -> str:
    """The query of a browser whose client has pushed a request."""
    form = {
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    answer = requests.post(f"{url}/oauth2/par", data=form, auth=CLIENT, timeout=30)
    assert answer.status_code == 201, answer.text
    return urlencode({"client_id": CLIENT[0], "request_uri": answer.json()["request_uri"]})


def arrive(url: str, query: str, cookies: dict[str, str]) -> requests.Response:
    return requests.get(
        f"{url}/oauth2/authorize?{query}", cookies=cookies, allow_redirects=False, timeout=30
    )


def test_of_many_browsers_that_come_with_a_pushed_request_one_goes_on(two):
    answers = race(two, arrive, push(two[0]), {})
    places = Counter(answer.headers["Location"].partition("&")[0] for answer in answers)
    refused = f"{REDIRECT_URI}?error=invalid_request_uri"
    assert places == {f"/sign-in?client_id={CLIENT[0]}": 1, refused: THREADS - 1}


def test_a_pushed_request_gives_one_code_however_often_its_browser_asks(two):
    agent = UserAgent(two[0])
    page = agent.open(f"{two[0]}/oauth2/authorize?{push(two[0])}")
    assert isinstance(agent.sign_in(page, "jane", "jane-demo-password"), Landing)
    answers = race(two, arrive, push(two[0]), agent.session.cookies.get_dict())
    given = [answer for answer in answers if "code=" in answer.headers.get("Location", "")]
    assert len(given) == 1
    assert {answer.status_code for answer in answers} == {303}
