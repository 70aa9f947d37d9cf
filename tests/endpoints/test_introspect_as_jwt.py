"""Introspection that answers a JWT: the gateway JWT (phantom token), and RFC 9701."""

import pytest
import requests
import time_machine
from django.test import Client as Browser

from clients_admin.models import Client
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    EXCHANGE,
    Shopper,
    account,
    basic,
    batch,
    gateway,
    introspected,
    post,
    shop,
)
from tests.first_party import GATEWAY
from tests.interop import demo
from tests.signed import ALGORITHMS, verified
from tokens.models import AccessToken

PATH = "/oauth2/introspect"
JSON = "application/json"
JWT = "application/jwt"
SIGNED = "application/token-introspection+jwt"

pytestmark = pytest.mark.django_db


@pytest.fixture
def shopper() -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def ask(token: str, accept: str = JWT, client_id: str = "gateway"):
    return post(PATH, {"token": token}, HTTP_ACCEPT=accept, **basic(client_id))


def batch_token() -> str:
    form = {"grant_type": "client_credentials"}
    return post("/oauth2/token", form, **basic("batch")).json()["access_token"]


def exchanged(token: str) -> str:
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
    }
    return post("/oauth2/token", form, **basic("gateway")).json()["access_token"]


def without_jti(claims: dict) -> dict:
    assert claims["jti"]
    return {name: value for name, value in claims.items() if name != "jti"}


# --- The gateway JWT -----------------------------------------------------------------------------


def test_introspection_and_exchange_give_the_same_jwt(shopper, settings):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False):
        token = shopper.tokens()["access_token"]
        rows = AccessToken.objects.count()
        answer = ask(token)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, JWT)
        claims = verified(answer.content.decode(), typ="at+jwt")
        assert without_jti(claims) == without_jti(verified(exchanged(token), typ="at+jwt"))
        assert claims["sub"] == introspected(token)["sub"]
    assert claims == {
        "iss": settings.PUBLIC_URL,
        "sub": claims["sub"],
        "aud": "services",
        "client_id": "shop",
        "scope": "email openid orders.read",
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "jti": claims["jti"],
        "auth_time": claims["auth_time"],
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "brand": "acme",
        "login_service": "acme-web",
        "email": "jane@example.org",
    }
    assert AccessToken.objects.count() == rows, "no row is written"


def test_a_token_of_a_client_alone(shopper):
    batch()
    token = batch_token()
    claims = verified(ask(token).content.decode(), typ="at+jwt")
    assert without_jti(claims) == without_jti(verified(exchanged(token), typ="at+jwt")) | {
        name: claims[name] for name in ("iat", "exp")
    }
    assert (claims["sub"], claims["scope"]) == ("batch", "orders.read orders.write")


@pytest.mark.parametrize("token", ["at_made-up", "x", "rt_AAAA", "🙂"])
def test_of_an_inactive_token_nothing_is_said(shopper, token):
    answer = ask(token)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_revoked_token_and_a_blocked_client_are_inactive(shopper):
    token = shopper.tokens()["access_token"]
    assert ask(token).status_code == 200
    Client.objects.filter(client_id="shop").update(is_active=False)
    assert ask(token).status_code == 204
    Client.objects.filter(client_id="shop").update(is_active=True)
    assert post("/oauth2/revoke", {"token": token, "client_id": "shop"}).status_code == 200
    assert ask(token).status_code == 204


def test_a_token_that_has_lost_all_its_rights_gives_a_jwt_without_any(shopper):
    batch()
    token, batch_own = shopper.tokens()["access_token"], batch_token()
    for client in Client.objects.filter(client_id__in=["shop", "batch"]):
        client.scopes.clear()
    claims = verified(ask(token).content.decode(), typ="at+jwt")
    assert claims["scope"] == ""
    assert "email" not in claims
    assert verified(ask(batch_own).content.decode(), typ="at+jwt")["scope"] == ""


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_audience_and_algorithm_are_the_flags_of_who_asks(shopper, algorithm):
    gateway("other", flags={"jwt_audience": "elsewhere", "jwt_alg": algorithm})
    token = shopper.tokens()["access_token"]
    expected = {"algorithm": algorithm, "audience": "elsewhere"}
    answer = ask(token, client_id="other").content.decode()
    assert verified(answer, typ="at+jwt", **expected)["client_id"] == "shop"
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        "audience": "elsewhere",
    }
    answer = post("/oauth2/token", form, **basic("other")).json()["access_token"]
    assert verified(answer, typ="at+jwt", **expected)["client_id"] == "shop"


def test_it_may_be_kept_for_half_of_its_life_and_no_longer():
    account()
    gateway()
    shop(flags={"consent": "never", "access_token_seconds": 360})
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        token = Shopper().tokens()["access_token"]
        seen = []
        for seconds in (0, 200, 150, 9):
            clock.shift(seconds)
            answer = ask(token)
            claims = verified(answer.content.decode(), typ="at+jwt")
            seen.append((claims["exp"] - claims["iat"], answer.headers["Cache-Control"]))
        assert seen == [
            (300, "max-age=150"),
            (160, "max-age=80"),
            (10, "max-age=5"),
            (1, "max-age=1"),
        ]
        clock.shift(1)
        assert ask(token).status_code == 204


