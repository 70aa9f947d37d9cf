"""`/account/applications`: what has access, to what; and that it ends at once when removed."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients_admin.models import Client
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import (
    Shopper,
    account,
    client,
    introspected,
    login_service,
    post,
    returned,
    shop,
)
from tests.endpoints.test_userinfo import ask
from tokens.models import Consent

pytestmark = pytest.mark.django_db

PATH = "/account/applications"


def third_party(client_id: str = "partner", **fields) -> None:
    shop(client_id, flags={"consent": "remember"}, name="The <Partner>", **fields)


def consented(client_id: str = "partner", username: str = "jane", **parameters: str) -> Shopper:
    """Somebody who has signed in and allowed what was asked for; their tokens are in `granted`."""
    shopper = Shopper(client_id, username)
    answer = shopper.sign_in(shopper.authorize(**parameters))
    answer = shopper.browser.post(answer.headers["Location"], {"decision": "allow"})
    shopper.granted_code = returned(answer)["code"]
    return shopper


def remove(shopper: Shopper, client_id: str = "partner"):
    return shopper.browser.post(PATH, {"application": client_id})


def test_each_is_shown_with_what_it_may_do_in_plain_words(shopper):
    third_party()
    jane = consented(scope="openid orders.read")
    jane.exchange(jane.granted_code)
    page = jane.browser.get(PATH).content.decode()
    assert "The &lt;Partner&gt;" in page
    assert "Know who you are" in page
    assert "See your orders" in page
    assert "See your e-mail address" not in page
    assert "Last used" in page


def test_a_client_of_our_own_is_shown_with_all_that_it_has(jane):
    jane.exchange(jane.code(scope=""))
    page = jane.browser.get(PATH).content.decode()
    assert "See your e-mail address" in page
    assert "shop" in page


def test_what_a_user_did_not_grant_is_in_no_answer(shopper):
    third_party()
    jane = consented(scope="openid orders.read")
    tokens = jane.exchange(jane.granted_code).json()
    assert tokens["scope"] == "openid orders.read"
    assert set(ask(tokens["access_token"]).json()) == {"sub"}
    seen = introspected(tokens["access_token"])
    assert seen["scope"] == "openid orders.read"
    assert "email" not in seen
    wider = jane.refresh(tokens["refresh_token"], scope="openid email")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")


def test_removing_access_ends_tokens_and_consent_at_once(shopper):
    third_party()
    jane = consented()
    tokens = jane.exchange(jane.granted_code).json()
    assert introspected(tokens["access_token"])["active"] is True
    assert remove(jane).status_code == 303
    assert introspected(tokens["access_token"]) == {"active": False}
    assert ask(tokens["access_token"]).status_code == 401
    assert jane.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert jane.authorize().headers["Location"].startswith("/consent")
    assert "Partner" not in jane.browser.get(PATH).content.decode()
    event = AuditEvent.objects.get(tag="tokens:consent:withdrawn")
    assert (event.client_id, event.details["rows"]) == ("partner", 2)


def test_a_code_from_before_is_worth_nothing_and_one_from_after_is(shopper):
    third_party()
    jane = consented()
    remove(jane)
    refused = jane.exchange(jane.granted_code)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    answer = jane.browser.post(jane.authorize().headers["Location"], {"decision": "allow"})
    assert jane.exchange(returned(answer)["code"]).status_code == 200


def test_a_device_that_was_let_in_gets_nothing_after_it(shopper):
    client("telly", "openid", grant_types=["urn:ietf:params:oauth:grant-type:device_code"],
           login_services=[login_service()], client_type="public")  # fmt: skip
    begun = post("/oauth2/device_authorization", {"client_id": "telly", "scope": "openid"}).json()
    shopper.code()
    page = f"/oauth2/device?user_code={begun['user_code']}"
    shopper.browser.post(page, {"decision": "allow"})
    jane, telly = User.objects.get(), Client.objects.get(client_id="telly")
    Consent.objects.create(user=jane, client=telly, scope="openid")
    remove(shopper, "telly")
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "telly",
        "device_code": begun["device_code"],
    }
    assert post("/oauth2/token", form).json()["error"] == "access_denied"


def test_others_and_other_applications_keep_theirs(shopper):
    third_party()
    account("bob")
    jane, bob = consented(), consented(username="bob")
    jane_shop = Shopper()
    jane_shop.browser = jane.browser
    kept = [bob.exchange(bob.granted_code).json(), jane_shop.tokens()]
    jane.exchange(jane.granted_code)
    remove(jane)
    for tokens in kept:
        assert introspected(tokens["access_token"])["active"] is True
    assert Consent.objects.get(user__username="bob").scope


@pytest.mark.parametrize("asked", ["shop", "nobody", "", "a\0b", "x" * 5000])
def test_what_has_no_access_is_not_ended(shopper, asked):
    """Also where somebody else uses it: bob's tokens at the shop are none of jane's."""
    account("bob")
    bob = Shopper(username="bob")
    tokens = bob.tokens()
    third_party()
    jane = consented()
    assert remove(jane, asked).status_code == 303
    assert introspected(tokens["access_token"])["active"] is True
    assert not AuditEvent.objects.filter(tag="tokens:consent:withdrawn").exists()


def test_it_costs_the_same_whatever_the_number(shopper):
    third_party()
    jane = consented()
    jane.exchange(jane.granted_code)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert jane.browser.get(PATH).status_code == 200
        return len(captured)

    before = queries()
    for number in range(3):
        third_party(f"partner-{number}")
        other = Shopper(f"partner-{number}")
        other.browser = jane.browser
        answer = other.browser.post(other.authorize().headers["Location"], {"decision": "allow"})
        assert other.exchange(returned(answer)["code"]).status_code == 200
    assert queries() == before
