"""Clients, scopes and scope groups over the API: read, made, changed and deleted like in a file."""

import threading
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from branding.models import Brand
from clients_admin.configuration import sections, stored
from clients_admin.models import Client, GrantType, Scope, ScopeGroup
from clients_admin.roles import EDITORS
from idp.audit.models import AuditEvent
from tests.api.callers import EDITING, call, change, of_client, of_operator, tag
from tests.api.test_inputs import problem
from tests.configuration import basic, brand, client, login_service, post, scopes
from tests.test_proposals import at_once, wait_until_somebody_waits
from tokens.api.rights import READ, WRITE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

CLIENTS, SCOPES, GROUPS = "/api/v1/clients", "/api/v1/scopes", "/api/v1/scope-groups"
HOME = "http://127.0.0.1:8000"
WEB = {
    "client_id": "web",
    "name": "Web shop",
    "grant_types": ["authorization_code", "token_exchange"],
    "redirect_uris": ["https://shop.example/callback"],
    "scopes": ["orders.read"],
    "login_services": ["acme-web"],
    "brand": "acme",
    "flags": {"access_token_seconds": 3600, "of-somebody-else": "kept"},
}
WHOLE = {
    **WEB,
    "description": "",
    "client_type": "confidential",
    "grant_types": sorted(["authorization_code", GrantType.TOKEN_EXCHANGE.value]),
    "post_logout_redirect_uris": [],
    "backchannel_logout_uri": "",
    "backchannel_logout_session_required": False,
    "allowed_origins": [],
    "scope_groups": [],
    "jwks": None,
    "jwks_url": "",
    "active": True,
}


@pytest.fixture
def token():
    login_service()
    scopes("orders.read", "orders.write")
    return of_client(*EDITING)


@pytest.fixture
def web(token):
    assert call("POST", CLIENTS, token, WEB).status_code == 201
    return f"{CLIENTS}/web"


def told(tag_name="clients:client:changed"):
    """The newest event of a change."""
    return AuditEvent.objects.filter(tag=tag_name).order_by("-id").first()


def changes_told() -> int:
    return AuditEvent.objects.filter(tag__endswith=":changed").count()


# --- Making and reading ---------------------------------------------------------------------------


def test_a_client_is_made_as_the_entry_of_a_file(token):
    answer = call("POST", CLIENTS, token, WEB)
    assert (answer.status_code, answer.json()) == (201, WHOLE)
    assert answer.headers["Location"] == f"{HOME}{CLIENTS}/web"
    assert answer.headers["Cache-Control"] == "no-store"
    read = call("GET", f"{CLIENTS}/web", token)
    assert (read.json(), read.headers["ETag"]) == (WHOLE, answer.headers["ETag"])
    assert not Client.objects.get(client_id="web").secrets.exists()
    event = told()
    assert (event.actor, event.client_id) == ("client operations", "web")
    assert event.details["what"] == "added"
    assert event.address == "127.0.0.1"


def test_every_key_of_a_file_is_one_of_the_api(web, token):
    shown = {
        "clients": set(call("GET", web, token).json()),
        "scopes": set(call("GET", f"{SCOPES}/orders.read", token).json()),
        "scope_groups": set(stored.scope_group(ScopeGroup.objects.create(name="all"))),
    }
    for section, keys in sections.OBJECTS.items():
        assert {key.name for key in keys} == shown[section]


def test_a_scope_and_a_group_are_made(token):
    scope = {
        "name": "https://api.example/stock?x",
        "description": "See what is in stock",
        "translations": {"fr": "Voir ce qui est en stock"},
    }
    answer = call("POST", SCOPES, token, scope)
    assert (answer.status_code, answer.json()) == (201, scope)
    place = answer.headers["Location"].removeprefix(HOME)
    assert call("GET", place, token).json() == scope
    group = {"name": "all", "members": ["orders.write", "orders.read", scope["name"]]}
    answer = call("POST", GROUPS, token, group)
    shown = {**group, "description": "", "members": sorted(group["members"])}
    assert (answer.status_code, answer.json()) == (201, shown)
    assert told("clients:scope_group:changed").actor == "client operations"


