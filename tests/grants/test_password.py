"""RFC 6749 section 4.3, for the clients of old that may, over HTTP."""

from unittest import mock

import jwt
import pytest

from idp import metrics
from idp.accounts import login
from idp.accounts.models import LoginService, User
from idp.accounts.outcomes import Refused, Unavailable
from idp.audit.models import AuditEvent
from tests.configuration import (
    PASSWORD,
    account,
    basic,
    brand,
    client,
    gateway,
    introspected,
    login_service,
    post,
    scopes,
)
from tokens.models import AccessToken, AuthorizationCode, RefreshToken

pytestmark = pytest.mark.django_db

WRONG = {
    "error": "invalid_grant",
    "error_description": "The user name or the password is not right.",
}


def legacy(**fields):
    defaults = {
        "grant_types": ["password", "refresh_token"],
        "login_services": [login_service()],
        "brand": brand(),
        "flags": {"allow_password_grant": True, "consent": "never"},
    }
    return client("legacy", "openid", "email", "orders.read", **{**defaults, **fields})


def ask(username: str = "jane", password: str = PASSWORD, **parameters: str):
    form = {
        "grant_type": "password",
        "username": username,
        "password": password,
        **parameters,
    }
    return post("/oauth2/token", {k: v for k, v in form.items() if v}, **basic("legacy"))


def refresh(token: str):
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return post("/oauth2/token", form, **basic("legacy"))


def event() -> AuditEvent:
    """What the audit has of it, which is one event."""
    return AuditEvent.objects.get(tag__startswith="tokens:password:")


@pytest.fixture
def jane() -> None:
    account()
    gateway()
    legacy()


def test_a_right_password_gives_tokens_as_a_login_does(jane):
    body = ask(scope="openid orders.read").json()
    assert body == {
        "access_token": body["access_token"],
        "refresh_token": body["refresh_token"],
        "id_token": body["id_token"],
        "token_type": "Bearer",
        "expires_in": body["expires_in"],
        "scope": "openid orders.read",
    }
    assert 7198 <= body["expires_in"] <= 7200
    user = User.objects.get()
    claims = jwt.decode(body["id_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == (user.sub, "legacy")
    said = introspected(body["access_token"])
    assert (said["sub"], said["login_service"]) == (user.sub, "acme-web")
    assert said["auth_time"] == said["iat"] == claims["auth_time"]
    assert introspected(refresh(body["refresh_token"]).json()["access_token"])["active"]


def test_each_login_is_a_family_of_its_own_that_no_code_has(jane):
    for _ in range(2):
        ask()
    families = set(RefreshToken.objects.values_list("family", flat=True))
    assert families == set(AccessToken.objects.values_list("family", flat=True))
    rows = (AccessToken, RefreshToken, AuthorizationCode)
    taken = {row.pk for model in rows for row in model.objects.all()}
    assert len(families) == 2
    assert not families & taken


def test_a_replayed_refresh_token_ends_that_login_and_no_other(jane):
    first, other = ask().json(), ask().json()
    second = refresh(first["refresh_token"]).json()
    refresh(second["refresh_token"])
    assert refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert introspected(second["access_token"]) == {"active": False}
    assert introspected(other["access_token"])["active"]


def test_what_is_granted_stands_in_the_audit_without_the_password(jane):
    ask()
    assert (event().tag, event().client_id) == ("tokens:password:granted", "legacy")
    assert event().user_id == User.objects.get().pk
    assert event().details == {"username": "jane", "scope": "*"}


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("jane", "wrong", "wrong password"),
        ("nobody", PASSWORD, "unknown user name"),
        ("jane", "x" * 2000, "malformed credentials"),
    ],
)
def test_a_wrong_password_is_refused_audited_and_counted(
    jane, monkeypatch, username, password, reason
):
    count = mock.Mock()
    monkeypatch.setattr(metrics, "count", count)
    answer = ask(username, password)
    assert (answer.status_code, answer.json()) == (400, WRONG)
    assert (event().tag, event().client_id) == ("tokens:password:refused", "legacy")
    shown = username if reason == "wrong password" else f"{username[0]}•••"
    assert event().details == {"username": shown, "reason": reason}
    count.assert_any_call(metrics.GRANT_REFUSALS, client="legacy", grant="password")
    assert not AccessToken.objects.exists()


def test_a_blocked_user_is_refused_as_if_the_password_were_wrong(jane):
    ask()
    User.objects.update(is_active=False)
    assert ask().json() == WRONG
    refusal = AuditEvent.objects.get(tag="tokens:password:refused")
    assert refusal.details["reason"] == "inactive user"


@pytest.mark.parametrize(
    "typed", ["at_" + "A" * 44, "dc_" + "A" * 44, "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.x"]
)
def test_a_token_typed_as_user_name_is_refused_and_stands_nowhere(jane, typed):
    assert ask(f"me {typed}").json() == WRONG
    assert event().details["username"] == "m•••"


def test_an_outage_is_never_a_wrong_password(jane, monkeypatch):
    down = mock.Mock(return_value=Unavailable("timeout"))
    monkeypatch.setitem(login.CHECKS, LoginService.Kind.LOCAL, down)
    answer = ask()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json() == {
        "error": "temporarily_unavailable",
        "error_description": "The login service cannot be reached. Try again in a moment.",
    }
    assert not AuditEvent.objects.filter(tag__startswith="tokens:password:").exists()


def test_the_clients_login_services_are_asked_in_their_order_and_no_other(monkeypatch):
    second, first = login_service("acme-old"), login_service()
    account("john", login_service("globex-web", "globex"))
    legacy(login_services=[first, second])
    asked = mock.Mock(return_value=Refused("unknown user name"))
    monkeypatch.setitem(login.CHECKS, LoginService.Kind.LOCAL, asked)
    assert ask("john").json() == WRONG
    assert [call.args[0] for call in asked.call_args_list] == [first, second]


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": {}},
        {"flags": {"allow_password_grant": False}},
        {"grant_types": ["client_credentials"]},
    ],
    ids=["no flag", "flag off", "no grant"],
)
def test_a_client_needs_both_the_grant_and_the_flag(fields):
    account()
    legacy(**fields)
    answer = ask()
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert not User.objects.exists()


@pytest.mark.parametrize("missing", ["username", "password"])
def test_nothing_may_be_missing(jane, missing):
    answer = ask(**{missing: ""})
    assert answer.json() == {
        "error": "invalid_request",
        "error_description": f"{missing} is missing.",
    }


def test_a_scope_that_the_client_lacks_is_refused_before_anybody_is_asked(jane):
    assert ask(scope="orders.write").json()["error"] == "invalid_scope"
    assert not User.objects.exists()


@pytest.mark.parametrize(("consent", "reaches"), [("never", True), ("remember", False)])
def test_a_later_scope_reaches_the_tokens_of_our_own_clients_only(consent, reaches):
    account()
    gateway()
    made = legacy(flags={"allow_password_grant": True, "consent": consent})
    token = ask().json()["access_token"]
    made.scopes.add(*scopes("orders.write"))
    assert ("orders.write" in introspected(token)["scope"]) is reaches


def test_tokens_are_said_again_where_the_client_wants_that():
    account()
    legacy(flags={"allow_password_grant": True, "access_token_reuse": "always"})
    first, second = ask().json(), ask().json()
    assert first["access_token"] == second["access_token"]
    assert first["refresh_token"] != second["refresh_token"]
