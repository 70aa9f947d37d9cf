"""Accounts in a PostgreSQL database of somebody else's."""

import time
import warnings
from collections.abc import Callable, Iterator

import argon2
import bcrypt
import pytest
from django.contrib.auth import hashers

from idp.accounts import foreign_passwords, sql
from idp.accounts.circuit import OUTAGES_IN_A_ROW
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Refused, Unavailable
from tests.login_services.databases import PostgreSQL
from tests.login_services.timing import ROUNDS, compare

PASSWORD = "correct horse battery staple"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()
UNKNOWN = Refused("unknown user name")


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    foreign = PostgreSQL("foreign_accounts")
    foreign.add("jane", BCRYPT)
    foreign.add("zoë", BCRYPT)
    foreign.add("gone", BCRYPT, active=False)
    foreign.add("nobody yet", None)
    foreign.add("twin1", BCRYPT, "twins@example.org")
    foreign.add("twin2", BCRYPT, "twins@example.org")
    foreign.add("admin", BCRYPT)
    yield foreign
    foreign.close()


@pytest.fixture
def accounts(database: PostgreSQL, service) -> Callable[..., LoginService]:
    return lambda **settings: service("sql", database.settings(**settings))


def test_a_user_signs_in_by_name_or_address(accounts):
    jane = Identity("1", "jane", {"email": "jane@example.org"})
    assert sql.check(accounts(), "jane", PASSWORD) == jane
    assert sql.check(accounts(), "jane@example.org", PASSWORD) == jane
    assert sql.check(accounts(), "jane", "wrong") == Refused("wrong password")


def test_accounts_that_sign_nobody_in(accounts):
    at = accounts()
    assert sql.check(at, "gone", PASSWORD) == Refused("inactive account")
    assert sql.check(at, "gone", "wrong") == Refused("wrong password")
    assert sql.check(at, "nobody yet", PASSWORD) == Refused("no password")
    several = Refused("unknown user name: it matches several accounts")
    assert sql.check(at, "twins@example.org", PASSWORD) == several


def test_somebody_is_found_by_the_id_in_the_one_spelling_that_it_has(accounts):
    assert sql.find(accounts(), "1") == Identity("1", "jane", {"email": "jane@example.org"})
    assert sql.find(accounts(), "01") == Refused("unknown external id")
    assert sql.find(accounts(), "3") == Refused("inactive account")
    without = accounts(find_query="")
    assert sql.find(without, "1") == Refused("this login service has no find_query")


@pytest.mark.parametrize(
    "name",
    [
        "*",
        "%",
        "' OR '1'='1",
        "jane'; DROP TABLE customers; --",
        "\\' OR 1=1 -- ",
        "%(username)s",
        "jane\0",
        "j" * 10_240,
        "jane\ud800",
        "\uff4aane",
        "JANE",
        "",
    ],
)
def test_a_hostile_name_logs_nobody_in(accounts, database, name):
    outcome = sql.check(accounts(), name, PASSWORD)
    assert outcome in (UNKNOWN, Refused("malformed credentials"))
    assert database.execute("SELECT count(*) FROM customers").fetchone()[0] == 7


def test_non_ascii_names_are_names_like_any_other(accounts):
    outcome = sql.check(accounts(), "zoë", PASSWORD)
    assert isinstance(outcome, Identity)