def test_what_is_there_is_not_made_again(web, token):
    problem_of = {CLIENTS: WEB, SCOPES: {"name": "orders.read", "description": "Else"}}
    before = changes_told()
    for path, body in problem_of.items():
        assert problem(call("POST", path, token, body), 409)["code"] == "conflict"
    assert changes_told() == before


def test_what_is_put_again_is_the_same_and_is_not_told(web, token):
    before = tag(web, token), changes_told()
    answer = change("PUT", web, token, call("GET", web, token).json())
    assert (answer.status_code, answer.json()) == (200, WHOLE)
    assert (tag(web, token), changes_told()) == before


def test_an_operator_is_told_by_name(token):
    editor = of_operator(EDITORS, *EDITING)
    assert call("POST", SCOPES, editor, {"name": "x"}).status_code == 201
    assert told("clients:scope:changed").actor == "vera (operators), client console"


# --- Changing -------------------------------------------------------------------------------------


def test_a_patch_changes_what_it_names(web, token):
    patch = {"name": "Shop", "flags": {"jwt_alg": "EdDSA", "of-somebody-else": None}}
    answer = change("PATCH", web, token, patch)
    flags = {"access_token_seconds": 3600, "jwt_alg": "EdDSA"}
    assert answer.json() == {**WHOLE, "name": "Shop", "flags": flags}
    assert answer.headers["ETag"] == tag(web, token)
    assert told().details["changed"] == {
        "flags.jwt_alg": [None, "EdDSA"],
        "flags.of-somebody-else": ["kept", None],
        "name": ["Web shop", "Shop"],
    }


def test_a_flag_counts_for_the_next_token(token):
    client("batch", "orders.read", grant_types=["client_credentials"])
    change("PATCH", f"{CLIENTS}/batch", token, {"flags": {"access_token_seconds": 99}})
    answer = post("/oauth2/token", {"grant_type": "client_credentials"}, **basic("batch"))
    assert answer.json()["expires_in"] == 99


def test_put_gives_what_it_leaves_out_its_default_but_switches_nothing_on(web, token):
    assert change("PATCH", web, token, {"active": False}).json()["active"] is False
    answer = change("PUT", web, token, {"grant_types": ["client_credentials"]})
    assert answer.json() == {
        **{key: [] if isinstance(value, list) else "" for key, value in WHOLE.items()},
        "client_id": "web",
        "client_type": "confidential",
        "backchannel_logout_session_required": False,
        "active": False,
        "grant_types": ["client_credentials"],
        "brand": None,
        "jwks": None,
        "flags": {},
    }


def test_put_makes_what_is_not_there_only_where_that_is_meant(token):
    path, body = f"{CLIENTS}/new", {"grant_types": ["client_credentials"]}
    assert problem(call("PUT", path, token, body), 428)["code"] == "precondition_required"
    for header in ("*", '"x"'):
        answer = call("PUT", path, token, body, HTTP_IF_MATCH=header)
        assert problem(answer, 412)["code"] == "precondition_failed"
    assert not Client.objects.filter(client_id="new").exists()
    answer = call("PUT", path, token, body, HTTP_IF_NONE_MATCH="*")
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{HOME}{path}"
    answer = call("PUT", path, token, {**body, "name": "New"}, HTTP_IF_NONE_MATCH="*")
    assert problem(answer, 412)
    assert Client.objects.get(client_id="new").name == ""


def test_a_group_is_changed_and_never_contains_itself(token):
    call("POST", GROUPS, token, {"name": "inner", "members": ["orders.read"]})
    call("POST", GROUPS, token, {"name": "outer", "members": ["inner"]})
    answer = change("PATCH", f"{GROUPS}/inner", token, {"members": ["outer"]})
    (error,) = problem(answer)["errors"]
    assert error["detail"] == "contains itself: inner → outer → inner"
    assert change("PATCH", f"{GROUPS}/inner", token, {"members": []}).json()["members"] == []


# --- Deleting -------------------------------------------------------------------------------------


def test_a_client_goes_with_its_secrets_and_its_tokens_are_dead(token):
    other = of_client(READ, client_id="other")
    assert call("GET", CLIENTS, other).status_code == 200
    answer = change("DELETE", f"{CLIENTS}/other", token)
    assert (answer.status_code, answer.content) == (204, b"")
    assert told().details["what"] == "deleted"
    assert call("GET", f"{CLIENTS}/other", token).status_code == 404
    assert call("GET", CLIENTS, other).status_code == 401


