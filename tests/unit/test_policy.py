"""Lifetimes: pure functions of flags and the clock."""

from datetime import UTC, datetime, timedelta

import pytest

from clients_admin.flags import BY_NAME, FLAGS, ClientFlags, problems
from tokens import policy

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def flags(**values: object) -> ClientFlags:
    assert problems(values) == {}
    return ClientFlags.of(values)


def test_defaults_come_from_the_registry():
    assert flags() == ClientFlags(**{flag.name: flag.default for flag in FLAGS})


def test_an_access_token_ends_with_its_login_at_the_latest():
    two_hours = flags(access_token_seconds=7200)
    assert policy.access_token_expires_at(two_hours, NOW) == NOW + 2 * HOUR
    assert policy.access_token_expires_at(two_hours, NOW, family_ends_at=NOW + HOUR) == NOW + HOUR


@pytest.mark.parametrize(
    ("refresh_expiry", "expected"),
    [
        ("sliding", NOW + 4 * HOUR),
        ("fixed", NOW + HOUR),
        ("sliding_capped", NOW + 3 * HOUR),
    ],
)
def test_a_successor_three_hours_after_the_login(refresh_expiry, expected):
    rules = flags(
        refresh_expiry=refresh_expiry, refresh_token_seconds=4 * 3600, refresh_max_seconds=6 * 3600
    )
    expires_at = policy.refresh_token_expires_at(
        rules, NOW, login_at=NOW - 3 * HOUR, predecessor_expires_at=NOW + HOUR
    )
    assert expires_at == expected


def test_a_first_refresh_token_has_the_whole_lifetime_and_starts_a_fixed_one():
    rules = flags(refresh_expiry="fixed", refresh_token_seconds=4 * 3600)
    assert policy.refresh_token_expires_at(rules, NOW, login_at=NOW) == NOW + 4 * HOUR


def test_the_first_access_token_ends_with_a_login_that_has_a_fixed_end():
    rules = flags(access_token_seconds=7200, refresh_token_seconds=3600, refresh_expiry="fixed")
    ends_at = NOW + HOUR
    first = policy.first_expiries(rules, NOW, has_refresh_token=True)
    assert first == policy.FirstExpiries(ends_at, ends_at, ends_at)


def test_without_refresh_tokens_nothing_ends_a_login_but_its_access_token():
    rules = flags(access_token_seconds=7200, refresh_token_seconds=3600, refresh_expiry="fixed")
    first = policy.first_expiries(rules, NOW, has_refresh_token=False)
    assert first == policy.FirstExpiries(NOW + 2 * HOUR, None, None)


@pytest.mark.parametrize(
    ("refresh_expiry", "expected"),
    [("sliding", None), ("fixed", NOW + HOUR), ("sliding_capped", NOW + 2 * HOUR)],
)
def test_the_end_of_a_login(refresh_expiry, expected):
    rules = flags(refresh_expiry=refresh_expiry, refresh_max_seconds=2 * 3600)
    ends_at = policy.family_ends_at(rules, login_at=NOW, refresh_token_expires_at=NOW + HOUR)
    assert ends_at == expected


@pytest.mark.parametrize(("seconds_ago", "expected"), [(0, True), (9.999, True), (10, False)])
def test_an_answer_is_repeated_within_the_grace_time(seconds_ago, expected):
    rotated_at = NOW - timedelta(seconds=seconds_ago)
    assert policy.may_repeat(flags(refresh_grace_seconds=10), rotated_at, NOW) is expected


def test_without_grace_nothing_is_repeated():
    assert policy.may_repeat(flags(refresh_grace_seconds=0), NOW, NOW) is False


@pytest.mark.parametrize(
    ("refresh_expiry", "hours_ago", "expected"),
    [("sliding", 9, False), ("fixed", 9, False), ("sliding_capped", 1.99, False),
     ("sliding_capped", 2, True)],
)  # fmt: skip
def test_a_capped_login_has_ended_whatever_its_refresh_token_says(
    refresh_expiry, hours_ago, expected
):
    rules = flags(refresh_expiry=refresh_expiry, refresh_max_seconds=2 * 3600)
    assert policy.login_has_ended(rules, NOW - hours_ago * HOUR, NOW) is expected


@pytest.mark.parametrize(
    ("access_token_reuse", "seconds_ago", "seconds_left", "expected"),
    [
        ("never", 1, 3599, False),
        ("always", 3540, 60, True),
        ("always", 3541, 59, False),
        ("recent", 4.999, 3595, True),
        ("recent", 5, 3595, False),
        ("recent", 1, 59, False),
    ],
)
def test_a_token_is_said_again_while_the_flags_allow_it_and_never_when_almost_dead(
    access_token_reuse, seconds_ago, seconds_left, expected
):
    rules = flags(access_token_reuse=access_token_reuse, access_token_seconds=3600)
    reusable = policy.reusable(rules, NOW, expires_at=NOW + HOUR)
    issued_at = NOW - timedelta(seconds=seconds_ago)
    expires_at = NOW + timedelta(seconds=seconds_left)
    assert bool(reusable and reusable.covers(issued_at, expires_at)) is expected


def test_no_token_is_said_again_to_a_login_that_ends_before_it():
    rules = flags(access_token_reuse="always")
    end = NOW + HOUR
    reusable = policy.reusable(rules, NOW, expires_at=end, family_ends_at=end)
    assert reusable
    assert reusable.covers(NOW, end)
    assert not reusable.covers(NOW, end + timedelta(seconds=1))


def test_a_token_that_was_made_while_we_waited_for_our_turn_is_said_again():
    rules = flags(access_token_reuse="always")
    reusable = policy.reusable(rules, NOW, expires_at=NOW + HOUR)
    assert reusable
    assert reusable.covers(NOW, NOW + HOUR + policy.TURNS_TAKE)
    assert not reusable.covers(NOW, NOW + HOUR + policy.TURNS_TAKE + timedelta(seconds=1))


def test_where_new_tokens_are_shorter_than_what_must_remain_none_is_said_again():
    rules = flags(access_token_reuse="always", reuse_min_remaining_seconds=60)
    assert policy.reusable(rules, NOW, expires_at=NOW + timedelta(seconds=59)) is None


def test_a_gateway_jwt_ends_no_later_than_its_token():
    rules = flags(jwt_seconds=300)
    assert policy.jwt_expires_at(rules, NOW, NOW + HOUR) == NOW + timedelta(seconds=300)
    assert policy.jwt_expires_at(rules, NOW, NOW + timedelta(seconds=5)) == NOW + timedelta(
        seconds=5
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"access_token_seconds": "7200"}, "must be a whole number of seconds"),
        ({"access_token_seconds": True}, "must be a whole number of seconds"),
        ({"access_token_seconds": 0}, "must be between 1 and 2592000 seconds"),
        ({"max_access_tokens": 1.5}, "must be a whole number"),
        ({"max_refresh_tokens": 10_001}, "must be between 0 and 10000"),
        ({"refresh_rotation": "often"}, "must be one of rotate, keep"),
        ({"jwt_audience": ""}, "must have 1 to 200 characters"),
        ({"team": 7}, "is no known flag, so it must be text"),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_wrong(value, problem):
    assert problems(value) == {next(iter(value)): problem}


def test_an_unknown_flag_is_kept_as_text():
    assert problems({"team": "checkout"}) == {}
    assert "team" not in BY_NAME
