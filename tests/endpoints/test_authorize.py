"""What an authorization request may ask for (OpenID Connect Core 1.0 section 3.1.2.1), over HTTP.

Refused requests are in tests/grants/test_authorization_code.py.
"""

import jwt
import pytest
import time_machine

from clients_admin.models import Client
from idp.accounts.models import User
from tests.configuration import Shopper, account, returned, shop
from tests.environment import PUBLIC_URL

pytestmark = pytest.mark.django_db

NOON, NOON_SECONDS = "2026-06-01T12:00:00Z", 1_780_315_200


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop()
    return Shopper()


def leads_to(answer) -> str:
    return str(answer.headers["Location"].partition("?")[0])


def claims_of(shopper: Shopper, answer) -> dict[str, object]:
    body = shopper.exchange(returned(answer)["code"]).json()
    said: dict[str, object] = jwt.decode(body["id_token"], options={"verify_signature": False})
    return said


def test_prompt_none_answers_who_is_signed_in_without_a_page(shopper):
    shopper.code()
    assert returned(shopper.authorize(prompt="none"))["code"]


def test_prompt_none_for_nobody_is_login_required(shopper):
    back = returned(shopper.authorize(prompt="none"))
    assert (back["error"], back["state"], back["iss"]) == (
        "login_required",
        "the-state",
        PUBLIC_URL,
    )


def test_prompt_none_where_the_login_is_too_old_is_login_required(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        shopper.code()
        clock.shift(61)
        back = returned(shopper.authorize(prompt="none", max_age="60"))
        assert back["error"] == "login_required"


def test_prompt_login_asks_though_somebody_is_signed_in_and_then_no_more(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        first = claims_of(shopper, shopper.sign_in(shopper.authorize()))
        clock.shift(5)
        asked = shopper.authorize(prompt="login")
        assert leads_to(asked) == "/sign-in"
        again = claims_of(shopper, shopper.sign_in(asked))
        assert again["auth_time"] == first["auth_time"] + 5
        assert again["sub"] == first["sub"]


def test_prompt_consent_asks_though_it_is_remembered(shopper):
    Client.objects.update(flags={"consent": "remember"})
    page = shopper.sign_in(shopper.authorize()).headers["Location"]
    assert returned(shopper.browser.post(page, {"decision": "allow"}))["code"]
    assert returned(shopper.authorize())["code"]
    assert leads_to(shopper.authorize(prompt="consent")) == "/consent"


def test_prompts_are_answered_one_after_the_other(shopper):
    shopper.code()
    address = shopper.authorize(prompt="consent login select_account").headers["Location"]
    assert address.startswith("/select-account?")
    chosen = shopper.browser.post(address, {"account": shopper.sub()})
    login = shopper.follow(chosen)
    assert leads_to(login) == "/sign-in"
    assert leads_to(shopper.sign_in(login)) == "/consent"


@pytest.mark.parametrize("prompt", ["none login", "none consent", "none select_account"])
def test_none_stands_alone(shopper, prompt):
    shopper.code()
    assert returned(shopper.authorize(prompt=prompt))["error"] == "invalid_request"


def test_max_age_zero_asks_for_a_sign_in_that_the_id_token_tells_of(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        shopper.code()
        clock.shift(1)
        asked = shopper.authorize(max_age="0")
        assert leads_to(asked) == "/sign-in"
        assert claims_of(shopper, shopper.sign_in(asked))["auth_time"] == NOON_SECONDS + 1


def test_a_login_that_is_young_enough_goes_on_and_says_its_age(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        shopper.code()
        clock.shift(30)
        assert claims_of(shopper, shopper.authorize(max_age="30"))["auth_time"] == NOON_SECONDS


def test_a_login_hint_stands_in_the_form_and_is_no_markup(shopper):
    page = shopper.browser.get("/sign-in", shopper.request(login_hint='jane"><script>'))
    html = page.content.decode()
    assert 'value="jane&quot;&gt;&lt;script&gt;"' in html


def test_an_expired_id_token_is_a_good_hint(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        token = shopper.tokens()["id_token"]
        clock.shift(2 * 3600)
        back = returned(shopper.authorize(id_token_hint=token, prompt="none"))
        assert back["code"]


def test_a_hint_about_somebody_else_is_login_required(shopper):
    token = shopper.tokens()["id_token"]
    account("joe")
    joe = Shopper(username="joe")
    joe.code()
    assert returned(joe.authorize(id_token_hint=token, prompt="none"))["error"] == "login_required"
    asked = joe.authorize(id_token_hint=token)
    assert leads_to(asked) == "/sign-in"
    assert returned(joe.sign_in(asked))["error"] == "login_required"


@pytest.mark.parametrize("hint", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_a_hint_that_is_no_id_token_of_ours_is_refused(shopper, hint):
    assert returned(shopper.authorize(id_token_hint=hint))["error"] == "invalid_request"


@pytest.mark.parametrize(
    "parameters",
    [
        {"display": "popup"},
        {"ui_locales": "tlh xx-YY nl"},
        {"claims_locales": "nl"},
        {"acr_values": "gold silver"},
        {"response_mode": "query"},
        {"registration": "{}"},
        {"something_new": "x"},
    ],
)
def test_what_is_only_a_wish_or_not_known_stands_in_nobodys_way(shopper, parameters):
    assert returned(shopper.sign_in(shopper.authorize(**parameters)))["code"]


def test_state_and_nonce_come_back_as_they_were(shopper):
    odd = "a b&c=d#é+%20/?"
    answer = shopper.sign_in(shopper.authorize(state=odd, nonce=odd))
    assert returned(answer)["state"] == odd
    assert claims_of(shopper, answer)["nonce"] == odd


def test_without_state_and_nonce_none_come_back(shopper):
    answer = shopper.sign_in(shopper.authorize(state="", nonce=""))
    assert returned(answer).keys() == {"code", "iss"}
    assert "nonce" not in claims_of(shopper, answer)


def test_a_user_who_is_shut_out_is_not_signed_in_any_more(shopper):
    shopper.code()
    User.objects.update(is_active=False)
    assert returned(shopper.authorize(prompt="none"))["error"] == "login_required"
