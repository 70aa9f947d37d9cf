"""Accounts in a MariaDB of somebody else's: the same, over another driver."""

import time
from collections.abc import Callable, Iterator

import bcrypt
import pytest

from idp.accounts import sql
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Refused, Unavailable
from tests.login_services.databases import QUERY, MariaDB

PASSWORD = "correct horse battery staple"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def running() -> Iterator[MariaDB]:
    with MariaDB() as server:
        server.add("jane", BCRYPT)
        server.add("zoë", BCRYPT)
        server.add("gone", BCRYPT, active=False)
        yield server


@pytest.fixture
def mariadb(running: MariaDB) -> Iterator[MariaDB]:
    yield running
    running.go_on()


@pytest.fixture
def accounts(mariadb: MariaDB, service) -> Callable[..., LoginService]:
    return lambda **settings: service("sql", mariadb.settings(**settings))


def test_a_user_signs_in_over_checked_tls(accounts):
    at = accounts()
    assert sql.check(at, "jane", PASSWORD) == Identity("1", "jane", {"email": "jane@example.org"})
    assert sql.check(at, "jane", "wrong") == Refused("wrong password")
    assert sql.check(at, "nobody", PASSWORD) == Refused("unknown user name")
    assert sql.check(at, "gone", PASSWORD) == Refused("inactive account")
    assert isinstance(sql.check(at, "zoë", PASSWORD), Identity)


def test_somebody_is_found_by_the_id_in_the_one_spelling_that_it_has(accounts):
    assert isinstance(sql.find(accounts(), "1"), Identity)
    assert isinstance(sql.find(accounts(), "1 "), Refused)
    assert isinstance(sql.find(accounts(), "01"), Refused)


@pytest.mark.parametrize(
    "name",
    [
        "%",
        "' OR '1'='1",
        "\\' OR 1=1 -- ",
        "\u00bf' OR 1=1 -- ",  # What escaping has been fooled with in other character sets.
        "_utf8mb4 X''",
        "jane\0",
        "jane ",  # The same to MariaDB, which pads,
        "jané",  # and the same to its collation.
        "j" * 10_240,
    ],
)
def test_a_hostile_name_logs_nobody_in(accounts, mariadb, name):
    assert isinstance(sql.check(accounts(), name, PASSWORD), Refused)
    assert mariadb.execute("SELECT count(*) FROM shop.customers") == ((3,),)


def unavailable(at: LoginService) -> str:
    outcome = sql.check(at, "jane", PASSWORD)
    assert isinstance(outcome, Unavailable), outcome
    return outcome.reason


def test_outages_that_are_set_up(accounts):
    assert unavailable(accounts(ca_file="")).endswith("its certificate is not trusted")
    assert unavailable(accounts(tls=False)).startswith("MySQL at 127.0.0.1: no connection")
    assert unavailable(accounts(database="none")).startswith("MySQL at 127.0.0.1: no connection")
    assert unavailable(accounts(query=QUERY.replace("mail", "none"))) == "the query failed: 1054"


def test_a_query_that_would_write_is_an_outage_and_writes_nothing(accounts, mariadb):
    query = "UPDATE customers SET pw = NULL WHERE login = %(username)s"
    assert unavailable(accounts(query=query)) == "the query failed: 1792"
    assert mariadb.execute("SELECT pw FROM shop.customers WHERE id = 1") == ((BCRYPT,),)


def test_a_query_that_takes_too_long_is_an_outage(accounts):
    began = time.monotonic()
    query = "SELECT sleep(20), %(username)s AS username"
    assert unavailable(accounts(query=query)) == "the query took too long"
    assert time.monotonic() - began < 2.5


def test_a_server_that_hangs_is_an_outage_of_bounded_time(accounts, mariadb):
    warm, cold = accounts(), accounts()
    assert isinstance(sql.check(warm, "jane", PASSWORD), Identity)
    mariadb.hang()
    for at in (warm, cold):
        began = time.monotonic()
        unavailable(at)
        assert time.monotonic() - began < 2.5


def test_a_server_that_was_restarted_is_asked_anew(accounts, mariadb):
    at = accounts()
    assert isinstance(sql.check(at, "jane", PASSWORD), Identity)
    mariadb.stop()
    assert unavailable(at) == "MySQL at 127.0.0.1: no connection: 2003"
    mariadb.start()
    assert isinstance(sql.check(at, "jane", PASSWORD), Identity)