def test_a_scope_or_group_that_is_used_stays(web, token):
    call("POST", GROUPS, token, {"name": "inner", "members": ["orders.write"]})
    call("POST", GROUPS, token, {"name": "outer", "members": ["inner"]})
    flags = {"on_behalf_of_scopes": ["spare"]}
    call("POST", SCOPES, token, {"name": "spare"})
    assert change("PATCH", web, token, {"flags": flags}).status_code == 200
    for path in (f"{SCOPES}/orders.read", f"{SCOPES}/orders.write", f"{GROUPS}/inner"):
        assert problem(change("DELETE", path, token), 409)["code"] == "conflict"
    assert problem(change("DELETE", f"{SCOPES}/spare", token), 409)
    assert change("DELETE", f"{GROUPS}/outer", token).status_code == 204
    assert change("DELETE", f"{GROUPS}/inner", token).status_code == 204
    assert change("DELETE", f"{SCOPES}/orders.write", token).status_code == 204
    assert set(ScopeGroup.objects.values_list("name")) == set()


# --- Preconditions (RFC 9110 section 13) ----------------------------------------------------------


def test_what_the_caller_has_is_not_sent_again(web, token):
    known = tag(web, token)
    for header in (known, f"W/{known}", f'"x", {known}', "*"):
        answer = call("GET", web, token, HTTP_IF_NONE_MATCH=header)
        assert (answer.status_code, answer.content) == (304, b""), header
        assert answer.headers["ETag"] == known
    assert call("GET", web, token, HTTP_IF_NONE_MATCH='"x"').status_code == 200
    assert call("HEAD", web, token).headers["ETag"] == known


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_says_what_it_has_seen(web, token, method):
    known, before = tag(web, token), changes_told()
    answer = call(method, web, token, {})
    assert problem(answer, 428)["code"] == "precondition_required"
    for header in ('"x"', f"W/{known}", '""'):
        answer = call(method, web, token, {}, HTTP_IF_MATCH=header)
        assert problem(answer, 412)["code"] == "precondition_failed"
    answer = call(method, web, token, {}, HTTP_IF_MATCH=known, HTTP_IF_NONE_MATCH="*")
    assert problem(answer, 412)
    for header in ("x", '"', f"{known} {known}", ""):
        assert problem(call(method, web, token, {}, HTTP_IF_MATCH=header))
    assert changes_told() == before
    assert call(method, web, token, {}, HTTP_IF_MATCH=f'"x", {known}').status_code in {200, 204}


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda: Client.objects.filter(client_id="web").update(name="Else"),
        lambda: Client.objects.get(client_id="web").scopes.set([]),
        lambda: Client.objects.filter(client_id="web").update(flags={"on_behalf_of_scopes": []}),
        lambda: Client.objects.filter(client_id="web").update(
            brand=brand("twin"), description="Of another brand that has the same name"
        ),
    ],
)
def test_whatever_has_changed_meanwhile_is_not_overwritten(web, token, meanwhile):
    Client.objects.filter(client_id="web").update(flags={})
    known = tag(web, token)
    meanwhile()
    assert tag(web, token) != known
    assert problem(call("PATCH", web, token, {"name": "Mine"}, HTTP_IF_MATCH=known), 412)


def test_a_tag_tells_apart_what_the_audit_tells_alike(web, token):
    """An empty list is told as none, and brands by their names."""
    tags = set()
    twins = [brand("twin-1"), brand("twin-2")]
    for twin in twins:
        type(twin).objects.update(name="Twin")
        for flags in ({}, {"on_behalf_of_scopes": []}):
            Client.objects.filter(client_id="web").update(brand=twin, flags=flags)
            tags.add(tag(web, token))
    assert len(tags) == 4


