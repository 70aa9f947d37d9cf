"""The fast lane answers byte for byte what Django answers, and leaves the same rows behind.

Each request goes both ways, from the same state of the database, with the clock and the randomness
held still. What the fast lane does not answer is Django's anyhow; what it must answer itself is
listed in `ALONE`.
"""

import base64
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import idp.wsgi
from clients_admin.directory import directory
from clients_admin.models import Client, ClientSecret
from idp.accounts.models import User
from idp.database import statements
from idp.database.changes import Listener, changes
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    EXCHANGE,
    FORM,
    SECRET,
    batch,
    client,
    gateway,
    login_service,
    shop,
)
from tokens import fast_lane, gateway_jwt, issue
from tokens import format as token_format
from tokens.identifiers import TOKEN_TABLES
from tokens.kept_answers import KeptAnswers
from tokens.rows import known

pytestmark = pytest.mark.django_db(transaction=True)

# Half an hour into a day, so that short and long lives end in the same buckets for both.
NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True, slots=True)
class Request:
    """What an application sends; `headers` by their names in WSGI."""

    path: str
    body: bytes = b""
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = FORM
    missing_bytes: int = 0
    query: str = ""

    def environ(self) -> dict[str, Any]:
        environ = {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "HTTP_HOST": "127.0.0.1:8000",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.input": BytesIO(self.body),
            **self.headers,
        }
        if self.body or self.method == "POST":
            environ["CONTENT_TYPE"] = self.content_type
            environ["CONTENT_LENGTH"] = str(len(self.body) + self.missing_bytes)
        return environ


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that can be seen of an answer, in its order, and what is in the tables then."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    rows: dict[str, list[Any]]


# --- The house: tokens of every kind --------------------------------------------------------------


