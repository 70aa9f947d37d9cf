"""Two instances on a PostgreSQL of their own, and what people do to it behind their backs."""

import base64
import http.client
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import jwt
import psycopg
from django.db import connections, transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from psycopg.conninfo import conninfo_to_dict

from clients_admin.models import ScopeGroup
from idp.accounts.models import User
from idp.ops.embedded import EmbeddedPostgres
from tests import configuration
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    CHALLENGE,
    EXCHANGE,
    FORM,
    REDIRECT_URI,
    SECRET,
    VERIFIER,
)
from tests.servers import LiveIDP, manage
from tokens import issue

TIMEOUT_SECONDS = 30
WARM_TRIES = 20

# Its listener's backends, by what operators see of them.
LISTENERS = "application_name = 'idp changes' AND datname = current_database()"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


class Caller:
    """Speaks HTTP to one instance, on one connection a thread: cheap, so that times are true."""

    def __init__(self, idp: LiveIDP) -> None:
        self.idp = idp
        self._host = idp.public_url.removeprefix("http://")
        self._thread = threading.local()

    def post(
        self, endpoint: str, form: dict[str, str], client_id: str, *, secret: str = SECRET,
        accept: str = "*/*",
    ) -> Reply:  # fmt: skip
        credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": FORM, "Accept": accept}
        return self._ask("POST", f"/oauth2/{endpoint}", urlencode(form).encode(), headers)

    def get(self, path: str, **headers: str) -> Reply:
        return self._ask("GET", path, None, headers)

    def introspect(self, token: str, client_id: str, **options: str) -> Reply:
        return self.post("introspect", {"token": token}, client_id, **options)

    def revoke(self, token: str, client_id: str) -> None:
        reply = self.post("revoke", {"token": token}, client_id)
        assert reply.status == 200, reply

    def client_token(self, client_id: str) -> str:
        reply = self.post("token", {"grant_type": "client_credentials"}, client_id)
        assert reply.status == 200, reply
        return reply.json()["access_token"]

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        kept = getattr(self._thread, "connection", None)
        if kept is not None:
            try:
                return self._ask_on(kept, method, path, body, headers)
            except (http.client.RemoteDisconnected, ConnectionError):
                kept.close()  # The server ends what has been idle for long.
        address = ("127.0.0.1", self.idp.port)
        made = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)
        self._thread.connection = made
        return self._ask_on(made, method, path, body, headers)

    def _ask_on(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None,
        headers: dict[str, str],
    ) -> Reply:  # fmt: skip
        connection.request(method, path, body, {"Host": self._host, **headers})
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())


@dataclass(frozen=True)
class Login:
    """Somebody's login at a client, and a gateway that looks at its token; all of them its own."""

    name: str
    access_token: str
    refresh_token: str
    code: str

    @property
    def shop(self) -> str:
        return f"shop-{self.name}"

    @property
    def gateway(self) -> str:
        return f"gateway-{self.name}"


@dataclass
class World:
    """`first` is where things are done, `second` where they have been kept."""

    postgres: EmbeddedPostgres
    first: Caller
    second: Caller
    operator: "Operator"
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def login(self, **flags: Any) -> Login:
        name = f"n{next(self._names)}"
        code = self.operator.do(lambda: _code_of_new_login(name, flags))
        reply = self.redeem(name, code)
        assert reply.status == 200, reply
        tokens = reply.json()
        return Login(name, tokens["access_token"], tokens["refresh_token"], code)

    def redeem(self, name: str, code: str) -> Reply:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        return self.first.post("token", form | {"redirect_uri": REDIRECT_URI}, f"shop-{name}")

    def refresh(self, login: Login) -> Reply:
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        return self.first.post("token", form, login.shop)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """As somebody with psql, in a transaction of its own."""
        with psycopg.connect(self.postgres.url, autocommit=True) as server:
            cursor = server.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def statements(self) -> list[tuple[Any, ...]]:
        """When each backend began its last statement, but for those that listen."""
        return self.sql(
            "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid() "
            "AND application_name <> 'idp changes' ORDER BY pid"
        )

    def is_kept(self, look: Callable[[], Any]) -> bool:
        """Whether the database is asked for nothing by that."""
        before = self.statements()
        look()
        return self.statements() == before

    def warm(self, look: Callable[[], Any]) -> Any:
        """Looks until the answer is one that was kept, and answers it."""
        for _ in range(WARM_TRIES):
            if self.is_kept(look):
                return look()
            time.sleep(0.05)
        raise AssertionError("the answer is never kept")