@pytest.mark.django_db(transaction=True)
def test_of_many_changes_at_once_one_wins(token):
    client("web")
    known, answers = tag(f"{CLIENTS}/web", token), []
    start = threading.Barrier(6)

    def run(number: int) -> None:
        start.wait()
        patch = {"name": f"Name {number}"}
        answer = call("PATCH", f"{CLIENTS}/web", token, patch, HTTP_IF_MATCH=known)
        answers.append((answer.status_code, number))
        close_old_connections()
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200, *[412] * 5]
    (winner,) = [number for status, number in answers if status == 200]
    assert Client.objects.get(client_id="web").name == f"Name {winner}"
    assert AuditEvent.objects.filter(tag="clients:client:changed", client_id="web").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_that_make_the_same_one_does(token):
    answers, start = [], threading.Barrier(4)

    def run() -> None:
        start.wait()
        answers.append(call("POST", SCOPES, token, {"name": "same"}).status_code)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409, 409, 409]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by", ["a call", "a form"])
def test_a_file_and_whoever_changes_a_group_do_not_wait_for_each_other(token, by):
    """Groups are held in the order of their names, whatever the order in which they were made."""
    last, first = (ScopeGroup.objects.create(name=name) for name in ("z", "a"))
    has_begun = threading.Event()

    def file() -> None:
        with transaction.atomic():
            ScopeGroup.objects.select_for_update(no_key=True).get(pk=first.pk)
            has_begun.set()
            wait_until_somebody_waits()
            ScopeGroup.objects.select_for_update(no_key=True).get(pk=last.pk)

    def somebody() -> None:
        has_begun.wait()
        if by == "a call":
            answer = change("PATCH", f"{GROUPS}/z", token, {"description": "Mine"})
            assert answer.status_code == 200
        else:
            with transaction.atomic():
                ScopeGroup.hold_all()

    assert at_once((file,), (somebody,)) == [None, None]


def test_what_the_admin_makes_at_the_same_moment_is_a_conflict(token, monkeypatch):
    """It takes no part in the order of files and calls; the database has the last word."""
    monkeypatch.setattr(Scope, "validate_unique", lambda *_arguments, **_named: None)
    monkeypatch.setattr(Scope, "validate_constraints", lambda *_arguments, **_named: None)
    monkeypatch.setattr(
        "clients_admin.configuration.stored.Rows.load", lambda **_: _rows_without_scopes()
    )
    monkeypatch.setattr("tokens.api.objects.Kind.find", lambda *_: None)
    answer = call("POST", SCOPES, token, {"name": "orders.read", "description": "Mine"})
    assert problem(answer, 409)["code"] == "conflict"


def _rows_without_scopes() -> Any:
    return stored.Rows({}, {}, {}, {}, {}, {}, {})


# --- What is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ([], "#", "must be a table with the keys client_id, name,"),
        ({}, "#/client_id", "is missing"),
        ({"client_id": None}, "#/client_id", "must not be empty"),
        ({"client_id": "a b"}, "#/client_id", "Use letters, digits, dots"),
        ({"client_id": "a" * 101}, "#/client_id", "Ensure this value has at most 100"),
        ({"client_id": "new", "nam": ""}, "#/nam", "is no known key; did you mean name?"),
        ({"client_id": "new", "name": 1}, "#/name", "must be text, not a number"),
        ({"client_id": "new", "name": "\0"}, "#/name", "holds a NUL character"),
        ({"client_id": "new", "name": "\ud800"}, "#/name", "holds half a character"),
        ({"client_id": "new", "client_secret": "env:HOME"}, "#/client_secret", "is not taken"),
        ({"client_id": "new", "client_secrets": None}, "#/client_secrets", "is not taken here"),
        ({"client_id": "new", "brand": "none"}, "#/brand", "there is no brand “none”"),
        (
            {"client_id": "new", "scopes": ["orders.read", "order.read"]},
            "#/scopes/1",
            "there is no scope “order.read”; did you mean orders.read?",
        ),
        (
            {"client_id": "new", "redirect_uris": ["https://a.example", "http://b.example"]},
            "#/redirect_uris/1",
            "“http://b.example”: plain http is for loopback addresses only.",
        ),
        (
            {"client_id": "new", "grant_types": ["authorization_code"]},
            "#/redirect_uris",
            "The authorization code grant needs at least one redirect URI.",
        ),
        (
            {"client_id": "new", "flags": {"access_token_seconds": 0}},
            "#/flags/access_token_seconds",
            "must be between 1 and 2592000 seconds",
        ),
        ({"client_id": "new", "flags": {"a/b~c": 1}}, "#/flags/a~1b~0c", "is no known flag, so"),
        ({"client_id": "new", "flags": {"x": 1e999}}, "#/flags/x", "is no number that can be"),
        ({"client_id": "new", "flags": {"\0": "x"}}, "#/flags", "has a key that holds a NUL"),
        ({"client_id": "new", "jwks": {"keys": 1}}, "#/jwks", "This "),
        (
            {"client_id": "new", "client_type": "public", "grant_types": ["client_credentials"]},
            "#/grant_types",
            "A public client cannot have client_credentials.",
        ),
    ],
)
def test_what_is_wrong_is_said_beside_its_place(token, body, pointer, detail):
    if body == {"client_id": "new", "flags": {"x": 1e999}}:
        body = b'{"client_id": "new", "flags": {"x": 1e999}}'
    before = Client.objects.count(), changes_told()
    found = problem(call("POST", CLIENTS, token, body))
    assert found["detail"] == "The body is not as it should be; see errors."
    (error,) = found["errors"]
    assert error["pointer"] == pointer
    assert error["detail"].startswith(detail)
    assert (Client.objects.count(), changes_told()) == before


