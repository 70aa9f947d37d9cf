"""RFC 9126, over HTTP: a client pushes its request, and the browser carries a reference to it."""

from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client as Browser

from clients_admin.models import Client
from tests.configuration import (
    PASSWORD,
    REDIRECT_URI,
    SECRET,
    Shopper,
    account,
    basic,
    client,
    login_service,
    post,
    returned,
    shop,
)
from tests.environment import PUBLIC_URL
from tests.issuers import Signer
from tokens import private_key_jwt
from tokens.models import AuthorizationCode, PushedAuthorizationRequest

pytestmark = pytest.mark.django_db

PATH = "/oauth2/par"
ROBOT = Signer("robot", f"{PUBLIC_URL}{PATH}", kid="one", defaults={"sub": "robot"})


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop()
    return Shopper()


def push(shopper: Shopper, **parameters: str):
    return post(PATH, shopper.request(**parameters))


def carried(shopper: Shopper, **parameters: str) -> dict[str, str]:
    """The query of a browser whose client has pushed a request."""
    answer = push(shopper, **parameters)
    assert answer.status_code == 201, answer.content
    return {"client_id": shopper.client_id, "request_uri": answer.json()["request_uri"]}


def open_page(shopper: Shopper, query: dict[str, str]):
    return shopper.browser.get("/oauth2/authorize", query)


def test_the_answer_is_a_reference_for_a_minute(shopper):
    answer = push(shopper)
    body = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert body == {"request_uri": body["request_uri"], "expires_in": 60}
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert len(body["request_uri"].rpartition(":")[2]) == 43


def test_a_user_signs_in_from_a_request_uri_and_no_page_says_the_request(shopper):
    query = carried(shopper)
    page = open_page(shopper, query)
    assert page.headers["Location"].startswith("/sign-in?")
    shown = parse_qs(urlsplit(page.headers["Location"]).query)
    assert {name: values[0] for name, values in shown.items()} == query
    back = returned(shopper.sign_in(page))
    assert back == {"code": back["code"], "state": "the-state", "iss": PUBLIC_URL}
    assert shopper.exchange(back["code"]).status_code == 200
    assert not PushedAuthorizationRequest.objects.exists()


def test_a_reload_another_tab_and_a_wrong_password_go_on_within_the_flow(shopper):
    query = carried(shopper)
    page = open_page(shopper, query)
    for _ in range(2):
        assert open_page(shopper, query).headers["Location"] == page.headers["Location"]
        assert shopper.browser.get(page.headers["Location"]).status_code == 200
    wrong = shopper.browser.post(page.headers["Location"], {"username": "jane", "password": "x"})
    assert wrong.status_code == 401
    assert returned(shopper.sign_in(page))["code"]


