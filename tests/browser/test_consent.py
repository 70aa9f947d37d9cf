"""What a user is asked before an application may use their account, and what is remembered."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.interop import demo


@pytest.mark.parametrize(
    ("client_id", "login_service"), [("acme-shop", "acme-web"), ("globex-shop", "globex-web")]
)
def test_a_user_who_denies_goes_back_with_a_refusal(
    visitor: Visitor, client_id: str, login_service: str
) -> None:
    visit = visitor.open(client_id, prompt="consent")
    visitor.sign_in(demo.user(login_service))
    visitor.press("Deny")
    assert visitor.landed(visit) == {
        "error": "access_denied",
        "error_description": "The user refused.",
        "state": visit.state,
        "iss": visitor.issuer,
    }
    # Refusing is not remembered: the next request asks again, without a sign-in.
    visitor.open(client_id, prompt="consent")
    assert visitor.path == "/consent"


def test_a_consent_is_remembered_until_more_is_asked_for(visitor: Visitor) -> None:
    john = demo.user("acme-web", "john")  # whom no other test brings to this client
    visit = visitor.open("acme-shop", scope="openid profile")
    visitor.sign_in(john)
    expect(visitor.page.get_by_role("listitem")).to_contain_text(
        [demo.scope_description(name) for name in ("openid", "profile")]
    )
    visitor.press("Allow")
    visitor.landed_with_code(visit)

    for scope in ("openid profile", "openid"):
        visitor.landed_with_code(visitor.open("acme-shop", scope=scope))
        visitor.landed_with_code(visitor.open("acme-shop", scope=scope, prompt="none"))

    silent = visitor.open("acme-shop", scope="openid email", prompt="none")
    assert visitor.landed(silent) == {
        "error": "consent_required",
        "error_description": "The user must consent.",
        "state": silent.state,
        "iss": visitor.issuer,
    }
    more = visitor.open("acme-shop", scope="openid email")
    assert visitor.path == "/consent"
    visitor.press("Allow")
    visitor.landed_with_code(more)
    visitor.landed_with_code(visitor.open("acme-shop", scope="openid profile email"))


def test_a_client_that_must_always_ask_asks_again(visitor: Visitor) -> None:
    visit = visitor.open("globex-shop")
    visitor.sign_in(demo.user("globex-web"))
    visitor.press("Allow")
    visitor.landed_with_code(visit)

    again = visitor.open("globex-shop")
    assert visitor.path == "/consent"
    visitor.press("Allow")
    visitor.landed_with_code(again)


def test_a_scope_group_is_shown_as_what_is_in_it(visitor: Visitor) -> None:
    visitor.open("globex-shop", scope="openid shop")
    visitor.sign_in(demo.user("globex-web"))
    shown = ("openid", "orders.read", "orders.write", "stock.read")
    expect(visitor.page.get_by_role("listitem")).to_contain_text(
        [demo.scope_description(name) for name in shown]
    )


def test_a_client_of_our_own_asks_nothing(visitor: Visitor) -> None:
    visit = visitor.open("acme-own")
    visitor.sign_in(demo.user("acme-web"))
    visitor.landed_with_code(visit)