def test_everything_that_is_wrong_is_said_at_once(token):
    found = problem(call("POST", CLIENTS, token, {"scopes": ["x"], "jwks_url": 1, "flags": []}))
    assert {error["pointer"] for error in found["errors"]} == {
        *("#/client_id", "#/scopes/0", "#/jwks_url", "#/flags"),
    }


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ([], "#"),
        ("x", "#"),
        ({"client_id": "other"}, "#/client_id"),
        ({"nam": None}, "#/nam"),
        ({"client_secret": None}, "#/client_secret"),
        ({"redirect_uris": None}, "#/redirect_uris"),
        ({"flags": {"jwt_alg": "none"}}, "#/flags/jwt_alg"),
        ({"scopes": {"a": 1}}, "#/scopes"),
    ],
)
def test_a_patch_that_is_wrong_changes_nothing(web, token, patch, pointer):
    before = tag(web, token)
    assert problem(change("PATCH", web, token, patch))["errors"][0]["pointer"] == pointer
    assert tag(web, token) == before


def test_what_is_nested_without_end_is_refused(web, token):
    for method, path in (("POST", CLIENTS), ("PUT", web), ("PATCH", web)):
        for depth in (40, 900, 20_000):
            body = b'{"flags": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
            answer = call(method, path, token, body, HTTP_IF_MATCH="*")
            assert answer.status_code == 400, (method, depth)


@pytest.mark.parametrize("name", ["none", "%00", "%ff", "a%2Fb", "é", "a" * 5000, "%F0%9F%92%A9"])
@pytest.mark.parametrize("path", [CLIENTS, SCOPES, GROUPS])
def test_a_name_that_nothing_has_is_not_found(token, path, name):
    for method in ("GET", "PATCH", "DELETE"):
        answer = call(method, f"{path}/{name}", token, HTTP_IF_MATCH="*")
        assert problem(answer, 404)["code"] == "not_found"


def test_a_patch_has_a_media_type_of_its_own(web, token):
    headers = {"HTTP_IF_MATCH": "*", "HTTP_AUTHORIZATION": f"Bearer {token}"}

    for method, kind, wanted, header in (
        ("PATCH", "application/json", "application/merge-patch+json", "Accept-Patch"),
        ("PUT", "application/merge-patch+json", "application/json", "Accept"),
    ):
        answer = Browser().generic(method, web, b"{}", content_type=kind, **headers)
        assert problem(answer, 415)["detail"] == f"Send {wanted}."
        assert answer.headers[header] == wanted


# --- Listing --------------------------------------------------------------------------------------


def listed(token, path, key="client_id"):
    """What is in all pages, and how many there were."""
    found, pages = [], 0
    while path:
        body = call("GET", path, token).json()
        found += [row[key] for row in body["results"]]
        path, pages = (body["next"] or "").removeprefix(HOME), pages + 1
    return found, pages


