"""RFC 7523 section 2.2 over HTTP: a client proves itself by a JWT, at every endpoint."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
import requests
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.test import Client as Browser

from clients_admin.models import Client
from idp import remote_keys
from idp.audit.models import AuditEvent
from idp.spent_assertions import SpentAssertion
from tests.configuration import SECRET, basic, batch, client, post, shop
from tests.environment import PUBLIC_URL
from tests.issuers import KeyServer, Signer, document, jwk, new_key, pem, private_pem
from tests.servers import LiveIDP
from tokens import private_key_jwt
from tokens.models import AccessToken

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}
REFUSAL = {"error": "invalid_client", "error_description": "Client authentication failed."}
TWO_METHODS = "Use one method of client authentication, not two."
KEY, OTHER_KEY, RSA_KEY = new_key(), new_key(), new_key("RS256")
NOW = int(time.time())


def signer(**fields: Any) -> Signer:
    whose = {"issuer": "robot", "audience": PUBLIC_URL, "defaults": {"sub": "robot"}}
    return Signer(**{"kid": "one", "key": KEY, **whose, **fields})


def robot(**fields: Any) -> Client:
    """A client without any secret."""
    defaults = {"grant_types": ["client_credentials"], "jwks": {"keys": [jwk(KEY, "one")]}}
    made = client("robot", "orders.read", "introspection", **{**defaults, **fields})
    made.full_clean()
    made.secrets.all().delete()
    return made


def proof(encoded: str) -> dict[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": encoded}


def ask(encoded: str, **parameters: str) -> HttpResponse:
    return post("/oauth2/token", {**GRANT, **proof(encoded), **parameters})


def reasons() -> list[str]:
    events = AuditEvent.objects.filter(tag="tokens:client_assertion:refused").order_by("id")
    assert {event.client_id for event in events} <= {"robot"}
    return [event.details["reason"] for event in events]


def assert_refused(answer: HttpResponse) -> None:
    assert (answer.status_code, answer.json()) == (401, REFUSAL)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="idp", charset="UTF-8"'
    assert not AccessToken.objects.exists()
    assert not SpentAssertion.objects.exists()


@pytest.fixture
def house(db) -> Iterator[None]:
    robot()
    remote_keys.forget()
    yield
    remote_keys.forget()


pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("house")]


# --- What opens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", [PUBLIC_URL, f"{PUBLIC_URL}/oauth2/token", [PUBLIC_URL]])
@pytest.mark.parametrize("parameters", [{}, {"client_id": "robot"}])
def test_a_client_proves_itself_by_a_jwt(audience, parameters):
    answer = ask(signer().sign(aud=audience), **parameters)
    assert answer.status_code == 200, answer.json()
    assert answer.json()["scope"] == "introspection orders.read"


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "PS512", "EdDSA"])
def test_every_advertised_algorithm_works(algorithm):
    of = signer(algorithm=algorithm, key=new_key(algorithm), kid=None)
    Client.objects.filter(client_id="robot").update(jwks=of.jwks)
    assert ask(of.sign(iat=None)).status_code == 200
    document = Browser().get("/.well-known/openid-configuration").json()
    for endpoint in ("token", "introspection", "revocation"):
        assert "private_key_jwt" in document[f"{endpoint}_endpoint_auth_methods_supported"]
        algorithms = document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert algorithm in algorithms
        # RFC 8414 section 2: "The value none MUST NOT be used."
        assert not {"none", "HS256", "HS384", "HS512"} & set(algorithms)


def test_it_works_at_introspection_and_revocation_too():
    token = ask(signer().sign()).json()["access_token"]
    looked_at = post("/oauth2/introspect", {"token": token, **proof(signer().sign())})
    assert looked_at.json()["client_id"] == "robot"
    assert post("/oauth2/revoke", {"token": token, **proof(signer().sign())}).status_code == 200
    looked_at = post("/oauth2/introspect", {"token": token, **proof(signer().sign())})
    assert looked_at.json() == {"active": False}


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"])
def test_it_counts_once_wherever_it_is_presented(path):
    encoded = signer().sign()
    form = {**GRANT, "token": "at_x", **proof(encoded)}
    assert post(path, form).status_code == 200
    for again in ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"):
        answer = post(again, form)
        assert (answer.status_code, answer.json()) == (401, REFUSAL)
    assert reasons() == ["presented before (jti)"] * 3


def test_what_is_refused_for_another_reason_has_still_spent_it():
    encoded = signer().sign()
    assert ask(encoded, scope="orders.write").json()["error"] == "invalid_scope"
    assert ask(encoded).json() == REFUSAL


def test_two_clients_may_use_the_same_jti():
    assert ask(signer().sign(jti="1")).status_code == 200
    other = client("other", "orders.read", grant_types=["client_credentials"])
    Client.objects.filter(pk=other.pk).update(jwks={"keys": [jwk(OTHER_KEY)]})
    of_other = Signer("other", PUBLIC_URL, key=OTHER_KEY, defaults={"sub": "other", "jti": "1"})
    assert ask(of_other.sign()).status_code == 200


# --- What does not --------------------------------------------------------------------------------

REFUSED = {
    "another's key": (lambda: signer(key=OTHER_KEY).sign(), "the signature is wrong"),
    "alg none": (
        lambda: jwt.encode(signer().claims(), None, algorithm="none") + "AAAA",
        "the algorithm 'none' is not allowed",
    ),
    "a shared secret": (
        lambda: jwt.encode(signer().claims(), SECRET, algorithm="HS256"),
        "the algorithm 'HS256' is not allowed",
    ),
    "an unknown kid": (lambda: signer(kid="two").sign(), "the kid 'two' is unknown"),
    "an algorithm of another key": (
        lambda: signer(algorithm="RS256", key=RSA_KEY).sign(),
        "no key is for the algorithm RS256",
    ),
    "expired": (lambda: signer().sign(iat=NOW - 200, exp=NOW - 100), "expired at 20"),
    "too long alive": (lambda: signer().sign(exp=NOW + 3600), "longer than 300 seconds alive"),
    "too long alive without iat": (
        lambda: signer().sign(iat=None, exp=NOW + 3600),
        "longer than 300 seconds alive",
    ),
    "a wrong audience": (
        lambda: signer().sign(aud=f"{PUBLIC_URL}/oauth2/introspect"),
        "the aud is 'http://127.0.0.1:8000/oauth2/introspect'",
    ),
    "an audience among others": (
        lambda: signer().sign(aud=[PUBLIC_URL, "https://other.example"]),
        "names several",
    ),
    "both audiences": (
        lambda: signer().sign(aud=[PUBLIC_URL, f"{PUBLIC_URL}/oauth2/token"]),
        "names several",
    ),
    "no jti": (lambda: signer().sign(jti=None), "without jti"),
    "no exp": (lambda: signer().sign(exp=None), "without exp"),
    "an end in a million years": (lambda: signer().sign(exp=10**14), "the exp is no date"),
    "a kid that looks like a token": (lambda: signer(kid="at_" + "A" * 44).sign(), "is unknown"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_in_the_same_words_and_the_audit_knows_why(case):
    make, reason = REFUSED[case]
    for path in ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"):
        answer = post(path, {**GRANT, "token": "at_x", **proof(make())})
        assert_refused(answer)
    assert len(reasons()) == 3
    assert all(reason in found for found in reasons()), reasons()


@pytest.mark.parametrize(
    "encoded",
    [
        *("x", "a.b.c", "at_" + "A" * 44, "x" * 9000),
        signer().sign(iss="nobody", sub="nobody"),
        signer().sign(sub="somebody-else"),
        signer().sign(iss="somebody-else"),
        signer().sign(iss=None),
        signer().sign(sub=None),
        signer().sign(iss="a\0b", sub="a\0b"),
        signer().sign(iss="\ud800", sub="\ud800"),
        signer().sign(header={"crit": ["x"]}),
    ],
)
def test_what_names_no_client_leaves_no_trace(encoded):
    assert_refused(ask(encoded))
    assert reasons() == []


def test_one_method_is_enough():
    batch()
    for parameters, headers in (
        ({"client_secret": SECRET, "client_id": "robot"}, {}),
        ({}, basic("batch")),
        ({}, basic("robot")),
    ):
        answer = post("/oauth2/token", {**GRANT, **proof(signer().sign()), **parameters}, **headers)
        assert (answer.status_code, answer.json()["error_description"]) == (400, TWO_METHODS)


def test_the_client_id_beside_it_must_agree():
    batch()
    answer = ask(signer().sign(), client_id="batch")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_its_two_parameters_come_together():
    for half in proof(signer().sign()).items():
        answer = post("/oauth2/token", {**GRANT, "client_id": "robot", **dict([half])})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    assert_refused(ask(signer().sign(), client_assertion_type=saml))


def test_a_public_client_cannot_prove_itself():
    shop()
    Client.objects.filter(client_id="shop").update(jwks={"keys": [jwk(KEY, "one")]})
    encoded = Signer("shop", PUBLIC_URL, key=KEY, defaults={"sub": "shop"}).sign()
    assert_refused(ask(encoded))


def test_a_client_without_keys_or_with_bad_ones_is_refused():
    for jwks in (None, {}, [], {"keys": []}, {"keys": [jwk(KEY, d="AAAA")]}):
        Client.objects.filter(client_id="robot").update(jwks=jwks)
        assert_refused(ask(signer().sign()))
    assert reasons()[0] == "the client has no keys"
    assert reasons()[1].startswith("the JWKS of the client is not a JWKS")


def test_an_inactive_client_is_refused():
    Client.objects.update(is_active=False)
    assert_refused(ask(signer().sign()))


# --- Keys by URL ----------------------------------------------------------------------------------


@pytest.fixture
def keys(settings) -> Iterator[KeyServer]:
    settings.JWKS_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with KeyServer(document({"keys": [jwk(KEY, "one")]})) as server:
        Client.objects.filter(client_id="robot").update(jwks=None, jwks_url=server.url)
        yield server


def test_keys_are_read_by_url_once(keys):
    for _ in range(3):
        assert ask(signer().sign()).status_code == 200
    assert len(keys.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (document(b"", 307, Location="http://127.0.0.1:1/"), "answered with status 307"),
        (document(b" " * 10_000_000), "larger than 65536 bytes"),
        (KeyServer.hang, "did not answer within 2 seconds"),
    ],
)
def test_a_jwks_url_that_gives_no_keys_opens_nothing(keys, answer, reason):
    keys.answer = keys.hang if answer is KeyServer.hang else answer
    began = time.monotonic()
    for _ in range(3):
        assert_refused(ask(signer().sign()))
    assert len(keys.asked) == 1
    assert time.monotonic() - began < 4
    assert [reason in found for found in reasons()] == [True] * 3


def test_a_jwks_url_at_a_private_address_is_not_asked(keys, settings):
    settings.JWKS_ALLOWED_NETWORKS = ()
    assert_refused(ask(signer().sign()))
    assert keys.asked == []
    assert "at no address that may be asked" in reasons()[0]


# --- What a client may have -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jwks", "problem"),
    [
        ({"keys": [jwk(KEY, "one", d="AAAA")]}, "This holds a private or a shared key"),
        ({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, "This holds a private or a shared key"),
        ({"keys": [jwk(KEY, "one"), jwk(KEY, use="enc")]}, "Key 2 cannot verify signatures here."),
        ({"keys": []}, "This holds no key"),
        ({}, "This is not a JWKS"),
        ([], "This is not a JWKS"),
        ("x", "This is not a JWKS"),
        (pem(KEY), "This is not a JWKS"),
        (private_pem(KEY).decode(), "This is not a JWKS"),
    ],
)
def test_a_client_has_public_keys_only(jwks, problem):
    made = Client.objects.get(client_id="robot")
    made.jwks = jwks
    with pytest.raises(ValidationError) as raised:
        made.full_clean()
    assert set(raised.value.message_dict) == {"jwks"}
    assert raised.value.message_dict["jwks"][0].startswith(problem)
    assert "AAAA" not in json.dumps(raised.value.message_dict)


def test_a_client_has_a_jwks_or_its_url_which_is_https():
    made = Client.objects.get(client_id="robot")
    made.jwks_url = "https://robot.example/jwks.json"
    with pytest.raises(ValidationError, match="not both"):
        made.full_clean()
    made.jwks = None
    made.full_clean()
    for url in ("http://robot.example/", "robot.example", "https://a:b@robot.example/", "file:///"):
        made.jwks_url = url
        with pytest.raises(ValidationError) as raised:
            made.full_clean()
        assert set(raised.value.message_dict) == {"jwks_url"}


def test_a_public_client_has_no_keys():
    made = shop()
    made.jwks = {"keys": [jwk(KEY)]}
    with pytest.raises(ValidationError, match="A public client has no keys"):
        made.full_clean()


# --- At once --------------------------------------------------------------------------------------

SET_UP = """
from clients_admin.models import Client
Client.objects.create(client_id="robot-of-the-race", client_type="confidential", jwks={jwks!r},
                      grant_types=["client_credentials"])
"""


@pytest.fixture(scope="module")
def two(live_idp: LiveIDP, live_database: str) -> Iterator[tuple[LiveIDP, LiveIDP]]:
    jwks = {"keys": [jwk(KEY, "one")]}
    live_idp.manage("shell", "--no-imports", "-c", SET_UP.format(jwks=jwks))
    with LiveIDP(live_database, public_url=live_idp.public_url) as second:
        yield live_idp, second


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect"])
def test_of_twenty_who_present_one_at_once_one_wins(two, path):
    name = "robot-of-the-race"
    of = signer(issuer=name, defaults={"sub": name})
    form = {**GRANT, "token": "at_x", **proof(of.sign(aud=two[0].public_url))}

    def race(number: int) -> requests.Response:
        return requests.post(f"{two[number % 2].url}{path}", data=form, timeout=60)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(race, range(20)))
    # At introspection the winner has proved itself, and learns that it may not introspect.
    right = 200 if path == "/oauth2/token" else 403
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == sorted([right, *[401] * 19])


def test_its_constants_are_those_of_the_rfc():
    assert private_key_jwt.ASSERTION_TYPE == ASSERTION_TYPE
