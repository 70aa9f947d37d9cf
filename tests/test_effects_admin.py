"""Who gains, who loses: shown before a change of scopes is saved, and nothing saved by looking."""

import re
import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients_admin import effects
from clients_admin.models import Client, Scope, ScopeGroup
from clients_admin.roles import EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag
from tests.operators import OperatorBrowser
from tests.test_admin import change_form, operator, page

pytestmark = pytest.mark.django_db

TITLE = "Who gains, who loses"


@pytest.fixture
def editor() -> OperatorBrowser:
    return operator("eddy", EDITORS)


@pytest.fixture
def groups() -> dict[str, ScopeGroup]:
    """`all` holds `shop`, which holds orders.read; four clients have one of them, or neither."""
    for name in ("orders.read", "orders.write", "profile"):
        Scope.objects.create(name=name)
    shop, around = (ScopeGroup.objects.create(name=name) for name in ("shop", "all"))
    shop.scopes.set([scope("orders.read")])
    around.groups.set([shop])
    for client_id, group, own in (
        *(("direct", shop, []), ("nested", around, [])),
        *(("already", shop, ["orders.write"]), ("neither", None, ["profile"])),
    ):
        client = Client.objects.create(
            client_id=client_id, client_type="confidential", grant_types=["refresh_token"]
        )
        client.scope_groups.set([group] if group else [])
        client.scopes.set([scope(name) for name in own])
    return {"shop": shop, "all": around}


def scope(name: str) -> Scope:
    return Scope.objects.get(name=name)


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(tag=Tag.CLIENTS_SCOPE_GROUP_CHANGED))


def listed(html: str) -> list[list[str]]:
    """The rows of the table: client, what it gains and what it loses."""
    body = html.split("<tbody>")[1].split("</tbody>", maxsplit=1)[0]
    return [
        [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
        for cells in (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
                      for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL))
    ]  # fmt: skip


