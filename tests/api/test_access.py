"""Who may call the API: a living token with the scope, and of an operator the role as well."""

import json

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import get_resolver

from clients_admin.models import Client
from clients_admin.roles import EDITORS, ROLES, VIEWERS
from idp.accounts.models import User
from idp.accounts.operator_rights import Rights
from idp.audit.models import AuditEvent
from idp.blocking.models import FailedAttempt
from tests.api.callers import BOTH, block, call, of_client, of_operator
from tests.configuration import EXCHANGE, basic, client, post
from tests.test_hostile_input import paths
from tokens.api import urls
from tokens.api.clients.secrets import ClientSecrets
from tokens.api.endpoint import Endpoint
from tokens.api.rights import LIFT_BLOCKS, READ, SCOPES
from tokens.grants.exchange_parameters import USER_REFERENCE_TYPE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

LIST, LIFT = "/api/v1/blocks", "/api/v1/blocks/lift"
ADDRESS = {"address": "192.0.2.1"}


def statuses(token):
    """What comes of each operation on a block."""
    made = block()
    try:
        return [
            call("GET", LIST, token).status_code,
            call("GET", f"{LIST}/{made.pk}", token).status_code,
            call("POST", f"{LIST}/{made.pk}/lift", token).status_code,
            call("POST", LIFT, token, ADDRESS).status_code,
        ]
    finally:
        made.delete()


ALL, READS, LIFTS, NONE = [200] * 4, [200, 200, 403, 403], [403, 403, 200, 200], [403] * 4


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ((), NONE),
        (("orders.read",), NONE),
        (("idp.config.write",), NONE),
        ((READ,), READS),
        ((LIFT_BLOCKS,), LIFTS),
        (BOTH, ALL),
    ],
)
def test_the_scopes_of_a_client_decide(scopes, expected):
    assert statuses(of_client(*scopes)) == expected


@pytest.mark.parametrize("role", [VIEWERS, EDITORS])
@pytest.mark.parametrize(
    ("scopes", "expected"), [((), NONE), ((READ,), READS), ((LIFT_BLOCKS,), LIFTS), (BOTH, ALL)]
)
def test_an_operator_needs_the_scope_and_a_role(role, scopes, expected):
    assert statuses(of_operator(role, *scopes)) == expected


def test_a_user_without_a_role_may_nothing_whatever_the_scopes():
    token = of_operator("", *BOTH)
    assert statuses(token) == NONE
    answer = call("GET", LIST, token)
    assert answer.json() == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Your role as an operator does not allow this.",
        "code": "access_denied",
    }
    assert "WWW-Authenticate" not in answer.headers


def test_a_role_that_is_taken_away_is_gone_at_the_next_call():
    token = of_operator(EDITORS, *BOTH)
    vera = User.objects.get(username="vera")
    assert statuses(token) == ALL
    vera.groups.remove(Group.objects.get(name=EDITORS))
    assert statuses(token) == NONE
    vera.groups.add(Group.objects.get(name=EDITORS))
    User.objects.update(is_staff=False)
    assert statuses(token) == NONE
    User.objects.update(is_staff=True, is_active=False)
    assert statuses(token) == [401] * 4


@pytest.mark.parametrize(
    ("rights", "expected"),
    [(Rights.ALL, ALL), (Rights.LOOKING, [200, 200, 503, 503]), (Rights.NONE, NONE)],
)
def test_a_directory_is_asked_about_a_superuser_as_well(monkeypatch, rights, expected):
    token = of_operator("", *BOTH)
    User.objects.update(is_staff=True, is_superuser=True)
    monkeypatch.setattr("idp.accounts.operator_rights.of", lambda _: rights)
    assert statuses(token) == expected


def test_while_the_directory_of_operators_is_away_they_look_and_lift_nothing(monkeypatch):
    token = of_operator(VIEWERS, *BOTH)
    monkeypatch.setattr("idp.accounts.operator_rights.of", lambda _: Rights.LOOKING)
    assert statuses(token) == [200, 200, 503, 503]
    answer = call("POST", LIFT, token, ADDRESS)
    assert (answer.json()["code"], answer.headers["Retry-After"]) == (
        "temporarily_unavailable",
        "5",
    )


def test_a_token_on_behalf_of_an_operator_is_not_the_operator():
    of_operator(EDITORS, *BOTH)
    vera = User.objects.get(username="vera")
    flags = {"on_behalf_of_login_services": ["operators"], "on_behalf_of_scopes": list(BOTH)}
    client("helpdesk", *BOTH, grant_types=[EXCHANGE], flags=flags)
    reference = {
        "subject_token": f"operators:{vera.external_id}",
        "subject_token_type": USER_REFERENCE_TYPE,
    }
    answer = post("/oauth2/token", {"grant_type": EXCHANGE, **reference}, **basic("helpdesk"))
    assert statuses(answer.json()["access_token"]) == NONE


