"""A failure counts whatever becomes of the request, and is seen before the request is over."""

import threading
import time
import timeit

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from idp.accounts import login
from idp.accounts.login import sign_in
from idp.accounts.outcomes import Refused, Unavailable
from idp.audit.models import AuditEvent
from idp.blocking import guard, kept
from idp.blocking.apart import apart
from idp.blocking.models import Block, FailedAttempt
from idp.database import changes, statements
from tests.configuration import login_service

pytestmark = pytest.mark.django_db(transaction=True)

HOME = "192.0.2.1"


@pytest.fixture(autouse=True)
def _on(settings):
    settings.BLOCKING = "on"


def fail(name, address=HOME):
    return guard.failed(address, what=guard.Failure.USER_CODE, name=name)


def test_a_failure_within_a_transaction_that_is_rolled_back_counts(told):
    outer = connection.connection
    with transaction.atomic():
        for number in range(10):
            fail(f"user{number}")
        transaction.set_rollback(True)
    assert Block.objects.get().label == HOME
    assert AuditEvent.objects.filter(tag="blocking:address:blocked").count() == 1
    assert told == [f"Address {HOME} is blocked"]
    assert guard.blocked(HOME, timezone.now())
    # The caller has its own connection again.
    assert connection.connection is outer or not connection.in_atomic_block


def test_a_guess_within_a_transaction_is_seen_by_others_while_it_is_checked(monkeypatch):
    service = login_service()
    url = connection.get_connection_params()
    for name in ("context", "cursor_factory", "prepare_threshold"):
        url.pop(name, None)
    seen = []

    def check(*_):
        with psycopg.connect(**url) as other:
            seen.append(other.execute("SELECT subject, is_open FROM idp_failedattempt").fetchall())
        return Refused("wrong password")

    monkeypatch.setitem(login.CHECKS, "local", check)
    with transaction.atomic():
        sign_in([service], "jane", "wrong", address=HOME)
        transaction.set_rollback(True)
    assert (HOME, True) in seen[0]
    assert len(seen[0]) == 2
    assert set(FailedAttempt.objects.values_list("is_open", flat=True)) == {False}


def test_an_outage_within_a_transaction_leaves_nothing(monkeypatch):
    monkeypatch.setitem(login.CHECKS, "local", lambda *_: Unavailable("away"))
    with transaction.atomic():
        sign_in([login_service()], "jane", "wrong", address=HOME)
    assert FailedAttempt.objects.count() == 0


def test_what_fails_apart_leaves_the_caller_as_it_was():
    with transaction.atomic():
        outer = connections["default"]
        with pytest.raises(ZeroDivisionError), apart():
            _ = 1 / (connections["default"] is outer)
        assert connections["default"] is outer
        assert outer.in_atomic_block


def test_what_the_caller_holds_is_not_waited_for_without_end(monkeypatch):
    fail("jane")
    monkeypatch.setattr("idp.blocking.apart.LOCK_TIMEOUT", "200ms")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE idp_failedattempt IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError):
            fail("jane")
        transaction.set_rollback(True)


def test_the_fast_lane_hands_a_failure_to_django():
    with statements.alone(), pytest.raises(statements.NotAlone):
        fail("jane")


def test_the_fast_lane_asks_by_itself_whether_an_address_is_blocked():
    for number in range(10):
        fail(f"user{number}")
    try:
        with statements.alone():
            assert guard.blocked(HOME, timezone.now()).subject == HOME
            assert guard.blocked("192.0.2.2", timezone.now()) is None
    finally:
        statements.disconnect()


def test_a_failing_audit_insert_makes_no_block(monkeypatch):
    from idp.blocking import blocks

    def broken(*_, **__):
        raise OperationalError

    for number in range(9):
        fail(f"user{number}")
    monkeypatch.setattr(blocks, "record", broken)
    with pytest.raises(OperationalError):
        fail("user9")
    assert Block.objects.count() == 0
    assert FailedAttempt.objects.count() == 9
    monkeypatch.undo()


def test_threads_at_once_make_one_block_and_one_message(told):
    def work(number):
        try:
            fail(f"user{number % 40}")
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[number]) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Block.objects.count() == 1
    assert Block.objects.get().attempts == 10
    assert told == [f"Address {HOME} is blocked"]


# --- What a process keeps -------------------------------------------------------------------------


@pytest.fixture
def listening(monkeypatch):
    """A listener of this process, and a list of its own."""
    heard = changes.Changes()
    monkeypatch.setattr(kept, "changes", heard)
    fresh = kept.KeptBlocks()
    monkeypatch.setattr(guard, "kept", fresh)
    listener = changes.Listener(heard)
    listener.start()
    eventually(lambda: heard.is_live)
    yield heard
    listener.stop()


def eventually(look):
    deadline = time.monotonic() + 10
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_while_changes_are_heard_free_addresses_cost_no_query(listening, django_assert_num_queries):
    assert not guard.is_known_free(HOME)
    assert guard.blocked(HOME, timezone.now()) is None
    with django_assert_num_queries(0):
        for _ in range(100):
            assert guard.is_known_free(HOME)
            assert guard.blocked(HOME, timezone.now()) is None
    runs = 20_000
    seconds = min(timeit.repeat(lambda: guard.is_known_free(HOME), number=runs, repeat=5)) / runs
    print(f"{seconds * 1e6:.2f} microseconds")
    assert seconds < 50e-6


def test_a_block_is_heard_and_its_end_too(listening):
    guard.blocked(HOME, timezone.now())
    for number in range(10):
        fail(f"user{number}")
    eventually(lambda: not guard.is_known_free(HOME))
    assert guard.blocked(HOME, timezone.now())
    assert not guard.is_known_free(HOME)
    eventually(lambda: guard.blocked("192.0.2.2", timezone.now()) is None)
    Block.objects.all().delete()
    eventually(lambda: guard.blocked(HOME, timezone.now()) is None)


def test_what_changes_while_the_list_is_read_is_not_missed(listening, monkeypatch):
    """The block commits after the reading began and is heard before it is kept."""
    real = statements.cursor
    guard.blocked(HOME, timezone.now())
    time.sleep(kept.PAUSE_SECONDS)
    changes.tell(["blocks"])
    eventually(lambda: not guard.is_known_free(HOME))
    done = []

    class Slow:
        def __init__(self):
            self.cursor = real()

        def execute(self, *arguments):
            self.cursor.execute(*arguments)
            self.rows = self.cursor.fetchall()
            if not done:
                done.append(1)
                at = listening.last_heard_at
                for number in range(10):
                    fail(f"user{number}")
                eventually(lambda: listening.last_heard_at > at)

        def fetchall(self):
            return self.rows

        def fetchone(self):
            return self.rows[0] if self.rows else None

    monkeypatch.setattr(kept.statements, "cursor", Slow)
    assert guard.blocked(HOME, timezone.now())
    assert not guard.is_known_free(HOME)


def test_without_a_lease_nothing_kept_is_believed(listening):
    guard.blocked(HOME, timezone.now())
    assert guard.is_known_free(HOME)
    listening.end()
    assert not guard.is_known_free(HOME)
    assert guard.blocked(HOME, timezone.now()) is None