class House:
    """Clients and tokens, and the way back to them."""

    tables: ClassVar = [*(table.name for table in TOKEN_TABLES), "idp_auditevent"]
    sequences: ClassVar = ["tokens_sequence", "idp_auditevent_sequence"]

    def __init__(self) -> None:
        self._begin_sequences_at(1)
        service = login_service()
        # Signatures that come out the same each time.
        gateway(flags={"jwt_alg": "EdDSA"})
        batch()
        batch("reusing", flags={"access_token_reuse": "always"})
        self.shop = client(
            "shop", "openid", "email", "orders.read",
            grant_types=["authorization_code", "refresh_token"],
            redirect_uris="https://shop.example/callback",
            allowed_origins="https://shop.example",
            login_services=[service],
            flags={"consent": "never"},
        )  # fmt: skip
        fixed = {"refresh_expiry": "sliding_capped", "refresh_max_seconds": 7 * 86400}
        self.capped = shop("capped", flags={**fixed, "consent": "never"}, brand=None)
        self.keeping = shop("keeping", flags={"refresh_rotation": "keep"}, brand=None)
        Client.objects.filter(client_id="reusing").update(is_active=True)
        client("closed", "introspection", grant_types=["client_credentials"], is_active=False)
        self.users = {
            name: User.objects.create(
                login_service=service, external_id=name, username=name,
                claims={"email": f"{name}@example.org"}, is_active=name != "blocked",
            )
            for name in ("jane", "blocked")
        }  # fmt: skip
        self.tokens = {"made up": "at_" + "A" * 44, "no token": "x", "NUL": "at_\0", "empty": ""}
        self._make_tokens()
        self._saved = rows()

    def _make_tokens(self) -> None:
        ours = Client.objects.get(client_id="batch")
        said = self.tokens
        said["client's"] = issue.say(issue.client_token(ours, "*", NOW))
        closed = Client.objects.get(client_id="closed")
        said["closed client's"] = issue.say(issue.client_token(closed, "*", NOW))
        ended = issue.client_token(ours, "orders.read", NOW)
        said["ended"] = issue.say(ended)
        issue.access_tokens.delete_by_id(ended.pk)
        old = issue.client_token(ours, "*", NOW - timedelta(hours=2, seconds=1))
        said["expired"] = issue.say(old)
        for scope in ("openid email", "orders.read", "*"):
            pair = self._login(self.shop, "jane", scope)
            said[f"jane's {scope}"], said[f"jane's refresh {scope}"] = pair
        said["blocked user's"], said["blocked user's refresh"] = self._login(
            self.shop, "blocked", "openid"
        )
        said["capped refresh"] = self._login(self.capped, "jane", "openid")[1]
        said["kept refresh"] = self._login(self.keeping, "jane", "openid")[1]
        for name, age in (("just rotated", 2), ("long rotated", 20)):
            said[name] = self._login(self.shop, "jane", "openid")[1]
            reference = issue.hear(token_format.Prefix.REFRESH_TOKEN, said[name])
            assert reference
            at = NOW - timedelta(seconds=age)
            with transaction.atomic():
                assert issue.rotated_pair(self.shop, reference, at)

    def _login(self, of: Client, username: str, scope: str) -> tuple[str, str]:
        user = self.users[username]
        with transaction.atomic():
            family = issue.new_family(NOW)
            login = issue.Login(of, user, scope, family, NOW - timedelta(minutes=5))
            pair = issue.first_pair(login, NOW)
        assert pair.refresh_token
        return issue.say(pair.access_token), issue.say(pair.refresh_token)

    def restore(self) -> None:
        """The very rows and sequences of before."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL idp.rows_may_go = 'on'")
            for table in self.tables:
                cursor.execute(f"DELETE FROM {table}")
                for row in self._saved[table]:
                    cursor.execute(
                        f"INSERT INTO {table} "
                        f"SELECT * FROM json_populate_record(NULL::{table}, %s)",
                        [row],
                    )
        self._begin_sequences_at(1_000_000)

    def _begin_sequences_at(self, number: int) -> None:
        with connection.cursor() as cursor:
            for sequence in self.sequences:
                cursor.execute("SELECT setval(%s, %s)", [sequence, number])


def rows() -> dict[str, list[Any]]:
    found = {}
    with connection.cursor() as cursor:
        for table in House.tables:
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t ORDER BY id")
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    monkeypatch.setattr(known, "_relations", {})
    monkeypatch.setattr(known, "_read_at", float("-inf"))
    made = House()
    listener = Listener(changes)
    listener.start()
    wait_until(lambda: changes.is_live)
    yield made
    listener.stop()
    statements.disconnect()
    directory.forget(None)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- Both ways ------------------------------------------------------------------------------------


@contextmanager
def still() -> Iterator[None]:
    """Randomness that is the same each time."""
    with ExitStack() as stack:
        patch = pytest.MonkeyPatch()
        stack.callback(patch.undo)
        bits = itertools.count(1)
        patch.setattr(token_format.os, "urandom", lambda size: next(bits).to_bytes(size))
        patch.setattr(gateway_jwt.secrets, "token_urlsafe", lambda _: f"jti-{next(bits)}")
        yield


def by_fast_lane(request: Request) -> Outcome | None:
    """None where it is Django's to answer."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    with still():
        before = rows()
        body = fast_lane.answer(request.environ(), lambda *start: started.append(start))
    assert connection.connection is None or not connection.in_atomic_block
    if body is None:
        assert not started
        assert rows() == before, "something was written, and Django does it again"
        return None
    return Outcome(*started[0], b"".join(body), rows())


def by_django(request: Request) -> Outcome:
    return Outcome(*django_answer(request), rows())


def django_answer(request: Request) -> tuple[str, list[tuple[str, str]], bytes]:
    started: list[Any] = []
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    try:
        with still():
            environ = request.environ()
            idp.wsgi.leave_charset_out(environ)
            response = idp.wsgi._django(environ, lambda *start: started.append(start))
            body = b"".join(response)
            response.close()
    finally:
        for end in ends:
            end.connect(close_old_connections)
    status, headers, *_ = started[0]
    return status, headers, body


def compare(house: House, request: Request) -> Outcome | None:
    """What both answer; None where the fast lane leaves it to Django."""
    house.restore()
    fast = by_fast_lane(request)
    if fast is None:
        return None
    house.restore()
    slow = by_django(request)
    assert (fast.status, fast.body) == (slow.status, slow.body)
    assert fast.headers == slow.headers
    assert fast.rows == slow.rows
    return fast


