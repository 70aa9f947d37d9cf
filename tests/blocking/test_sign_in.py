"""Guesses of passwords: how many reach a login service, whom they block, and what never counts."""

from datetime import timedelta

import pytest

from idp.accounts import login
from idp.accounts.login import Authenticated, sign_in
from idp.accounts.models import User
from idp.accounts.outcomes import Identity, Refused, Unavailable
from idp.audit.models import AuditEvent
from idp.blocking.models import Block, FailedAttempt
from idp.signals import user_blocked
from tests.blocking.conftest import NOON
from tests.configuration import corporate, login_service

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blocking", "partition_lists")]

HOME = "192.0.2.1"
MINUTE = timedelta(minutes=1)
RIGHT = "the right password"


class Directory:
    """A login service that knows jane and john, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False

    def check(self, service, username, password):
        self.asked += 1
        if self.is_away:
            return Unavailable("away")
        if username.lower() not in {"jane", "john"}:
            return Refused("unknown user name")
        if password != RIGHT:
            return Refused("wrong password")
        return Identity(username.lower(), username.lower())


@pytest.fixture
def directory(monkeypatch):
    made = Directory()
    monkeypatch.setitem(login.CHECKS, "local", made.check)
    return made


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def service():
    return login_service("acme-web")


def addresses(count):
    return [f"192.0.2.{number}" for number in range(1, count + 1)]


def test_no_more_guesses_than_the_limit_reach_the_login_service(directory, service):
    outcomes = [sign_in([service], "jane", "wrong", address=HOME) for _ in range(50)]
    assert directory.asked == 9
    assert outcomes[:9] == [Refused("wrong password")] * 9
    assert set(outcomes[9:]) == {Refused("blocked address")}
    assert sign_in([service], "jane", RIGHT, address=HOME) == Refused("blocked address")
    assert Block.objects.get().label == HOME


def test_a_user_is_blocked_wherever_the_guesses_come_from(directory, service, told):
    outcomes = [sign_in([service], "jane", "wrong", address=a) for a in addresses(30)]
    assert directory.asked == 10
    assert outcomes[9:] == [Refused("blocked user")] * 21
    assert sign_in([service], "Jane", RIGHT, address="198.51.100.1") == Refused("blocked user")
    assert isinstance(sign_in([service], "john", RIGHT, address="198.51.100.1"), Authenticated)
    assert told == ["User jane (acme-web) is blocked"]
    assert directory.asked == 11


def test_a_name_that_nobody_has_is_blocked_alike_and_not_shown(directory, service):
    outcomes = [sign_in([service], "nobody", "x", address=a) for a in addresses(30)]
    assert outcomes[9:] == [Refused("blocked user")] * 21
    assert Block.objects.get().label == "n••• (acme-web)"


def test_a_blocked_user_is_free_again_when_the_time_is_over(directory, service, time_machine):
    for _ in range(10):
        sign_in([service], "jane", "wrong")
    assert sign_in([service], "jane", RIGHT) == Refused("blocked user")
    time_machine.move_to(NOON + 15 * MINUTE, tick=False)
    assert isinstance(sign_in([service], "jane", RIGHT), Authenticated)


def test_an_operator_or_a_new_password_lifts_the_block_of_a_user(directory, service):
    for _ in range(10):
        sign_in([service], "jane", "wrong")
    assert login.unblock(service, "JANE", actor="password reset")
    assert not login.unblock(service, "jane", actor="password reset")
    assert isinstance(sign_in([service], "jane", RIGHT), Authenticated)
    event = AuditEvent.objects.get(tag="blocking:user:unblocked")
    assert event.actor == "password reset"


def test_whoever_is_right_leaves_no_trace_and_clears_nothing(directory, service):
    for _ in range(8):
        sign_in([service], "jane", "wrong", address=HOME)
    for _ in range(20):
        assert isinstance(sign_in([service], "john", RIGHT, address=HOME), Authenticated)
    assert FailedAttempt.objects.filter(subject=HOME).count() == 8
    sign_in([service], "jane", "wrong", address=HOME)
    assert sign_in([service], "john", RIGHT, address=HOME) == Refused("blocked address")


def test_an_outage_never_counts(directory, service):
    directory.is_away = True
    for _ in range(50):
        assert sign_in([service], "jane", "wrong", address=HOME) == Unavailable("away")
    assert FailedAttempt.objects.count() == 0
    directory.is_away = False
    assert isinstance(sign_in([service], "jane", RIGHT, address=HOME), Authenticated)


def test_while_one_service_is_away_the_passwords_of_another_cannot_be_guessed(
    directory, service, monkeypatch
):
    away = login_service("other")
    check = directory.check
    monkeypatch.setitem(
        login.CHECKS, "local", lambda s, u, p: Unavailable("away") if s == away else check(s, u, p)
    )
    for _ in range(30):
        sign_in([service, away], "jane", "wrong")
    assert directory.asked == 10
    # Whoever is known to neither may be one of those whose service is away.
    for number in range(30):
        sign_in([service, away], f"user{number}", "wrong", address="198.51.100.1")
    assert not Block.objects.filter(kind="address").exists()


def test_an_error_in_a_login_service_counts_as_nothing(service, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setitem(login.CHECKS, "local", fail)
    with pytest.raises(RuntimeError):
        sign_in([service], "jane", "wrong", address=HOME)
    assert FailedAttempt.objects.count() == 0


def test_users_of_the_same_name_at_two_services_are_two(directory):
    ours, theirs = login_service("acme-web"), login_service("globex-web", "globex")
    for _ in range(10):
        sign_in([ours], "jane", "wrong")
    assert sign_in([ours], "jane", RIGHT) == Refused("blocked user")
    assert isinstance(sign_in([theirs], "jane", RIGHT), Authenticated)
    assert isinstance(sign_in([ours, theirs], "jane", RIGHT), Authenticated)


def test_where_there_are_no_passwords_no_user_is_blocked(directory):
    for _ in range(30):
        sign_in([corporate()], "jane", "x")
    assert Block.objects.count() == 0


def test_a_blocked_user_is_signed_out_and_told_of(directory, service):
    user = sign_in([service], "jane", RIGHT).user
    heard = []
    receiver = lambda user, **_: heard.append(user)  # noqa: E731 - kept alive here
    user_blocked.connect(receiver)
    try:
        for _ in range(30):
            sign_in([service], "JANE", "wrong")
    finally:
        user_blocked.disconnect(receiver)
    assert heard == [user]
    assert User.objects.get(pk=user.pk).sessions_salt != user.sessions_salt


def test_nobody_acts_on_behalf_of_a_blocked_user(directory, service, monkeypatch):
    monkeypatch.setitem(login.FINDERS, "local", lambda _, key: Identity(key, key))
    assert isinstance(login.find(service, "jane"), User)
    for _ in range(10):
        sign_in([service], "jane", "wrong")
    assert login.find(service, "jane") == Refused("blocked user")


def test_in_shadow_mode_all_guesses_pass_and_the_user_is_there_to_see(directory, service, blocking):
    blocking.BLOCKING = "shadow"
    for _ in range(30):
        assert sign_in([service], "jane", "wrong", address=HOME) == Refused("wrong password")
    assert isinstance(sign_in([service], "jane", RIGHT, address=HOME), Authenticated)
    assert set(Block.objects.values_list("label", "effect")) == {
        (HOME, "shadow"),
        ("jane (acme-web)", "shadow"),
    }


def test_an_attempt_of_a_process_that_was_killed_is_forgotten(directory, service, time_machine):
    for number in range(9):
        FailedAttempt.objects.create(
            subject=HOME, name_key=str(number), name_shown="x", what="password", at=NOON,
            is_open=True,
        )  # fmt: skip
    time_machine.move_to(NOON + MINUTE, tick=False)
    assert isinstance(sign_in([service], "jane", RIGHT, address=HOME), Authenticated)


def test_where_too_many_attempts_are_open_one_waits_and_is_told_so(directory, service, monkeypatch):
    from idp.blocking import guard

    monkeypatch.setattr(guard, "PATIENCE_SECONDS", 0.2)
    for number in range(10):
        FailedAttempt.objects.create(
            subject=HOME, name_key=str(number), name_shown="x", what="password", at=NOON,
            is_open=True,
        )  # fmt: skip
    outcome = sign_in([service], "jane", RIGHT, address=HOME)
    assert outcome == Unavailable("too many attempts from this address at once")
    assert directory.asked == 0
    assert Block.objects.count() == 0


def test_an_application_may_have_many_users_sign_in_at_once(directory, service):
    for number in range(30):
        FailedAttempt.objects.create(
            subject=HOME, name_key=str(number), name_shown="x", what="password", at=NOON,
            is_open=True,
        )  # fmt: skip
    outcome = sign_in([service], "jane", RIGHT, address=HOME, client_id="portal")
    assert isinstance(outcome, Authenticated)


def test_a_user_is_found_by_the_name_that_was_typed_without_reading_all_users(django_user_model):
    from django.db import connection

    users = django_user_model.objects.filter(login_service_id=1, username__iexact="jane")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        assert "idp_user_by_name" in users.explain()


@pytest.mark.parametrize(
    "name", ["", "\0", "\ud800", "x" * 100_000, "at_" + "A" * 44, "'; --", "ja\u202ene", "\n"]
)
def test_whatever_is_typed_for_a_name_is_counted(directory, service, name):
    for _ in range(12):
        assert isinstance(sign_in([service], name, "wrong"), Refused)
    assert directory.asked == 10
    assert Block.objects.get().kind == "user"
