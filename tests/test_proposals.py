"""The life of a proposal: who may do what to it and when; each deed and refusal is audited."""

import time
from datetime import timedelta
from threading import Barrier, Event, Thread

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from branding.models import Brand
from clients_admin.configuration import stored
from clients_admin.models import Client, Proposal, Scope, ScopeGroup
from clients_admin.proposals import life
from clients_admin.proposals.differences import Line, differences
from clients_admin.proposals.needed import needed
from clients_admin.roles import APPROVERS, EDITORS, VIEWERS
from idp import notifications
from idp.audit.models import AuditEvent
from tests.configuration import batch, brand, client, scopes
from tests.proposals import entry_of, operator, propose

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Brand:
    """A brand whose changes need one approval."""
    made = brand()
    made.approvals_needed = 1
    made.save()
    return made


@pytest.fixture
def shop(acme):
    return batch("shop", name="Shop", brand=acme)


@pytest.fixture
def viewer():
    return operator("vera", VIEWERS)


@pytest.fixture
def editor():
    return operator("eddy", EDITORS)


@pytest.fixture
def approver():
    return operator("ada", APPROVERS)


def events(tag=None):
    """What the audit says of proposals, as `(tag, actor, details)`."""
    found = AuditEvent.objects.filter(tag__startswith="clients:proposal:").order_by("id")
    return [
        (event.tag.rpartition(":")[2], event.actor, event.details)
        for event in found
        if tag in {None, event.tag.rpartition(":")[2]}
    ]


def refused(deed, *arguments):
    """Why a deed is refused: as its caller is told and as the audit says, and nothing else."""
    before = len(events())
    with pytest.raises(life.Refused) as refusal:
        deed(*arguments)
    ((tag, actor, details),) = events()[before:]
    assert (tag, actor) == ("refused", str(arguments[1]))
    assert (details["tried"], details["reason"]) == (deed.__name__, str(refusal.value))
    return str(refusal.value)


# --- The way through --------------------------------------------------------------------------


def test_a_proposal_of_a_viewer_is_approved_and_applied_and_all_of_it_is_audited(
    shop, viewer, editor, approver, monkeypatch
):
    sent = []
    monkeypatch.setattr(notifications, "send", lambda *message: sent.append(message))
    proposal = propose(shop, viewer, name="The shop", flags={"jwt_seconds": 60})
    assert sent[0][0] == f"Proposal {proposal.pk} waits: Change client shop: name, flags"
    assert proposal.expires_at - proposal.opened_at == timedelta(days=14)
    assert entry_of(shop)["name"] == "Shop"
    life.comment(proposal, approver, "Why so short?")
    life.approve(proposal, approver)
    life.apply(proposal, editor)
    shop.refresh_from_db()
    assert (shop.name, shop.flags) == ("The shop", {"jwt_seconds": 60})
    proposal.refresh_from_db()
    assert (proposal.status, proposal.closed_by) == ("applied", editor)
    assert [(tag, actor.partition(" ")[0]) for tag, actor, _ in events()] == [
        ("opened", "vera"),
        ("commented", "ada"),
        ("approved", "ada"),
        ("applied", "eddy"),
    ]
    assert all(details["proposal"] == proposal.pk for _, _, details in events())
    changed = AuditEvent.objects.get(tag="clients:client:changed")
    assert changed.details["proposal"] == proposal.pk
    assert changed.details["changed"] == {
        "flags.jwt_seconds": [None, 60],
        "name": ["Shop", "The shop"],
    }


def test_a_new_client_and_a_deletion_can_be_proposed(shop, acme, viewer, editor, approver):
    new = {**entry_of(shop), "client_id": "kiosk", "name": "Kiosk"}
    for before, wanted in ((None, new), (entry_of(shop), None)):
        proposal = life.open_proposal("client", before, wanted, author=viewer)
        assert refused(life.apply, proposal, editor) == "It needs 1 more approval."
        life.approve(proposal, approver)
        life.apply(proposal, editor)
    kiosk = Client.objects.get()
    assert entry_of(kiosk) == new
    assert kiosk.secrets.count() == 0


