"""The tab “Explain” of a client: it says what the endpoints then do, and does nothing itself."""

import html
import json
import re
from datetime import timedelta
from urllib.parse import urlencode

import jwt
import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from branding.models import Brand
from clients_admin.flags import FLAGS
from clients_admin.models import Client, ScopeGroup
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import (
    EXCHANGE,
    PASSWORD,
    Shopper,
    account,
    basic,
    batch,
    client,
    gateway,
    login_service,
    portal,
    post,
    scopes,
    shop,
    trust,
)
from tests.issuers import Signer
from tests.test_admin import operator
from tokens.explain.flags import MEANINGS
from tokens.explain.preview import NO_GATEWAY
from tokens.keys import ring
from tokens.keys.models import SigningKey
from tokens.models import AccessToken, AuthorizationCode, RefreshToken

pytestmark = pytest.mark.django_db

NOON = "2026-06-01T12:00:00Z"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def address(of: Client) -> str:
    return reverse("admin:clients_admin_client_explain", args=[of.pk])


def explain(browser: Browser, of: Client, **asked: str):
    """The answer of the page; what it has worked out is its context."""
    answer = browser.get(f"{address(of)}?{urlencode(asked)}")
    assert answer.status_code == 200
    return answer


def shown(answer, name: str) -> tuple[dict, dict]:
    """Header and claims of a preview, read from the page as an operator does."""
    page = answer.content.decode()
    text = re.search(rf'aria-label="{name}">(.*?)</pre>', page, re.DOTALL)[1]
    decoder = json.JSONDecoder()
    header, end = decoder.raw_decode(html.unescape(text))
    claims, _ = decoder.raw_decode(html.unescape(text)[end:].strip())
    return header, claims


def lives(answer) -> dict[str, timedelta | None]:
    return {bar.life.name: bar.life.ends for bar in answer.context["bars"]}


def problems(answer) -> dict[str, list[str]]:
    return dict(answer.context["question"].errors)


@pytest.fixture
def viewer() -> Browser:
    return operator("vera", VIEWERS)


@pytest.fixture
def clock():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


# --- The contract: what it says is what comes out ------------------------------------------------


def login_of(flags: dict, scope: str, *grant_types: str):
    """Tokens by a browser, for a client with these flags."""
    account()
    known = shop(flags=flags, grant_types=["authorization_code", *grant_types])
    group = ScopeGroup.objects.create(name="reading")
    group.scopes.set(scopes("orders.read"))
    known.scope_groups.add(group)
    shopper = Shopper()
    answer = shopper.authorize(scope=scope)
    if answer.headers["Location"].startswith("/sign-in"):
        answer = shopper.sign_in(answer)
    if answer.headers["Location"].startswith("/consent"):
        answer = shopper.follow(
            shopper.browser.post(answer.headers["Location"], {"decision": "allow"})
        )
    code = re.search(r"code=([^&]+)", answer.headers["Location"])[1]
    return known, "authorization_code", shopper.exchange(code).json()


def own_token(flags: dict, scope: str):
    known = batch(flags=flags)
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    return known, "client_credentials", post("/oauth2/token", form, **basic("batch")).json()


def password_token(flags: dict, scope: str):
    account()
    services = [login_service()]
    known = client("legacy", "openid", "email", "orders.read", login_services=services,
                   grant_types=["password", "refresh_token"], brand=Brand.objects.get(),
                   flags={"allow_password_grant": True, **flags})  # fmt: skip
    form = {"grant_type": "password", "username": "jane", "password": PASSWORD, "scope": scope}
    return known, "password", post("/oauth2/token", form, **basic("legacy")).json()


def assertion_token(flags: dict, scope: str):
    signer = Signer("https://sso.example", "https://id.example")
    trust(signer)
    known = portal(flags=flags)
    signed = signer.sign(preferred_username="jane", auth_time=int(timezone.now().timestamp()))
    form = {"grant_type": JWT_BEARER, "assertion": signed, "scope": scope}
    return known, "jwt_bearer", post("/oauth2/token", form, **basic("portal")).json()