def warm(house: House) -> None:
    """Django has answered for each client before, so that all are known."""
    for client_id in ("gateway", "batch", "shop", "reusing"):
        by_django(introspection("made up", basic(client_id)))
    for token in ("client's", "jane's openid email"):
        by_django(introspection(token, house=house))
    by_django(refresh("made up", {}, client_id="capped", house=house))
    by_django(refresh("made up", {}, client_id="keeping", house=house))
    by_django(exchange("jane's openid email", house=house))


def basic(client_id: str, secret: str = SECRET) -> dict[str, str]:
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"HTTP_AUTHORIZATION": f"Basic {encoded}"}


def form(path: str, headers: dict[str, str], **parameters: str) -> Request:
    return Request(path, urlencode(parameters).encode(), headers=headers)


def introspection(
    token: str, headers: dict[str, str] | None = None, house: House | None = None, **more: str
) -> Request:
    said = house.tokens[token] if house else "x"
    return form(
        "/oauth2/introspect", basic("gateway") if headers is None else headers, token=said, **more
    )


def client_credentials(client_id: str = "batch", **parameters: str) -> Request:
    return form("/oauth2/token", basic(client_id), grant_type="client_credentials", **parameters)


def refresh(
    token: str, headers: dict[str, str] | None = None, *, house: House, **more: str
) -> Request:
    return form(
        "/oauth2/token",
        basic("shop") if headers is None else headers,
        grant_type="refresh_token",
        refresh_token=house.tokens[token],
        **more,
    )


def exchange(token: str, *, house: House, **more: str) -> Request:
    return form(
        "/oauth2/token",
        basic("gateway"),
        grant_type=EXCHANGE,
        subject_token=house.tokens[token],
        subject_token_type=ACCESS_TOKEN_TYPE,
        **more,
    )


def userinfo(token: str, *, house: House, method: str = "GET") -> Request:
    headers = {"HTTP_AUTHORIZATION": f"Bearer {house.tokens[token]}"}
    return Request("/oauth2/userinfo", method=method, headers=headers)


