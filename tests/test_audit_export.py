"""`manage.py audit export`: every event once, in order, as a line that programs can rely on."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Event, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from idp.accounts import finding
from idp.accounts.models import User
from idp.audit import export, moments
from idp.audit.models import AUDIT_EVENTS, AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.environment import PROJECT
from tests.configuration import login_service

NOW = datetime(2031, 5, 14, 12, 30, 15, 120, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TAG, OTHER_TAG = Tag.TOKENS_FAMILY_REPLAYED, Tag.TOKENS_FAMILY_REVOKED


def exported(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    call_command("audit", "export", *arguments)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["details"]["n"] for event in events]


@pytest.fixture
def jane(db: None) -> User:
    return User.objects.create(login_service=login_service(), external_id="1", username="Jane")


# --- Lines ---------------------------------------------------------------------------------------


def test_a_line_has_all_of_an_event_under_names_that_stay(jane, capsys):
    record(
        TAG,
        at=NOW,
        client_id="shop",
        user_id=jane.pk,
        address="192.0.2.1",
        actor="vera (operators)",
        reason="é",
    )
    record(TAG, at=NOW)
    full, empty = exported(capsys)
    first, second = AuditEvent.objects.order_by("id")
    assert full == {
        "id": str(first.pk),
        "at": "2031-05-14T12:30:15.000120Z",
        "tag": "tokens:family:replayed",
        "actor": "vera (operators)",
        "client_id": "shop",
        "user": {"sub": jane.sub, "login_service": "acme-web", "username": "Jane"},
        "address": "192.0.2.1",
        "details": {"reason": "é"},
    }
    assert empty == full | {
        "id": str(second.pk),
        **dict.fromkeys(("actor", "client_id", "user", "address")),
        "details": {},
    }
    assert list(empty) == list(full)


def test_each_option_narrows_and_they_narrow_each_other(jane, capsys):
    record(TAG, client_id="shop", user_id=jane.pk, address="10.1.2.3", n=1)
    record(OTHER_TAG, client_id="shop", address="10.2.0.1", n=2)
    record(TAG, client_id="portal", address="2001:db8::7", user_id=jane.pk + 1, n=3)
    for arguments, expected in (
        ((), [1, 2, 3]),
        (("--tag", TAG), [1, 3]),
        (("--client", "shop"), [1, 2]),
        (("--user", "acme-web/jane"), [1]),
        (("--user", jane.sub), [1]),
        (("--address", "10.1.2.3"), [1]),
        (("--address", "10.1.0.0/16"), [1]),
        (("--address", "10.0.0.0/8"), [1, 2]),
        (("--address", "0.0.0.0/0"), [1, 2]),
        (("--address", "2001:db8::/32"), [3]),
        (("--tag", TAG, "--client", "shop"), [1]),
        (("--tag", OTHER_TAG, "--address", "10.1.0.0/16"), []),
    ):
        assert numbers(exported(capsys, *arguments)) == expected, arguments


def test_a_time_range_has_its_beginning_and_not_its_end(db, capsys):
    for n in range(5):
        record(TAG, at=NOW + n * MINUTE, n=n)
    begin, end = ((NOW + n * MINUTE).isoformat() for n in (1, 3))
    assert numbers(exported(capsys, "--from", begin)) == [1, 2, 3, 4]
    assert numbers(exported(capsys, "--to", end)) == [0, 1, 2]
    assert numbers(exported(capsys, "--from", begin, "--to", end)) == [1, 2]
    assert exported(capsys, "--from", "2031-07-01T00:00Z") == []
    assert exported(capsys, "--to", "1969-01-01T00:00Z") == []


def test_a_time_range_knows_that_events_are_written_late(db, capsys):
    """Those that tell of an earlier moment than others before them, over the edge of a bucket."""
    edge = AUDIT_EVENTS.ends_at(AUDIT_EVENTS.bucket_of(NOW))
    late = [0, -14, 1, -1, 0, 14, 2, -3, 30, 17, 31]
    for minutes in late:
        record(TAG, at=edge + minutes * MINUTE, n=minutes)
    for begin in range(-15, 32):
        given = (edge + begin * MINUTE).isoformat()
        assert sorted(numbers(exported(capsys, "--from", given))) == sorted(
            minutes for minutes in late if minutes >= begin
        )
        assert sorted(numbers(exported(capsys, "--to", given))) == sorted(
            minutes for minutes in late if minutes < begin
        )


def test_a_moment_is_found_by_few_rows(db, django_assert_max_num_queries):
    for n in range(200):
        record(TAG, at=NOW + n * MINUTE, n=n)
    with django_assert_max_num_queries(12):
        first = moments.first_id_since(AuditEvent.objects.all(), NOW + 100 * MINUTE, AUDIT_EVENTS)
    assert AuditEvent.objects.get(pk=first).details == {"n": 85}


def test_memory_does_not_grow_with_the_events(db, capsys, django_assert_max_num_queries):
    """A cursor of the server gives a batch at a time, and users are asked for once a batch."""
    record(TAG, user_id=1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {AUDIT_EVENTS.name} (id, at, tag, user_id)"
            f" SELECT id + n, at, tag, n FROM {AUDIT_EVENTS.name}, generate_series(1, 2500) n"
        )
    asked: list[int] = []

    def users(ids: set[int]) -> dict[int, dict[str, Any]]:
        asked.append(len(ids))
        return {}

    stream = export.lines(AuditEvent.objects.all(), users)
    next(stream)
    assert asked == [export.BATCH - 1]  # The first two are events of one user.
    assert sum(1 for _ in stream) == 2500
    assert asked == [999, 1000, 501]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--from", "yesterday"], "argument --from: 'yesterday' is no time with its zone"),
        (["--from", "2031-05-14T12:00:00"], "is no time with its zone"),
        (["--to", "2031-13-01T00:00Z"], "argument --to"),
        (["--tag", "tokens"], "'tokens' is no tag"),
        (["--address", "10.1.0.1/16"], "has host bits set"),
        (["--address", "home"], "does not appear to be"),
        (["--client", "a\0"], "no NUL"),
        (["--client", "\udcff"], "no UTF-8"),
        (["--user", "nobody"], "There is no such user: give SERVICE/NAME"),
        (["--user", "acme-web/nobody"], "There is no such user"),
        (["--follow", "--to", "2031-05-14T12:00Z"], "goes without --to"),
    ],
)
def test_what_is_wrong_is_said(db, capsys, arguments, problem):
    with pytest.raises(CommandError, match=problem):
        call_command("audit", "export", *arguments)
    assert capsys.readouterr().out == ""


# --- Followed ------------------------------------------------------------------------------------


class Follower:
    """Follows in a thread of its own, as another process would."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.rounds = 0
        self._stop = Event()
        self._thread = Thread(target=self._follow)

    def _follow(self) -> None:
        try:
            for line in export.follow(AuditEvent.objects.all(), finding.described):
                if line is None:
                    self.rounds += 1
                    if self._stop.is_set():
                        return
                else:
                    self.seen.append(json.loads(line))
        finally:
            connection.close()

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, self.seen
            time.sleep(0.02)


