"""An application says whom it speaks for; what is not right is ignored, and audited."""

import time
import uuid

import pytest
from django.test import Client as Browser

from idp.audit.models import AuditEvent
from idp.blocking import guard
from tests.configuration import client
from tests.environment import PUBLIC_URL
from tests.issuers import Signer, new_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blocking", "partition_lists")]

USER, APPLICATION = "203.0.113.9", "192.0.2.10"
PATH = "/.well-known/jwks.json"


@pytest.fixture
def portal():
    """A client with the flag, and its key."""
    signer = Signer("portal", f"{PUBLIC_URL}/client-address", kid="one")
    signer.defaults = {"sub": "portal", "exp": int(time.time()) + 30, "client_ip": USER}
    client("portal", flags={"may_assert_client_ip": True}, jwks=signer.jwks)
    return signer


def sign(signer, *, typ="client-address+jwt", key=None, **claims):
    return signer.sign(header={"typ": typ}, key=key, **claims)


def ask(assertion, path=PATH):
    headers = {"Client-Address-Assertion": assertion}
    return Browser(REMOTE_ADDR=APPLICATION).get(path, headers=headers)


def counted_for(assertion):
    return ask(assertion).wsgi_request.client_address


def reasons():
    events = AuditEvent.objects.filter(tag="tokens:client_address:refused").order_by("id")
    assert {(event.client_id, event.address) for event in events} <= {("portal", APPLICATION)}
    return [event.details["reason"] for event in events]


@pytest.mark.parametrize(
    ("said", "counts"),
    [(USER, USER), ("2001:DB8::1", "2001:db8::1"), ("::ffff:203.0.113.9", USER)],
)
def test_the_request_counts_for_the_address_that_a_trusted_application_says(portal, said, counts):
    assert counted_for(sign(portal, client_ip=said)) == counts
    assert reasons() == []


def test_without_the_header_it_is_the_application(portal):
    answer = Browser(REMOTE_ADDR=APPLICATION).get(PATH)
    assert answer.wsgi_request.client_address == APPLICATION


def test_the_same_assertion_counts_once(portal):
    assertion = sign(portal)
    assert [counted_for(assertion) for _ in range(3)] == [USER, APPLICATION, APPLICATION]
    assert reasons() == ["presented before (jti)"] * 2


NOW = int(time.time())
WRONG = {
    "expired": ({"iat": NOW - 120, "exp": NOW - 90}, "expired at"),
    "living too long": ({"exp": NOW + 300}, "longer than 30 seconds"),
    "of the future": ({"iat": NOW + 300, "exp": NOW + 330}, "issued in the future"),
    "for somebody else": ({"aud": "https://other.example"}, "the aud is"),
    "for the token endpoint": ({"aud": PUBLIC_URL}, "the aud is"),
    "without jti": ({"jti": None}, "without jti"),
    "without iat": ({"iat": None}, "without iat"),
    "about another client": ({"sub": "shop"}, "iss and sub differ"),
    "without an address": ({"client_ip": None}, "without client_ip"),
    "with no address": ({"client_ip": "localhost"}, "the client_ip is no address"),
}


@pytest.mark.parametrize(("claims", "reason"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_ignored_and_audited(portal, claims, reason):
    assert counted_for(sign(portal, **claims)) == APPLICATION
    (found,) = reasons()
    assert reason in found


def test_another_key_counts_for_nothing(portal):
    assert counted_for(sign(portal, key=new_key())) == APPLICATION
    assert reasons() == ["the signature is wrong"]


def test_a_jwt_that_was_made_for_something_else_counts_for_nothing(portal):
    assert counted_for(sign(portal, typ="JWT")) == APPLICATION
    assert reasons() == ["the typ is not client-address+jwt"]


@pytest.mark.parametrize("fields", [{"flags": {}}, {"client_type": "public"}])
def test_a_client_without_the_flag_says_nothing(portal, fields):
    from clients_admin.models import Client

    Client.objects.filter(client_id="portal").update(**fields)
    assert counted_for(sign(portal)) == APPLICATION
    assert reasons() == ["the client is without the flag may_assert_client_ip"]


def test_whoever_makes_up_clients_fills_no_table(portal):
    stranger = Signer("nobody", f"{PUBLIC_URL}/client-address", defaults={"sub": "nobody"})
    for text in (sign(stranger), "rubbish", "", "a.b.c", "é", "x" * 100_000):
        assert counted_for(text) == APPLICATION
    assert AuditEvent.objects.count() == 0


def test_an_assertion_of_an_address_authenticates_nobody(portal):
    """Whoever reads it in a log of headers must not be able to be the client by it."""
    assertion = sign(portal, jti=uuid.uuid4().hex)
    answer = Browser().post(
        "/oauth2/introspect",
        f"token=x&client_assertion={assertion}"
        "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        content_type="application/x-www-form-urlencoded",
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_blocked_user_is_refused_through_the_application_and_others_are_not(portal):
    for number in range(10):
        guard.failed(USER, what=guard.Failure.PASSWORD, name=f"user{number}")
    assert ask(sign(portal)).status_code == 429
    assert ask(sign(portal, client_ip="203.0.113.10")).status_code == 200


def test_a_blocked_application_is_refused_whomever_it_speaks_for(portal):
    for number in range(10):
        guard.failed(APPLICATION, what=guard.Failure.PASSWORD, name=f"user{number}")
    assert ask(sign(portal)).status_code == 429