def test_scopes_and_groups_go_the_same_way(shop, editor, approver):
    group = ScopeGroup.objects.create(name="orders")
    shop.scope_groups.add(group)
    scopes("orders.cancel")
    before = stored.scope_group(group)
    wanted = {**before, "members": ["orders.cancel"], "description": "Orders"}
    proposal = life.open_proposal("scope_group", before, wanted, author=editor)
    assert refused(life.apply, proposal, editor) == "It needs 1 more approval."
    life.approve(proposal, approver)
    life.apply(proposal, editor)
    assert stored.scope_group(ScopeGroup.objects.get()) == wanted


# --- Refusals ---------------------------------------------------------------------------------


def test_nobody_approves_their_own_and_nobody_twice(shop, approver):
    own = propose(shop, approver, name="Mine")
    assert "somebody else must approve it" in refused(life.approve, own, approver)
    other = operator("otto", APPROVERS)
    life.approve(own, other)
    assert refused(life.approve, own, other) == "You have approved it already."
    assert own.approvals.count() == 1


def test_an_editor_who_is_an_approver_cannot_be_both_pairs_of_eyes(shop):
    both = operator("bo", EDITORS, APPROVERS)
    proposal = propose(shop, both, name="Mine")
    refused(life.approve, proposal, both)
    assert refused(life.apply, proposal, both) == "It needs 1 more approval."
    assert entry_of(shop)["name"] == "Shop"


def test_as_many_approve_as_the_brand_asks_for(shop, acme, viewer, editor, approver):
    Brand.objects.update(approvals_needed=2)
    proposal = propose(shop, viewer, name="New")
    assert refused(life.apply, proposal, editor) == "It needs 2 more approvals."
    life.approve(proposal, approver)
    assert refused(life.apply, proposal, editor) == "It needs 1 more approval."
    life.approve(proposal, operator("otto", APPROVERS))
    life.apply(proposal, editor)


def test_viewers_and_approvers_do_not_apply_and_viewers_and_editors_do_not_approve(
    shop, viewer, editor, approver
):
    proposal = propose(shop, operator("author", VIEWERS), name="New")
    for deed, by in (
        (life.approve, viewer),
        (life.approve, editor),
        (life.apply, viewer),
        (life.apply, approver),
    ):
        assert refused(deed, proposal, by) == "You may not do this."
    assert refused(life.reject, proposal, viewer, "No.") == "You may not do this."
    assert refused(life.comment, proposal, operator("nobody"), "Hm.") == "You may not do this."


def test_the_approval_of_somebody_who_may_no_longer_approve_does_not_count(
    shop, viewer, editor, approver
):
    proposal = propose(shop, viewer, name="New")
    life.approve(proposal, approver)
    approver.groups.remove(Group.objects.get(name=APPROVERS))
    assert refused(life.apply, proposal, editor) == "It needs 1 more approval."


def test_what_has_moved_is_neither_approved_nor_applied(shop, viewer, editor, approver):
    proposal = propose(shop, viewer, name="New")
    life.approve(proposal, approver)
    Client.objects.update(description="Other", flags={"jwt_seconds": 90})
    stale = "This was changed meanwhile, so propose it anew: description, flags.jwt_seconds."
    assert refused(life.apply, proposal, editor) == stale
    assert refused(life.approve, proposal, operator("otto", APPROVERS)) == stale
    assert life.moved_since(proposal) == [
        Line("description", "", "Other"),
        Line("flags.jwt_seconds", "", "90"),
    ]
    assert entry_of(shop)["name"] == "Shop"


def test_of_two_proposals_for_a_client_the_second_is_stale(shop, viewer, editor, approver):
    first, second = propose(shop, viewer, name="A"), propose(shop, viewer, name="B")
    for proposal in (first, second):
        life.approve(proposal, approver)
    life.apply(first, editor)
    assert "propose it anew: name" in refused(life.apply, second, editor)
    assert entry_of(shop)["name"] == "A"


def test_a_proposed_client_that_somebody_else_has_made_is_refused(shop, viewer, editor, approver):
    new = {**entry_of(shop), "client_id": "kiosk"}
    proposal = life.open_proposal("client", None, new, author=viewer)
    life.approve(proposal, approver)
    batch("kiosk")
    assert "propose it anew" in refused(life.apply, proposal, editor)
    assert Client.objects.get(client_id="kiosk").brand is None


def test_what_is_no_longer_valid_is_refused_with_the_reason(shop, viewer, editor, approver):
    scopes("orders.cancel")
    proposal = propose(shop, viewer, scopes=["orders.cancel"])
    life.approve(proposal, approver)
    Scope.objects.filter(name="orders.cancel").delete()
    reason = refused(life.apply, proposal, editor)
    assert reason.startswith("It cannot be made: scopes[0]: there is no scope “orders.cancel”")
    assert "orders.cancel" not in entry_of(shop)["scopes"]


