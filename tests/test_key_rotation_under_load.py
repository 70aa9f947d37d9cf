"""Keys are rotated, rolled back and rotated again under load, and every token verifies.

Two real processes, several threads that ask either for gateway JWTs and ID tokens, and two that
fetch the JWKS of either all the time. No token may ever meet a JWKS that lacks its key.
"""

import itertools
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import jwt
import pytest
import requests

from idp.environment import PROJECT
from tests.first_party import CHALLENGE, CLIENT, GATEWAY, REDIRECT_URI, VERIFIER
from tests.interop.user_agent import Landing, UserAgent
from tests.servers import LiveIDP, live_database_url
from tokens.keys.periods import RING_SECONDS

EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
}
BATCH = ("demo-batch", "demo-batch-secret-not-for-production")
AUTHORIZE = {
    "response_type": "code",
    "client_id": CLIENT[0],
    "redirect_uri": REDIRECT_URI,
    "scope": "openid",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
REDEEM = {
    "grant_type": "authorization_code",
    "redirect_uri": REDIRECT_URI,
    "code_verifier": VERIFIER,
}
EXCHANGERS = 4
PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 60


@pytest.fixture
def two(request: pytest.FixtureRequest) -> Iterator[list[LiveIDP]]:
    """Two processes on a database of their own, whose keys no other test knows."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    url = live_database_url(f"rotation_{worker}")
    with LiveIDP(url) as first, LiveIDP(url, public_url=first.public_url) as second:
        yield [first, second]


@dataclass(frozen=True)
class Token:
    """One JWT: when it was asked for, where, and which key has signed it."""

    asked_at: float
    server: str
    algorithm: str
    kid: str
    encoded: str


@dataclass
class Load:
    """Who asks, and all that was ever answered."""

    servers: list[LiveIDP]
    tokens: list[Token] = field(default_factory=list)
    # When the JWKS was asked for, where, and the keys in it by their ID.
    published: list[tuple[float, str, dict[str, dict[str, str]]]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.host = self.servers[0].public_url.removeprefix("http://")
        grant = {"grant_type": "client_credentials"}
        self.access_token = self.post(requests.Session(), self.servers[0], BATCH, grant).json()[
            "access_token"
        ]
        workers = [self.exchange_again_and_again] * EXCHANGERS
        self.threads = [threading.Thread(target=self.guarded, args=[work]) for work in workers]
        self.threads.append(threading.Thread(target=self.guarded, args=[self.sign_in_again]))
        self.threads += [
            threading.Thread(target=self.guarded, args=[self.watch, server])
            for server in self.servers
        ]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def guarded(self, work: Callable[..., None], *arguments: LiveIDP) -> None:
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - told by the test
            self.failures.append(f"{work.__name__}: {error!r}")

    def exchange_again_and_again(self) -> None:
        session = requests.Session()
        for server in itertools.cycle(self.servers):
            asked_at = time.monotonic()
            form = EXCHANGE | {"subject_token": self.access_token}
            answer = self.post(session, server, GATEWAY, form)
            self.note(asked_at, server, answer, "access_token")
            if self.is_over.wait(PAUSE_SECONDS):
                return

    def sign_in_again(self) -> None:
        browser = UserAgent(self.servers[0].public_url)
        address = f"{self.servers[0].public_url}/oauth2/authorize?{urlencode(AUTHORIZE)}"
        landing = browser.sign_in(browser.open(address), "jane", "jane-demo-password")
        session = requests.Session()
        for server in itertools.cycle(self.servers):
            assert isinstance(landing, Landing), landing
            asked_at = time.monotonic()
            form = REDEEM | {"code": landing.parameters["code"]}
            self.note(asked_at, server, self.post(session, server, CLIENT, form), "id_token")
            if self.is_over.wait(5 * PAUSE_SECONDS):
                return
            landing = browser.reach(server.url).open(address)

    def watch(self, server: LiveIDP) -> None:
        session = requests.Session()
        while not self.is_over.wait(PAUSE_SECONDS):
            asked_at = time.monotonic()
            answer = session.get(
                f"{server.url}/.well-known/jwks.json", headers={"Host": self.host}, timeout=20
            )
            if answer.status_code != 200:
                self.failures.append(f"JWKS: {answer.status_code}")
                continue
            keys = {key["kid"]: key for key in answer.json()["keys"]}
            self.published.append((asked_at, server.url, keys))

    def post(
        self,
        session: requests.Session,
        server: LiveIDP,
        auth: tuple[str, str],
        form: dict[str, str],
    ) -> requests.Response:
        return session.post(
            f"{server.url}/oauth2/token",
            data=form,
            auth=auth,
            headers={"Host": self.host},
            timeout=20,
        )

    def note(
        self, asked_at: float, server: LiveIDP, answer: requests.Response, member: str
    ) -> None:
        if answer.status_code != 200:
            self.failures.append(f"{member}: {answer.status_code} {answer.text}")
            return
        encoded = answer.json()[member]
        header = jwt.get_unverified_header(encoded)
        self.tokens.append(Token(asked_at, server.url, header["alg"], header["kid"], encoded))

    def overlap(self, kid: str, began_at: float) -> float:
        """For how many seconds the key of before signed beside this one; waits until it is over."""
        while True:
            seen = [
                t for t in list(self.tokens) if t.algorithm == "ES256" and t.asked_at > began_at
            ]
            others = max((t.asked_at for t in seen if t.kid != kid), default=began_at)
            if time.monotonic() - others > RING_SECONDS + 1:
                return max(0.0, others - min(t.asked_at for t in seen if t.kid == kid))
            assert time.monotonic() - began_at < PATIENCE_SECONDS, f"{kid} does not sign"
            assert not self.failures
            time.sleep(0.1)


def keys(server: LiveIDP, *arguments: str) -> str:
    """`manage.py keys`, and again when it says when; answers which key signs now."""
    while True:
        done = subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), "keys", *arguments],
            env=server.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        print("keys", *arguments, "→", done.returncode, done.stderr.strip())
        if done.returncode == 0:
            return re.search(r"\S+ (\S+): signs(?: again)?$", done.stdout, re.MULTILINE)[1]
        assert done.returncode == 3, done.stderr
        time.sleep(int(re.search(r"again in (\d+) seconds", done.stderr)[1]))


def test_rotating_and_rolling_back_under_load_fails_no_token(
    two: list[LiveIDP], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two
    signed, overlaps = [], []
    with Load(two) as load:
        for server, arguments in (
            (first, ["rotate", "--algorithm", "RS256", "--force"]),
            (first, ["rotate", "--algorithm", "ES256", "--force"]),
            (second, ["rollback", "--algorithm", "ES256"]),
            (first, ["rotate", "--algorithm", "ES256", "--force"]),
        ):
            began_at = time.monotonic()
            kid = keys(server, *arguments)
            if "ES256" in arguments:
                signed.append(kid)
                overlaps.append(load.overlap(kid, began_at))

    assert load.failures == []
    by_kid = Counter(token.kid for token in load.tokens)
    published = {kid: key for _, _, there in load.published for kid, key in there.items()}
    for kid in by_kid:
        since = min(token.asked_at for token in load.tokens if token.kid == kid)
        lacking = [at for at, _, there in load.published if at >= since and kid not in there]
        assert lacking == [], f"{len(lacking)} JWKS lacked {kid}"
        assert all(there[kid] == published[kid] for at, _, there in load.published if at >= since)
    for token in load.tokens:
        key = jwt.PyJWK(published[token.kid])
        jwt.decode(token.encoded, key, options={"verify_aud": False})

    # The rollback went back to the very first key, and all of them signed at both processes.
    gateway_jwts = [token for token in load.tokens if token.algorithm == "ES256"]
    assert signed[1] == gateway_jwts[0].kid
    algorithms = Counter(published[kid]["alg"] for kid in by_kid)
    assert algorithms == {"ES256": 3, "RS256": 2}
    for server in two:
        assert {t.kid for t in gateway_jwts if t.server == server.url} == set(signed)
    assert max(overlaps) < 2 * RING_SECONDS
    with capsys.disabled():
        print(
            f"\n{len(load.tokens)} tokens by {len(by_kid)} keys ({dict(algorithms)}), "
            f"{len(load.published)} JWKS, no failure; the key of before signed beside the new one "
            f"for {', '.join(f'{seconds:.1f}' for seconds in overlaps)} s"
        )
