"""What one instance keeps is dropped when something changes at another, whoever changes it.

Two real processes on a PostgreSQL of their own. Everything here first makes sure that an answer
comes from what is kept: no backend has begun a statement for it.
"""

import itertools
import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, NamedTuple

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from branding.models import Brand
from clients_admin import secrets
from clients_admin.models import Client, ClientSecret, GrantType, Scope, ScopeGroup
from idp.accounts.models import LoginService, User
from idp.database.changes import LEASE_SECONDS
from tests.configuration import SECRET, brand, login_service, scopes
from tests.instances import (
    LISTENERS,
    Caller,
    Login,
    Look,
    World,
    another,
    code_for,
    exchange_status,
    exchanged_jwt,
    gateway_jwt,
    introspection,
    introspection_status,
    signing_key,
    two_instances,
    userinfo_claim,
    userinfo_status,
)
from tests.servers import hold
from tokens import caps

# Issue 5: "seen by every other within 100 ms in 1,000 tries".
HEARD_SECONDS = 0.1
TRIES = 1000
THREADS = 4
# What IDP_INTROSPECTION_CACHE_SECONDS is where the bound itself is looked at.
BOUND_SECONDS = 2.0
# How long an answer may be on its way on a busy machine, on top of a bound.
ANSWER_SECONDS = 0.5
# Each kind of change is seen within a second; how fast exactly is measured with revocations.
SEEN_SECONDS = 1.0
PATIENCE_SECONDS = 20.0
OTHER_SECRET = "another-secret-for-tests-of-more-than-32-characters"


@pytest.fixture(scope="module")
def world(django_db_blocker: Any) -> Iterator[World]:
    with two_instances("changes", django_db_blocker) as made:
        yield made


@pytest.fixture(scope="module")
def impatient(world: World) -> Iterator[Caller]:
    """A third instance, which keeps answers for a shorter time."""
    variables = {"IDP_INTROSPECTION_CACHE_SECONDS": str(BOUND_SECONDS)}
    with another(world.postgres, world.first.idp, **variables) as idp:
        yield Caller(idp)


def until(look: Callable[[], Any], expected: Any, within: float = SEEN_SECONDS) -> None:
    deadline = time.monotonic() + within
    while True:
        asked_at = time.monotonic()
        if (found := look()) == expected:
            return
        assert asked_at < deadline, f"still {found!r} after {within} s"
        time.sleep(0.005)


# --- How fast revocation is heard ----------------------------------------------------------------


class Heard(NamedTuple):
    """Seconds after the revocation was answered: when a request was sent last that still said
    active, and when the first answer came that did not."""

    active_when_asked: float
    gone: float


def revoke_and_watch(world: World, watcher: Caller) -> Heard:
    token = world.first.client_token("batch")
    for _ in range(2):
        assert watcher.introspect(token, "gateway").json()["active"] is True
    world.first.revoke(token, "batch")
    revoked_at = time.monotonic()
    active_when_asked = 0.0
    while True:
        asked = time.monotonic() - revoked_at
        reply = watcher.introspect(token, "gateway")
        assert reply.status == 200, reply
        if not reply.json()["active"]:
            return Heard(active_when_asked, time.monotonic() - revoked_at)
        active_when_asked = asked
        assert asked < PATIENCE_SECONDS
        time.sleep(0.001)


def watch_many(world: World, watcher: Caller, tries: int) -> list[Heard]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda _: revoke_and_watch(world, watcher), range(tries)))