def test_an_expired_one_is_refused_and_the_job_closes_it(
    shop, viewer, editor, approver, time_machine
):
    proposal = propose(shop, viewer, name="New")
    life.approve(proposal, approver)
    time_machine.move_to(proposal.expires_at + timedelta(seconds=1))
    for deed, *rest in ((life.apply, editor), (life.approve, approver), (life.reject, editor, "x")):
        assert refused(deed, proposal, *rest) == "It has expired: propose it anew."
    assert life.expire() == 1
    assert life.expire() == 0
    proposal.refresh_from_db()
    assert (proposal.status, proposal.closed_by) == ("expired", None)
    assert [actor for _, actor, _ in events("expired")] == [None]


def test_a_closed_one_stays_closed(shop, viewer, editor, approver):
    proposal = propose(shop, viewer, name="New")
    assert refused(life.reject, proposal, approver, "  ") == "Say why, in a comment."
    life.reject(proposal, approver, "Not this week.")
    assert [comment.text for comment in proposal.comments.all()] == ["Not this week."]
    for deed, *rest in (
        (life.approve, approver),
        (life.apply, editor),
        (life.reject, editor, "No."),
        (life.withdraw, viewer),
    ):
        assert refused(deed, proposal, *rest) == "It is closed: rejected."
    life.comment(proposal, viewer, "Next week then.")


def test_only_its_author_withdraws_it_and_its_author_does_not_reject_it(shop, approver, editor):
    proposal = propose(shop, approver, name="New")
    assert "Only its author" in refused(life.withdraw, proposal, editor)
    assert "withdraw it" in refused(life.reject, proposal, approver, "No.")
    life.withdraw(proposal, approver)
    proposal.refresh_from_db()
    assert proposal.status == "withdrawn"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "Nothing would change."),
        ({"brand": "nowhere"}, "It cannot be made: brand: there is no brand “nowhere”"),
        ({"flags": {"jwt_seconds": 0}}, "It cannot be made: flags.jwt_seconds: must be between"),
        ({"description": f"Use at_{'A' * 44}."}, "It holds what looks like a token or a secret"),
        ({"grant_types": ["authorization_code"]}, "It cannot be made: redirect_uris: The auth"),
    ],
)
def test_what_could_not_be_applied_is_not_opened(shop, viewer, changes, reason):
    with pytest.raises(life.Refused, match=reason):
        propose(shop, viewer, **changes)
    assert not Proposal.objects.exists()


def test_an_author_has_a_bounded_number_of_open_ones(shop, viewer):
    first = propose(shop, viewer, name="0")
    for number in range(1, life.MAX_OPEN):
        Proposal.objects.create(
            kind="client",
            name="shop",
            title=str(number),
            author=viewer,
            wanted={},
            expires_at=timezone.now(),
        )
    with pytest.raises(life.Refused, match="You have 50 open proposals"):
        propose(shop, viewer, name="one more")
    life.withdraw(first, viewer)
    propose(shop, viewer, name="one more")


# --- How many approvals -----------------------------------------------------------------------


def test_a_client_needs_what_the_stricter_of_its_brands_asks_for(shop, acme):
    other = Brand.objects.create(slug="other", name="Other", approvals_needed=3)
    now = entry_of(shop)
    assert needed("client", now, {**now, "name": "x"}) == 1
    assert needed("client", now, {**now, "brand": None}) == 1
    assert needed("client", now, {**now, "brand": other.slug}) == 3
    assert needed("client", now, None) == 1
    assert needed("client", {**now, "brand": None}, {**now, "brand": None}) == 0


def test_a_scope_or_group_needs_what_the_strictest_brand_of_its_clients_asks_for(shop):
    free = client("free", "profile")
    inner, outer = (ScopeGroup.objects.create(name=name) for name in ("inner", "outer"))
    outer.groups.add(inner)
    inner.scopes.add(*scopes("orders.cancel"))
    free.scope_groups.add(inner)
    cancel = {"name": "orders.cancel"}
    assert needed("scope", {"name": "profile"}, {"name": "profile"}) == 0
    assert needed("scope", {"name": "orders.read"}, {"name": "orders.read"}) == 1
    assert needed("scope", cancel, cancel) == needed("scope_group", {"name": "inner"}, None) == 0
    shop.scope_groups.add(outer)
    assert needed("scope", cancel, cancel) == needed("scope_group", {"name": "inner"}, None) == 1
    assert needed("scope", None, {"name": "brand.new"}) == 0


