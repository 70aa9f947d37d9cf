"""What has been heard decides what may be kept: `Changes` by its own clock, and a real listener."""

import logging
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import psycopg
import pytest

from idp.database import changes
from idp.database.changes import (
    CHANNEL,
    LEASE_SECONDS,
    MEMORY_SECONDS,
    Changes,
    Listener,
)
from idp.database.connections import connect

MARK, OTHER = "client:1", "client:2"


class Clock:
    """`time`, as far as it is asked."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        self.now += seconds
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(changes, "time", made)
    return made


@pytest.fixture
def heard(clock: Clock) -> Changes:
    """Of a process whose listener hears since this moment."""
    made = Changes()
    made.begin()
    made.renew(clock.now)
    return made


# --- What may be kept ----------------------------------------------------------------------------


def test_before_a_listener_hears_everything_may_have_changed(clock):
    fresh = Changes()
    assert not fresh.is_live
    assert fresh.changed_since(clock.now, [])


def test_between_listening_and_the_first_answer_nothing_is_kept(clock):
    """Only that the server has answered shows that it is told of changes."""
    fresh = Changes()
    fresh.begin()
    assert not fresh.is_live
    assert fresh.changed_since(clock.advance(1), [MARK])


def test_what_was_read_since_the_listener_hears_is_kept(clock, heard):
    assert heard.is_live
    assert not heard.changed_since(clock.now, [MARK])


def test_what_was_read_before_the_listener_heard_is_not_kept(clock, heard):
    assert heard.changed_since(clock.now - 0.001, [])


def test_what_was_read_before_its_mark_has_changed(clock, heard):
    read_at = clock.now
    clock.advance(0.001)
    heard.hear(MARK)
    assert heard.changed_since(read_at, [OTHER, MARK])


def test_what_was_read_at_the_very_moment_of_its_mark_has_changed(clock, heard):
    heard.hear(MARK)
    assert heard.changed_since(clock.now, [MARK])


def test_what_was_read_after_its_mark_is_kept(clock, heard):
    heard.hear(MARK)
    assert not heard.changed_since(clock.advance(0.001), [MARK])


def test_marks_of_others_drop_nothing(clock, heard):
    read_at = clock.now
    clock.advance(0.001)
    heard.hear(OTHER)
    assert not heard.changed_since(read_at, [MARK])


def test_a_later_mark_does_not_hide_an_earlier_one(clock, heard):
    read_at = clock.now
    clock.advance(0.001)
    heard.hear(MARK)
    clock.advance(0.001)
    heard.hear(OTHER)
    assert heard.changed_since(read_at, [MARK])


def test_what_is_read_while_a_mark_is_passed_on_has_changed(clock, heard):
    """Whoever reads then may be given what is about to be dropped, and must not keep it."""
    read_at = []
    heard.subscribe(lambda _: read_at.append(clock.advance(0.001)))
    heard.hear(MARK)
    clock.advance(0.001)
    assert heard.changed_since(read_at[0], [MARK])


# --- The lease -----------------------------------------------------------------------------------


def test_without_a_sign_of_life_the_lease_ends(clock, heard):
    clock.advance(LEASE_SECONDS - 0.001)
    assert heard.is_live
    clock.advance(0.001)
    assert not heard.is_live
    assert heard.changed_since(clock.now, [MARK])


def test_the_lease_counts_from_when_the_server_was_asked(clock, heard):
    """An answer that took long says nothing about what was told while it was on its way."""
    asked_at = clock.now
    clock.advance(LEASE_SECONDS + 1)
    heard.renew(asked_at)
    assert not heard.is_live


def test_after_a_pause_what_was_read_before_it_is_used_again_unless_a_mark_came(clock, heard):
    """The connection was there all the time: all that was told in the pause is heard first."""
    read_at = clock.now
    clock.advance(LEASE_SECONDS + 1)
    heard.hear(OTHER)
    heard.renew(clock.now)
    assert not heard.changed_since(read_at, [MARK])
    assert heard.changed_since(read_at, [OTHER])


def test_with_its_connection_the_listener_loses_all_that_was_read(clock, heard):
    read_at = clock.now
    heard.end()
    assert not heard.is_live
    assert heard.changed_since(read_at, [])
    clock.advance(0.001)
    heard.begin()
    heard.renew(clock.now)
    assert heard.changed_since(read_at, [])
    assert not heard.changed_since(clock.now, [MARK])


# --- The memory ----------------------------------------------------------------------------------


def remember(clock: Clock, heard: Changes, seconds: float) -> None:
    clock.advance(seconds)
    heard.renew(clock.now)


def test_marks_are_forgotten_and_what_was_read_before_them_has_changed(clock, heard):
    """Else the memory would grow with every token that was ever revoked."""
    read_at = clock.now
    heard.hear(MARK)
    remember(clock, heard, MEMORY_SECONDS + 1)
    assert heard._heard_at == {}
    assert heard.changed_since(read_at, [OTHER])


def test_what_is_younger_than_half_of_the_memory_is_kept_when_marks_are_forgotten(clock, heard):
    remember(clock, heard, MEMORY_SECONDS * 3 / 4)
    read_at = clock.now
    clock.advance(0.001)
    heard.hear(MARK)
    remember(clock, heard, MEMORY_SECONDS / 4 + 1)
    assert heard.changed_since(read_at, [MARK])
    assert not heard.changed_since(read_at, [OTHER])


def test_no_answer_may_be_kept_for_longer_than_marks_are_remembered():
    """IDP_INTROSPECTION_CACHE_SECONDS at its largest; what is older counts as changed."""
    from idp.environment import Environment

    (bound,) = [
        limit.le
        for limit in Environment.model_fields["introspection_cache_seconds"].metadata
        if hasattr(limit, "le")
    ]
    assert bound <= MEMORY_SECONDS / 2


# --- Who is told ---------------------------------------------------------------------------------


def test_subscribers_are_told_of_each_mark_and_of_not_knowing(clock):
    told: list[str | None] = []
    fresh = Changes()
    fresh.subscribe(told.append)
    fresh.begin()
    fresh.hear(MARK)
    fresh.end()
    assert told == [None, MARK, None]


def test_when_subscribers_are_told_of_not_knowing_nothing_may_be_kept_any_more(clock, heard):
    """What they drop must not be put back at that moment."""
    seen = []
    heard.subscribe(lambda _: seen.append((heard.is_live, heard.changed_since(clock.now, []))))
    heard.end()
    heard.begin()
    assert seen == [(False, True), (False, True)]


# --- A real listener -----------------------------------------------------------------------------


@pytest.fixture
def listening(django_db_setup: None) -> Iterator[SimpleNamespace]:
    """A listener of this test's own: what it heard, and a connection that tells."""
    heard, told = Changes(), []
    heard.subscribe(told.append)
    listener = Listener(heard)
    with connect("a test that tells") as server:
        listener.start()
        wait_until(lambda: heard.is_live)
        yield SimpleNamespace(heard=heard, told=told, server=server)
        listener.stop()
    assert not heard.is_live


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def notify(server: psycopg.Connection, mark: str) -> None:
    server.execute("SELECT pg_notify(%s, %s)", [CHANNEL, mark])


