"""`/internal/jwt` over HTTP: a JWT for a client's credentials, from inside only."""

from ipaddress import ip_network

import pytest
import requests
from django.apps import apps
from django.test import Client as Browser

from clients_admin.models import Client, ScopeGroup
from idp.accounts.models import User
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    EXCHANGE,
    SECRET,
    basic,
    batch,
    client,
    gateway,
    post,
    shop,
)
from tests.interop import demo
from tests.signed import ALGORITHMS, verified

PATH = "/internal/jwt"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
GRANT = {"grant_type": "client_credentials"}

pytestmark = pytest.mark.django_db


def ask(parameters: dict[str, str] | None = None, client_id: str = "batch", **headers: str):
    return post(PATH, GRANT | (parameters or {}), **{**basic(client_id), **headers})


def claims_of(answer, **expected: str) -> dict:
    assert answer.status_code == 200, answer.content
    return verified(answer.json()["access_token"], typ="at+jwt", **expected)


def rows() -> dict[str, int]:
    """How many there are of everything that a token could leave behind."""
    models = [model for model in apps.get_app_config("tokens").get_models() if model._meta.managed]
    counts = {model.__name__: model._default_manager.count() for model in [*models, User]}
    assert {"AccessToken", "RefreshToken", "AuthorizationCode"} < set(counts)
    return counts


# --- What it gives -------------------------------------------------------------------------------


def test_a_client_gets_its_own_jwt_and_nothing_is_written(settings):
    batch()
    before = rows()
    answer = ask()
    body = answer.json()
    assert body == {
        "access_token": body["access_token"],
        "issued_token_type": JWT_TYPE,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "orders.read orders.write",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    claims = claims_of(answer)
    assert claims == {
        "iss": settings.PUBLIC_URL,
        "sub": "batch",
        "aud": "services",
        "client_id": "batch",
        "scope": "orders.read orders.write",
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "jti": claims["jti"],
    }
    assert rows() == before


def test_it_is_the_jwt_that_the_gateway_would_get_for_a_token():
    batch()
    gateway()
    own = claims_of(ask())
    token = post("/oauth2/token", GRANT, **basic("batch")).json()["access_token"]
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
    }
    exchanged = claims_of(post("/oauth2/token", form, **basic("gateway")))
    changing = {name: own[name] for name in ("iat", "exp", "jti")}
    assert own == exchanged | changing


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_lifetime_audience_and_algorithm_are_flags(algorithm):
    batch(flags={"jwt_seconds": 60, "jwt_audience": "warehouse", "jwt_alg": algorithm})
    answer = ask({"audience": "warehouse"})
    claims = claims_of(answer, algorithm=algorithm, audience="warehouse")
    assert (answer.json()["expires_in"], claims["exp"] - claims["iat"]) == (60, 60)


def test_a_scope_can_be_named_and_groups_are_opened():
    made = batch()
    group = ScopeGroup.objects.create(name="all-orders")
    group.scopes.set(made.scopes.all())
    made.scope_groups.add(group)
    assert claims_of(ask({"scope": "orders.read"}))["scope"] == "orders.read"
    assert claims_of(ask({"scope": "all-orders"}))["scope"] == "orders.read orders.write"


def test_a_client_without_scopes_gets_a_jwt_without_rights():
    client("bare", grant_types=["client_credentials"])
    answer = ask(client_id="bare")
    assert (answer.json()["scope"], claims_of(answer)["scope"]) == ("", "")


def test_credentials_come_in_every_way_that_the_token_endpoint_takes():
    batch()
    in_body = {"client_id": "batch", "client_secret": SECRET}
    assert claims_of(post(PATH, in_body))["sub"] == "batch"
    assert claims_of(post(PATH, GRANT | in_body))["sub"] == "batch"


def test_a_library_for_client_credentials_needs_no_more_than_the_address(live_idp):
    """As `make run` serves it: on loopback, with the demo's clients."""
    job = demo.client("demo-batch")
    answer = requests.post(
        f"{live_idp.url}{PATH}",
        data=GRANT,
        auth=(job.client_id, job.secret),
        timeout=30,
    )
    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")
    forwarded = {"X-Forwarded-For": "127.0.0.1"}
    answer = requests.post(f"{live_idp.url}{PATH}", headers=forwarded, timeout=30)
    assert answer.status_code == 404