def carried(html: str) -> dict[str, list[str]]:
    """What the page would send: all that is hidden in its form, and its first button."""
    form = html.split('<form method="post"')[1].split("</form>", maxsplit=1)[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden"\s+name="([^"]+)"\s+value="([^"]*)"', form):
        found.setdefault(name, []).append(value.replace("&#x27;", "'"))
    found["confirmed_effects"] = re.findall(r'name="confirmed_effects" value="([0-9a-f]+)"', form)
    return found


def test_the_members_of_a_group_are_saved_after_a_page_that_says_who_gains(editor, groups):
    address = page(ScopeGroup, "change", groups["shop"].pk)
    members = [scope(name).pk for name in ("orders.read", "orders.write")]
    html = editor.post(address, {"scopes": members, "_continue": "1"}).content.decode()
    assert f'<h1 class="operators-title">{TITLE}</h1>' in html
    assert "Nothing has been saved yet." in html
    assert "2 clients" in html
    assert "refresh" in html
    assert listed(html) == [
        ["direct direct", "orders.write", "nothing"],
        ["nested nested", "orders.write", "nothing"],
    ]
    assert [s.name for s in groups["shop"].scopes.all()] == ["orders.read"]
    assert not events()
    form = carried(html)
    assert form["scopes"] == [str(pk) for pk in members]
    answer = editor.post(address, form)
    assert (answer.status_code, answer["Location"]) == (302, address)  # As _continue says.
    assert [s.name for s in groups["shop"].scopes.all()] == ["orders.read", "orders.write"]
    assert [event.details["changed"] for event in events()] == [
        {"scopes": [["orders.read"], ["orders.read", "orders.write"]]}
    ]


def test_the_scopes_of_a_client_are_saved_after_it_too(editor, groups):
    direct = Client.objects.get(client_id="direct")
    address = page(Client, "change", direct.pk)
    form = change_form(direct, scope_groups=[], scopes=[scope("profile").pk], name="It's direct")
    html = editor.post(address, form).content.decode()
    assert listed(html) == [["direct direct", "profile", "orders.read"]]
    assert editor.post(address, carried(html)).status_code == 302
    direct.refresh_from_db()
    assert direct.name == "It's direct"
    assert [s.name for s in direct.scopes.all()] == ["profile"]
    assert not direct.scope_groups.exists()


@pytest.mark.parametrize("name", ["description", "scopes"])
def test_a_change_that_gives_and_takes_nothing_is_saved_at_once(editor, groups, name):
    already = Client.objects.get(client_id="already")
    same = [scope(name).pk for name in ("orders.write", "orders.read")]
    changed = {"description": "Other", "scopes": [scope("orders.write").pk]}
    changed |= {"scopes": same} if name == "scopes" else {}
    answer = editor.post(page(Client, "change", already.pk), change_form(already, **changed))
    assert answer.status_code == 302
    group = {"description": "Other", "scopes": [scope("orders.read").pk]}
    assert editor.post(page(ScopeGroup, "change", groups["shop"].pk), group).status_code == 302


def test_back_to_the_form_keeps_what_was_entered_and_saves_nothing(editor, groups):
    address = page(ScopeGroup, "change", groups["shop"].pk)
    form = carried(editor.post(address, {"description": "Entered"}).content.decode())
    html = editor.post(address, {**form, "_revise": "1"}).content.decode()
    assert "Nothing has been saved yet." in html
    assert 'value="Entered"' in html
    assert 'name="_save"' in html
    assert [s.name for s in groups["shop"].scopes.all()] == ["orders.read"]


@pytest.mark.parametrize("confirmed", ["", "yes", "0" * 64, "\0", "9" * 100_000])
def test_what_was_not_shown_is_not_confirmed(editor, groups, confirmed):
    address = page(ScopeGroup, "change", groups["shop"].pk)
    answer = editor.post(address, {"description": "", "confirmed_effects": confirmed})
    assert TITLE in answer.content.decode()
    assert [s.name for s in groups["shop"].scopes.all()] == ["orders.read"]


def test_who_comes_between_the_page_and_the_button_is_shown_too(editor, groups):
    address = page(ScopeGroup, "change", groups["shop"].pk)
    form = carried(editor.post(address, {"description": ""}).content.decode())
    Client.objects.get(client_id="neither").scope_groups.add(groups["all"])
    html = editor.post(address, form).content.decode()
    assert listed(html) == [
        [f"{name} {name}", "nothing", "orders.read"]
        for name in ("already", "direct", "neither", "nested")
    ]
    assert [s.name for s in groups["shop"].scopes.all()] == ["orders.read"]
    assert editor.post(address, carried(html)).status_code == 302
    assert not groups["shop"].scopes.exists()


def test_a_new_client_has_no_page_between(editor, groups):
    form = change_form(Client.objects.get(client_id="direct"), client_id="new")
    assert editor.post(page(Client, "add"), form).status_code == 302


def test_a_viewer_confirms_nothing(groups):
    viewer = operator("vera", VIEWERS)
    version = effects.Effects().digest
    form = {"description": "", "confirmed_effects": version, "_revise": "1"}
    assert viewer.post(page(ScopeGroup, "change", groups["shop"].pk), form).status_code == 403
    assert [s.name for s in groups["shop"].scopes.all()] == ["orders.read"]


def many(group: ScopeGroup, count: int) -> None:
    """So many clients more that have the group."""
    made = Client.objects.bulk_create(
        Client(client_id=f"client-{count}-{n}", client_type="public") for n in range(count)
    )
    links: Any = Client.scope_groups.through
    links.objects.bulk_create(links(client=client, scopegroup=group) for client in made)


def test_ten_thousand_clients_cost_as_many_queries_as_ten(editor, groups):
    address = page(ScopeGroup, "change", groups["shop"].pk)

    def looked() -> tuple[int, str, float]:
        form = {"description": "", "opened_version": opened_version()}
        began = time.monotonic()
        with CaptureQueriesContext(connection) as queries:
            html = editor.post(address, form).content.decode()
        return len(queries), html, time.monotonic() - began

    def opened_version() -> str:
        return re.findall(r'name="opened_version"\s+value="([^"]*)"',
                          editor.get(address).content.decode())[0]  # fmt: skip

    many(groups["shop"], 10)
    few, _html, _seconds = looked()
    many(groups["all"], 10_000)
    thousands, html, seconds = looked()
    assert thousands == few
    assert "10013 clients" in html
    assert len(listed(html)) == len(range(100))
    assert "and 9913 more" in html
    print(f"10,013 clients: {thousands} queries, {seconds:.2f} s")
