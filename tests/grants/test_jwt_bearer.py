"""RFC 7523 section 2.1 over HTTP: the JWT of a trusted issuer for tokens of its user."""

import base64
import hmac
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
import requests
import time_machine
from django.http import HttpResponse
from django.test import Client as Browser
from django.utils import timezone

from clients_admin.models import Client, GrantType
from idp import remote_keys
from idp.accounts.models import LoginService, TrustedIssuer, User
from idp.audit.models import AuditEvent
from idp.environment import PROJECT
from idp.spent_assertions import SpentAssertion
from tests.configuration import (
    SECRET,
    account,
    basic,
    batch,
    corporate,
    gateway,
    introspected,
    portal,
    post,
    shop,
    trust,
)
from tests.issuers import KeyServer, Signer, document, jwk, new_key, pem
from tests.servers import LiveIDP
from tokens import cleanup, issue
from tokens.models import AccessToken, RefreshToken

GRANT = GrantType.JWT_BEARER.value
NOON = "2026-06-01T12:00:00Z"
# RFC 6749 section 5.2, as the token endpoint says it of every grant that is none.
REFUSAL = {
    "error": "invalid_grant",
    "error_description": "The grant is invalid, expired, revoked or was issued to another client.",
}
ISSUER, AUDIENCE = "https://login.corp.example", "https://id.example/for-corp"
KEY, OTHER_KEY, RSA_KEY = new_key(), new_key(), new_key("RS256")


def corp(**fields: Any) -> Signer:
    said = {"mail": "jane@corp.example", "display_name": "Jane Doe", "groups": ["staff"]}
    return Signer(**{
        "issuer": ISSUER, "audience": AUDIENCE, "key": KEY, "defaults": said, **fields,
    })  # fmt: skip


def present(encoded: str, client_id: str = "portal", **parameters: str) -> HttpResponse:
    form = {"grant_type": GRANT, "assertion": encoded, **parameters}
    return post("/oauth2/token", {k: v for k, v in form.items() if v}, **basic(client_id))


def last_event() -> AuditEvent:
    events = AuditEvent.objects.filter(tag__startswith="tokens:assertion:")
    event = events.order_by("id").last()
    assert event is not None
    return event


def assert_refused(answer: HttpResponse, reason: str) -> None:
    """The same words on the wire whatever the reason; the reason in the audit; nothing changed."""
    assert (answer.status_code, answer.json()) == (400, REFUSAL)
    event = last_event()
    assert (event.tag, event.client_id) == ("tokens:assertion:refused", "portal")
    assert reason in event.details["reason"]
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.exists()


@pytest.fixture
def house() -> None:
    portal()
    trust(corp())
    gateway()


@pytest.fixture(autouse=True)
def no_keys_of_before() -> Iterator[None]:
    remote_keys.forget()
    yield
    remote_keys.forget()


pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("house")]

# --- What is granted ------------------------------------------------------------------------------