# --- Who is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "status", "error"),
    [
        ({"scope": "introspection"}, 400, "invalid_scope"),
        ({"scope": "orders.read *"}, 400, "invalid_scope"),
        ({"audience": "elsewhere"}, 400, "invalid_target"),
        ({"resource": "https://services.example"}, 400, "invalid_target"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "gateway"}, 400, "invalid_request"),
        ({"client_secret": SECRET}, 400, "invalid_request"),
    ],
)
def test_what_is_refused(parameters, status, error):
    batch()
    answer = ask(parameters)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize(
    ("client_id", "secret", "status", "error"),
    [
        ("batch", "wrong", 401, "invalid_client"),
        ("nobody", SECRET, 401, "invalid_client"),
        ("exchanger", SECRET, 400, "unauthorized_client"),
        ("blocked", SECRET, 401, "invalid_client"),
    ],
)
def test_who_is_refused(client_id, secret, status, error):
    batch()
    client("exchanger", grant_types=[EXCHANGE])
    batch("blocked", is_active=False)
    answer = post(PATH, GRANT, **basic(client_id, secret))
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_naming_a_public_client_opens_nothing():
    shop()
    Client.objects.filter(client_id="shop").update(grant_types=["client_credentials"])
    answer = post(PATH, {"client_id": "shop"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_it_is_the_post_of_a_form():
    answer = Browser().get(PATH)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    answer = Browser().post(PATH, GRANT, content_type="application/json", **basic("batch"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_credentials_do_not_belong_in_the_url():
    batch()
    answer = Browser().post(f"{PATH}?client_secret={SECRET}", **basic("batch"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# --- To all others there is nothing here ---------------------------------------------------------


def as_unknown(answer) -> bool:
    """An address that does not exist answers the same, byte by byte."""
    unknown = Browser().get("/internal/no-such-address", REMOTE_ADDR="192.0.2.1")
    return (answer.status_code, answer.content, answer.headers) == (
        404,
        unknown.content,
        unknown.headers,
    )


@pytest.mark.parametrize(
    "peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "", "unix:", "127.0.0.1, x"]
)
def test_to_peers_outside_there_is_nothing_here(peer):
    batch()
    assert as_unknown(ask(REMOTE_ADDR=peer))
    assert as_unknown(ask(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR="127.0.0.1"))


@pytest.mark.parametrize(
    "name",
    [
        *("X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_FORWARDED_HOST", "X_FORWARDED_PORT"),
        *("X_FORWARDED_SERVER", "X_FORWARDED_PREFIX", "FORWARDED", "X_REAL_IP", "VIA"),
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "", "for=127.0.0.1;proto=https"])
def test_what_a_proxy_has_forwarded_is_from_outside(name, value):
    batch()
    assert as_unknown(ask(**{f"HTTP_{name}": value}))


@pytest.mark.parametrize("method", ["get", "put", "delete", "options", "patch"])
def test_that_comes_before_every_other_check(method):
    outside = {"REMOTE_ADDR": "192.0.2.1"}
    assert as_unknown(getattr(Browser(), method)(PATH, **outside))
    assert as_unknown(Browser().post(PATH, "{", content_type="application/json", **outside))
    assert as_unknown(post(PATH, {"client_id": "nobody"}, **outside))


def test_credentials_in_the_url_do_not_tell_it_apart_either():
    outside, query = {"REMOTE_ADDR": "192.0.2.1"}, f"?client_secret={SECRET}"
    answers = [
        Browser().post(f"{path}{query}", **outside) for path in (PATH, "/internal/no-such-address")
    ]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1


def test_the_networks_are_the_operators(settings):
    batch()
    settings.INTERNAL_NETWORKS = (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
    peers = ("10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "2001:db8::9", "127.0.0.1")
    answered = [peer for peer in peers if ask(REMOTE_ADDR=peer).status_code == 200]
    assert answered == ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::9"]


def test_discovery_does_not_tell_of_it():
    assert "internal" not in Browser().get("/.well-known/openid-configuration").content.decode()
