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


@pytest.mark.parametrize(
    ("refresh_expiry", "expected"),
    [("sliding", None), ("fixed", NOW + HOUR), ("sliding_capped", NOW + 2 * HOUR)],
)
def test_the_end_of_a_login(refresh_expiry, expected):
    rules = flags(refresh_expiry=refresh_expiry, refresh_max_seconds=2 * 3600)
    ends_at = policy.family_ends_at(rules, login_at=NOW, refresh_token_expires_at=NOW + HOUR)
    assert ends_at == expected


@pytest.mark.parametrize(
    ("seconds_ago", "successor_is_unused", "expected"),
    [(9.999, True, True), (10, True, False), (1, False, False)],
)
def test_an_answer_is_repeated_within_the_grace_time_until_the_successor_is_used(
    seconds_ago, successor_is_unused, expected
):
    rotated = policy.Rotated(NOW - timedelta(seconds=seconds_ago), successor_is_unused)
    assert policy.may_repeat(flags(refresh_grace_seconds=10), rotated, NOW) is expected


def test_without_grace_nothing_is_repeated():
    rotated = policy.Rotated(NOW, successor_is_unused=True)
    assert policy.may_repeat(flags(refresh_grace_seconds=0), rotated, NOW) is False


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