def delegated_token(flags: dict, scope: str):
    jane = account()
    User.objects.create(
        login_service=jane.login_service,
        external_id=str(jane.external_id),
        username="jane",
        claims=jane.claims,
    )
    known = client("agent", "email", "orders.read", "orders.write", grant_types=[EXCHANGE],
                   flags={"on_behalf_of_login_services": ["acme-web"],
                          "on_behalf_of_scopes": ["orders.read", "email"], **flags})  # fmt: skip
    form = {
        "grant_type": EXCHANGE,
        "subject_token": f"acme-web:{jane.external_id}",
        "subject_token_type": "urn:idp:params:oauth:token-type:user-reference",
    } | ({"scope": scope} if scope else {})
    return known, "on_behalf_of", post("/oauth2/token", form, **basic("agent")).json()


FIRST_PARTY = {"consent": "never"}
CASES = {
    "a login": lambda: login_of(FIRST_PARTY, "openid email", "refresh_token"),
    "a login through a group": lambda: login_of(FIRST_PARTY, "openid reading", "refresh_token"),
    "all scopes": lambda: login_of(FIRST_PARTY, "", "refresh_token"),
    "consent": lambda: login_of({}, "openid profile orders.read", "refresh_token"),
    "no refresh token": lambda: login_of(FIRST_PARTY, "openid"),
    "no ID token": lambda: login_of(FIRST_PARTY, "email", "refresh_token"),
    "lifetimes": lambda: login_of(
        {**FIRST_PARTY, "access_token_seconds": 100, "jwt_seconds": 3600, "id_token_seconds": 77,
         "refresh_token_seconds": 1000, "id_token_alg": "EdDSA"},
        "openid", "refresh_token",
    ),
    "a fixed end": lambda: login_of(
        {**FIRST_PARTY, "refresh_expiry": "fixed", "refresh_token_seconds": 600}, "openid",
        "refresh_token",
    ),
    "a capped end": lambda: login_of(
        {**FIRST_PARTY, "refresh_expiry": "sliding_capped", "refresh_max_seconds": 900}, "openid",
        "refresh_token",
    ),
    "a fixed end and a refresh": lambda: login_of(
        {**FIRST_PARTY, "refresh_expiry": "fixed", "refresh_token_seconds": 600,
         "access_token_seconds": 60},
        "openid", "refresh_token",
    ),
    "a capped end and a refresh": lambda: login_of(
        {**FIRST_PARTY, "refresh_expiry": "sliding_capped", "refresh_token_seconds": 600,
         "refresh_max_seconds": 650, "access_token_seconds": 100},
        "openid", "refresh_token",
    ),
    "the same refresh token": lambda: login_of(
        {**FIRST_PARTY, "refresh_rotation": "keep", "access_token_reuse": "recent"}, "openid",
        "refresh_token",
    ),
    "the client itself": lambda: own_token({"access_token_seconds": 120}, "orders.read"),
    "the client itself, all scopes": lambda: own_token({"jwt_seconds": 30}, ""),
    "a password": lambda: password_token({}, "openid email"),
    "an assertion": lambda: assertion_token({"consent": "never"}, "openid email"),
    "on behalf of a user": lambda: delegated_token({"access_token_seconds": 50}, ""),
    "on behalf of a user, one scope": lambda: delegated_token({}, "email"),
}  # fmt: skip
OWN_AUDIENCE = {"jwt_audience": "orders", "jwt_alg": "EdDSA", "jwt_seconds": 11}