# --- What is kept and shown -------------------------------------------------------------------


def test_what_is_named_like_a_secret_is_not_shown_in_a_difference():
    before = {"flags": {"api_secret": "one", "jwt_seconds": 60}, "active": True, "brand": None}
    after = {"flags": {"api_secret": "two"}, "active": False, "brand": None}
    assert differences(before, after) == [
        Line("active", "yes", "no"),
        Line("flags.api_secret", "(not shown)", "(not shown)"),
        Line("flags.jwt_seconds", "60", ""),
    ]


def test_a_token_that_somebody_pastes_is_not_kept(shop, viewer):
    token = f"at_{'A' * 44}"
    proposal = propose(shop, viewer, name="New")
    life.comment(proposal, viewer, f"It says {token} here.")
    assert token not in proposal.comments.get().text


# --- At once ----------------------------------------------------------------------------------


def at_once(*deeds):
    """Does all of them at the same time, each in a thread; what each was refused for, or None."""
    barrier, outcomes = Barrier(len(deeds)), [None] * len(deeds)

    def run(number, deed, *arguments):
        try:
            barrier.wait()
            deed(*arguments)
        except life.Refused as refusal:
            outcomes[number] = str(refusal)
        except Exception as problem:  # noqa: BLE001 - whatever it is, a test looks at it
            outcomes[number] = repr(problem)
        finally:
            connection.close()

    threads = [Thread(target=run, args=(number, *deed)) for number, deed in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_of_four_editors_who_apply_at_once_one_does(shop, viewer, approver):
    editors = [operator(f"editor{number}", EDITORS) for number in range(4)]
    proposal = propose(shop, viewer, name="New")
    life.approve(proposal, approver)
    outcomes = at_once(*((life.apply, proposal, editor) for editor in editors))
    assert sorted(outcomes, key=str) == ["It is closed: applied."] * 3 + [None]
    assert len(events("applied")) == 1
    assert AuditEvent.objects.filter(tag="clients:client:changed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_form_of_a_group_and_a_proposal_of_another_do_not_wait_for_each_other(shop, editor):
    first, last = (ScopeGroup.objects.create(name=name) for name in ("a", "z"))
    before = stored.scope_group(last)
    wanted = {**before, "description": "Proposed"}
    proposal = life.open_proposal("scope_group", before, wanted, author=editor)
    has_begun = Event()

    def form():
        """Holds all groups one after the other, as a form does; slowly."""
        with transaction.atomic():
            ScopeGroup.objects.select_for_update().get(pk=first.pk)
            has_begun.set()
            wait_until_somebody_waits()
            ScopeGroup.objects.select_for_update().get(pk=last.pk)

    def apply():
        has_begun.wait()
        life.apply(proposal, editor)

    assert at_once((form,), (apply,)) == [None, None]
    assert stored.scope_group(ScopeGroup.objects.get(name="z")) == wanted


def wait_until_somebody_waits():
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            # Within a transaction PostgreSQL says again what it has said before.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(f"{waiting} current_database()")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits")


@pytest.mark.django_db(transaction=True)
def test_one_person_who_approves_twice_at_once_counts_once(shop, acme, viewer, editor, approver):
    Brand.objects.update(approvals_needed=2)
    proposal = propose(shop, viewer, name="New")
    outcomes = at_once((life.approve, proposal, approver), (life.approve, proposal, approver))
    assert sorted(outcomes, key=str) == [None, "You have approved it already."]
    assert refused(life.apply, proposal, editor) == "It needs 1 more approval."


@pytest.mark.django_db(transaction=True)
def test_one_of_apply_and_reject_at_once_wins(shop, viewer, editor, approver):
    proposal = propose(shop, viewer, name="New")
    life.approve(proposal, approver)
    outcomes = at_once((life.apply, proposal, editor), (life.reject, proposal, approver, "No."))
    proposal.refresh_from_db()
    assert outcomes.count(None) == 1
    assert proposal.status == ("applied" if outcomes[0] is None else "rejected")
    assert entry_of(shop)["name"] == ("New" if outcomes[0] is None else "Shop")
