"""How much is too much, and how long a block lasts."""

from datetime import timedelta

import pytest

from idp.blocking import subjects
from idp.blocking.limits import Limits, Reason, Tally, duration, reached

MINUTE = timedelta(minutes=1)
LIMITS = Limits(
    "p",
    10 * MINUTE,
    max_names=10,
    max_repeats=5,
    max_client_failures=50,
    block=MINUTE,
    longest=60 * MINUTE,
)


@pytest.mark.parametrize(
    ("tally", "reason"),
    [
        (Tally(), None),
        (Tally(9, names=9), None),
        (Tally(10, names=10), Reason.NAMES),
        (Tally(5, names=1, repeats=4), None),
        (Tally(6, names=1, repeats=5), Reason.REPEATS),
        (Tally(49, names=1, client_failures=49), None),
        (Tally(50, names=1, client_failures=50), Reason.CLIENTS),
    ],
)
def test_a_block_comes_of_names_of_repeats_or_of_a_flood_of_clients(tally, reason):
    assert reached(LIMITS, tally) is reason


@pytest.mark.parametrize(("level", "minutes"), [(0, 1), (1, 4), (2, 16), (3, 60), (1000, 60)])
def test_each_further_block_lasts_longer_up_to_the_longest(level, minutes):
    assert duration(LIMITS, level) == minutes * MINUTE


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_an_ipv6_network_is_one_subject(address, subject):
    assert subjects.of_address(address) == subject


@pytest.mark.parametrize("other", ["JANE", " jane ", "\uff2aane", "jané", "j\u0301ane"])
def test_spellings_that_a_login_service_may_take_for_one_are_one_name(other):
    assert subjects.name_key(other) == subjects.name_key("jane")


@pytest.mark.parametrize("other", ["jane2", "ja ne", "", "\ud800"])
def test_other_names_are_others(other):
    assert subjects.name_key(other) != subjects.name_key("jane")


def test_names_of_nobody_are_not_shown():
    assert subjects.shown("hunter2!", is_known=False) == "h•••"
    assert subjects.shown("!hunter2", is_known=False) == "•••"
    assert subjects.shown("", is_known=False) == "•••"
    assert subjects.shown("jane", is_known=True) == "jane"