# What the fast lane must answer itself, and the status.
ALONE: dict[str, tuple[Callable[[House], Request], str]] = {
    "a client's token": (lambda h: introspection("client's", house=h), "200 OK"),
    "a user's token": (lambda h: introspection("jane's openid email", house=h), "200 OK"),
    "all scopes": (lambda h: introspection("jane's *", house=h), "200 OK"),
    "a made-up token": (lambda h: introspection("made up", house=h), "200 OK"),
    "an ended token": (lambda h: introspection("ended", house=h), "200 OK"),
    "an expired token": (lambda h: introspection("expired", house=h), "200 OK"),
    "a blocked user's token": (lambda h: introspection("blocked user's", house=h), "200 OK"),
    "as JWT": (
        lambda h: introspection(
            "jane's openid email",
            basic("gateway") | {"HTTP_ACCEPT": "application/jwt"},
            house=h,
        ),
        "200 OK",
    ),
    "ended as JWT": (
        lambda h: introspection(
            "ended", basic("gateway") | {"HTTP_ACCEPT": "application/jwt"}, house=h
        ),
        "204 No Content",
    ),
    "signed JSON": (
        lambda h: introspection(
            "client's",
            basic("gateway") | {"HTTP_ACCEPT": "application/token-introspection+jwt"},
            house=h,
        ),
        "200 OK",
    ),
    "without the scope": (lambda h: introspection("client's", basic("batch"), h), "403 Forbidden"),
    "no token": (lambda _: form("/oauth2/introspect", basic("gateway")), "400 Bad Request"),
    "no client": (lambda h: introspection("client's", {}, h), "401 Unauthorized"),
    "client credentials": (lambda _: client_credentials(), "200 OK"),
    "narrower": (lambda _: client_credentials(scope="orders.read"), "200 OK"),
    "wider": (lambda _: client_credentials(scope="openid"), "400 Bad Request"),
    "not its grant": (lambda _: client_credentials("shop"), "400 Bad Request"),
    "refresh": (lambda h: refresh("jane's refresh orders.read", house=h), "200 OK"),
    "refresh with ID token": (lambda h: refresh("jane's refresh openid email", house=h), "200 OK"),
    "refresh of all": (lambda h: refresh("jane's refresh *", house=h), "200 OK"),
    "refresh, capped": (
        lambda h: refresh("capped refresh", {}, client_id="capped", house=h), "200 OK"
    ),
    "refresh of another client": (
        lambda h: refresh("capped refresh", house=h), "400 Bad Request"
    ),
    "refresh of made up": (lambda h: refresh("made up", house=h), "400 Bad Request"),
    "exchange": (lambda h: exchange("jane's openid email", house=h), "200 OK"),
    "exchange, narrower": (
        lambda h: exchange("jane's openid email", house=h, scope="openid"), "200 OK"
    ),
    "exchange of ended": (lambda h: exchange("ended", house=h), "400 Bad Request"),
    "exchange, other target": (
        lambda h: exchange("client's", house=h, audience="elsewhere"), "400 Bad Request"
    ),
    "userinfo": (lambda h: userinfo("jane's openid email", house=h), "200 OK"),
    "userinfo by POST": (
        lambda h: userinfo("jane's openid email", house=h, method="POST"), "200 OK"
    ),
    "userinfo of a client": (lambda h: userinfo("client's", house=h), "403 Forbidden"),
    "userinfo of ended": (lambda h: userinfo("ended", house=h), "401 Unauthorized"),
    "userinfo without token": (lambda _: Request("/oauth2/userinfo", method="GET"),
                               "401 Unauthorized"),
    "grant missing": (lambda _: form("/oauth2/token", basic("batch")), "400 Bad Request"),
    "grant unknown": (
        lambda _: form("/oauth2/token", basic("batch"), grant_type="x"), "400 Bad Request"
    ),
    "browser of the shop": (
        lambda h: replace(
            refresh("jane's refresh orders.read", house=h),
            headers=basic("shop") | {"HTTP_ORIGIN": "https://shop.example"},
        ),
        "200 OK",
    ),
}  # fmt: skip


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request is answered anew."""
    for lane in fast_lane.LANES.values():
        monkeypatch.setattr(lane, "_kept", KeptAnswers(0))


def test_what_it_answers_alone_is_what_django_answers(house: House, off: None) -> None:
    """One house for all of them, because it takes longer to build than they take."""
    warm(house)
    for name, (make, status) in ALONE.items():
        fast = compare(house, make(house))
        assert fast is not None, f"{name}: left to Django"
        assert fast.status == status, f"{name}: {fast.body!r}"


# --- Anything at all ------------------------------------------------------------------------------

TOKEN_PARAMETERS = {
    "/oauth2/introspect": "token",
    "/oauth2/token": "refresh_token",
    "/oauth2/userinfo": "access_token",
}
GRANT_TYPES = ["client_credentials", "refresh_token", EXCHANGE, "password", "x", ""]
CLIENTS = ["gateway", "batch", "shop", "capped", "keeping", "reusing", "closed", "nobody", "a b"]
AUTHORIZATIONS = st.one_of(
    st.builds(basic, st.sampled_from(CLIENTS)),
    st.builds(basic, st.sampled_from(CLIENTS), st.sampled_from(["wrong", "", "ü", "%00", "a+b"])),
    st.sampled_from(["Basic", "Basic !", "Basic YQ==", "Bearer", "Bearer x y", "Other x", "é"]).map(
        lambda text: {"HTTP_AUTHORIZATION": text}
    ),
    st.just({}),
)  # fmt: skip
OTHER_HEADERS = st.lists(
    st.sampled_from(
        [
            ("HTTP_ACCEPT", "*/*"),
            ("HTTP_ACCEPT", "application/jwt"),
            ("HTTP_ACCEPT", "application/jwt;q=0.1, application/json"),
            ("HTTP_ACCEPT", "application/token-introspection+jwt"),
            ("HTTP_ACCEPT", "text/html"),
            ("HTTP_ACCEPT", ";"),
            ("HTTP_ACCEPT", ""),
            ("HTTP_ACCEPT", "x" * 2000),
            ("HTTP_ACCEPT_LANGUAGE", "de"),
            ("HTTP_ACCEPT_LANGUAGE", "\x80"),
            ("HTTP_ORIGIN", "https://shop.example"),
            ("HTTP_ORIGIN", "https://evil.example"),
            ("HTTP_ORIGIN", "null"),
            ("HTTP_COOKIE", "idp-session=x"),
            ("HTTP_X_FORWARDED_PROTO", "https"),
            ("HTTP_X_FORWARDED_PROTO", "http"),
            ("HTTP_TRANSFER_ENCODING", "chunked"),
        ]
    ),
    max_size=2,
).map(dict)
MORE_PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["grant_type", "token", "refresh_token", "access_token", "subject_token", "scope",
             "client_id", "client_secret", "client_assertion", "audience", "resource", "state",
             "subject_token_type", "requested_token_type", "actor_token", "pair", "client", "\0"]
        ),
        st.sampled_from(
            ["", "x", "openid", "orders.read", "*", "all", "shop", "gateway", SECRET, "services",
             ACCESS_TOKEN_TYPE, JWT_TYPE, "refresh_token", "\0", "\ud7ff", "y" * 20_000]
        ),
    ),
    max_size=3,
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn, house: House) -> Request:
    path = draw(st.sampled_from(list(TOKEN_PARAMETERS)))
    token = house.tokens[draw(st.sampled_from(list(house.tokens)))]
    parameters = [(TOKEN_PARAMETERS[path], token)]
    if path == "/oauth2/token":
        parameters.append(("grant_type", draw(st.sampled_from(GRANT_TYPES))))
        parameters += [("subject_token", token), ("subject_token_type", ACCESS_TOKEN_TYPE)]
    parameters += draw(MORE_PARAMETERS)
    headers = draw(AUTHORIZATIONS) | draw(OTHER_HEADERS)
    if path == "/oauth2/userinfo" and draw(st.booleans()):
        headers |= {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    usual = "GET" if path == "/oauth2/userinfo" and "HTTP_AUTHORIZATION" in headers else "POST"
    method = draw(mostly(usual, "POST", "GET", "PUT", "HEAD", "get"))
    body = urlencode(parameters).encode() if method != "GET" else b""
    return Request(
        path,
        draw(mostly(body, body + b"&%ff=1", body + b"&=", b"")),
        method,
        headers,
        draw(mostly(FORM, f"{FORM}; charset=utf-8", "text/plain", "")),
        draw(mostly(0, 5)),
        draw(mostly("", "x=1", "token=x")),
    )


def mostly[T](usual: T, *rare: T) -> st.SearchStrategy[T]:
    return st.sampled_from([usual] * 8 * len(rare) + list(rare))


def test_whatever_comes_both_answer_the_same(house: House, off: None) -> None:
    warm(house)
    answered = {"alone": 0, "by Django": 0}

    @settings(
        max_examples=int(os.environ.get("FAST_LANE_EXAMPLES", "250")),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(st.data())
    def both_answer_the_same(data: st.DataObject) -> None:
        fast = compare(house, data.draw(requests(house)))
        answered["alone" if fast else "by Django"] += 1

    both_answer_the_same()
    print(answered)
    # Else the comparison would compare nothing.
    assert answered["alone"] > 50


# --- What each costs ------------------------------------------------------------------------------

BUDGETS: dict[str, tuple[Callable[[House], Request], int]] = {
    "introspection": (lambda h: introspection("jane's openid email", house=h), 1),
    "introspection of a made-up token": (lambda h: introspection("made up", house=h), 0),
    "userinfo of a made-up token": (lambda h: userinfo("made up", house=h), 0),
    "introspection of an expired token": (lambda h: introspection("expired", house=h), 1),
    "introspection as JWT": (
        lambda h: introspection(
            "jane's openid email", basic("gateway") | {"HTTP_ACCEPT": "application/jwt"}, h
        ),
        1,
    ),
    "exchange for a JWT": (lambda h: exchange("jane's openid email", house=h), 1),
    "userinfo": (lambda h: userinfo("jane's openid email", house=h), 1),
    "client credentials": (lambda _: client_credentials(), 1),
    "refresh": (lambda h: refresh("jane's refresh openid email", house=h), 1),
    "refresh that looks at the old token": (
        lambda h: refresh("capped refresh", {}, client_id="capped", house=h),
        2,
    ),
}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the fast lane sends."""
    sent: list[str] = []
    cursor = statements.cursor

    class Counting:
        def __init__(self) -> None:
            self._cursor = cursor()

        def execute(self, sql: str, parameters: Any = None) -> None:
            sent.append(sql)
            self._cursor.execute(sql, parameters)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._cursor, name)

    monkeypatch.setattr(statements, "cursor", Counting)
    return sent


