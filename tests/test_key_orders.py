"""Signing keys in the admin: the line of time, and the orders of editors."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from clients_admin.roles import APPROVERS, EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from tests.test_admin import operator
from tokens.admin import key_timeline
from tokens.admin.key_orders import ORDERS
from tokens.keys import ring, rotation, timeline
from tokens.keys.models import SigningKey
from tokens.keys.periods import PUBLISH_AHEAD, RETIRE_AFTER, SIGNS_FOR

pytestmark = pytest.mark.django_db

LIST = "/admin/tokens/signingkey/"
MONTH = timedelta(days=30)
State = SigningKey.State


@pytest.fixture(autouse=True)
def keys():
    """Of each algorithm one that signs and one that is next, both known for a month."""
    SigningKey.objects.all().delete()
    ring.forget()
    rotation.rotate_due(timezone.now() - MONTH)
    yield
    ring.forget()


@pytest.fixture
def editor():
    return operator("eddy", EDITORS)


def key(state: str) -> SigningKey:
    return SigningKey.objects.get(algorithm="ES256", state=state)


def address(slug: str, target: SigningKey) -> str:
    return reverse(f"admin:tokens_signingkey_{slug}", args=[target.pk])


def order(browser, slug: str, target: SigningKey, **form: str):
    return browser.post(address(slug, target), {"reason": "a drill", **form}, follow=True)


def text(answer) -> str:
    return str(answer.content.decode())


def test_an_editor_lets_the_next_key_sign_and_goes_back(editor):
    active, coming = key("active"), key("next")
    page = text(editor.get(LIST))
    assert address("rotate", coming) in page
    answer = order(editor, "rotate", coming)
    assert answer.redirect_chain == [(LIST, 302)]
    assert f"{coming.kid}: signs" in text(answer)
    assert key("active") == coming
    assert key("retiring") == active
    assert address("rollback", active) in text(answer)

    order(editor, "rollback", active)
    assert key("active") == active
    assert key("retiring") == coming
    events = AuditEvent.objects.filter(tag__startswith="keys:", actor="eddy (operators)")
    said = [(event.tag.split(":")[2], event.details["kid"]) for event in events.order_by("id")]
    assert ("activated", coming.kid) in said
    assert ("rolled_back", active.kid) in said
    assert {event.details["reason"] for event in events} == {"a drill"}


def test_a_try_says_what_would_be_done_and_changes_nothing(editor):
    before = list(SigningKey.objects.values())
    coming = key("next")
    answer = order(editor, "rotate", coming, _try="1")
    assert "nothing is changed" in text(answer)
    assert f"{coming.kid}: signs" in text(answer)
    assert list(SigningKey.objects.values()) == before
    assert not AuditEvent.objects.filter(actor="eddy (operators)", tag__startswith="keys:").exists()


def test_a_key_that_not_all_who_verify_have_is_refused_unless_it_is_forced(editor):
    order(editor, "rotate", key("next"))
    SigningKey.objects.filter(state="next").update(created_at=timezone.now() - timedelta(hours=1))
    fresh = key("next")
    answer = order(editor, "rotate", fresh)
    assert "Refused, and nothing is changed" in text(answer)
    assert "that all who verify have it is sure from" in text(answer)
    assert "--force" not in text(answer)
    assert key("next") == fresh
    order(editor, "rotate", fresh, force="on")
    assert key("active") == fresh


def test_without_a_reason_nothing_is_done_and_the_field_says_so(editor):
    coming = key("next")
    answer = order(editor, "rotate", coming, reason=" ")
    assert "This field is required." in text(answer)
    assert key("next") == coming


def test_a_key_is_not_taken_from_those_who_still_verify_by_it(editor):
    active = key("active")
    order(editor, "rotate", key("next"))
    answer = order(editor, "retire", active)
    assert "is needed until" in text(answer)
    SigningKey.objects.filter(pk=active.pk).update(retiring_at=timezone.now() - RETIRE_AFTER)
    order(editor, "retire", active)
    active.refresh_from_db()
    assert active.state == State.RETIRED


def test_a_compromised_key_leaves_in_the_same_moment(editor):
    active, coming = key("active"), key("next")
    order(editor, "remove", active)
    active.refresh_from_db()
    assert (active.state, bytes(active.private_encrypted)) == (State.RETIRED, b"")
    assert key("active") == coming


def test_going_back_to_a_key_that_has_left_the_jwks_takes_two_steps(editor):
    active = key("active")
    order(editor, "rotate", key("next"))
    now = timezone.now()
    SigningKey.objects.filter(pk=active.pk).update(
        state="retired", retiring_at=now - RETIRE_AFTER, retired_at=now - timedelta(days=1)
    )
    answer = order(editor, "rollback", active)
    assert "That was the first step" in text(answer)
    active.refresh_from_db()
    assert active.state == State.RETIRING
    assert active.published_again_at


@pytest.mark.parametrize("given", ORDERS, ids=lambda order: order.slug)
@pytest.mark.parametrize("role", [VIEWERS, APPROVERS])
def test_who_only_looks_orders_nothing_even_by_hand(role, given):
    browser = operator("vera", role)
    page = text(browser.get(LIST))
    for target in SigningKey.objects.all():
        assert address(given.slug, target) not in page
        for send in (browser.get, browser.post):
            assert send(address(given.slug, target), {"reason": "mine"}).status_code == 403


def test_what_does_not_fit_the_key_any_more_is_not_ordered(editor):
    active = key("active")
    before = list(SigningKey.objects.values())
    for slug in ("rotate", "rollback", "retire"):
        answer = order(editor, slug, active)
        assert "is not in a state for that any more" in text(answer)
    assert list(SigningKey.objects.values()) == before


# --- The line of time -----------------------------------------------------------------------------

START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def test_each_key_is_drawn_from_its_publication_to_what_beat_will_do():
    SigningKey.objects.all().delete()
    rotation.rotate_due(START)
    now = START + timedelta(days=120)
    for day in (90, 120):
        rotation.rotate_due(START + timedelta(days=day))
    (retired, active, coming) = sorted(
        (life for life in timeline.lives(list(SigningKey.objects.all()), now)
         if life.key.algorithm == "ES256"), key=lambda life: life.key.pk
    )  # fmt: skip
    day = timedelta(days=1)
    assert [(s.begins, s.ends, s.signs) for s in retired.spans] == [
        (START, START + 120 * day, False),
        (START, START + 90 * day, True),
    ]
    replaced_at = START + 90 * day + SIGNS_FOR
    assert [(s.begins, s.ends, s.signs) for s in active.spans] == [
        (START, replaced_at, False),
        (START + 90 * day, replaced_at, True),
    ]
    assert [(s.begins, s.ends, s.signs) for s in coming.spans] == [
        (START + 90 * day, replaced_at, False)
    ]


def test_the_parts_lie_on_a_line_of_a_hundred():
    SigningKey.objects.all().delete()
    assert key_timeline.context(START, may_order=True) == {"key_rows": []}
    rotation.rotate_due(START)
    seen = key_timeline.context(START + PUBLISH_AHEAD, may_order=False)
    assert len(seen["key_rows"]) == 6
    for row in seen["key_rows"]:
        assert row.offers == []
        for part in row.parts:
            assert part.x >= 0
            assert part.x + part.width <= 100.01
    assert 0 < seen["line_now"] < 100
