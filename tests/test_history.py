"""What has happened to a row, read by all operators; and one change of it, set back by editors."""

import json
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection
from django.test.utils import CaptureQueriesContext
from jwt.algorithms import ECAlgorithm

from branding.models import Brand
from clients_admin import secrets
from clients_admin.models import Client, ClientLoginService, Scope, ScopeGroup
from clients_admin.roles import EDITORS, VIEWERS
from clients_admin.undo import CannotUndo, undo
from idp.accounts.models import LoginService
from idp.audit import changes
from idp.audit import record as recording
from idp.audit.models import AUDIT_EVENTS, AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from tests.operators import OperatorBrowser
from tests.test_admin import operator, page

pytestmark = pytest.mark.django_db

HOME = "198.51.100.7"
KEY = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


@pytest.fixture
def editor() -> OperatorBrowser:
    browser = operator("eddy", EDITORS)
    browser.defaults["REMOTE_ADDR"] = HOME
    return browser


@pytest.fixture
def viewer() -> OperatorBrowser:
    return operator("vera", VIEWERS)


@pytest.fixture
def scope() -> Scope:
    return Scope.objects.create(name="orders.read", description="See your orders")


@pytest.fixture
def client() -> Client:
    return Client.objects.create(
        client_id="shop", name="Shop", client_type="confidential", grant_types=["refresh_token"]
    )


def changed(row: Any, **values: Any) -> AuditEvent:
    """The event of a change to a row; lists are those of rows that it names."""
    before = changes.state_of(row)
    for name, value in values.items():
        if row._meta.get_field(name).many_to_many:
            getattr(row, name).set(value)
        else:
            setattr(row, name, value)
    row.save()
    assert changes.record_change(row, before, actor="anna")
    return AuditEvent.objects.latest("id")


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def undo_page(row: Any, event_id: int) -> str:
    return page(type(row), "undo", row.pk, event_id)


def confirmed(browser: OperatorBrowser, address: str) -> Any:
    """The answer to the button on the page that asks."""
    html = browser.get(address).content.decode()
    (digest,) = re.findall(r'name="confirmed_effects" value="([0-9a-f]+)"', html)
    return browser.post(address, {"confirmed_effects": digest})


# --- History --------------------------------------------------------------------------------------


def test_the_history_says_who_changed_what_from_where_and_the_newest_first(editor, viewer, scope):
    address = page(Scope, "change", scope.pk)
    editor.post(address, {"description": "Look at them"})
    editor.post(address, {"description": ""})
    Scope.objects.create(name="other")
    html = viewer.get(page(Scope, "history", scope.pk)).content.decode()
    shown = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert shown == ["Look at them", "nothing", "See your orders", "Look at them"]
    assert text_of(html).count(f"UTC by eddy (operators) from {HOME}") == 2
    assert "Undo" not in html
    assert "Undo this change" in editor.get(page(Scope, "history", scope.pk)).content.decode()
    assert page(Scope, "history", scope.pk) in viewer.get(address).content.decode()


def test_the_page_of_a_client_has_it_in_a_tab_with_its_secrets(editor, viewer, client):
    changed(client, name="<script>alert(1)</script>", flags={"jwt_seconds": 90, "password": "x"})
    secret = secrets.add(client, actor="anna")
    html = viewer.get(page(Client, "change", client.pk)).content.decode()
    panel = html.split('id="panel-history"')[1]
    assert "tab-history" in html
    for text in ("flags.jwt_seconds", "flags.password", "changed, not shown", "by anna"):
        assert text in text_of(panel)
    assert "&lt;script&gt;alert(1)" in panel
    assert "<script>alert" not in html
    assert Tag.CLIENTS_SECRET_ADDED.meaning in panel
    assert secret not in html
    assert "Undo this change" not in html


def test_a_long_history_has_pages_and_each_event_is_on_one(viewer, scope):
    for number in range(60):
        changed(scope, description=f"Number {number}")
    address, seen = page(Scope, "history", scope.pk), []
    while address:
        html = viewer.get(address).content.decode()
        seen.append(re.findall(r'data-label="After">(.*?)</td>', html))
        older = re.findall(r'href="([^"]+\?before=\d+)"', html)
        address = older[0] if older else ""
    assert [len(part) for part in seen] == [25, 25, 10]
    numbers = [text for part in seen for text in part]
    assert numbers == [f"Number {number}" for number in reversed(range(60))]