@pytest.mark.parametrize(
    ("case", "of_gateway"),
    [
        *((case, {}) for case in CASES),
        ("a login", OWN_AUDIENCE),
        ("the client itself", OWN_AUDIENCE),
    ],
)
def test_what_comes_out_is_what_explain_has_said(viewer, clock, case, of_gateway):
    gateway(flags=of_gateway)
    known, grant, body = CASES[case]()
    asked = {"grant": grant, "gateway": "gateway", "scope": scope_of(case)}
    if grant != "client_credentials":
        asked["user"] = User.objects.get(username__in=["jane", "employee-1"]).sub
    answer = explain(viewer, known, **asked)
    assert answer.context["decided"].refusals == ()

    introspected = post("/oauth2/introspect", {"token": body["access_token"]},
                        HTTP_ACCEPT="application/jwt", **basic("gateway"))  # fmt: skip
    assert parts(introspected.content.decode()) == shown(answer, "Gateway JWT")
    assert "id_token" not in body or parts(body["id_token"]) == shown(answer, "ID token")
    assert ("ID token" in lives(answer)) == ("id_token" in body)

    access = AccessToken.objects.get()
    assert lives(answer)["Access token"] == access.expires_at - access.issued_at
    granted = {scope.name for scope in answer.context["granted"]}
    assert granted == set(body["scope"].split())
    assert answer.context["decided"].stored == access.scope
    claims = jwt.decode(introspected.content.decode(), options={"verify_signature": False})
    assert lives(answer)["Gateway JWT"] == timedelta(seconds=claims["exp"] - claims["iat"])
    assert ("Refresh token" in lives(answer)) == ("refresh_token" in body)
    if "refresh_token" in body:
        check_refresh(answer, clock, known, body)


def scope_of(case: str) -> str:
    """What the case asked for, as it was written there."""
    return {
        "a login": "openid email", "a login through a group": "openid reading", "all scopes": "",
        "consent": "openid profile orders.read", "no ID token": "email",
        "the client itself": "orders.read", "the client itself, all scopes": "",
        "a password": "openid email", "an assertion": "openid email", "on behalf of a user": "",
        "on behalf of a user, one scope": "email",
    }.get(case, "openid")  # fmt: skip


def parts(encoded: str) -> tuple[dict, dict]:
    """Header and claims, without what ties them to one request and one access token."""
    claims = jwt.decode(encoded, options={"verify_signature": False})
    left_out = {
        name: claims.pop(name) for name in ("jti", "at_hash", "nonce", "sid") if name in claims
    }
    assert left_out
    return jwt.get_unverified_header(encoded), claims


def check_refresh(answer, clock, known: Client, body: dict) -> None:
    """The refresh token, and its successor where it is refreshed when the access token ends."""
    first = RefreshToken.objects.get()
    assert lives(answer)["Refresh token"] == first.expires_at - first.issued_at
    successor = lives(answer).get("Its successor, if refreshed when the access token ends")
    can_be = known.effective_flags.refresh_rotation == "rotate"
    can_be = can_be and lives(answer)["Access token"] < lives(answer)["Refresh token"]
    assert (successor is not None) == can_be
    if successor is None:
        return
    began = timezone.now()
    clock.shift(lives(answer)["Access token"])
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    form |= {} if known.is_confidential else {"client_id": known.client_id}
    proof = basic(known.client_id) if known.is_confidential else {}
    assert post("/oauth2/token", form, **proof).status_code == 200
    second = RefreshToken.objects.get(rotated_at=None)
    assert successor == second.expires_at - began


# --- Flags ----------------------------------------------------------------------------------------


def test_every_flag_of_the_registry_is_explained(viewer):
    assert list(MEANINGS) == [flag.name for flag in FLAGS]
    known = shop(flags={"jwt_seconds": 90, "consent": "never"})
    rows = explain(viewer, known, grant="authorization_code").context["flags"]
    assert [row.flag for row in rows] == list(FLAGS)
    assert {row.flag.name for row in rows if row.is_set} == {"jwt_seconds", "consent"}
    assert {row.flag.name: row.value for row in rows}["jwt_seconds"] == "1 minute 30 seconds"
    for row in rows:
        assert row.meaning.endswith(".")