def test_what_is_told_is_heard(listening):
    read_at = time.monotonic()
    notify(listening.server, MARK)
    wait_until(lambda: MARK in listening.told)
    assert listening.heard.changed_since(read_at, [MARK])
    assert not listening.heard.changed_since(read_at, [OTHER])


def test_what_is_rolled_back_is_heard_by_nobody(listening):
    with listening.server.transaction(force_rollback=True):
        notify(listening.server, MARK)
    notify(listening.server, OTHER)
    wait_until(lambda: OTHER in listening.told)
    assert MARK not in listening.told


def test_what_is_told_in_a_transaction_is_heard_when_it_commits(listening):
    with listening.server.transaction():
        notify(listening.server, MARK)
        time.sleep(0.05)
        assert MARK not in listening.told
    wait_until(lambda: MARK in listening.told)


def test_what_was_told_is_heard_in_its_order(listening):
    marks = [f"token:{number}" for number in range(500)]
    for mark in marks:
        notify(listening.server, mark)
    wait_until(lambda: marks[-1] in listening.told)
    assert [mark for mark in listening.told if mark] == marks


def test_the_lease_is_renewed_for_as_long_as_the_listener_hears(listening):
    first = listening.heard.lease_until
    wait_until(lambda: listening.heard.lease_until > first)


def test_a_killed_connection_ends_the_lease_at_once_and_is_made_anew(listening, caplog):
    read_at = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="idp.database.changes"):
        listening.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'idp changes' AND datname = current_database()"
        )
        wait_until(lambda: listening.told.count(None) == 3)  # Begun, ended, begun.
        wait_until(lambda: listening.heard.is_live)
        wait_until(lambda: len(caplog.messages) == 2)
    assert listening.heard.changed_since(read_at, [])
    lost, again = caplog.messages
    # AdminShutdown, or its parent where the server's last words did not arrive.
    assert lost.startswith("Changes are not heard, nothing is kept: ")
    assert again == "Changes are heard again"