# --- Hashes --------------------------------------------------------------------------------------

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Of those hashers that Django keeps for such databases alone.
    HASHES = {
        "argon2": hashers.Argon2PasswordHasher().encode(PASSWORD, "saltsalt"),
        "argon2 PHC": argon2.PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD),
        "bcrypt": BCRYPT,
        "bcrypt of PHP": BCRYPT.replace("$2b$", "$2y$"),
        "bcrypt of Django": f"bcrypt${BCRYPT}",
        "bcrypt_sha256": hashers.BCryptSHA256PasswordHasher().encode(PASSWORD, bcrypt.gensalt(5)),
        "scrypt": hashers.ScryptPasswordHasher().encode(PASSWORD, "salt", n=256),
        "pbkdf2_sha256": hashers.PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1000),
        "pbkdf2_sha1": hashers.PBKDF2SHA1PasswordHasher().encode(PASSWORD, "salt", 1000),
        "md5": hashers.MD5PasswordHasher().encode(PASSWORD, "salt"),
    }


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_counts_where_its_scheme_is_accepted_and_is_never_written_back(
    accounts, database, name
):
    scheme, encoded = name.split()[0], HASHES[name]
    database.execute("DELETE FROM customers WHERE login = 'hashed'")
    database.add("hashed", encoded)
    try:
        accepting = accounts(password_schemes=[scheme])
        assert isinstance(sql.check(accepting, "hashed", PASSWORD), Identity)
        assert sql.check(accepting, "hashed", "wrong") == Refused("wrong password")
        another = "bcrypt" if scheme != "bcrypt" else "argon2"
        outcome = sql.check(accounts(password_schemes=[another]), "hashed", PASSWORD)
        assert outcome == Refused("a password hash of no accepted scheme")
        kept = database.execute("SELECT pw FROM customers WHERE login = 'hashed'").fetchone()
        assert kept == (encoded,)
    finally:
        database.execute("DELETE FROM customers WHERE login = 'hashed'")


def test_a_hash_that_is_broken_lets_nobody_in(accounts, database):
    database.add("broken", "$2b$12$tooshort")
    try:
        outcome = sql.check(accounts(), "broken", PASSWORD)
        assert outcome == Refused("a password hash of no accepted scheme")
    finally:
        database.execute("DELETE FROM customers WHERE login = 'broken'")


def test_a_long_password_is_what_bcrypt_has_always_read_of_it(accounts, database):
    long = "x" * 100
    database.add("long", bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode())
    try:
        assert isinstance(sql.check(accounts(), "long", long), Identity)
    finally:
        database.execute("DELETE FROM customers WHERE login = 'long'")


def test_an_unknown_name_costs_what_a_wrong_password_costs(accounts, monkeypatch):
    """The same work: one query, one hash of the same scheme and cost."""
    at = accounts()
    sql.check(at, "jane", "wrong")
    computed: list[bytes] = []
    checkpw = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        computed.append(hashed[:7])
        return checkpw(password, hashed)

    monkeypatch.setattr(foreign_passwords.bcrypt, "checkpw", counted)
    compare(
        "sql",
        lambda: sql.check(at, "jane", "wrong"),
        lambda: sql.check(at, "nobody", "wrong"),
    )
    assert computed == 2 * ROUNDS * [b"$2b$05$"]


@pytest.mark.parametrize("scheme", sorted({name.split()[0] for name in HASHES}))
def test_the_hash_of_nobody_costs_what_one_of_somebody_costs(scheme, monkeypatch):
    """Also in a process that has seen none: then it is Django's own."""
    spent: list[str] = []
    prefixes, check, hasher = foreign_passwords._SCHEMES[scheme]

    def counted(password: str, encoded: str) -> bool:
        spent.append(encoded)
        return check(password, encoded)

    monkeypatch.setitem(foreign_passwords._SCHEMES, scheme, (prefixes, counted, hasher))
    for encoded in (HASHES[scheme], foreign_passwords.dummy(scheme)):
        without = foreign_passwords.without_digest(encoded)
        assert not foreign_passwords.verify(PASSWORD, without, [scheme])
        foreign_passwords.spend(PASSWORD, without)
    assert len(spent) == 4


# --- Outages -------------------------------------------------------------------------------------


def unavailable(at: LoginService) -> str:
    outcome = sql.check(at, "jane", PASSWORD)
    assert isinstance(outcome, Unavailable), outcome
    return outcome.reason


def test_a_query_that_would_write_is_an_outage_and_writes_nothing(accounts, database):
    query = (
        "UPDATE customers SET pw = NULL WHERE login = %(username)s RETURNING id AS external_id, "
        "login AS username, pw AS password_hash"
    )
    assert unavailable(accounts(query=query)) == "the query failed: 25006"
    kept = database.execute("SELECT pw FROM customers WHERE login = 'jane'").fetchone()
    assert kept == (BCRYPT,)


