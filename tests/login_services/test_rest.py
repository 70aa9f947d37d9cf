"""A login server over HTTP: the example keeps the contract, others break it in every way."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from idp.accounts import rest
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Refused, Unavailable
from tests.issuers import Answer, KeyServer, document
from tests.login_services.rest_server import PASSWORD, RESTServer
from tests.login_services.timing import compare

WRONG = Refused("wrong user name or password")
JANE = Identity("id/jane ?", "jane", {"email": "jane@example.org"})


@pytest.fixture(scope="module")
def server() -> Iterator[RESTServer]:
    with RESTServer("jane", "zoë", "locked") as running:
        yield running


@pytest.fixture
def example(server: RESTServer, service) -> Callable[..., LoginService]:
    return lambda **settings: service("rest", server.settings(**settings))


def test_a_user_signs_in(example):
    assert rest.check(example(), "jane", PASSWORD) == JANE
    assert rest.check(example(), "jane", "wrong") == WRONG
    assert rest.check(example(), "nobody", PASSWORD) == WRONG


def test_a_user_is_found_by_an_id_that_is_hard_on_paths(example):
    assert rest.find(example(), "id/jane ?") == JANE
    assert rest.find(example(), "id/nobody") == Refused("unknown external id")
    assert rest.find(example(), "../verify") == Refused("unknown external id")


def test_a_locked_account_neither_signs_in_nor_is_found(example):
    at = example()
    assert rest.lock(at, "id/locked ?", "too many attempts") == Refused("locked account")
    assert rest.lock(at, "id/locked ?", "again") == Refused("locked account")
    assert rest.check(at, "locked", PASSWORD) == Refused("locked account")
    assert rest.check(at, "locked", "wrong") == WRONG
    assert rest.find(at, "id/locked ?") == Refused("locked account")
    assert rest.lock(at, "id/nobody", "why") == Refused("unknown external id")


@pytest.mark.parametrize(
    "name",
    ["*", "jane\0", "j" * 10_240, "jane\ud800", "jane\r\nX: y", '{"a": 1}', "../users/1", ""],
)
def test_a_hostile_name_logs_nobody_in(example, name):
    assert isinstance(rest.check(example(), name, PASSWORD), Refused)


def test_non_ascii_names_arrive_as_they_are(example):
    identity = rest.check(example(), "zoë", PASSWORD)
    assert isinstance(identity, Identity)
    assert identity.username == "zoë"


def test_an_unknown_name_takes_as_long_as_a_wrong_password(example):
    """The example hashes once for each; whoever writes a server of their own should too."""
    at = example()
    compare(
        "rest",
        lambda: rest.check(at, "jane", "wrong"),
        lambda: rest.check(at, "nobody", "wrong"),
        rounds=6,
    )


# --- Outages -------------------------------------------------------------------------------------


def test_a_certificate_of_another_authority_is_an_outage(example):
    outcome = rest.check(example(ca_file=""), "jane", PASSWORD)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.startswith("its certificate is not trusted: unable to get")


def test_a_wrong_token_is_an_outage_and_not_a_wrong_password(example, tmp_path):
    (tmp_path / "token").write_text("another token")
    at = example(token_file=str(tmp_path / "token"))
    assert rest.check(at, "jane", PASSWORD) == Unavailable("it answered with status 404")
    assert rest.find(at, "id/jane ?") == Unavailable("it answered with status 404")


def test_a_missing_token_is_an_outage_that_names_the_variable(example):
    at = example(token_file="", token_variable="LOGIN_SERVER_TOKEN")
    outcome = rest.check(at, "jane", PASSWORD)
    assert isinstance(outcome, Unavailable)
    assert "LOGIN_SERVER_TOKEN is not set" in outcome.reason


class Server(KeyServer):
    """Answers POST too, and remembers what it was sent."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.sent: list[dict[str, Any]] = []
        handler = self._server.RequestHandlerClass
        get = handler.do_GET  # type: ignore[attr-defined]

        def post(request: BaseHTTPRequestHandler) -> None:
            length = int(request.headers["Content-Length"])
            headers = dict(request.headers)
            self.sent.append({"headers": headers, **json.loads(request.rfile.read(length))})
            get(request)

        handler.do_POST = post  # type: ignore[attr-defined]


def NOTHING(_: BaseHTTPRequestHandler) -> None:  # noqa: N802 (an answer like the others)
    """The end of the connection."""


