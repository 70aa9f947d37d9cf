"""Answers that are said again: until when, to whom, and what of them lies in memory."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from idp.database import changes as changes_module
from idp.database.changes import Changes
from tokens import kept_answers
from tokens.kept_answers import Header, Keepable, KeptAnswers, Ready, key_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY, ANOTHER_KEY = key_of("one"), key_of("another")
MARK, OTHER_MARK = "client:1", "client:2"
SECONDS = 10.0
TOKEN, CLIENT_SECRET = "at_a-token-that-nobody-may-find", "a-secret-that-nobody-may-find"


class Clock:
    """Both clocks of `time`, which run alike; the listener makes itself heard all the time."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.heard: Changes | None = None

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def time(self) -> float:
        return NOON.timestamp() + self.passed

    def advance(self, seconds: float) -> None:
        self.passed += seconds
        if self.heard:
            self.heard.renew(self.monotonic())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(kept_answers, "time", made)
    monkeypatch.setattr(changes_module, "time", made)
    return made


@pytest.fixture
def heard(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Changes:
    made = clock.heard = Changes()
    monkeypatch.setattr(kept_answers, "changes", made)
    made.begin()
    made.renew(clock.monotonic())
    return made


@pytest.fixture
def kept(heard: Changes) -> KeptAnswers:
    return KeptAnswers(SECONDS)


def ready(body: bytes = b'{"active": true}', **headers: str) -> Ready:
    sent = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return 200, [*sent, *headers.items()], [body]


def keepable(
    *, marks: tuple[str, ...] = (MARK,), lives_for: float = 3600, expires_in: int | None = None
) -> Keepable:
    return Keepable(marks, NOON + timedelta(seconds=lives_for), expires_in)


def keep(kept: KeptAnswers, clock: Clock, *, key: bytes = KEY, **values: Any) -> None:
    kept.keep(key, ready(), keepable(**values), clock.monotonic())


# --- For how long --------------------------------------------------------------------------------


def test_a_kept_answer_is_said_again_as_it_was(kept, clock):
    answer = ready(Vary="Accept")
    kept.keep(KEY, answer, keepable(), clock.monotonic())
    assert kept.get(KEY) == answer


def test_nobody_gets_the_answer_to_another_question(kept, clock):
    keep(kept, clock)
    assert kept.get(ANOTHER_KEY) is None


def test_an_answer_is_kept_for_so_many_seconds_since_its_reading_began(kept, clock):
    read_at = clock.monotonic()
    clock.advance(1)
    kept.keep(KEY, ready(), keepable(), read_at)
    clock.advance(SECONDS - 1.001)
    assert kept.get(KEY)
    clock.advance(0.001)
    assert kept.get(KEY) is None


def test_an_answer_is_not_kept_for_longer_than_it_is_true(kept, clock):
    """A token's end, a secret's, or half of what is left of a JWT; the earliest is told."""
    keep(kept, clock, lives_for=3)
    clock.advance(2.999)
    assert kept.get(KEY)
    clock.advance(0.001)
    assert kept.get(KEY) is None


def test_what_has_ended_while_it_was_read_is_not_said_again(kept, clock):
    keep(kept, clock, lives_for=-0.001)
    assert kept.get(KEY) is None


def test_what_is_over_leaves_the_memory_when_it_is_asked_for(kept, clock):
    keep(kept, clock)
    clock.advance(SECONDS)
    kept.get(KEY)
    assert kept._kept == {}


# --- What drops it -------------------------------------------------------------------------------


def test_its_mark_drops_an_answer(kept, clock, heard):
    keep(kept, clock, marks=("clients", MARK))
    clock.advance(0.001)
    heard.hear(MARK)
    assert kept.get(KEY) is None


def test_marks_of_others_leave_an_answer(kept, clock, heard):
    keep(kept, clock)
    clock.advance(0.001)
    heard.hear(OTHER_MARK)
    assert kept.get(KEY)


def test_what_changes_while_it_is_read_is_not_kept(kept, clock, heard):
    read_at = clock.monotonic()
    clock.advance(0.001)
    heard.hear(MARK)
    clock.advance(0.001)
    kept.keep(KEY, ready(), keepable(), read_at)
    assert kept._kept == {}


def test_what_changes_between_the_last_look_and_the_keeping_is_not_said_again(kept, clock, heard):
    """The mark may come when it has been looked for and the answer is not in the table yet."""
    keep(kept, clock)
    (answer,) = kept._kept.values()
    kept._kept.clear()
    clock.advance(0.001)
    heard.hear(MARK)
    kept._kept[KEY] = answer
    assert kept.get(KEY) is None


def test_what_is_answered_while_a_mark_is_passed_on_is_not_said_again(kept, clock, heard):
    """It may be made of what the process still knew of the client then."""

    def answer_meanwhile(_: str | None) -> None:
        clock.passed += 0.001
        keep(kept, clock)

    heard.subscribe(answer_meanwhile)
    heard.hear(MARK)
    clock.advance(0.001)
    assert kept.get(KEY) is None


def test_where_changes_are_not_heard_nothing_is_kept(kept, clock, heard):
    heard.end()
    keep(kept, clock)
    assert kept._kept == {}


def test_where_changes_are_not_heard_nothing_kept_is_said(kept, clock, heard):
    keep(kept, clock)
    heard.end()
    assert kept.get(KEY) is None


def test_what_was_kept_before_changes_were_lost_is_not_said_afterwards(kept, clock, heard):
    keep(kept, clock)
    clock.advance(0.001)
    heard.end()
    heard.begin()
    heard.renew(clock.monotonic())
    assert kept.get(KEY) is None


# --- The seconds that it says --------------------------------------------------------------------


def exchanged(expires_in: int) -> bytes:
    """As the token endpoint says it; texts may hold what looks like the member."""
    return json.dumps(
        {"access_token": "a.b.c", "note": 'x"expires_in": 7', "expires_in": expires_in, "scope": ""}
    ).encode()


def said(answer: Ready | None) -> tuple[int, dict[str, str], dict[str, Any]]:
    assert answer is not None
    status, headers, body = answer
    assert dict(headers)["Content-Length"] == str(len(b"".join(body)))
    return status, dict(headers), json.loads(b"".join(body))


def keep_exchanged(kept: KeptAnswers, clock: Clock, expires_in: int) -> None:
    answer = ready(exchanged(expires_in))
    kept.keep(KEY, answer, keepable(expires_in=expires_in), clock.monotonic())


def test_seconds_are_written_anew_each_time(kept, clock):
    keep_exchanged(kept, clock, 300)
    for passed in (2, 4):
        clock.advance(2)
        _, _, body = said(kept.get(KEY))
        assert body == json.loads(exchanged(300 - passed))


def test_a_digit_less_makes_the_content_shorter(kept, clock):
    keep_exchanged(kept, clock, 100)
    clock.advance(1)
    status, headers, body = said(kept.get(KEY))
    assert (status, body["expires_in"]) == (200, 99)
    assert headers["Content-Length"] == str(len(exchanged(99))) != str(len(exchanged(100)))
    assert headers["Content-Type"] == "application/json"


def test_never_are_more_seconds_said_than_are_left(kept, clock):
    """Rounded down, as RFC 6749 section 5.1 wants "the lifetime in seconds"."""
    keep_exchanged(kept, clock, 300)
    clock.advance(0.4)
    assert said(kept.get(KEY))[2]["expires_in"] == 299


def test_what_was_kept_is_not_changed_by_saying_it(kept, clock):
    keep_exchanged(kept, clock, 100)
    clock.advance(1)
    kept.get(KEY)[1].append(("X-Of-This-Answer", "1"))
    assert said(kept.get(KEY))[1] == {
        "Content-Type": "application/json",
        "Content-Length": str(len(exchanged(99))),
    }


# --- Room ----------------------------------------------------------------------------------------


def test_there_is_room_for_so_many_and_the_oldest_goes_first(kept, clock, monkeypatch):
    monkeypatch.setattr(kept_answers, "MAX_ANSWERS", 3)
    keys = [key_of(str(number)) for number in range(5)]
    for key in keys:
        keep(kept, clock, key=key)
        clock.advance(0.001)
    assert list(kept._kept) == keys[2:]


def test_what_is_over_makes_room_though_there_is_enough(kept, clock):
    """Else an hour of traffic would lie in memory for nothing."""
    for number in range(5):
        keep(kept, clock, key=key_of(str(number)))
    clock.advance(SECONDS)
    keep(kept, clock)
    assert list(kept._kept) == [KEY]


def test_a_flood_of_answers_takes_no_more_memory_than_the_room(kept, clock):
    for number in range(kept_answers.MAX_ANSWERS + 100):
        keep(kept, clock, key=number.to_bytes(4))
    assert len(kept._kept) == kept_answers.MAX_ANSWERS


# --- Its key -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("", "a"), ("a", "")),
        (("a",), ("a", "")),
        (("1,1,ab",), ("a", "b")),
        ((b"1", "2"), ("2", b"1")),
        (("POST", b"token=x"), ("post", b"token=x")),
    ],
)
def test_a_key_tells_its_parts_apart(one, other):
    assert key_of(*one) != key_of(*other)


def test_the_same_request_has_the_same_key():
    assert key_of("a", b"b") == key_of("a", b"b")


def test_a_key_can_be_made_of_every_header_that_a_server_passes_on():
    """PEP 3333: header values are latin-1 text."""
    assert key_of("".join(map(chr, range(256))), bytes(range(256)))


def test_no_token_and_no_secret_lies_in_memory(kept, clock):
    """A core dump or a debugger must not show what opens something."""
    key = key_of("introspect", f"Basic {CLIENT_SECRET}", f"token={TOKEN}".encode())
    keep(kept, clock, key=key)
    ((known, answer),) = kept._kept.items()
    everything = repr((known, tuple(answer), vars(kept)))
    assert "active" in everything
    for hidden in (TOKEN, CLIENT_SECRET):
        assert hidden not in everything
    assert len(known) == 32


def test_headers_are_those_of_the_answer(kept, clock):
    """Pragma, Vary and the rest: all that the first one got."""
    headers: list[Header] = [("Content-Length", "2"), ("Pragma", "no-cache"), ("Vary", "Accept")]
    kept.keep(KEY, (200, headers, [b"{}"]), keepable(), clock.monotonic())
    assert kept.get(KEY) == (200, headers, [b"{}"])