def test_two_statements_are_an_outage(accounts):
    query = "SELECT 1 WHERE %(username)s = ''; DROP TABLE customers"
    assert unavailable(accounts(query=query)) == "the query failed: 42601"


def test_an_account_that_is_broken_is_out_alone(accounts, database):
    """Whoever gives themselves a name that cannot be shown must not shut out all others."""
    name = "jane\u202e"
    database.add(name, BCRYPT)
    try:
        at = accounts()
        for _ in range(2 * OUTAGES_IN_A_ROW):
            outcome = sql.check(at, name, PASSWORD)
            assert outcome == Unavailable("its answer has no usable username")
        assert isinstance(sql.check(at, "jane", PASSWORD), Identity)
    finally:
        database.execute("DELETE FROM customers WHERE id > 7")


def test_a_query_that_takes_too_long_is_an_outage(accounts):
    began = time.monotonic()
    query = "SELECT pg_sleep(20), %(username)s::text AS username"
    assert unavailable(accounts(query=query)) == "the query took longer than 1 seconds"
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("id", "its answer has no usable external_id"),
        ("pw", "its query gives no column password_hash"),
        ("active", "its answer has a claim that is named as no claim can be"),
        ("login", "its query gives an is_active that is neither true nor false"),
    ],
)
def test_a_query_whose_columns_are_not_the_agreed_ones_is_an_outage(accounts, column, reason):
    columns = {
        "id": "login AS username, pw AS password_hash",
        "pw": "id AS external_id, login AS username",
        "active": 'id AS external_id, login AS username, pw AS password_hash, id AS "Shoe Size"',
        "login": "id AS external_id, login AS username, pw AS password_hash, 'y' AS is_active",
    }
    query = f"SELECT {columns[column]} FROM customers WHERE login = %(username)s"
    assert unavailable(accounts(query=query)) == reason


def test_a_server_that_is_not_there_is_an_outage(accounts):
    reason = unavailable(accounts(host="127.0.0.1", port=1, tls=False))
    assert reason == "PostgreSQL at 127.0.0.1: no connection"


def test_a_server_that_hangs_is_an_outage_of_bounded_time(accounts, database, monkeypatch):
    """Not even its own time limit is kept by a server whose processes are stopped."""
    at = accounts(query="SELECT pg_sleep(20), %(username)s::text AS username")
    from idp.accounts import sql_connections

    monkeypatch.setattr(sql_connections.psycopg.errors, "QueryCanceled", ZeroDivisionError)
    connect = sql_connections.psycopg.connect
    monkeypatch.setattr(
        sql_connections.psycopg,
        "connect",
        lambda **given: connect(**{**given, "options": "-c statement_timeout=0"}),
    )
    began = time.monotonic()
    assert unavailable(at) == "the server does not answer"
    assert time.monotonic() - began < 3.5


def test_a_connection_that_has_ended_meanwhile_is_replaced(accounts, database):
    at = accounts()
    assert isinstance(sql.check(at, "jane", PASSWORD), Identity)
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'idp' AND datname = current_database()"
    )
    assert isinstance(sql.check(at, "jane", PASSWORD), Identity)


def test_connections_are_kept_and_settings_that_change_get_new_ones(accounts, database):
    at = accounts()
    pids = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'idp' "
        "AND datname = current_database()"
    )

    def open_now() -> set[tuple[int]]:
        return set(database.execute(pids).fetchall())

    sql.check(at, "jane", PASSWORD)
    first = open_now()
    sql.check(at, "jane", PASSWORD)
    assert open_now() == first
    assert len(first) == 1
    at.settings = {**at.settings, "statement_timeout_seconds": 2}
    sql.check(at, "jane", PASSWORD)
    deadline = time.monotonic() + 5
    while open_now() & first and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(open_now()) == 1
    assert not open_now() & first