def told(what: str, heard: list[Heard], seconds: float) -> str:
    again = sum(one.active_when_asked > 0 for one in heard)
    lines = [f"{what}: {len(heard)} revocations in {seconds:.1f} s, {again} said active once more"]
    for name, times in (
        ("last request that was still told active", [one.active_when_asked for one in heard]),
        ("first answer that it is not", [one.gone for one in heard]),
    ):
        ms = sorted(1000 * at for at in times)
        p99 = ms[len(ms) * 99 // 100]
        lines.append(
            f"  {name}: median {statistics.median(ms):.1f}, p99 {p99:.1f}, max {ms[-1]:.1f} ms"
        )
    return "\n" + "\n".join(lines)


def assert_answers_are_kept(world: World, watcher: Caller) -> None:
    """What is measured here must not be the speed of a database that is asked each time."""
    tokens = [world.first.client_token("batch") for _ in range(20)]

    def look() -> list[bool]:
        return [watcher.introspect(token, "gateway").json()["active"] for token in tokens]

    assert world.warm(look) == [True] * len(tokens)


def test_a_question_to_the_database_is_noticed(world: World) -> None:
    """Otherwise all the tests here could pass with nothing kept at all."""
    token = world.first.client_token("batch")
    assert not world.is_kept(lambda: world.second.introspect(token, "gateway"))


def test_a_revocation_is_seen_by_the_other_instance_within_100_ms(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request that is sent later than that is never told active, in any try. That the answer
    itself is there within 100 ms is the machine's matter, too: one in a hundred may be late."""
    assert_answers_are_kept(world, world.second)
    began_at = time.monotonic()
    heard = watch_many(world, world.second, TRIES)
    text = told("two instances", heard, time.monotonic() - began_at)
    with capsys.disabled():
        print(text)
    assert_answers_are_kept(world, world.second)
    assert max(one.active_when_asked for one in heard) <= HEARD_SECONDS, text
    late = [one for one in heard if one.gone > HEARD_SECONDS]
    assert len(late) <= TRIES // 100, text
    assert max(one.gone for one in heard) < LEASE_SECONDS, text


# --- Where changes are not heard -----------------------------------------------------------------


@contextmanager
def killed_again_and_again(world: World, kills: list[int]) -> Iterator[None]:
    """Ends all listeners' connections; at times they live long enough for something to be kept."""
    is_over = Event()

    def kill() -> None:
        with psycopg.connect(world.postgres.url, autocommit=True) as server:
            for pause in itertools.cycle([0.02] * 20 + [0.3, 0.2, 0.4]):
                cursor = server.execute(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENERS}"
                )
                kills.append(cursor.rowcount)
                if is_over.wait(pause * random.uniform(0.5, 1.5)):
                    return

    killer = Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        is_over.set()
        killer.join()


def test_where_listeners_are_killed_again_and_again_the_bound_holds_without_an_error(
    world: World, impatient: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mark that was told while nobody listened is lost: what was kept before must not be used."""
    assert_answers_are_kept(world, impatient)
    began_at, kills = time.monotonic(), []
    with killed_again_and_again(world, kills):
        heard = watch_many(world, impatient, 200)
    text = told(f"{sum(kills)} connections killed", heard, time.monotonic() - began_at)
    with capsys.disabled():
        print(text)
    assert sum(kills) > 20
    assert max(one.active_when_asked for one in heard) <= BOUND_SECONDS, text
    assert max(one.gone for one in heard) <= BOUND_SECONDS + ANSWER_SECONDS, text
    assert_answers_are_kept(world, impatient)


def test_where_listeners_are_killed_again_and_again_no_client_is_known_for_longer_than_the_bound(
    world: World, impatient: Caller
) -> None:
    """What a process knows of clients has no end of its own: it must be dropped when it is lost."""
    login, look = world.login(), gateway_jwt("aud")
    world.warm(lambda: look(impatient, login))
    with killed_again_and_again(world, []):
        for audience in map(str, range(50)):
            world.sql("UPDATE clients_admin_client SET flags = jsonb_build_object("
                      "'jwt_audience', %s::text) WHERE client_id = %s",
                      audience, login.gateway)  # fmt: skip
            until(lambda audience=audience: look(impatient, login) == audience, True, BOUND_SECONDS)
            for _ in range(random.randint(0, 10)):
                assert look(impatient, login) == audience
                time.sleep(0.01)


def test_what_nobody_tells_of_is_believed_for_as_long_as_the_bound(
    world: World, impatient: Caller
) -> None:
    """Tokens end by our code alone, so that nothing tells of a row that somebody else deletes."""
    login = world.login()
    look = introspection("active")
    assert world.warm(lambda: look(impatient, login)) is True
    asked_at = time.monotonic()
    assert look(impatient, login) is True
    world.sql("DELETE FROM tokens_accesstoken WHERE scope = '*' AND client_id IN "
              "(SELECT id FROM clients_admin_client WHERE client_id = %s)", login.shop)  # fmt: skip
    until(lambda: look(impatient, login), False, BOUND_SECONDS)
    assert time.monotonic() - asked_at <= BOUND_SECONDS + ANSWER_SECONDS


@contextmanager
def hanging_listeners(world: World) -> Iterator[None]:
    """Their backends stand still: the connections are there, and nothing comes."""
    pids = [pid for (pid,) in world.sql(f"SELECT pid FROM pg_stat_activity WHERE {LISTENERS}")]
    assert len(pids) >= 2
    for pid in pids:
        hold(pid)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_where_a_listener_hangs_nothing_kept_is_used_for_longer_than_the_lease(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cache bound is five times the lease, so it is not the bound that ends it."""
    login, look = world.login(), introspection("active")
    assert world.warm(lambda: look(world.second, login)) is True
    with hanging_listeners(world):
        hung_at = time.monotonic()
        world.first.revoke(login.access_token, login.shop)
        assert look(world.second, login) is True, "it was not kept"
        last_active_at = hung_at
        while look(world.second, login):
            last_active_at = time.monotonic()
            assert last_active_at - hung_at < PATIENCE_SECONDS
            time.sleep(0.01)
        lasted = last_active_at - hung_at
        with capsys.disabled():
            print(f"\na hanging listener: kept answers were used for {lasted:.2f} s more")
        assert lasted <= LEASE_SECONDS + ANSWER_SECONDS


def test_where_a_listener_hangs_nothing_is_kept_and_all_is_answered(world: World) -> None:
    login, look = world.login(), introspection("active")
    world.warm(lambda: look(world.second, login))
    with hanging_listeners(world):
        time.sleep(LEASE_SECONDS)
        for _ in range(5):
            assert not world.is_kept(lambda: look(world.second, login))
        assert look(world.second, login) is True
    assert world.warm(lambda: look(world.second, login)) is True


def test_what_a_hanging_listener_missed_is_not_used_when_it_goes_on(world: World) -> None:
    """What the process knows of clients is not forgotten by time: it must hear first."""
    login, look = world.login(), introspection("active")
    assert world.warm(lambda: look(world.second, login)) is True
    with hanging_listeners(world):
        time.sleep(LEASE_SECONDS)
        world.sql("UPDATE clients_admin_client SET is_active = false WHERE client_id = %s",
                  login.shop)  # fmt: skip
        assert look(world.second, login) is False
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert look(world.second, login) is False


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_after_a_restart_of_the_database_revocations_are_heard_again(
    world: World, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = world.first.client_token("batch")
    world.warm(lambda: world.second.introspect(token, "gateway"))
    world.postgres.stop(mode)
    try:
        # Nobody could tell of its end now.
        time.sleep(0.1)
        assert world.second.introspect(token, "gateway").status == 503
    finally:
        world.postgres.start()
    back_at = time.monotonic()
    until(lambda: world.first.introspect(token, "gateway").status, 200, PATIENCE_SECONDS)
    assert_answers_are_kept(world, world.second)
    kept_again_after = time.monotonic() - back_at
    heard = watch_many(world, world.second, 40)
    text = told(f"{mode}, kept again after {kept_again_after:.2f} s", heard,
                time.monotonic() - back_at)  # fmt: skip
    with capsys.disabled():
        print(text)
    assert max(one.gone for one in heard) <= SEEN_SECONDS, text


# --- Every kind of change ------------------------------------------------------------------------

# A change is made by an operator, with our own code or with SQL, and seen at the other instance.
type Change = Callable[[Login], object]


def sql(statement: str) -> Change:
    """%(name)s stands for what all of the login are named after."""

    def change(login: Login) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"name": login.name})
            assert cursor.rowcount == 1

    return change


def shop(login: Login) -> Client:
    return Client.objects.get(client_id=login.shop)


def gateway(login: Login) -> Client:
    return Client.objects.get(client_id=login.gateway)


def user(login: Login) -> User:
    return User.objects.get(username=login.name)


def group(login: Login) -> ScopeGroup:
    return ScopeGroup.objects.get(name=f"group-{login.name}")


def save(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def update(row: Any, **values: Any) -> None:
    assert type(row)._default_manager.filter(pk=row.pk).update(**values) == 1


def sees(scope: str) -> Look:
    """Whether the token has that scope of the login's own, `read` for instance."""

    def look(at: Caller, login: Login) -> bool:
        return f"{scope}-{login.name}" in introspection("scope")(at, login).split()

    return look


# What is looked at, what is done, and what is seen then.
CHANGES: dict[str, tuple[Look, Change, Any]] = {
    # Clients.
    "a client is deactivated": (
        introspection("active"), lambda login: save(shop(login), is_active=False), False,
    ),
    "a client is deactivated by an update": (
        introspection("active"), lambda login: update(shop(login), is_active=False), False,
    ),
    "a client is deactivated by SQL": (
        introspection("active"),
        sql("UPDATE clients_admin_client SET is_active = false "
            "WHERE client_id = 'shop-' || %(name)s"),
        False,
    ),
    "a client is deactivated, for userinfo": (
        userinfo_status, lambda login: save(shop(login), is_active=False), 401,
    ),
    "a client is deleted": (
        introspection("active"), lambda login: shop(login).delete(), False,
    ),
    "a gateway is deactivated": (
        introspection_status, lambda login: save(gateway(login), is_active=False), 401,
    ),
    "a gateway's audience changes": (
        gateway_jwt("aud"),
        lambda login: save(gateway(login), flags={"jwt_audience": "elsewhere"}),
        "elsewhere",
    ),
    "a gateway's audience changes by an update": (
        exchanged_jwt("aud"),
        lambda login: update(gateway(login), flags={"jwt_audience": "elsewhere"}),
        "elsewhere",
    ),
    "a gateway's audience changes by SQL": (
        exchanged_jwt("aud"),
        sql("""UPDATE clients_admin_client SET flags = '{"jwt_audience": "elsewhere"}' """
            "WHERE client_id = 'gateway-' || %(name)s"),
        "elsewhere",
    ),
    "a gateway loses a grant": (
        exchange_status,
        lambda login: save(gateway(login), grant_types=[GrantType.CLIENT_CREDENTIALS]),
        400,
    ),
    "a gateway may not introspect any more": (
        introspection_status, lambda login: gateway(login).scopes.clear(), 403,
    ),
    # Scopes.
    "a scope is taken from a client": (
        userinfo_claim("email"),
        lambda login: shop(login).scopes.remove(*scopes("email")),
        None,
    ),
    "a scope is taken from a client by SQL": (
        userinfo_claim("email"),
        sql("DELETE FROM clients_admin_client_scopes WHERE client_id = "
            "(SELECT id FROM clients_admin_client WHERE client_id = 'shop-' || %(name)s) "
            "AND scope_id = (SELECT id FROM clients_admin_scope WHERE name = 'email')"),
        None,
    ),
    "a scope is given to a client": (
        sees("more"),
        lambda login: shop(login).scopes.add(*scopes(f"more-{login.name}")),
        True,
    ),
    "a scope group is taken from a client": (
        sees("read"), lambda login: shop(login).scope_groups.clear(), False,
    ),
    "a scope leaves a group": (
        sees("write"),
        lambda login: group(login).scopes.remove(*scopes(f"write-{login.name}")),
        False,
    ),
    "a scope leaves a group by SQL": (
        sees("write"),
        sql("DELETE FROM clients_admin_scopegroup_scopes WHERE scope_id = "
            "(SELECT id FROM clients_admin_scope WHERE name = 'write-' || %(name)s)"),
        False,
    ),
    "a group joins a group": (
        sees("more"),
        lambda login: group(login).groups.add(_group_of_more(login)),
        True,
    ),
    "a group is deleted": (
        sees("read"), lambda login: group(login).delete(), False,
    ),
    "a scope is renamed": (
        sees("more"),
        lambda login: update(scopes(f"read-{login.name}")[0], name=f"more-{login.name}"),
        True,
    ),
    "a scope is deleted": (
        sees("read"), lambda login: Scope.objects.get(name=f"read-{login.name}").delete(), False,
    ),
    # Secrets.
    "a secret is ended": (
        introspection_status, lambda login: secrets.end(gateway(login).secrets.get()), 401,
    ),
    "a secret is ended by an update": (
        introspection_status,
        lambda login: update(gateway(login).secrets.get(), expires_at=timezone.now()),
        401,
    ),
    "a secret is ended by SQL": (
        introspection_status,
        sql("UPDATE clients_admin_clientsecret SET expires_at = now() WHERE client_id = "
            "(SELECT id FROM clients_admin_client WHERE client_id = 'gateway-' || %(name)s)"),
        401,
    ),
    "a secret is deleted": (
        introspection_status, lambda login: gateway(login).secrets.all().delete(), 401,
    ),
    # Users.
    "a user is deactivated": (
        introspection("active"), lambda login: save(user(login), is_active=False), False,
    ),
    "a user is deactivated by an update": (
        userinfo_status, lambda login: update(user(login), is_active=False), 401,
    ),
    "a user is deactivated by SQL": (
        introspection("active"),
        sql("UPDATE idp_user SET is_active = false WHERE username = %(name)s"),
        False,
    ),
    "a user is deleted": (introspection("active"), lambda login: user(login).delete(), False),
    "a user is deleted, for userinfo": (
        userinfo_status, lambda login: user(login).delete(), 401,
    ),
    "a user is deleted by SQL": (
        introspection("active"), sql("DELETE FROM idp_user WHERE username = %(name)s"), False,
    ),
    "a user's claims change": (
        userinfo_claim("email"),
        lambda login: save(user(login), claims={"email": "new@example.org"}),
        "new@example.org",
    ),
    "a user's claims change by an update": (
        gateway_jwt("email"),
        lambda login: update(user(login), claims={"email": "new@example.org"}),
        "new@example.org",
    ),
    "a user's claims change by SQL": (
        exchanged_jwt("email"),
        sql("""UPDATE idp_user SET claims = '{"email": "new@example.org"}' """
            "WHERE username = %(name)s"),
        "new@example.org",
    ),
    "a user is renamed": (
        introspection("username"),
        lambda login: save(user(login), username="new name"),
        "new name",
    ),
    # Where users and clients belong.
    "a brand is renamed": (
        introspection("brand"),
        lambda login: save(Brand.objects.get(slug=f"brand-{login.name}"), slug="renamed"),
        "renamed",
    ),
    "a brand is renamed by SQL": (
        gateway_jwt("brand"),
        sql("UPDATE branding_brand SET slug = 'renamed-by-sql' "
            "WHERE slug = 'brand-' || %(name)s"),
        "renamed-by-sql",
    ),
    "a client gets another brand": (
        introspection("brand"), lambda login: save(shop(login), brand=brand("other")), "other",
    ),
    "a login service is renamed": (
        introspection("login_service"),
        lambda login: save(LoginService.objects.get(name=f"service-{login.name}"), name="renamed"),
        "renamed",
    ),
    "a login service is renamed by an update": (
        gateway_jwt("login_service"),
        lambda login: update(
            LoginService.objects.get(name=f"service-{login.name}"), name="renamed-too"
        ),
        "renamed-too",
    ),
    "a user moves to another login service": (
        introspection("login_service"),
        lambda login: save(user(login), login_service=login_service("other", "other")),
        "other",
    ),
}  # fmt: skip


def _group_of_more(login: Login) -> ScopeGroup:
    made = ScopeGroup.objects.create(name=f"group-of-more-{login.name}")
    made.scopes.set(scopes(f"more-{login.name}"))
    return made


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen_at_the_other_instance(world: World, what: str) -> None:
    look, change, expected = CHANGES[what]
    login = world.login()
    assert world.warm(lambda: look(world.second, login)) != expected
    world.operator.do(lambda: change(login))
    until(lambda: look(world.second, login), expected)
    until(lambda: look(world.first, login), expected)


def test_a_new_secret_opens_a_client_at_once(world: World) -> None:
    """The secrets of a client are known, too: what is not among them is refused without a look."""
    login = world.login()

    def with_other_secret() -> int:
        return world.second.introspect(
            login.access_token, login.gateway, secret=OTHER_SECRET
        ).status

    world.warm(lambda: introspection_status(world.second, login))
    assert with_other_secret() == 401
    world.operator.do(lambda: secrets.add(gateway(login), OTHER_SECRET))
    until(with_other_secret, 200)
    assert world.second.introspect(login.access_token, login.gateway, secret=SECRET).status == 200


# --- Signing keys --------------------------------------------------------------------------------


def keys(world: World, *arguments: str) -> None:
    """`manage.py keys`, the next key being old enough to sign at once."""
    world.sql("UPDATE tokens_signingkey SET created_at = now() - interval '1 day' "
              "WHERE state = 'next'")  # fmt: skip
    world.first.idp.manage("keys", *arguments)


def active_key(world: World, state: str = "active") -> str:
    ((kid,),) = world.sql(
        "SELECT kid FROM tokens_signingkey WHERE algorithm = 'ES256' AND state = %s", state
    )
    return kid


@pytest.mark.parametrize(
    "look", [signing_key, exchanged_jwt("jti")], ids=["asked for", "exchanged"]
)
def test_after_a_rotation_no_jwt_of_before_is_said_again(world: World, look: Look) -> None:
    login = world.login()
    before = world.warm(lambda: look(world.second, login))
    assert look(world.second, login) == before
    keys(world, "rotate", "--algorithm", "ES256", "--force")
    until(lambda: look(world.second, login) != before, True)
    assert signing_key(world.second, login) == active_key(world)


def test_after_a_key_was_compromised_nothing_signed_by_it_is_said_again(world: World) -> None:
    login = world.login()
    before = world.warm(lambda: signing_key(world.second, login))
    assert before == active_key(world)
    keys(world, "retire", before, "--compromised")
    until(lambda: signing_key(world.second, login), active_key(world))
    assert active_key(world) != before
    published = world.second.get("/.well-known/jwks.json").json()["keys"]
    assert before not in {key["kid"] for key in published}


# --- Tokens that end -----------------------------------------------------------------------------


def assert_ends(world: World, login: Login, end: Callable[[], object]) -> None:
    looks: list[tuple[Look, Any]] = [
        (introspection("active"), False),
        (userinfo_status, 401),
        (exchange_status, 400),
    ]
    for look, expected in looks:
        assert world.warm(lambda look=look: look(world.second, login)) != expected
    end()
    for look, expected in looks:
        until(lambda look=look: look(world.second, login), expected)


def test_a_revoked_access_token_ends_at_the_other_instance(world: World) -> None:
    login = world.login()
    assert_ends(world, login, lambda: world.first.revoke(login.access_token, login.shop))


def test_with_a_revoked_refresh_token_its_access_tokens_end_at_the_other_instance(
    world: World,
) -> None:
    login = world.login()
    assert_ends(world, login, lambda: world.first.revoke(login.refresh_token, login.shop))


def test_with_a_replayed_code_its_tokens_end_at_the_other_instance(world: World) -> None:
    login = world.login()

    def replay() -> None:
        assert world.redeem(login.name, login.code).status == 400

    assert_ends(world, login, replay)


def test_with_a_replayed_refresh_token_its_family_ends_at_the_other_instance(
    world: World,
) -> None:
    login = world.login(refresh_grace_seconds=0)
    assert world.refresh(login).status == 200

    def replay() -> None:
        assert world.refresh(login).status == 400

    assert_ends(world, login, replay)


def log_in_again(world: World, login: Login) -> None:
    """The same user at the same client, so that there is one token more of the same use-case."""
    code = world.operator.do(lambda: code_for(shop(login), user(login)))
    assert world.redeem(login.name, code).status == 200


@pytest.mark.parametrize(
    "flags",
    [
        {"max_access_tokens": 1, "max_refresh_tokens": 8},
        {"max_access_tokens": 8, "max_refresh_tokens": 1},
    ],
    ids=["access tokens", "logins"],
)
def test_what_the_job_ends_ends_at_the_other_instance(world: World, flags: dict[str, int]) -> None:
    login = world.login(**flags)
    log_in_again(world, login)
    assert_ends(world, login, lambda: world.operator.do(caps.enforce))


# --- What is no change ---------------------------------------------------------------------------


def _in_vain(login: Login) -> None:
    with transaction.atomic():
        save(shop(login), is_active=False)
        transaction.set_rollback(True)


def _sign_in(login: Login) -> None:
    """As Django notes it."""
    row = user(login)
    row.last_login = timezone.now()
    row.save(update_fields=["last_login"])


def _use_of_a_secret(login: Login) -> None:
    of_gateway = ClientSecret.objects.filter(client__client_id=login.gateway)
    assert of_gateway.update(last_used_at=timezone.now()) == 1


UNHEARD: dict[str, Change] = {
    "what is rolled back": _in_vain,
    "a sign-in": _sign_in,
    "the use of a secret": _use_of_a_secret,
    "a change of another client": lambda _: save(Client.objects.get(client_id="batch"), name="B"),
    "a change of other users": lambda login: User.objects.exclude(username=login.name).update(
        claims={}
    ),
}


@pytest.mark.parametrize("what", UNHEARD)
def test_nothing_is_dropped_because_of(world: World, what: str) -> None:
    """What comes every second must not empty what is kept.

    Tried several times: a machine that stands still for longer than the lease drops everything.
    """
    login, look = world.login(), introspection("active")

    def is_still_kept() -> bool:
        assert world.warm(lambda: look(world.second, login)) is True
        world.operator.do(lambda: UNHEARD[what](login))
        time.sleep(2 * HEARD_SECONDS)
        return world.is_kept(lambda: look(world.second, login))

    assert any(is_still_kept() for _ in range(3))
