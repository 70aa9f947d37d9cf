"""Real concurrency: threads against two real application processes and real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.first_party import CLIENT, exchange, is_active, new_code, refresh
from tests.servers import LiveIDP

THREADS = 20


@pytest.fixture(scope="module")
def two(live_idp: LiveIDP, live_database: str) -> Iterator[list[str]]:
    with LiveIDP(live_database, public_url=live_idp.public_url) as second:
        yield [live_idp.url, second.url]


def race(two: list[str], action, *arguments: str) -> list[requests.Response]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda n: action(two[n % 2], *arguments), range(THREADS)))


def test_of_many_who_exchange_a_code_at_once_one_wins_and_loses_it_to_the_replay(two):
    answers = race(two, exchange, new_code(two[0]))
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert len(won) == 1
    assert {(answer.status_code, answer.json()["error"]) for answer in lost} == {
        (400, "invalid_grant")
    }
    # RFC 6749 section 4.1.2: a code used twice ends the tokens that came of it.
    assert not is_active(two[1], won[0].json()["access_token"])
    assert refresh(two[1], won[0].json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_all_who_refresh_at_once_get_the_identical_pair(two):
    first = exchange(two[0], new_code(two[0])).json()
    answers = race(two, refresh, first["refresh_token"])
    assert {answer.status_code for answer in answers} == {200}
    pairs = {(answer.json()["access_token"], answer.json()["refresh_token"]) for answer in answers}
    assert len(pairs) == 1
    access_token, refresh_token = pairs.pop()
    assert is_active(two[1], access_token)
    assert refresh(two[1], refresh_token).status_code == 200


def test_a_refresh_that_races_a_revocation_leaves_nothing_alive(two):
    for _ in range(10):
        token = exchange(two[0], new_code(two[0])).json()["refresh_token"]
        with ThreadPoolExecutor(2) as pool:
            refreshed = pool.submit(refresh, two[0], token)
            revoked = pool.submit(
                requests.post,
                f"{two[1]}/oauth2/revoke",
                data={"token": token},
                auth=CLIENT,
                timeout=30,
            )
        assert revoked.result().status_code == 200
        answer = refreshed.result()
        if answer.status_code == 200:
            assert not is_active(two[0], answer.json()["access_token"])
            assert refresh(two[0], answer.json()["refresh_token"]).status_code == 400
        else:
            assert answer.json()["error"] == "invalid_grant"