# --- RFC 9701 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_signed_answer_holds_the_members_of_the_json_answer(shopper, settings, algorithm):
    gateway("other", flags={"jwt_audience": "elsewhere", "jwt_alg": algorithm})
    token = shopper.tokens()["access_token"]
    answer = ask(token, SIGNED, "other")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, SIGNED)
    assert answer.headers["Cache-Control"] == "no-store"
    claims = verified(
        answer.content.decode(),
        typ="token-introspection+jwt",
        algorithm=algorithm,
        audience="other",
    )
    # Section 5: "SHOULD NOT include the sub and exp claims".
    assert claims == {
        "iss": settings.PUBLIC_URL,
        "aud": "other",
        "iat": claims["iat"],
        "token_introspection": introspected(token),
    }
    assert claims["token_introspection"]["active"] is True


@pytest.mark.parametrize("token", ["at_made-up", "x"])
def test_the_signed_answer_to_an_inactive_token_has_no_other_member(shopper, token):
    answer = ask(token, SIGNED)
    claims = verified(answer.content.decode(), typ="token-introspection+jwt", audience="gateway")
    assert answer.status_code == 200
    assert claims["token_introspection"] == {"active": False}


def test_discovery_names_the_algorithms():
    document = Browser().get("/.well-known/oauth-authorization-server").json()
    assert set(document["introspection_signing_alg_values_supported"]) == set(ALGORITHMS)


# --- Which of them ------------------------------------------------------------------------------


FORMS = {
    JSON: [
        *("", "*/*", "application/*", JSON, "text/html", "text/html, */*;q=0.1"),
        *(f"{JSON}, {JWT}", f"{JWT};q=0.5, {JSON}", f"*/*, {JWT};q=0.9"),
        *(f"{JWT};q=0", f"{JWT};q=0, */*", "application/jwt2", "application/at+jwt", "jwt"),
        *("x", ";q=x", "\0", "é", "a/b;" * 9000, "a;charset*=x''y", "a;charset*=hex'e'%ff"),
    ],
    JWT: [
        *(JWT, "Application/JWT", f" {JWT} ", f"{JWT}, */*", f"{JWT},,,", f"text/html, {JWT}"),
        *(f"{JWT}, {JSON}", f"{JSON};q=0.5, {JWT}", f"{JWT}, {SIGNED}", f"{SIGNED};q=0.9, {JWT}"),
        *(f"{JWT};q=0.1", f"{JWT}; q=1.0", f"{JWT};q=2", f"{JWT};q=nan"),
    ],
    SIGNED: [SIGNED, f"{SIGNED}, {JSON};q=0.9", f"{SIGNED}, {JWT}"],
}


@pytest.mark.parametrize(
    ("accept", "expected"), [(accept, form) for form, all_of in FORMS.items() for accept in all_of]
)
def test_the_form_is_what_the_caller_would_rather_have(shopper, accept, expected):
    batch()
    answer = ask(batch_token(), accept)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, expected)
    assert "Accept" in answer.headers["Vary"].split(", ")
    if expected == JWT:
        assert verified(answer.content.decode(), typ="at+jwt")
    inactive = ask("at_made-up", accept)
    assert inactive.status_code == (204 if expected == JWT else 200)
    assert "Accept" in inactive.headers["Vary"].split(", ")


def test_without_the_header_it_is_json(shopper):
    answer = post(PATH, {"token": "x"}, **basic("gateway"))
    assert answer.json() == {"active": False}
    assert "Accept" in answer.headers["Vary"].split(", ")


@pytest.mark.parametrize("accept", [JWT, SIGNED])
@pytest.mark.parametrize(
    ("parameters", "client_id", "refusal"),
    [
        ({"token": "at_x"}, "batch", (403, "unauthorized_client")),
        ({"token": "at_x"}, "nobody", (401, "invalid_client")),
        ({}, "gateway", (400, "invalid_request")),
    ],
)
def test_a_refusal_is_json_whatever_is_accepted(shopper, accept, parameters, client_id, refusal):
    batch()
    answer = post(PATH, parameters, HTTP_ACCEPT=accept, **basic(client_id))
    assert (answer.status_code, answer.json()["error"]) == refusal
    assert answer.headers["Content-Type"] == JSON


# --- On the wire ---------------------------------------------------------------------------------


def test_the_modules_of_gateways_find_what_they_rely_on(live_idp):
    """A Content-Length to read the JWT by, and nothing at all in a 204."""
    job = demo.client("demo-batch")
    token = requests.post(
        f"{live_idp.url}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(job.client_id, job.secret),
        timeout=30,
    ).json()["access_token"]

    def over_http(token: str) -> requests.Response:
        return requests.post(
            f"{live_idp.url}{PATH}",
            data={"token": token},
            headers={"Accept": JWT},
            auth=GATEWAY,
            timeout=30,
        )

    answer = over_http(token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, JWT)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.content == answer.content.strip()
    inactive = over_http("at_made-up")
    assert (inactive.status_code, inactive.content) == (204, b"")
    assert not {"Content-Type", "Content-Length", "Transfer-Encoding"} & set(inactive.headers)
