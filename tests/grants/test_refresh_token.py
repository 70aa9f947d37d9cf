"""RFC 6749 section 6 with rotation, over HTTP; the clock is frozen where it matters."""

import pytest
import time_machine
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from clients_admin.models import Client
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import Shopper, account, gateway, introspected, shop
from tokens.models import RefreshToken

pytestmark = pytest.mark.django_db

NOON = "2026-06-01T12:00:00Z"


@pytest.fixture
def shopper() -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def flag(**values: object) -> None:
    Client.objects.filter(client_id="shop").update(flags={"consent": "never", **values})


def test_a_refresh_gives_a_new_pair_and_the_old_access_token_lives_on(shopper):
    first = shopper.tokens()
    second = shopper.refresh(first["refresh_token"]).json()
    assert second == {
        "access_token": second["access_token"],
        "refresh_token": second["refresh_token"],
        "id_token": second["id_token"],
        "token_type": "Bearer",
        "expires_in": second["expires_in"],
        "scope": "email openid orders.read",
    }
    assert second["refresh_token"] != first["refresh_token"]
    assert introspected(first["access_token"])["active"] is True
    assert introspected(second["access_token"])["active"] is True


def test_within_the_grace_time_the_same_token_gets_the_identical_answer(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        first = shopper.tokens()
        answers = [shopper.refresh(first["refresh_token"]).json()]
        clock.shift(9)
        answers.append(shopper.refresh(first["refresh_token"]).json())
    for name in ("access_token", "refresh_token", "scope"):
        assert answers[0][name] == answers[1][name]
    assert RefreshToken.objects.count() == 2


def test_the_grace_time_does_not_begin_again_with_each_repetition(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        first = shopper.tokens()
        for _ in range(3):
            assert shopper.refresh(first["refresh_token"]).status_code == 200
            clock.shift(4)
        assert shopper.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_replay_after_the_grace_time_ends_the_family(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        first = shopper.tokens()
        second = shopper.refresh(first["refresh_token"]).json()
        clock.shift(10)
        replay = shopper.refresh(first["refresh_token"])
        assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
        assert introspected(second["access_token"]) == {"active": False}
        assert shopper.refresh(second["refresh_token"]).status_code == 400


def test_the_grace_time_ends_when_the_successor_is_used(shopper):
    first = shopper.tokens()
    second = shopper.refresh(first["refresh_token"]).json()
    third = shopper.refresh(second["refresh_token"]).json()
    assert shopper.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert introspected(third["access_token"]) == {"active": False}


def test_without_rotation_the_same_token_stays(shopper):
    flag(refresh_rotation="keep")
    first = shopper.tokens()
    second = shopper.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert shopper.refresh(first["refresh_token"]).status_code == 200


def test_a_fixed_login_is_out_at_its_deadline_to_the_second(shopper):
    flag(refresh_expiry="fixed", refresh_token_seconds=4 * 3600)
    with time_machine.travel(NOON, tick=False) as clock:
        tokens = shopper.tokens()
        for _ in range(4 * 12 - 1):
            clock.shift(300)
            tokens = shopper.refresh(tokens["refresh_token"]).json()
        assert tokens["expires_in"] == 300, "the access token ends with the login"
        clock.shift(299)
        assert introspected(tokens["access_token"])["active"] is True
        clock.shift(1)
        assert introspected(tokens["access_token"]) == {"active": False}
        assert shopper.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_scope_can_be_narrowed_for_one_access_token_and_never_widened(shopper):
    first = shopper.tokens()
    narrow = shopper.refresh(first["refresh_token"], scope="orders.read").json()
    assert narrow["scope"] == "orders.read"
    whole = shopper.refresh(narrow["refresh_token"]).json()
    assert whole["scope"] == "email openid orders.read"
    wide = shopper.refresh(whole["refresh_token"], scope="openid profile")
    assert (wide.status_code, wide.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("token", ["rt_made-up", "", "at_AAAA"])
def test_what_is_no_refresh_token_is_refused(shopper, token):
    answer = shopper.refresh(token)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_grant", "invalid_request"}


def test_a_refresh_token_of_another_client_is_refused_and_stays_good(shopper):
    shop("other-shop")
    first = shopper.tokens()
    answer = shopper.refresh(first["refresh_token"], client_id="other-shop")
    assert answer.json()["error"] == "invalid_grant"
    assert shopper.refresh(first["refresh_token"]).status_code == 200


def test_a_replay_is_audited_and_counted(shopper, django_capture_on_commit_callbacks):
    flag(refresh_grace_seconds=0)
    first = shopper.tokens()
    shopper.refresh(first["refresh_token"])
    counted = replays_counted()
    with django_capture_on_commit_callbacks(execute=True):
        shopper.refresh(first["refresh_token"])
    event = AuditEvent.objects.latest("id")
    user = User.objects.get()
    assert (event.tag, event.client_id, event.user_id) == (
        "tokens:family:replayed",
        "shop",
        user.pk,
    )
    assert event.details == {"rows": 4}
    assert replays_counted() == counted + 1


def replays_counted() -> float:
    """As a scrape would see it: of all processes."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    labels = {"client": "shop", "outcome": "replayed"}
    return registry.get_sample_value("idp_refreshes_total", labels) or 0.0


def test_a_login_that_is_capped_later_ends_though_its_refresh_token_lives(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        first = shopper.tokens()
        clock.shift(3600)
        flag(refresh_expiry="sliding_capped", refresh_max_seconds=3600)
        assert shopper.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
        flag(refresh_expiry="sliding_capped", refresh_max_seconds=3601)
        second = shopper.refresh(first["refresh_token"]).json()
        assert second["expires_in"] == 1


def test_a_sliding_login_goes_on_while_a_fixed_one_is_out(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        logins = {}
        for expiry in ("sliding", "fixed"):
            flag(refresh_expiry=expiry, refresh_token_seconds=4 * 3600)
            logins[expiry] = Shopper().tokens()["refresh_token"]
        for _ in range(5 * 12):
            clock.shift(300)
            for expiry, token in logins.items():
                flag(refresh_expiry=expiry, refresh_token_seconds=4 * 3600)
                logins[expiry] = shopper.refresh(token).json().get("refresh_token", "")
        assert logins["sliding"]
        assert not logins["fixed"]


def test_a_repeated_answer_whose_access_token_has_expired_holds_a_new_one(shopper):
    flag(refresh_grace_seconds=600, access_token_seconds=60)
    with time_machine.travel(NOON, tick=False) as clock:
        first = shopper.tokens()
        second = shopper.refresh(first["refresh_token"]).json()
        clock.shift(61)
        again = [shopper.refresh(first["refresh_token"]).json() for _ in range(2)]
        assert again[0]["refresh_token"] == second["refresh_token"]
        assert again[0]["expires_in"] == 60
        assert again[0]["access_token"] == again[1]["access_token"] != second["access_token"]