class Operator:
    """Does things in a database with our own code, as another process of ours would."""

    def __init__(self, database_url: str, blocker: Any) -> None:
        self._blocker = blocker
        parameters = conninfo_to_dict(database_url)
        self._settings = {
            **connections.settings["default"],
            "NAME": parameters["dbname"],
            "USER": parameters["user"],
            "HOST": parameters["host"],
            "OPTIONS": {},  # No pool: a pool belongs to the process, whatever the database.
        }

    def do[Result](self, work: Callable[[], Result]) -> Result:
        """In a thread of its own, since each thread has its own connections."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self._do, work).result()

    def _do[Result](self, work: Callable[[], Result]) -> Result:
        backend = import_string("django.db.backends.postgresql.base.DatabaseWrapper")
        connections["default"] = backend(self._settings, "default")
        try:
            with self._blocker.unblock():
                return work()
        finally:
            connections["default"].close()


@contextmanager
def two_instances(name: str, blocker: Any) -> Iterator[World]:
    """With a PostgreSQL that a test may stop, and nobody else's."""
    postgres = EmbeddedPostgres(
        Path(os.environ["IDP_VAR_DIR"]) / f"{name}-{os.getpid()}", durable=False
    )
    postgres.start()
    try:
        manage(os.environ | {"IDP_DATABASE_URL": postgres.url}, "migrate", "--verbosity", "0")
        with LiveIDP(postgres.url) as first, another(postgres, first) as second:
            operator = Operator(postgres.url, blocker)
            operator.do(_make_what_all_share)
            yield World(postgres, Caller(first), Caller(second), operator)
    finally:
        postgres.destroy()


def another(postgres: EmbeddedPostgres, first: LiveIDP, **variables: str) -> LiveIDP:
    """One more instance of the same identity provider."""
    return LiveIDP(postgres.url, public_url=first.public_url, **variables)


def _make_what_all_share() -> None:
    configuration.batch()
    configuration.gateway()
    configuration.login_service("other", "other")


def _code_of_new_login(name: str, flags: dict[str, Any]) -> str:
    """A user, their login service, its brand, a client with a scope group, and a gateway."""
    service = configuration.login_service(f"service-{name}", f"brand-{name}")
    client = configuration.client(
        f"shop-{name}",
        *("openid", "email"),
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=REDIRECT_URI,
        brand=service.brand,
        flags={"consent": "never", **flags},
    )
    group = ScopeGroup.objects.create(name=f"group-{name}")
    group.scopes.set(configuration.scopes(f"read-{name}", f"write-{name}"))
    client.scope_groups.add(group)
    configuration.gateway(f"gateway-{name}")
    user = User.objects.create(
        login_service=service, external_id=name, username=name, claims={"email": "old@example.org"}
    )
    return code_for(client, user)


def code_for(client: Any, user: User) -> str:
    now = timezone.now()
    with transaction.atomic():
        code = issue.authorization_code(
            client,
            user,
            "*",
            now,
            redirect_uri=REDIRECT_URI,
            redirect_uri_was_given=True,
            code_challenge=CHALLENGE,
            openid_nonce="",
            auth_time=now,
        )
    return issue.say(code)


# --- What can be seen of a login -----------------------------------------------------------------

type Look = Callable[[Caller, Login], Any]


def introspection(member: str) -> Look:
    """A member of the introspection answer."""

    def look(at: Caller, login: Login) -> Any:
        return at.introspect(login.access_token, login.gateway).json().get(member)

    return look


def gateway_jwt(claim: str) -> Look:
    """A claim of the JWT that introspection answers."""

    def look(at: Caller, login: Login) -> Any:
        reply = at.introspect(login.access_token, login.gateway, accept="application/jwt")
        return jwt.decode(reply.body, options={"verify_signature": False}).get(claim)

    return look


def exchange(at: Caller, login: Login) -> Reply:
    form = {"grant_type": EXCHANGE, "subject_token_type": ACCESS_TOKEN_TYPE}
    return at.post("token", form | {"subject_token": login.access_token}, login.gateway)


def exchanged_jwt(claim: str) -> Look:
    """A claim of the JWT that the token is exchanged for."""

    def look(at: Caller, login: Login) -> Any:
        encoded = exchange(at, login).json()["access_token"]
        return jwt.decode(encoded, options={"verify_signature": False}).get(claim)

    return look


def userinfo(at: Caller, login: Login) -> Reply:
    return at.get("/oauth2/userinfo", Authorization=f"Bearer {login.access_token}")


def userinfo_claim(claim: str) -> Look:
    def look(at: Caller, login: Login) -> Any:
        return userinfo(at, login).json().get(claim)

    return look


def introspection_status(at: Caller, login: Login) -> int:
    return at.introspect(login.access_token, login.gateway).status


def exchange_status(at: Caller, login: Login) -> int:
    return exchange(at, login).status


def userinfo_status(at: Caller, login: Login) -> int:
    return userinfo(at, login).status


def signing_key(at: Caller, login: Login) -> str:
    """The key that has signed the JWT which introspection answers."""
    reply = at.introspect(login.access_token, login.gateway, accept="application/jwt")
    return jwt.get_unverified_header(reply.body)["kid"]