GOOD = {"external_id": "7", "username": "jane", "claims": {}}
JSON = {"Content_Type": "application/json"}


def answers(body: object, status: int = 200, **headers: str) -> Answer:
    return document(body, status, **{**JSON, **headers})


@pytest.fixture(scope="module")
def one_server() -> Iterator[Server]:
    with Server(NOTHING) as running:
        yield running


@pytest.fixture
def other(one_server: Server, service) -> Callable[..., tuple[LoginService, Server]]:
    """A login service and the server that it asks, which gives this answer and no other."""

    def make(answer: Answer, **settings: Any) -> tuple[LoginService, Server]:
        one_server.answer = answer
        one_server.asked.clear()
        one_server.sent.clear()
        url = f"http://127.0.0.1:{one_server.port}/base/"
        return service("rest", {"url": url, "timeout_seconds": 1, **settings}), one_server

    return make


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answers(GOOD, 301, Location="http://127.0.0.1:1/"), "it answered with status 301"),
        (answers(GOOD, 307, Location="/verify"), "it answered with status 307"),
        (answers({}, 500), "it answered with status 500"),
        (answers({}, 429), "it answered with status 429"),
        (answers({}, 404), "it answered with status 404"),
        (answers(GOOD, Content_Type="text/html"), "its answer has no usable external_id"),
        (answers(b"{"), "its answer has no usable external_id"),
        (answers([GOOD]), "its answer has no usable external_id"),
        (answers({**GOOD, "external_id": 7}), "its answer has no usable external_id"),
        (answers({**GOOD, "external_id": ""}), "its answer has no usable external_id"),
        (answers({**GOOD, "external_id": "7" * 256}), "its answer has no usable external_id"),
        (answers({**GOOD, "external_id": "7\0"}), "its answer has no usable external_id"),
        (answers({**GOOD, "username": None}), "its answer has no usable username"),
        (answers({**GOOD, "claims": []}), "its answer has claims that are no object"),
        (
            answers({**GOOD, "claims": {"sub": "admin"}}),
            "its answer has a claim that is named as no claim can be",
        ),
        (
            answers({**GOOD, "claims": {"a": "\0"}}),
            "its answer has claims that cannot be kept",
        ),
        (
            answers(b'{"external_id": "7", "username": "j", "claims": {"a": NaN}}'),
            "its answer has a claim that cannot be kept",
        ),
        (
            answers({**GOOD, "claims": {"a": "x" * 20_000}}),
            "its answer has claims that cannot be kept",
        ),
        (answers({**GOOD, "more": "x" * 70_000}), "its answer is larger than 65536 bytes"),
        (answers(b"[" * 10_000), "its answer has no usable external_id"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), "it cannot be reached"),
        (NOTHING, "it cannot be reached"),
    ],
)
def test_an_answer_outside_the_contract_is_an_outage(other, answer, reason):
    at, _ = other(answer)
    outcome = rest.check(at, "jane", PASSWORD)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.startswith(reason)


def test_a_password_is_sent_once_whatever_comes_back(other):
    for answer in (answers({}, 503), NOTHING):
        at, server = other(answer)
        assert isinstance(rest.check(at, "jane", PASSWORD), Unavailable)
        assert len(server.sent) == 1


def test_looking_somebody_up_is_tried_a_second_time(other):
    at, server = other(answers({}, 503))
    assert rest.find(at, "7") == Unavailable("it answered with status 503")
    assert len(server.asked) == 2
    server.answer = answers(GOOD)
    assert rest.find(at, "7") == Identity("7", "jane")
    assert rest.find(at, "8") == Refused("malformed external id")


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_server_that_hangs_or_drips_is_an_outage_of_bounded_time(other, one_server, how):
    at, _ = other(getattr(one_server, how))
    began = time.monotonic()
    assert rest.check(at, "jane", PASSWORD) == Unavailable("no answer within 1 seconds")
    assert time.monotonic() - began < 2


def test_the_path_and_the_credentials_are_those_of_the_settings(other, tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    at, server = other(answers(GOOD), user="idp", password_file=str(tmp_path / "password"))
    assert rest.check(at, "jane", PASSWORD) == Identity("7", "jane")
    assert server.asked[0][0] == "/base/verify"
    assert server.sent[0]["username"] == "jane"
    assert server.sent[0]["headers"]["Authorization"] == "Basic aWRwOnMzY3JldA=="