def test_statements_of_each_operation(
    house: House, off: None, counted: list[str], django_assert_num_queries: Any
) -> None:
    """As the architecture says; Django's own connection is not used at all."""
    warm(house)
    for name, (make, budget) in BUDGETS.items():
        house.restore()
        counted.clear()
        with django_assert_num_queries(0):
            assert fast_lane.answer(make(house).environ(), lambda *_: None), name
        assert len(counted) == budget, f"{name}: {counted}"


def test_a_kept_answer_needs_no_statement(house: House, counted: list[str]) -> None:
    warm(house)
    asked = {
        "introspection": introspection("jane's openid email", house=house),
        "exchange": exchange("jane's openid email", house=house),
        "userinfo": userinfo("jane's openid email", house=house),
    }
    for name, request in asked.items():
        first = by_fast_lane(request)
        counted.clear()
        again = by_fast_lane(request)
        assert not counted, name
        assert first, name
        assert again, name
        assert (again.status, token_of(again)) == (first.status, token_of(first)), name


def token_of(outcome: Outcome) -> Any:
    """The body without the seconds that it counts down."""
    return {**json.loads(outcome.body), "expires_in": None}


def test_the_lanes_have_connections_of_their_own(house: House, off: None) -> None:
    """A lost connection is Django's matter once, and the next request has a new one."""
    warm(house)
    asked = introspection("client's", house=house)
    assert by_fast_lane(asked)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'idp fast lane' AND datname = current_database()"
        )
    assert by_fast_lane(asked) is None
    assert by_fast_lane(asked)


