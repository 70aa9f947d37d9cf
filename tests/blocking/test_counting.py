"""What counts as an attack, what does not, how long a block lasts and how it ends."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from idp.audit.models import AuditEvent
from idp.blocking import blocks, guard
from idp.blocking.models import Block, FailedAttempt, NetworkProfile
from tests.blocking.conftest import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blocking", "partition_lists")]

HOME, PROXY = "192.0.2.1", "198.51.100.1"
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def fail(address, name, at=NOON, what=guard.Failure.USER_CODE, **options):
    return guard.failed(address, what=what, name=name, now=at, **options)


def fail_often(address, names, at=NOON, **options):
    return [block for name in names if (block := fail(address, name, at, **options))]


def many(count):
    return [f"user{number}" for number in range(count)]


def is_blocked(address, at=NOON):
    return guard.blocked(address, at) is not None


@pytest.fixture
def corporate():
    return NetworkProfile.objects.update_or_create(
        name="corporate-proxy",
        defaults={"networks": ["198.51.100.0/24"], "max_names": 100, "max_repeats": 10},
    )[0]


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(NOON, tick=False)


# --- What is an attack ----------------------------------------------------------------------------


def test_many_passwords_for_one_name_block_the_address(told):
    made = fail_often(HOME, ["jane"] * 20)
    assert [block.reason for block in made] == ["the same names failed many times (user code)"]
    assert (made[0].attempts, made[0].name_count, made[0].names) == (9, 1, ["j•••"])
    assert made[0].until == NOON + 15 * MINUTE
    assert is_blocked(HOME)
    assert told == [f"Address {HOME} is blocked"]


def test_one_password_for_many_names_blocks_the_address():
    made = fail_often(HOME, many(20))
    assert [(block.attempts, block.name_count) for block in made] == [(10, 10)]
    assert made[0].reason.startswith("many names failed")


def test_a_service_with_a_wrong_secret_does_not_cut_off_its_gateway():
    options = {"what": guard.Failure.CLIENT_SECRET}
    assert fail_often(HOME, ["portal"] * 99, **options) == []
    assert fail(HOME, "jane") is None
    (block,) = fail_often(HOME, ["portal"] * 20, **options)
    assert block.reason.startswith("clients failed very many times")
    assert block.attempts == 101


def test_a_shared_proxy_whose_users_mistype_is_no_attack(corporate, told):
    """500 users, of whom 3 % mistype."""
    assert fail_often(PROXY, many(15)) == []
    assert not is_blocked(PROXY)
    assert told == []


def test_the_same_number_of_failures_for_three_names_is_one(corporate):
    (block,) = fail_often(PROXY, ["one", "two", "three"] * 5)
    assert (block.profile, block.attempts, block.name_count) == ("corporate-proxy", 13, 3)
    assert is_blocked(PROXY)


def test_a_name_in_other_letters_is_no_other_name(corporate):
    assert fail_often(PROXY, ["jane", "JANE", " jane ", "Jané"] * 3)


def test_what_failed_before_the_window_does_not_count():
    fail_often(HOME, many(9))
    assert fail(HOME, "another", NOON + 10 * MINUTE) is None
    assert fail_often(HOME, [f"late{n}" for n in range(8)], NOON + 10 * MINUTE) == []
    assert fail(HOME, "tenth", NOON + 10 * MINUTE)


def test_addresses_of_one_ipv6_network_are_one_and_others_are_others():
    for number in range(10):
        fail(f"2001:db8:0:1::{number}", f"user{number}")
    assert is_blocked("2001:db8:0:1:ffff::1")
    assert not is_blocked("2001:db8:0:2::1")
    assert Block.objects.get().label == "2001:db8:0:1::/64"


def test_what_has_no_address_is_not_counted():
    assert fail_often("", many(50)) == fail_often("garbage", many(50)) == []
    assert not FailedAttempt.objects.exists()
    assert not is_blocked("")


# --- Profiles -------------------------------------------------------------------------------------


def test_the_smallest_network_that_names_an_address_counts(corporate):
    NetworkProfile.objects.create(
        name="strict", networks=["198.51.100.1/32", "2001:db8::/32"], max_names=2
    )
    assert fail_often(PROXY, many(3))[0].profile == "strict"
    assert fail_often("2001:db8::1", many(3))[0].profile == "strict"
    assert fail_often("198.51.100.2", many(3)) == []


def test_without_any_row_there_are_limits():
    NetworkProfile.objects.all().delete()
    assert len(fail_often(HOME, many(10))) == 1


def test_a_fresh_database_has_profiles_that_wait_for_their_networks():
    assert list(NetworkProfile.objects.values_list("name", "networks")) == [
        ("corporate-proxy", []),
        ("default", []),
        ("mobile-carrier", []),
    ]


# --- How long, and how it ends --------------------------------------------------------------------


def test_a_block_ends_by_its_time(time_machine):
    fail_often(HOME, many(10))
    time_machine.move_to(NOON + 15 * MINUTE - SECOND, tick=False)
    assert is_blocked(HOME, NOON + 15 * MINUTE - SECOND)
    time_machine.move_to(NOON + 15 * MINUTE, tick=False)
    assert not is_blocked(HOME, NOON + 15 * MINUTE)


def test_each_further_block_lasts_longer_until_there_was_a_quiet_day(time_machine):
    at, lasted = NOON, []
    for _ in range(6):
        (block,) = fail_often(HOME, many(10), at)
        lasted.append((block.until - at) // MINUTE)
        at = block.until + SECOND
    assert lasted == [15, 60, 240, 960, 1440, 1440]
    (block,) = fail_often(HOME, many(10), at + DAY)
    assert block.until - block.created_at == 15 * MINUTE


def test_a_lifted_block_was_a_mistake_and_makes_the_next_no_longer():
    (block,) = fail_often(HOME, many(10))
    assert blocks.lift(block, actor="vera", now=NOON)
    assert not blocks.lift(block, actor="vera", now=NOON)
    assert not is_blocked(HOME)
    assert fail_often(HOME, many(9)) == []
    assert fail(HOME, "tenth").until == NOON + 15 * MINUTE


def test_while_a_block_lives_nothing_more_is_counted():
    fail_often(HOME, many(50))
    assert FailedAttempt.objects.count() == 0
    assert Block.objects.count() == 1


def test_the_database_holds_no_second_block_and_no_end_without_somebody():
    (block,) = fail_often(HOME, many(10))
    again = {"pk": None, "_state": Block()._state}
    for wrong in (again, {"ended_at": NOON}, {"ended_by": "x"}, {"until": NOON}):
        copy = Block.objects.get(pk=block.pk)
        for name, value in wrong.items():
            setattr(copy, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            copy.save()


# --- Modes ----------------------------------------------------------------------------------------


def test_in_shadow_mode_nobody_is_refused_and_the_block_is_there_to_see(blocking, told):
    blocking.BLOCKING = "shadow"
    (block,) = fail_often(HOME, many(30))
    assert block.effect == Block.Effect.SHADOW
    assert not is_blocked(HOME)
    assert told == [f"Address {HOME} would be blocked (shadow mode)"]
    assert AuditEvent.objects.get().tag == "blocking:address:shadowed"
    blocking.BLOCKING = "on"
    assert not is_blocked(HOME)
    assert fail_often(HOME, many(30))[0].effect == Block.Effect.REFUSE


def test_off_means_off(blocking):
    blocking.BLOCKING = "off"
    assert fail_often(HOME, many(30)) == []
    assert FailedAttempt.objects.count() == 0


def test_in_shadow_or_off_a_living_block_refuses_nobody(blocking):
    fail_often(HOME, many(10))
    for value in ("shadow", "off"):
        blocking.BLOCKING = value
        assert not is_blocked(HOME)
        assert guard.is_known_free(HOME)


# --- Applications that do not forward -------------------------------------------------------------


def test_many_users_through_one_client_warn_and_do_not_block(told):
    (block,) = fail_often(HOME, many(30), client_id="portal")
    assert (block.effect, block.client_id) == (Block.Effect.WARNING, "portal")
    assert not is_blocked(HOME)
    assert told == [f"An application at {HOME} does not forward the addresses of users"]
    event = AuditEvent.objects.get()
    assert (event.tag, event.client_id) == ("blocking:address:not_forwarded", "portal")


def test_after_a_warning_others_at_that_address_are_counted_all_the_same():
    fail_often(HOME, many(10), client_id="portal")
    (block,) = fail_often(HOME, many(10))
    assert block.effect == Block.Effect.REFUSE


def test_a_few_names_through_one_client_are_an_attack():
    assert fail_often(HOME, ["one", "two", "three"] * 5, client_id="portal")[0].effect == "refuse"


def test_several_clients_at_one_address_are_no_application():
    first = fail_often(HOME, many(5), client_id="portal")
    second = fail_often(HOME, [f"other{n}" for n in range(5)], client_id="shop")
    assert first == []
    assert [block.effect for block in second] == ["refuse"]


# --- What is written down -------------------------------------------------------------------------


def test_a_block_and_its_end_are_audited():
    (block,) = fail_often(HOME, ["portal"] * 9, is_known=True)
    blocks.lift(block, actor="vera", now=NOON)
    made, lifted = AuditEvent.objects.order_by("id")
    assert (made.tag, made.address, made.details) == (
        "blocking:address:blocked",
        HOME,
        {
            "subject": HOME,
            "reason": "the same names failed many times (user code)",
            "profile": "default",
            "attempts": 9,
            "names": ["portal"],
            "name_count": 1,
            "until": "2026-11-05T12:15:00+00:00",
        },
    )
    assert (lifted.tag, lifted.actor, lifted.details) == (
        "blocking:address:unblocked",
        "vera",
        {"subject": HOME},
    )


def test_a_password_in_the_field_of_the_name_is_kept_nowhere():
    fail_often(HOME, ["hunter2-is-my-password"] * 8)
    row = str(list(FailedAttempt.objects.values()))
    fail(HOME, "hunter2-is-my-password")
    written = row + str(list(Block.objects.values())) + str(list(AuditEvent.objects.values()))
    assert "unter2" not in written
    assert "h•••" in written