def test_clients_are_listed_by_their_ids_in_pages(web, token):
    for number in range(5):
        client(f"job-{number}")
    whole, _ = listed(token, CLIENTS)
    assert whole == [*(f"job-{number}" for number in range(5)), "operations", "web"]
    assert listed(token, f"{CLIENTS}?limit=3") == (whole, 3)
    assert call("GET", CLIENTS, token).json()["results"][-1] == WHOLE


def test_what_goes_or_comes_between_two_pages_moves_nothing(token):
    for name in "bdf":
        client(name)
    first = call("GET", f"{CLIENTS}?limit=2", token).json()
    Client.objects.filter(client_id="d").delete()
    client("a")
    client("e")
    rest, _ = listed(token, first["next"].removeprefix(HOME))
    assert [row["client_id"] for row in first["results"]] == ["b", "d"]
    assert rest == ["e", "f", "operations"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("brand=acme", ["web"]),
        ("brand=none", []),
        ("grant_type=token_exchange", ["web"]),
        ("grant_type=urn:ietf:params:oauth:grant-type:token-exchange", ["web"]),
        ("grant_type=client_credentials&active=true", ["operations"]),
        ("active=false", ["off"]),
        ("search=SHOP", ["web"]),
        ("search=oper", ["operations"]),
        ("search=%25", []),
        ("search=o&limit=1", ["off", "operations", "web"]),
    ],
)
def test_clients_are_narrowed(web, token, query, expected):
    client("off", is_active=False)
    assert listed(token, f"{CLIENTS}?{query}")[0] == expected


@pytest.mark.parametrize("query", ["active=yes", "grant_type=x", f"search={'a' * 101}", "x=y"])
def test_a_filter_that_is_none_is_refused(token, query):
    assert problem(call("GET", f"{CLIENTS}?{query}", token))["errors"]


def test_scopes_and_groups_are_listed_too(token):
    call("POST", GROUPS, token, {"name": "all", "members": ["orders.read"]})
    names, pages = listed(token, f"{SCOPES}?limit=1", "name")
    assert names == sorted([READ, WRITE, "orders.read", "orders.write"])
    assert pages == 4
    assert listed(token, GROUPS, "name") == (["all"], 1)


def test_a_page_costs_the_same_whatever_is_on_it(web, token):
    def queries(path):
        call("GET", path, token)
        with CaptureQueriesContext(connection) as seen:
            assert call("GET", path, token).status_code == 200
        return len(seen)

    call("POST", GROUPS, token, {"name": "g0", "members": ["orders.read"]})
    before = [queries(path) for path in (CLIENTS, SCOPES, GROUPS)]
    for number in range(1, 20):
        call("POST", GROUPS, token, {"name": f"g{number}", "members": [f"g{number - 1}"]})
        made = {**WEB, "client_id": f"web-{number}", "scope_groups": [f"g{number}"]}
        assert call("POST", CLIENTS, token, made).status_code == 201
    assert [queries(path) for path in (CLIENTS, SCOPES, GROUPS)] == before


# --- Where a brand asks for approvals -------------------------------------------------------------


def test_what_needs_approvals_is_refused_whatever_the_method_and_nothing_is_changed(web, token):
    Brand.objects.update(approvals_needed=1)
    before = stored.client(stored.clients().get(client_id="web"))
    refused = [
        change("PATCH", web, token, {"name": "New"}),
        change("PATCH", web, token, {"brand": None}),
        change("PUT", web, token, {**WEB, "name": "New"}),
        change("DELETE", web, token),
        call("POST", CLIENTS, token, {**WEB, "client_id": "another"}),
        change("PATCH", f"{SCOPES}/orders.read", token, {"description": "New"}),
    ]
    assert [answer.status_code for answer in refused] == [409] * len(refused)
    assert {answer.json()["detail"] for answer in refused} == {
        "A brand asks for approvals of this change: propose it in the admin."
    }
    assert stored.client(stored.clients().get(client_id="web")) == before
    # What changes nothing, and what concerns no such brand, goes on.
    assert change("PUT", web, token, WEB).status_code == 200
    assert (
        change("PATCH", f"{SCOPES}/orders.write", token, {"description": "New"}).status_code == 200
    )
    Brand.objects.update(approvals_needed=0)
    assert change("PATCH", web, token, {"name": "New"}).status_code == 200