@pytest.mark.parametrize("before", ["", "x", "-1", "1.5", "٣", "9" * 5000, "1 OR 1=1"])
def test_a_page_that_is_none_is_not_found(viewer, scope, before):
    address = page(Scope, "history", scope.pk)
    assert viewer.get(address, {"before": before}).status_code == 404


def test_the_highest_number_is_a_page(viewer, scope):
    address = page(Scope, "history", scope.pk)
    assert viewer.get(address, {"before": str((1 << 63) - 1)}).status_code == 200


def test_who_may_not_see_the_row_does_not_see_its_history(scope):
    assert operator("nobody").get(page(Scope, "history", scope.pk)).status_code == 403


def test_events_of_releases_to_come_break_nothing(viewer, editor, client):
    key = changes.key_of(client)
    for details in (
        {"what": 7, "changed": 1, "hidden": 2},
        {"what": "changed", "changed": {"name": 1, "x": [], "y": [1, 2, 3]}, "hidden": "x"},
        {"what": "changed", "changed": {"name": ["a", "b"]}, "hidden": [{}, None], "undo_of": 1},
        {"what": ["changed"], "changed": {}, "hidden": []},
    ):
        record(Tag.CLIENTS_CLIENT_CHANGED, client_id="shop", row=key, **details)
    assert viewer.get(page(Client, "change", client.pk)).status_code == 200
    for event in AuditEvent.objects.of_row(key):
        for method in (editor.get, editor.post):
            assert method(undo_page(client, event.pk)).status_code in {200, 409}
    client.refresh_from_db()
    assert client.name == "Shop"