def test_without_a_token_the_challenge_has_no_error_code():
    """RFC 6750 section 3.1."""
    answer = call("GET", LIST)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="idp"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic b3BlcmF0aW9uczp4", "Token x", "Bearer\0"]
)
def test_what_is_no_bearer_token_is_none(header):
    answer = call("GET", LIST, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert "error=" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("token", ["x", "at_", "at_" + "A" * 44, "at_é", "a" * 20_000, "at_\0"])
def test_a_token_that_is_none_of_ours_is_refused_and_counts_nothing(token, settings):
    settings.BLOCKING = "on"
    answer = call("GET", LIST, token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="idp", error="invalid_token"'
    assert answer.json()["code"] == "invalid_token"
    assert not FailedAttempt.objects.exists()


def test_a_dead_token_is_refused():
    token = of_client(*BOTH)
    assert call("GET", LIST, token).status_code == 200
    Client.objects.update(is_active=False)
    assert call("GET", LIST, token).status_code == 401
    Client.objects.update(is_active=True)
    post("/oauth2/revoke", {"token": token}, **basic("operations"))
    assert call("GET", LIST, token).status_code == 401


def test_a_refresh_token_and_a_secret_open_nothing():
    of_client(*BOTH)
    assert call("GET", LIST, **basic("operations")).status_code == 401
    assert call("GET", LIST, "rt_" + "A" * 44).status_code == 401


def test_a_scope_that_is_missing_is_named():
    answer = call("POST", LIFT, of_client(READ), ADDRESS)
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="idp", error="insufficient_scope", scope="{LIFT_BLOCKS}"'
    )
    assert answer.json()["code"] == "insufficient_scope"


def test_a_session_of_the_admin_opens_nothing():
    of_operator(EDITORS, *BOTH)
    browser = Browser()
    browser.force_login(User.objects.get(username="vera"))
    assert browser.get("/admin/").status_code == 200
    assert browser.get(LIST).status_code == 401
    made = block()
    answer = browser.post(LIFT, json.dumps(ADDRESS), content_type="application/json")
    assert answer.status_code == 401
    made.refresh_from_db()
    assert made.ended_at is None


def test_a_token_in_the_url_is_refused_and_audited():

    answer = call("GET", f"{LIST}?access_token={of_client(*BOTH)}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.headers["Content-Type"] == "application/problem+json"
    event = AuditEvent.objects.get(tag="clients:credential:exposed")
    assert event.details["parameters"] == ["access_token"]


def test_a_blocked_address_is_refused_as_everywhere(settings):
    settings.BLOCKING = "on"
    block("127.0.0.1")
    answer = call("GET", LIST, "at_x")
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "access_denied"
    assert int(answer.headers["Retry-After"]) > 0


def test_every_method_of_every_endpoint_says_what_it_needs():
    """So that nothing can be added that is open to all."""
    below = {path for path in paths(get_resolver().url_patterns) if path.startswith("/api/")}
    assert below == {"/api/schema", *(f"/{entry.pattern}" for entry in urls.urlpatterns)}
    known = {right.scope for entry in urls.urlpatterns for right in _view(entry).needs.values()}
    assert known <= set(SCOPES)
    for entry in urls.urlpatterns:
        view = _view(entry)
        assert issubclass(view, Endpoint)
        offered = {name.upper() for name in view.http_method_names if hasattr(view, name)}
        assert offered == set(view.needs), entry
        assert view.dispatch is Endpoint.dispatch
        assert view.check_permissions is Endpoint.check_permissions


def test_a_method_for_which_no_right_is_written_is_not_offered(rf):
    class Forgotten(Endpoint):
        needs = {}

        def get(self, request):
            raise AssertionError

    bearer = {"HTTP_AUTHORIZATION": f"Bearer {of_client(*BOTH)}"}
    for method in ("get", "head"):
        answer = Forgotten.as_view()(getattr(rf, method)("/api/v1/x", **bearer))
        assert answer.status_code == 405


def _view(entry):
    return entry.callback.cls


# Viewers do not even see that a client has secrets.
OF_EDITORS_ALONE = {ClientSecrets}


def test_operations_that_change_something_need_more_than_reading():
    for entry in urls.urlpatterns:
        for method, right in _view(entry).needs.items():
            is_open = method == "GET" and _view(entry) not in OF_EDITORS_ALONE
            assert is_open == (right.scope == READ)
            assert (method == "GET") == right.is_to_look


def test_viewers_may_look_and_lift_and_nothing_else():
    """Of each operation the role of its operator, as it stands in the registry of roles."""
    for entry in urls.urlpatterns:
        for method, right in _view(entry).needs.items():
            may = {role: _has(role, right.permission) for role in (EDITORS, VIEWERS)}
            is_for_viewers = right.scope in {READ, LIFT_BLOCKS}
            assert may == {EDITORS: True, VIEWERS: is_for_viewers}, (entry, method)


def _has(role, permission):
    app, _, codename = permission.partition(".")
    verb, _, model = codename.partition("_")
    return verb in ROLES[role].get(app, {}).get(model, ())