def test_the_user_of_a_trusted_issuer_gets_tokens(settings):
    answer = present(corp().sign())
    body = answer.json()
    assert answer.status_code == 200, body
    assert body == {
        "access_token": body["access_token"],
        "refresh_token": body["refresh_token"],
        "id_token": body["id_token"],
        "token_type": "Bearer",
        "expires_in": body["expires_in"],
        "scope": "email openid orders.read",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    user = User.objects.get(login_service__name="corporate")
    assert (user.external_id, user.username) == ("employee-1", "employee-1")
    assert user.claims == {"email": "jane@corp.example", "name": "Jane Doe"}
    found = introspected(body["access_token"])
    assert (found["sub"], found["login_service"]) == (user.sub, "corporate")
    id_token = jwt.decode(body["id_token"], options={"verify_signature": False})
    assert (id_token["iss"], id_token["sub"]) == (settings.PUBLIC_URL, user.sub)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {body['access_token']}"}
    said = Browser().get("/oauth2/userinfo", **bearer).json()
    assert said["email"] == "jane@corp.example"
    event = last_event()
    assert (event.tag, event.client_id, event.user_id, event.details) == (
        *("tokens:assertion:accepted", "portal", user.pk),
        {"issuer": ISSUER, "scope": "*"},
    )


def test_the_login_can_be_refreshed_and_is_a_family_of_its_own():
    first, second = (present(corp().sign()).json() for _ in range(2))
    families = set(RefreshToken.objects.values_list("family", flat=True))
    assert len(families) == 2
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert post("/oauth2/token", form, **basic("portal")).status_code == 200
    post("/oauth2/revoke", {"token": first["refresh_token"]}, **basic("portal"))
    assert introspected(first["access_token"]) == {"active": False}
    assert introspected(second["access_token"])["active"] is True


def test_the_family_of_a_login_is_never_the_id_of_a_code():
    jane = account().login_service.users.create(external_id="jane")
    present(corp().sign())
    code = issue.authorization_code(
        Client.objects.get(client_id="portal"), jane, "*", timezone.now(), redirect_uri="",
        redirect_uri_was_given=False, code_challenge="", openid_nonce="", auth_time=timezone.now(),
    )  # fmt: skip
    present(corp().sign())
    families = set(RefreshToken.objects.values_list("family", flat=True))
    assert len(families | {code.pk}) == 3


def test_the_same_subject_is_the_same_user_and_its_claims_follow():
    present(corp().sign())
    present(corp().sign(mail="jane.roe@corp.example", display_name=None))
    user = User.objects.get(login_service__name="corporate")
    assert user.claims == {"email": "jane.roe@corp.example"}


def test_a_user_is_never_found_by_name_or_e_mail():
    local = account("jane").login_service.users.create(
        external_id="employee-1", username="employee-1", claims={"email": "jane@corp.example"}
    )
    present(corp().sign())
    made = User.objects.exclude(pk=local.pk).get()
    assert made.sub != local.sub


def test_another_claim_can_be_what_identifies_the_user():
    TrustedIssuer.objects.update(
        subject_claim="employee", claims={"preferred_username": "login", "email": "mail"}
    )
    assert present(corp().sign(employee="4711", login="jane")).status_code == 200
    user = User.objects.get()
    assert (user.external_id, user.username) == ("4711", "jane")
    for wrong in (None, "", 4711, ["4711"], "x" * 256):
        assert present(corp().sign(employee=wrong)).json() == REFUSAL
    assert User.objects.count() == 1


def test_the_name_of_a_user_is_text_of_bounded_length():
    TrustedIssuer.objects.update(claims={"preferred_username": "login"})
    for number, login in enumerate(("x" * 300, 7, {"a": 1}, "")):
        assert present(corp().sign(sub=f"u{number}", login=login)).status_code == 200
        assert User.objects.get(external_id=f"u{number}").username == f"u{number}"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"auth_time": 1780000000}, 1780000000),
        ({}, 1780315190),
        *(({"auth_time": value}, 1780315190) for value in (1780315201, -1, "1", 1.5, True, 10**30)),
    ],
)
def test_the_time_of_the_login_is_what_the_issuer_says(said, expected):
    with time_machine.travel(NOON, tick=False):  # 1780315200
        body = present(corp().sign(iat=1780315190, **said)).json()
        id_token = jwt.decode(body["id_token"], options={"verify_signature": False})
        assert id_token["auth_time"] == expected


def test_scopes_are_those_of_the_client():
    assert present(corp().sign(), scope="orders.read").json()["scope"] == "orders.read"
    answer = present(corp().sign(), scope="orders.write")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_a_public_client_names_itself():
    shop(grant_types=[GRANT], redirect_uris="", login_services=[corporate()])
    form = {"grant_type": GRANT, "assertion": corp().sign(), "client_id": "shop"}
    body = post("/oauth2/token", form).json()
    assert "access_token" in body
    assert "refresh_token" not in body


# --- What is refused ------------------------------------------------------------------------------


def test_only_a_client_with_the_grant_may():
    batch()
    answer = present(corp().sign(), "batch")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    answer = post("/oauth2/token", {"grant_type": GRANT, "assertion": corp().sign()})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = present("")
    assert answer.json() == {
        "error": "invalid_request",
        "error_description": "assertion is missing.",
    }