def test_a_user_has_longer_than_the_client(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        query = carried(shopper)
        page = open_page(shopper, query)
        clock.shift(50 * 60)
        assert returned(shopper.sign_in(page))["code"]


def test_it_gives_one_code_and_no_more(shopper):
    query = carried(shopper)
    assert returned(shopper.sign_in(open_page(shopper, query)))["code"]
    again = returned(open_page(shopper, query))
    assert (again["error"], again["iss"]) == ("invalid_request_uri", PUBLIC_URL)
    assert AuthorizationCode.objects.count() == 1


def test_a_refusal_uses_it_up_as_well(shopper):
    query = carried(shopper, prompt="none")
    assert returned(open_page(shopper, query))["error"] == "login_required"
    assert returned(open_page(shopper, query))["error"] == "invalid_request_uri"


def test_it_is_refused_after_a_minute(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        query = carried(shopper)
        clock.shift(60)
        assert returned(open_page(shopper, query))["error"] == "invalid_request_uri"


def test_it_belongs_to_the_browser_that_came_first(shopper):
    query = carried(shopper)
    open_page(shopper, query)
    for path in ("/oauth2/authorize", "/sign-in", "/consent"):
        assert returned(Browser().get(path, query))["error"] == "invalid_request_uri"
    assert returned(shopper.sign_in(open_page(shopper, query)))["code"]


def test_it_belongs_to_its_client(shopper):
    shop("other-shop")
    query = {**carried(shopper), "client_id": "other-shop"}
    assert returned(open_page(shopper, query))["error"] == "invalid_request_uri"


@pytest.mark.parametrize("tail", ["", "made-up", "a" * 43, "é", "%00"])
def test_an_unknown_one_is_refused(shopper, tail):
    query = {"client_id": "shop", "request_uri": f"urn:ietf:params:oauth:request_uri:{tail}"}
    assert returned(open_page(shopper, query))["error"] == "invalid_request_uri"


def test_where_the_redirect_uri_is_not_known_the_user_is_told_and_sent_nowhere(shopper):
    Client.objects.update(redirect_uris=f"{REDIRECT_URI} {REDIRECT_URI}/2")
    query = {"client_id": "shop", "request_uri": "urn:ietf:params:oauth:request_uri:made-up"}
    answer = open_page(shopper, query)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_parameters_beside_it_say_nothing(shopper):
    """RFC 9101 section 6.3."""
    query = {**carried(shopper), "state": "another", "scope": "openid profile", "prompt": "none"}
    back = returned(shopper.sign_in(open_page(shopper, query)))
    assert back["state"] == "the-state"
    assert shopper.exchange(back["code"]).json()["scope"] == "email openid orders.read"


def test_consent_is_asked_and_given_from_a_request_uri(shopper):
    shop("third", flags={"consent": "always"})
    third = Shopper("third")
    page = third.sign_in(open_page(third, carried(third)))
    assert page.headers["Location"].startswith("/consent?client_id=third&request_uri=urn")
    assert b"See your orders" in third.browser.get(page.headers["Location"]).content
    back = third.browser.post(page.headers["Location"], {"decision": "allow"})
    assert returned(back)["code"]
    again = third.browser.post(page.headers["Location"], {"decision": "allow"})
    assert returned(again)["error"] == "invalid_request_uri"


@pytest.mark.parametrize(
    "asked", [{"prompt": "login"}, {"max_age": "0"}, {"prompt": "login select_account"}]
)
def test_a_fresh_sign_in_is_asked_for_once(shopper, asked):
    shopper.code()
    page = open_page(shopper, carried(shopper, **asked))
    if page.headers["Location"].startswith("/select-account?"):
        sub = shopper.sub()
        page = shopper.follow(shopper.browser.post(page.headers["Location"], {"account": sub}))
    assert page.headers["Location"].startswith("/sign-in?"), page.headers["Location"]
    assert returned(shopper.sign_in(page))["code"]


def test_a_sign_in_from_before_the_push_is_not_fresh(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        shopper.code()
        clock.shift(1)
        page = open_page(shopper, carried(shopper, prompt="login"))
        assert page.headers["Location"].startswith("/sign-in?")


def test_a_hint_is_kept_as_whom_it_was_about(shopper):
    token = shopper.tokens()["id_token"]
    account("joe")
    query = carried(shopper, id_token_hint=token)
    pushed = PushedAuthorizationRequest.objects.get()
    assert "id_token_hint" not in pushed.parameters
    assert pushed.hinted_sub == shopper.sub()
    joe = Shopper(username="joe")
    assert returned(joe.sign_in(open_page(joe, query)))["error"] == "login_required"


def test_what_is_no_part_of_the_request_is_not_kept(shopper):
    push(shopper, password=PASSWORD, username="jane", foo="bar")
    assert PushedAuthorizationRequest.objects.get().parameters == shopper.request()


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"id_token_hint": "a.b.c"}, "invalid_request"),
        ({"state": "a" * 9000, "nonce": "b" * 9000}, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_as_json_and_not_kept(shopper, parameters, error):
    answer = push(shopper, **parameters)
    body = answer.json()
    assert answer.status_code == 400
    assert body == {"error": error, "error_description": body["error_description"]}
    assert not PushedAuthorizationRequest.objects.exists()


def test_a_client_without_the_grant_is_told(shopper):
    shop("device", grant_types=["refresh_token"])
    assert push(Shopper("device")).json()["error"] == "unauthorized_client"


def confidential(client_id: str, **fields: object) -> Client:
    return client(
        client_id,
        "openid",
        grant_types=["authorization_code"],
        redirect_uris=REDIRECT_URI,
        login_services=[login_service()],
        **fields,
    )


def test_a_confidential_client_proves_itself_as_at_the_token_endpoint(shopper):
    confidential("web")
    request = Shopper("web").request(scope="openid")
    assert post(PATH, request).status_code == 401
    assert post(PATH, request, **basic("web", "wrong")).json()["error"] == "invalid_client"
    assert post(PATH, request, **basic("web")).status_code == 201
    assert post(PATH, {**request, "client_secret": SECRET}).status_code == 201
    assert post(PATH, request, **basic("shop")).json()["error"] == "invalid_request"
    without = {name: text for name, text in request.items() if name != "client_id"}
    assert post(PATH, without, **basic("web")).status_code == 201


def test_a_client_signs_itself_for_this_endpoint(shopper):
    confidential("robot", jwks=ROBOT.jwks)
    signed = {
        **Shopper("robot").request(scope="openid"),
        "client_assertion_type": private_key_jwt.ASSERTION_TYPE,
        "client_assertion": ROBOT.sign(),
    }
    assert post(PATH, signed).status_code == 201
    assert post(PATH, signed).json()["error"] == "invalid_client", "a JWT is used once"


def test_a_client_may_be_required_to_push(shopper):
    Client.objects.update(flags={"require_pushed_authorization_requests": True, "consent": "never"})
    refused = returned(shopper.authorize())
    assert (refused["error"], refused["state"]) == ("invalid_request", "the-state")
    assert returned(shopper.sign_in(open_page(shopper, carried(shopper))))["code"]


def test_discovery_says_so():
    document = Browser().get("/.well-known/openid-configuration").json()
    assert document["pushed_authorization_request_endpoint"] == f"{PUBLIC_URL}{PATH}"
    assert document["require_pushed_authorization_requests"] is False