def test_statements_of_a_code_exchange(house: House, django_assert_num_queries: Any) -> None:
    """By Django, in one transaction; the client is known."""
    warm(house)
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    code = issue.authorization_code(
        house.shop,
        house.users["jane"],
        "openid email",
        NOW,
        redirect_uri="https://shop.example/callback",
        redirect_uri_was_given=True,
        code_challenge=challenge.rstrip(b"=").decode(),
        openid_nonce="",
        auth_time=NOW,
    )
    request = form(
        "/oauth2/token",
        basic("shop"),
        grant_type="authorization_code",
        code=issue.say(code),
        redirect_uri="https://shop.example/callback",
        code_verifier=verifier,
    )
    # BEGIN, the code, its user, the consent, the family, the use of the code, the event, two
    # tokens, COMMIT.
    with django_assert_num_queries(10):
        status, _, body = django_answer(request)
    assert status == "200 OK", body


def test_a_header_that_was_proven_ends_with_its_secret(
    house: House, off: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment comes without any change that could be heard."""
    ends_at = NOW + timedelta(minutes=1)
    ClientSecret.objects.filter(client__client_id="gateway").update(expires_at=ends_at)
    warm(house)
    asked = introspection("client's", house=house)
    for _ in range(2):
        outcome = by_fast_lane(asked)
        assert outcome is not None
        assert outcome.status == "200 OK"
    monkeypatch.setattr(timezone, "now", lambda: ends_at)
    outcome = by_fast_lane(asked) or by_django(asked)
    assert outcome.status == "401 Unauthorized"


def test_a_header_that_was_proven_does_not_cover_a_second_method(house: House, off: None) -> None:
    warm(house)
    assert by_fast_lane(introspection("client's", house=house))
    two = introspection("client's", house=house, client_id="gateway", client_secret=SECRET)
    outcome = compare(house, two)
    assert outcome is not None
    assert outcome.status == "400 Bad Request"