# For each flag a value that is not its default, and a grant for which that makes a difference.
DIFFERENCES = {
    "access_token_seconds": (100, "authorization_code"),
    "access_token_reuse": ("always", "authorization_code"),
    "reuse_recent_seconds": (9, "authorization_code"),
    "reuse_min_remaining_seconds": (9, "authorization_code"),
    "refresh_token_seconds": (100, "authorization_code"),
    "refresh_expiry": ("fixed", "authorization_code"),
    "refresh_max_seconds": (100, "authorization_code"),
    "refresh_rotation": ("keep", "authorization_code"),
    "refresh_grace_seconds": (0, "authorization_code"),
    "max_access_tokens": (0, "client_credentials"),
    "max_refresh_tokens": (3, "authorization_code"),
    "jwt_seconds": (100, "client_credentials"),
    "jwt_audience": ("orders", "client_credentials"),
    "jwt_alg": ("EdDSA", "client_credentials"),
    "id_token_seconds": (100, "authorization_code"),
    "id_token_alg": ("EdDSA", "authorization_code"),
    "consent": ("never", "authorization_code"),
    "require_pushed_authorization_requests": (True, "authorization_code"),
    "consent_days": (30, "authorization_code"),
    "website_url": ("https://shop.example/", "authorization_code"),
    "privacy_url": ("https://shop.example/privacy", "authorization_code"),
    "terms_url": ("https://shop.example/terms", "authorization_code"),
    "required_acr": ("urn:idp:acr:2fa", "authorization_code"),
    "allow_password_grant": (True, "password"),
    "on_behalf_of_login_services": (["acme-web"], "on_behalf_of"),
    "on_behalf_of_scopes": (["orders.read"], "on_behalf_of"),
    "on_behalf_of_unknown_users": ("create", "on_behalf_of"),
    "may_assert_client_ip": (True, "password"),
}
BESIDE = {
    "reuse_recent_seconds": {"access_token_reuse": "recent"},
    "reuse_min_remaining_seconds": {"access_token_reuse": "always"},
    "refresh_max_seconds": {"refresh_expiry": "sliding_capped"},
}


@pytest.mark.parametrize("flag", [flag.name for flag in FLAGS])
def test_a_flag_means_something_else_with_another_value(viewer, flag):
    value, grant = DIFFERENCES[flag]
    beside = BESIDE.get(flag, {})
    known = shop(flags=beside, grant_types=["authorization_code", "refresh_token"])
    meanings = []
    for flags in (beside, {**beside, flag: value}):
        Client.objects.update(flags=flags)
        rows = explain(viewer, known, grant=grant).context["flags"]
        meanings += [row.meaning for row in rows if row.flag.name == flag]
    assert len(set(meanings)) == 2
    assert not any(meaning.startswith("Nothing here") for meaning in meanings)


def test_flags_without_effect_say_why(viewer):
    rows = explain(viewer, batch(), grant="client_credentials").context["flags"]
    said = {row.flag.name: row.meaning for row in rows}
    assert said["refresh_expiry"] == "Nothing here: this grant gives no refresh token."
    assert said["id_token_alg"] == "Nothing here: this grant gives no ID token."
    assert said["consent"] == "Nothing here: no user takes part."


# --- Scopes and refusals --------------------------------------------------------------------------


def test_each_scope_says_by_which_path_it_was_asked_for_and_is_had(viewer):
    known = shop()
    inner, outer = (ScopeGroup.objects.create(name=name) for name in ("orders", "shopping"))
    inner.scopes.set(scopes("orders.write"))
    outer.groups.add(inner)
    known.scope_groups.add(outer)
    answer = explain(viewer, known, grant="authorization_code", scope="shopping email")
    found = [(row.name, row.asked_by, row.had_by) for row in answer.context["granted"]]
    assert found == [
        ("email", "itself", "itself"),
        ("orders.write", "shopping → orders → orders.write", "shopping → orders → orders.write"),
    ]
    assert answer.context["granted"][0].claims == "email, email_verified"


def test_what_would_be_refused_is_said_with_its_reason_and_nothing_comes_out(viewer):
    account()
    known = shop()
    Shopper().tokens()
    scopes("orders.write")
    sub = User.objects.get(username="jane").sub
    answer = explain(viewer, known, grant="authorization_code", user=sub,
                     scope="email orders.write invented")  # fmt: skip
    refused = [(row.name, row.reason) for row in answer.context["refused"]]
    assert refused == [
        ("orders.write", "the client does not have it"),
        ("invented", "there is no such scope or group"),
    ]
    assert answer.context["decided"].refusals == (
        "The scope is refused (invalid_scope): not allowed: invented, orders.write.",
    )
    assert answer.context["previews"] == []
    assert "<pre" not in answer.content.decode()
    location = Shopper().authorize(scope="email orders.write invented").headers["Location"]
    assert "error=invalid_scope" in location