@pytest.fixture
def follower(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follower]:
    monkeypatch.setattr(export, "FOLLOW_SECONDS", 0.02)
    record(TAG, n=0)
    with Follower() as following:
        following.wait(lambda: len(following.seen) == 1)
        yield following


class Writer(Thread):
    """Writes an event and keeps its transaction open until told how to end it."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n, self.is_written, self.may_end, self.fails = n, Event(), Event(), False

    def run(self) -> None:
        try:
            with transaction.atomic():
                record(TAG, n=self.n)
                self.is_written.set()
                assert self.may_end.wait(30)
                transaction.set_rollback(self.fails)
        finally:
            connection.close()

    def end(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.may_end.set()
        self.join(30)


@pytest.fixture
def late() -> Iterator[Writer]:
    writer = Writer(1)
    yield writer
    writer.end()


@pytest.mark.parametrize("fails", [False, True])
def test_an_event_that_commits_late_is_waited_for(follower, late, fails):
    late.start()
    assert late.is_written.wait(30)
    record(TAG, n=2)
    time.sleep(0.5)
    assert numbers(follower.seen) == [0]
    late.end(fails=fails)
    expected = [0, 2] if fails else [0, 1, 2]
    follower.wait(lambda: numbers(follower.seen) == expected)
    rounds = follower.rounds
    follower.wait(lambda: follower.rounds > rounds + 3)
    assert numbers(follower.seen) == expected


def test_transactions_that_write_nothing_are_not_waited_for(follower, late):
    with transaction.atomic():
        assert AuditEvent.objects.count() == 1
        User.objects.exists()
        writer = Writer(1)
        writer.start()
        assert writer.is_written.wait(30)
        writer.end()
        follower.wait(lambda: numbers(follower.seen) == [0, 1])
    late.start()


def test_under_load_each_event_is_seen_once_and_in_order(follower):
    threads, each = 6, 25

    def write(thread: int) -> None:
        try:
            for n in range(each):
                with transaction.atomic():
                    record(TAG, n=1000 * (thread + 1) + n)
                    if n % 3 == 0:
                        time.sleep(0.01 * (1 + thread))
                    transaction.set_rollback(n % 5 == 4)
        finally:
            connection.close()

    writers = [Thread(target=write, args=(thread,)) for thread in range(threads)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    stored = [str(pk) for pk in AuditEvent.objects.order_by("id").values_list("id", flat=True)]
    assert len(stored) == 1 + threads * each * 4 // 5
    follower.wait(lambda: len(follower.seen) >= len(stored))
    assert [event["id"] for event in follower.seen] == stored


def test_an_event_of_the_bucket_before_is_seen_after_one_of_this(follower, monkeypatch):
    edge = AUDIT_EVENTS.ends_at(AUDIT_EVENTS.bucket_of(timezone.now()))
    monkeypatch.setattr(export.timezone, "now", lambda: edge + MINUTE)
    rounds = follower.rounds
    follower.wait(lambda: follower.rounds > rounds + 2)
    for n, at in enumerate((edge + MINUTE, edge - MINUTE, edge + 2 * MINUTE), 1):
        record(TAG, at=at, n=n)
        follower.wait(lambda n=n: numbers(follower.seen) == list(range(n + 1)))


# --- The command itself --------------------------------------------------------------------------


@pytest.fixture
def command(live_idp: Any) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "audit", "export", *arguments],
            cwd=PROJECT,
            env=live_idp.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def record_there(live_idp: Any) -> None:
    write = "from idp.audit.record import record, Tag; record(Tag.TOKENS_CODE_REPLAYED)"
    live_idp.manage("shell", "--no-imports", "-c", write)


def test_whoever_follows_may_stop_in_the_middle_of_a_statement(monkeypatch):
    def interrupted(*_: object) -> Iterator[str]:
        yield "first\n"
        signal.raise_signal(signal.SIGINT)
        yield "second\n"
        raise AssertionError("asked for more")

    monkeypatch.setattr(export, "follow", interrupted)
    before, output = signal.getsignal(signal.SIGINT), StringIO()
    call_command("audit", "export", "--follow", stdout=output)
    assert output.getvalue() == "first\nsecond\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_does_not_wait(monkeypatch):
    def hanging(*_: object) -> Iterator[str]:
        yield "first\n"
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("went on")

    monkeypatch.setattr(export, "follow", hanging)
    with pytest.raises(KeyboardInterrupt):
        call_command("audit", "export", "--follow", stdout=StringIO())


def test_whoever_reads_may_go_and_whoever_follows_may_stop(command, live_idp):
    following = command("--follow", "--from", "2026-01-01T00:00:00Z")
    assert following.stdout.readline().startswith('{"id": "')  # The first signing keys.
    record_there(live_idp)
    deadline = time.monotonic() + 30
    while "tokens:code:replayed" not in following.stdout.readline():
        assert time.monotonic() < deadline
    following.send_signal(signal.SIGINT)
    assert (following.wait(10), following.stderr.read()) == (0, "")

    leaving = command("--follow")
    leaving.stdout.readline()
    leaving.stdout.close()
    record_there(live_idp)
    assert (leaving.wait(10), leaving.stderr.read()) == (0, "")
