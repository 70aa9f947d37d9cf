"""Floods from one address, beside the traffic of everybody else.

A made-up token costs no query (`test_fast_lane` counts them); wrong client secrets end the address.
How long the others wait meanwhile is printed and never judged: it is this machine's, too.
"""

import http.client
import multiprocessing
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode, urlsplit

import pytest

from tests.configuration import FORM, basic
from tests.interop import demo
from tests.servers import LiveIDP, live_database_url

FLOODER, NEIGHBOUR = "203.0.113.7", "203.0.113.8"
BATCH = demo.client("demo-batch")
SECONDS = 4.0
FLOODERS, FLOOD_RATE = 4, 1000  # connections at a time; requests a second
FORK = multiprocessing.get_context("fork")
# With the built-in network profile.
MAX_CLIENT_FAILURES = 100


@pytest.fixture(scope="module")
def idp(request: pytest.FixtureRequest) -> Iterator[LiveIDP]:
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    settings = {"IDP_BLOCKING": "on", "IDP_TRUSTED_PROXIES": "127.0.0.0/8"}
    with LiveIDP(live_database_url(f"flood_{worker}"), **settings) as server:
        yield server


@dataclass
class Caller:
    """One connection, from an address that the proxy tells."""

    idp: LiveIDP
    address: str

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.idp.port, timeout=30)

    def post(self, path: str, authorization: str, **parameters: str) -> tuple[int, bytes]:
        headers = {
            "Host": urlsplit(self.idp.public_url).netloc,
            "X-Forwarded-For": self.address,
            "Content-Type": FORM,
            "Authorization": authorization,
        }
        self._connection.request("POST", path, urlencode(parameters), headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def token_request(caller: Caller, secret: str = BATCH.secret) -> int:
    header = basic(BATCH.client_id, secret)["HTTP_AUTHORIZATION"]
    return caller.post("/oauth2/token", header, grant_type="client_credentials")[0]


def made_up_token(caller: Caller) -> int:
    return caller.post("/oauth2/userinfo", f"Bearer at_{'A' * 44}")[0]


def wrong_secret(caller: Caller) -> int:
    return token_request(caller, "guessed")


def neighbours(idp: LiveIDP) -> list[float]:
    """What others wait for their tokens, a hundred times a second, in milliseconds."""
    waited, end = [], time.monotonic() + SECONDS
    with Caller(idp, NEIGHBOUR) as caller:
        while (now := time.monotonic()) < end:
            assert token_request(caller) == 200
            waited.append((time.monotonic() - now) * 1000)
            time.sleep(max(0.0, 0.01 - (time.monotonic() - now)))
    return waited


def flooded(idp: LiveIDP, attack: Callable[[Caller], int]) -> tuple[Counter[int], list[float]]:
    """What the flooder is answered, and what the neighbours wait meanwhile.

    The flood has a process of its own: the neighbours would wait for its threads otherwise, and not
    for the server. Its rate is given, because the machine is one and the same: as many as it can
    would leave the server as little of it as it likes.
    """
    over, answers = FORK.Event(), FORK.SimpleQueue()

    def flood() -> Counter[int]:
        seen, began = Counter[int](), time.monotonic()
        while not over.is_set():
            with Caller(idp, FLOODER) as caller:
                seen[attack(caller)] += 1
            due = began + seen.total() * FLOODERS / FLOOD_RATE
            time.sleep(max(0.0, due - time.monotonic()))
        return seen

    def flood_from_all_sides() -> None:
        with ThreadPoolExecutor() as pool:
            floods = [pool.submit(flood) for _ in range(FLOODERS)]
            answers.put(sum((one.result() for one in floods), Counter[int]()))

    process = FORK.Process(target=flood_from_all_sides, daemon=True)
    process.start()
    try:
        waited = neighbours(idp)
    finally:
        over.set()
    found = answers.get()
    process.join()
    return found, waited


def p99(milliseconds: list[float]) -> float:
    return statistics.quantiles(milliseconds, n=100)[-1]


def test_a_flood_of_made_up_tokens_is_refused_one_by_one(idp: LiveIDP) -> None:
    calm = p99(neighbours(idp))
    answers, waited = flooded(idp, made_up_token)
    print(
        f"made-up tokens: {dict(answers)}; p99 {calm:.1f} ms calm, {p99(waited):.1f} ms beside it"
    )
    assert set(answers) == {401}


def test_a_flood_of_wrong_secrets_ends_at_the_address_guard(idp: LiveIDP) -> None:
    """No more guesses are looked at than the limit, but for those under way in that moment; others
    go on using the same client."""
    calm = p99(neighbours(idp))
    answers, waited = flooded(idp, wrong_secret)
    later = waited[len(waited) // 2 :]
    print(
        f"wrong secrets: {dict(answers)}; p99 {calm:.1f} ms calm, {p99(waited):.1f} ms beside it, "
        f"of that {p99(later):.1f} ms once the address is blocked"
    )
    assert set(answers) == {401, 429}
    assert MAX_CLIENT_FAILURES <= answers[401] <= MAX_CLIENT_FAILURES + FLOODERS
    with Caller(idp, FLOODER) as flooder, Caller(idp, NEIGHBOUR) as neighbour:
        assert [token_request(flooder) for _ in range(3)] == [429] * 3
        assert token_request(neighbour) == 200