def refusals(answer) -> str:
    return " ".join(answer.context["decided"].refusals)


def test_a_client_without_the_grant_the_flag_or_the_user_is_refused(viewer):
    account()
    known = shop(login_services=[])
    jane = User.objects.create(login_service=login_service(), external_id="1", username="jane")
    asked = {"user": "acme-web/JANE"}
    said = refusals(explain(viewer, known, grant="authorization_code", **asked))
    assert said == "Users of acme-web do not sign in at this client, or it is switched off."
    said = refusals(explain(viewer, known, grant="password", **asked))
    assert "does not have the grant password" in said
    assert "allow_password_grant is off" in said
    known.flags = {**known.flags, "required_acr": "urn:idp:acr:2fa"}
    known.save()
    for grant in ("password", "on_behalf_of", "jwt_bearer"):
        said = refusals(explain(viewer, known, grant=grant, **asked))
        assert "required_acr cannot be met" in said
    said = explain(viewer, known, grant="authorization_code", **asked)
    assert "required_acr cannot be met" not in str(said)
    said = refusals(explain(viewer, known, grant="on_behalf_of", **asked))
    assert "a public client asked" in said
    assert "on_behalf_of_login_services does not name acme-web" in said
    assert "No trusted issuer" in refusals(explain(viewer, known, grant="jwt_bearer", **asked))
    User.objects.filter(pk=jane.pk).update(is_active=False)
    Client.objects.update(is_active=False)
    said = refusals(explain(viewer, known, grant="authorization_code", **asked))
    assert "The client is not active" in said
    assert "The user is not active" in said


def test_tokens_of_a_client_that_requires_two_factors_say_so(viewer):
    account()
    known = shop(flags={"consent": "never", "required_acr": "urn:idp:acr:2fa"})
    User.objects.create(login_service=login_service(), external_id="1", username="jane")
    asked = {"user": "acme-web/jane", "grant": "authorization_code", "scope": "openid"}
    for preview in explain(viewer, known, **asked).context["previews"]:
        assert preview.claims["acr"] == "urn:idp:acr:2fa"
        assert preview.claims["amr"] == ["pwd", "otp", "mfa"]


def test_without_a_user_no_token_of_a_user_is_made_up(viewer):
    answer = explain(viewer, shop(), grant="authorization_code", scope="openid")
    assert answer.context["previews"] == []
    assert "Name a user to see it" in answer.content.decode()
    assert lives(answer)["Access token"] == timedelta(hours=2)


def test_who_gets_no_gateway_jwts_is_said_beside_the_preview(viewer):
    known = batch()
    gateway()
    client("exchanger", grant_types=[EXCHANGE])
    for name, problem in (("", NO_GATEWAY), ("gateway", ""), ("exchanger", "")):
        answer = explain(viewer, known, grant="client_credentials", gateway=name)
        assert [preview.problem for preview in answer.context["previews"]] == [problem]
        assert (NO_GATEWAY in answer.content.decode()) == bool(problem)


def test_without_a_key_it_says_that_nothing_is_signed(viewer):
    known = batch()
    gateway()
    SigningKey.objects.filter(algorithm="ES256").delete()
    ring.forget()
    answer = explain(viewer, known, grant="client_credentials", gateway="gateway")
    ring.forget()
    assert "Nothing would be signed: No active ES256 key." in answer.content.decode()


# --- The form -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("grant", "implicit", "Select a valid choice"),
        ("user", "acme-web/nobody", "No such user has been here."),
        ("user", "x" * 601, "at most 600 characters"),
        ("user", "acme-web/jane", "no user takes part"),
        ("scope", 'a"b', "printable ASCII"),
        ("scope", "*", "not just *"),
        ("scope", "a" * 4001, "at most 4000 characters"),
        ("gateway", "nobody", "There is no such client."),
    ],
)
def test_bad_input_is_said_beside_its_field(viewer, field, text, problem):
    User.objects.create(login_service=login_service(), external_id="1", username="jane")
    answer = explain(viewer, batch(), **{"grant": "client_credentials", field: text})
    assert problem in problems(answer)[field][0]
    assert list(problems(answer)) == [field]
    page = answer.content.decode()
    row = re.search(rf'<label for="id_{field}">.*?</div>', page, re.DOTALL)[0]
    assert problem in html.unescape(row)
    assert 'aria-invalid="true"' in row
    assert "decided" not in answer.context