def test_a_history_is_read_from_its_index_among_a_hundred_thousand_events(viewer, client):
    """Half of them are logins at this very client, the other half changes of others."""
    for number in range(60):
        changed(client, name=f"Number {number}")
    newest = AuditEvent.objects.latest("id")
    bucket = AUDIT_EVENTS.bucket_of(newest.at)
    relation = recording.known.relation(AUDIT_EVENTS, bucket)
    with connection.cursor() as cursor:
        for tag, details in (
            (Tag.ACCOUNTS_SIGN_IN_ACCEPTED, "'{}'"),
            (
                Tag.CLIENTS_CLIENT_CHANGED,
                "jsonb_build_object('row', 'clients_admin.client:x' || n)",
            ),
        ):
            cursor.execute(
                f"INSERT INTO {relation} (id, at, tag, client_id, details)"
                f" SELECT id + n + (%s::bigint), at, %s, 'shop', {details}"
                " FROM idp_auditevent, generate_series(1, 50000) n WHERE id = %s",
                [0 if tag is Tag.ACCOUNTS_SIGN_IN_ACCEPTED else 50_000, tag.value, newest.pk],
            )
        cursor.execute(f"ANALYZE {relation}")
    with CaptureQueriesContext(connection) as queries:
        viewer.get(page(Client, "history", client.pk))
    (listing,) = [q["sql"] for q in queries if '"idp_auditevent"."details"' in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {listing}".replace("%", "%%"))
        (explained,) = cursor.fetchone()
    (plan,) = json.loads(explained) if isinstance(explained, str) else explained
    pending, scans = [plan["Plan"]], []
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        if node.get("Relation Name") == relation or node.get("Index Name", "").startswith(relation):
            scans.append(node)
    assert [node["Index Name"] for node in scans] == [f"{relation}_expr_id_idx"]
    assert all("Rows Removed by Filter" not in node for node in scans)
    assert sum(node["Actual Rows"] for node in scans) <= 26
    print(f"{plan['Execution Time']:.3f} ms")


# --- Undo -----------------------------------------------------------------------------------------


def test_an_editor_sees_what_would_be_set_back_and_sets_it_back(editor, client):
    event = changed(client, name="Other", description="Call us", flags={"jwt_seconds": 90})
    changed(client, is_active=False)
    address = undo_page(client, event.pk)
    html = editor.get(address).content.decode()
    assert re.findall(r"<code>(.*?)</code>", html) == ["description", "flags.jwt_seconds", "name"]
    assert re.findall(r"<td[^>]*>(.*?)</td>", html) == [
        *("Call us", "nothing"), *("90", "nothing"), *("Other", "Shop"),
    ]  # fmt: skip
    client.refresh_from_db()
    assert client.name == "Other"  # Nobody has asked for it yet.
    answer = confirmed(editor, address)
    assert answer["Location"] == page(Client, "change", client.pk) + "#history"
    client.refresh_from_db()
    assert (client.name, client.description, client.flags) == ("Shop", "", {})
    assert not client.is_active  # That was another change.
    undone = AuditEvent.objects.latest("id")
    assert (undone.actor, undone.address) == ("eddy (operators)", HOME)
    assert undone.details["undo_of"] == str(event.pk)
    assert undone.details["changed"]["name"] == ["Other", "Shop"]
    assert f"undo of event {event.pk}" in editor.get(answer["Location"]).content.decode()
    confirmed(editor, undo_page(client, undone.pk))  # An undo is a change like others.
    client.refresh_from_db()
    assert (client.name, client.flags) == ("Other", {"jwt_seconds": 90})


def test_all_that_a_client_names_is_set_back_in_its_order(client):
    brands = [Brand.objects.create(slug=name, name=name.title()) for name in ("acme", "other")]
    services = [LoginService.objects.create(name=n, brand=brands[0]) for n in ("web", "old", "x")]
    scopes = [Scope.objects.create(name=name) for name in ("a", "b")]
    group = ScopeGroup.objects.create(name="g")
    for position, service in enumerate(services[:2]):
        ClientLoginService.objects.create(client=client, login_service=service, position=position)
    client.scopes.set(scopes[:1])
    client.brand = brands[0]
    client.jwks = {"keys": [KEY]}
    client.save()
    before = changes.state_of(client)
    client.clientloginservice_set.all().delete()
    ClientLoginService.objects.create(client=client, login_service=services[2])
    client.scopes.set(scopes[1:])
    client.scope_groups.set([group])
    client.brand = brands[1]
    client.grant_types = ["client_credentials", "refresh_token"]
    client.redirect_uris = "https://a.example https://b.example"
    client.jwks, client.jwks_url = None, "https://a.example/jwks"
    client.flags = {"consent": "never", "a.b": "dotted", "allow_password_grant": False}
    client.save()
    assert changes.record_change(client, before)
    undo(client, AuditEvent.objects.latest("id"))
    assert changes.state_of(client) == before
    assert list(client.ordered_login_services()) == services[:2]


def test_the_members_of_a_group_are_set_back_with_a_page_that_says_who_loses(editor, client, scope):
    group = ScopeGroup.objects.create(name="shop")
    client.scope_groups.set([group])
    event = changed(group, scopes=[scope])
    html = editor.get(undo_page(group, event.pk)).content.decode()
    assert "1 client" in text_of(html)
    assert 'data-label="Loses">orders.read' in html
    assert editor.post(undo_page(group, event.pk), {"confirmed_effects": "x"}).status_code == 200
    assert group.scopes.exists()
    answer = confirmed(editor, undo_page(group, event.pk))
    assert answer["Location"] == page(ScopeGroup, "history", group.pk)
    assert not group.scopes.exists()


def refused(browser: OperatorBrowser, row: Any, event: AuditEvent, reason: str) -> None:
    """It is refused on the page and by a hand-made POST, says why, and changes nothing."""
    before, events = changes.version_of(row), AuditEvent.objects.count()
    address = undo_page(row, event.pk)
    answer = browser.get(address)
    assert reason in answer.content.decode()
    assert "confirmed_effects" not in answer.content.decode()
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    answer = browser.post(address, {"confirmed_effects": nothing})
    assert (answer.status_code, reason in answer.content.decode()) == (409, True)
    assert (changes.version_of(row), AuditEvent.objects.count()) == (before, events)


def test_what_was_changed_again_since_is_named(editor, client):
    event = changed(client, name="Other", description="Call us", flags={"jwt_seconds": 90})
    changed(client, name="Third", flags={"jwt_seconds": 91})
    reason = "This was changed again since: flags.jwt_seconds, name."
    refused(editor, client, event, reason)


def test_where_a_brand_asks_for_approvals_nothing_is_set_back(editor, client):
    Client.objects.update(brand=Brand.objects.create(slug="acme", name="Acme"))
    client.refresh_from_db()
    event = changed(client, name="Other")
    Brand.objects.update(approvals_needed=1)
    refused(editor, client, event, "A brand asks for approvals of this change")


def test_a_change_of_something_hidden_is_refused(editor, client):
    event = changed(client, name="Other", flags={"webhook_secret": "x"})
    refused(editor, client, event, "flags.webhook_secret is not written down")


@pytest.mark.parametrize("text", ["x" * 5000, "so far …"])
def test_what_was_shortened_is_refused(editor, client, text):
    client.description = text
    client.save()
    event = changed(client, description="short")
    refused(editor, client, event, "The audit does not hold all of description")


def test_what_would_not_be_valid_is_refused_with_the_reason(editor, client):
    event = changed(client, redirect_uris="https://a.example")
    changed(client, grant_types=["authorization_code"])
    refused(editor, client, event, "needs at least one redirect URI")


def test_a_flag_that_the_registry_does_not_allow_any_more_is_refused(editor, client):
    client.flags = {"jwt_seconds": -5}
    client.save()
    event = changed(client, flags={"jwt_seconds": 90})
    refused(editor, client, event, "jwt_seconds")


def test_a_scope_that_is_no_more_is_named(editor, client, scope):
    client.scopes.add(scope)
    event = changed(client, scopes=[])
    Scope.objects.all().delete()
    refused(editor, client, event, "There is no orders.read any more.")


def test_a_group_that_would_contain_itself_is_refused(editor):
    inner, outer = (ScopeGroup.objects.create(name=name) for name in ("inner", "outer"))
    inner.groups.add(outer)
    event = changed(inner, groups=[])
    changed(outer, groups=[inner])
    refused(editor, inner, event, "A group must not contain itself")


def test_what_was_made_or_is_a_secret_has_no_way_back(editor, client):
    changes.record_change(client, changes.NOTHING)
    added = AuditEvent.objects.latest("id")
    secrets.add(client)
    for event in (added, AuditEvent.objects.latest("id")):
        refused(editor, client, event, "This is not a change that can be set back.")


def test_a_path_that_can_be_read_in_two_ways_is_refused(client):
    client.flags = {"a": {"b": "c"}}
    client.save()
    event = changed(client, flags={"a": {"b": "d"}})
    with pytest.raises(CannotUndo):
        undo(client, event)
    client.refresh_from_db()
    assert client.flags == {"a": {"b": "d"}}


@pytest.mark.parametrize("number", ["0", "1", str(1 << 63), "9" * 100])
def test_an_event_that_is_not_there_is_not_found(editor, client, number):
    address = page(Client, "undo", client.pk, 0).replace("/0/", f"/{number}/")
    assert editor.get(address).status_code == 404
    assert editor.post(address, {"confirmed_effects": ""}).status_code == 404


def test_the_event_of_another_row_is_not_found(editor, client, scope):
    other = Client.objects.create(client_id="other", client_type="public")
    for event in (changed(other, name="Other"), changed(scope, description="Other")):
        assert editor.post(undo_page(client, event.pk)).status_code == 404
    assert editor.get(page(Client, "undo", 999_999, event.pk)).status_code == 404


def test_a_viewer_cannot_undo_even_by_hand(viewer, client, scope):
    group = ScopeGroup.objects.create(name="g")
    for row in (client, scope, group):
        event = changed(row, description="Other")
        address = undo_page(row, event.pk)
        for answer in (viewer.get(address), viewer.post(address, {"confirmed_effects": ""})):
            assert answer.status_code == 403
        row.refresh_from_db()
        assert row.description == "Other"


def test_an_undo_needs_its_token_and_its_page(client):
    event = changed(client, name="Other")
    strict = operator("eddy", EDITORS)
    strict.handler.enforce_csrf_checks = True
    assert strict.post(undo_page(client, event.pk)).status_code == 403
    assert strict.put(undo_page(client, event.pk)).status_code in {403, 405}
    client.refresh_from_db()
    assert client.name == "Other"