def hs256(secret: bytes) -> str:
    """Signed with what everybody knows: the issuer's public key, as a shared secret."""
    parts = [{"alg": "HS256", "typ": "JWT"}, corp().claims()]
    signed = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts
    )
    mac = base64.urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + mac).decode()


def unsigned() -> str:
    return jwt.encode(corp().claims(), None, algorithm="none") + "AAAA"


NOW = int(time.time())
REFUSED = {
    "a wrong issuer with a right key": (
        lambda: corp().sign(iss="https://evil.example"),
        "no trusted issuer is 'https://evil.example'",
    ),
    "another issuer's key": (
        lambda: corp().sign(key=OTHER_KEY),
        "the signature is wrong",
    ),
    "alg none": (unsigned, "the algorithm 'none' is not allowed"),
    "the public key as a secret": (
        lambda: hs256(pem(KEY).encode()),
        "the algorithm 'HS256' is not allowed",
    ),
    "an algorithm that the row does not name": (
        lambda: corp(algorithm="ES384", key=new_key("ES384")).sign(),
        "the algorithm 'ES384' is not allowed",
    ),
    "an allowed algorithm without a key": (
        lambda: corp(algorithm="RS256", key=RSA_KEY).sign(),
        "no key is for the algorithm RS256",
    ),
    "expired": (lambda: corp().sign(iat=NOW - 200, exp=NOW - 100), "expired at 20"),
    "too long alive": (
        lambda: corp().sign(exp=NOW + 3600),
        "longer than 300 seconds alive",
    ),
    "an end in a million years": (lambda: corp().sign(exp=10**14), "the exp is no date"),
    "issued in the future": (lambda: corp().sign(iat=NOW + 3000, exp=NOW + 3060), "in the future"),
    "not yet": (lambda: corp().sign(nbf=NOW + 3000), "not valid before"),
    "a wrong audience": (
        lambda: corp().sign(aud="https://id.example"),
        "the aud is 'https://id.example'",
    ),
    "an audience among others": (
        lambda: corp().sign(aud=[AUDIENCE, "https://other.example"]),
        "names several",
    ),
    "no jti": (lambda: corp().sign(jti=None), "without jti"),
    "no iat": (lambda: corp().sign(iat=None), "without iat"),
    "no exp": (lambda: corp().sign(exp=None), "without exp"),
    "no sub": (lambda: corp().sign(sub=None), "without sub"),
    "no iss": (lambda: corp().sign(iss=None), "without iss"),
    "NUL in the subject": (lambda: corp().sign(sub="a\0b"), "cannot be kept"),
    "half a character in a claim": (lambda: corp().sign(mail="\ud800"), "cannot be kept"),
    "extensions": (
        lambda: corp().sign(header={"crit": ["x"], "x": 1}),
        "a header with extensions (crit)",
    ),
    "no JWT": (lambda: "x", "not a signed JWT"),
    "one of our own tokens": (lambda: "at_" + "A" * 44, "not a signed JWT"),
    "a kid that looks like a token": (
        lambda: corp().sign(iss="at_" + "A" * 44),
        "no trusted issuer is",
    ),
    "too large": (lambda: corp().sign(x="x" * 9000), "longer than 8192 characters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_in_the_same_words_and_the_audit_knows_why(case, caplog):
    make, reason = REFUSED[case]
    caplog.set_level(logging.DEBUG)
    encoded = make()
    assert_refused(present(encoded), reason)
    assert not User.objects.exists()
    assert not SpentAssertion.objects.exists()
    assert encoded not in caplog.text
    assert encoded not in json.dumps(last_event().details)


def test_each_issuer_speaks_for_itself_alone():
    other = Signer("https://login.other.example", AUDIENCE, key=OTHER_KEY)
    trust(other, name="other")
    assert_refused(present(corp().sign(key=OTHER_KEY)), "the signature is wrong")
    assert_refused(present(other.sign(key=KEY)), "the signature is wrong")
    assert present(other.sign()).status_code == 200


def test_the_client_must_have_the_login_service_of_the_issuer():
    Client.objects.get(client_id="portal").login_services.remove(corporate())
    assert_refused(present(corp().sign()), "may not use the login service corporate")


def test_an_issuer_can_be_switched_off():
    TrustedIssuer.objects.update(is_enabled=False)
    assert_refused(present(corp().sign()), "no trusted issuer is")


def test_a_login_service_can_be_switched_off():
    LoginService.objects.update(is_enabled=False)
    assert_refused(present(corp().sign()), "may not use the login service corporate")


def test_an_inactive_user_is_refused_and_the_assertion_not_spent():
    corporate().users.create(external_id="employee-1", is_active=False)
    encoded = corp().sign()
    assert_refused(present(encoded), "inactive user")
    assert not SpentAssertion.objects.exists()
    assert User.objects.get().claims == {}
    User.objects.update(is_active=True)
    assert present(encoded).status_code == 200


def test_an_assertion_counts_once():
    encoded = corp().sign()
    assert present(encoded).status_code == 200
    AccessToken.objects.all().delete()
    RefreshToken.objects.all().delete()
    User.objects.update(claims={"email": "newer@corp.example"})
    assert_refused(present(encoded), "presented before (jti)")
    assert User.objects.get().claims == {"email": "newer@corp.example"}, "a replay changes nothing"
    portal("other")
    assert present(encoded, "other").json() == REFUSAL, "whoever presents it"


def test_an_assertion_is_remembered_for_longer_than_it_counts():
    encoded = corp().sign(iat=1780315200, exp=1780315260)
    with time_machine.travel(NOON, tick=False) as clock:
        assert present(encoded).status_code == 200
        clock.shift(89.9)
        assert present(encoded).json() == REFUSAL
        assert "presented before" in last_event().details["reason"]
        cleanup.RULES["idp_spentassertion"].clean(timezone.now())
        assert SpentAssertion.objects.exists()
        clock.shift(0.1)
        assert present(encoded).json() == REFUSAL
        assert "expired" in last_event().details["reason"]


def test_the_same_jti_of_another_issuer_is_another_assertion():
    other = Signer("https://login.other.example", AUDIENCE, key=OTHER_KEY)
    trust(other, name="other")
    assert present(corp().sign(jti="1")).status_code == 200
    assert present(other.sign(jti="1")).status_code == 200


def test_a_refusal_for_its_scope_leaves_the_assertion_as_it_was():
    encoded = corp().sign()
    assert present(encoded, scope="orders.write").json()["error"] == "invalid_scope"
    assert present(encoded).status_code == 200


def test_two_keys_live_side_by_side_while_one_replaces_the_other():
    TrustedIssuer.objects.update(public_keys=[pem(OTHER_KEY), pem(RSA_KEY), pem(KEY)])
    for key in (KEY, OTHER_KEY):
        assert present(corp(key=key, kid="whatever").sign()).status_code == 200
    assert present(corp(algorithm="RS256", key=RSA_KEY).sign()).status_code == 200


# --- Keys by URL ----------------------------------------------------------------------------------


@pytest.fixture
def keys(settings) -> Iterator[KeyServer]:
    """Where the issuer publishes its keys."""
    settings.JWKS_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with KeyServer(document({"keys": [jwk(KEY, "one")]})) as server:
        TrustedIssuer.objects.update(public_keys=[], jwks_url=server.url)
        yield server


def test_keys_are_read_by_url_once(keys):
    for _ in range(3):
        assert present(corp(kid="one").sign()).status_code == 200
    assert len(keys.asked) == 1


def test_a_key_that_was_just_published_is_found(keys, monkeypatch):
    assert present(corp(kid="one").sign()).status_code == 200
    keys.answer = document({"keys": [jwk(KEY, "one"), jwk(OTHER_KEY, "two")]})
    monkeypatch.setattr(remote_keys, "PAUSE_SECONDS", 0.0)
    assert present(corp(kid="two", key=OTHER_KEY).sign()).status_code == 200
    assert len(keys.asked) == 2


def test_an_unknown_kid_does_not_make_us_ask_again_and_again(keys):
    for number in range(5):
        assert_refused(present(corp(kid=f"k{number}").sign()), f"the kid 'k{number}' is unknown")
    assert len(keys.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (document(b"", 302, Location="http://127.0.0.1:1/"), "answered with status 302"),
        (document(b" " * 10_000_000), "larger than 65536 bytes"),
        (document({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}), "or a shared key"),
        (document(b"\0"), "is not JSON"),
    ],
)
def test_a_jwks_that_is_none_is_refused(keys, answer, reason):
    keys.answer = answer
    for _ in range(3):
        assert_refused(present(corp(kid="one").sign()), reason)
    assert len(keys.asked) == 1, "and a failure is remembered for a while"


def test_a_jwks_url_that_hangs_is_given_up_after_two_seconds(keys):
    keys.answer = keys.hang
    began = time.monotonic()
    for _ in range(3):
        assert_refused(present(corp(kid="one").sign()), "did not answer within 2 seconds")
    assert time.monotonic() - began < 4


def test_a_jwks_url_at_a_private_address_is_not_asked(keys, settings):
    settings.JWKS_ALLOWED_NETWORKS = ()
    assert_refused(present(corp(kid="one").sign()), "at no address that may be asked")
    TrustedIssuer.objects.update(jwks_url="https://169.254.169.254/latest/meta-data")
    assert_refused(present(corp(kid="one").sign()), "at no address that may be asked")
    assert keys.asked == []


# --- At once --------------------------------------------------------------------------------------

RACE_ISSUER = "https://login.race.example"
SET_UP = """
from clients_admin import secrets
from clients_admin.models import Client, ClientLoginService
from idp.accounts.models import LoginService, TrustedIssuer
service = LoginService.objects.create(name="of-the-race", kind="corporate")
TrustedIssuer.objects.create(name="of-the-race", issuer={issuer!r}, audience={audience!r},
                             public_keys=[{pem!r}], login_service=service)
portal = Client.objects.create(client_id="of-the-race", client_type="confidential",
                               grant_types=[{grant!r}, "refresh_token"])
ClientLoginService.objects.create(client=portal, login_service=service)
secrets.add(portal, {secret!r})
"""
COUNT = """
from idp.audit.models import AuditEvent
from idp.accounts.models import User
events = AuditEvent.objects.filter(client_id="of-the-race")
print(events.filter(tag="tokens:assertion:accepted").count(),
      events.filter(tag="tokens:assertion:refused",
                    details__reason="presented before (jti)").count(),
      User.objects.filter(login_service__name="of-the-race").count())
"""


@pytest.fixture(scope="module")
def two(live_idp: LiveIDP, live_database: str) -> Iterator[tuple[LiveIDP, LiveIDP]]:
    """Two processes of one issuer, which trust the corporate one."""
    facts = {"issuer": RACE_ISSUER, "audience": AUDIENCE, "pem": pem(KEY), "grant": GRANT}
    live_idp.manage("shell", "--no-imports", "-c", SET_UP.format(**facts, secret=SECRET))
    with LiveIDP(live_database, public_url=live_idp.public_url) as second:
        yield live_idp, second


def test_of_fifty_who_present_one_assertion_at_once_one_wins(two):
    form = {"grant_type": GRANT, "assertion": corp(issuer=RACE_ISSUER).sign()}

    def race(number: int) -> requests.Response:
        url = f"{two[number % 2].url}/oauth2/token"
        return requests.post(url, data=form, auth=("of-the-race", SECRET), timeout=60)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(race, range(50)))
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert len(won) == 1
    assert [(answer.status_code, answer.json()) for answer in lost] == [(400, REFUSAL)] * 49
    assert two[0].manage("shell", "--no-imports", "-c", COUNT).split() == ["1", "49", "1"]


def test_the_page_for_applications_names_the_grant():
    page = (PROJECT / "docs" / "grants" / "jwt_bearer.md").read_text()
    assert GRANT in page