def test_the_form_is_there_once_with_what_was_asked_and_a_button(viewer):
    page = explain(
        viewer, batch(), grant="client_credentials", scope="orders.read"
    ).content.decode()
    (form,) = re.findall(r'<form method="get".*?</form>', page, re.DOTALL)
    assert re.findall(r' name="(\w+)"', form) == ["grant", "user", "scope", "gateway"]
    assert 'value="orders.read"' in form
    (button,) = re.findall(r"<button([^>]*)>\s*Explain\s*</button>", form)
    assert 'type="submit"' in button
    assert " form=" not in button


def test_a_name_that_several_users_bear_asks_for_the_subject(viewer):
    for number in range(2):
        User.objects.create(login_service=login_service(), external_id=str(number), username="jane")
    answer = explain(viewer, shop(), grant="authorization_code", user="acme-web/jane")
    assert problems(answer) == {"user": ["Several users have this name: give the subject (sub)."]}


def test_a_nul_in_the_address_is_refused(viewer):
    assert viewer.get(f"{address(shop())}?user=a%00b").status_code == 400


# --- Looking changes nothing ----------------------------------------------------------------------


def test_nothing_is_written_audited_or_signed_by_looking(viewer, monkeypatch):
    account()
    known = shop()
    Shopper().tokens()
    sub = User.objects.get(username="jane").sub
    before = [model.objects.count() for model in (AccessToken, RefreshToken, AuthorizationCode)]
    events = AuditEvent.objects.count()
    monkeypatch.setattr("idp.jose.Signer.sign", lambda *_, **__: pytest.fail("signed"))
    with CaptureQueriesContext(connection) as captured:
        answer = explain(viewer, known, grant="authorization_code", user=sub, scope="openid")
    assert len(answer.context["previews"]) == 2
    statements = {query["sql"].lstrip("(").split()[0] for query in captured}
    assert statements <= {"SELECT"}
    assert before == [m.objects.count() for m in (AccessToken, RefreshToken, AuthorizationCode)]
    assert AuditEvent.objects.count() == events
    assert "eyJ" not in answer.content.decode()


@pytest.mark.parametrize("role", [VIEWERS, EDITORS])
def test_both_roles_look_and_nobody_posts(role):
    browser = operator("somebody", role)
    known = batch()
    assert explain(browser, known).context["decided"].case.way.name == "client_credentials"
    assert browser.post(address(known), {"grant": "client_credentials"}).status_code == 405


def test_who_may_not_see_users_learns_nothing_of_them():
    account()
    known = shop()
    Shopper().tokens()
    browser = operator("somebody", VIEWERS)
    Group.objects.get(name=VIEWERS).permissions.remove(Permission.objects.get(codename="view_user"))
    for name in ("acme-web/jane", "acme-web/nobody"):
        answer = explain(browser, known, grant="authorization_code", user=name)
        assert problems(answer) == {"user": ["You may not see users."]}


def test_the_page_costs_the_same_queries_however_much_the_client_has(viewer):
    known = shop()
    asked = {"grant": "authorization_code", "scope": "openid"}
    explain(viewer, known, **asked)  # What is cached for good is read now.
    with CaptureQueriesContext(connection) as few:
        explain(viewer, known, **asked)
    known.scopes.add(*scopes(*(f"scope.{number}" for number in range(30))))
    for number in range(10):
        group = ScopeGroup.objects.create(name=f"group-{number}")
        group.scopes.set(scopes(f"scope.{number}"))
        known.scope_groups.add(group)
    with CaptureQueriesContext(connection) as many:
        explain(viewer, known, **{**asked, "scope": ""})
    assert len(many) == len(few)
