"""What a user reads before an application may use their account, what they may leave out of it,
and that nothing goes out that they did not grant."""

import html
import re
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from clients_admin.models import Client, ScopeGroup
from idp.accounts.models import LocalAccount
from idp.audit.models import AuditEvent
from tests.configuration import (
    Shopper,
    account,
    gateway,
    introspected,
    returned,
    scopes,
    shop,
)
from tests.endpoints.test_userinfo import ask as userinfo
from tokens.models import AccessToken, Consent, RefreshToken

pytestmark = pytest.mark.django_db

SCOPE = "openid profile email orders.read"
LINKS = {
    "website_url": "https://third.example/",
    "privacy_url": "https://third.example/privacy",
    "terms_url": "https://third.example/terms",
}


@pytest.fixture
def third() -> Shopper:
    account()
    shop("third", name="Third", flags={"consent": "remember"})
    return Shopper("third")


def asked(shopper: Shopper, **parameters: str) -> str:
    """The address of the consent page that an authorization request leads to."""
    answer = shopper.authorize(**{"scope": SCOPE, **parameters})
    if answer.headers["Location"].startswith("/sign-in"):
        answer = shopper.sign_in(answer)
    assert answer.headers["Location"].startswith("/consent?"), answer.headers["Location"]
    return answer.headers["Location"]


def read(shopper: Shopper, address: str) -> str:
    return html.unescape(shopper.browser.get(address).content.decode())


def form(page: str, *left_out: str, **more: str) -> dict[str, str]:
    """What a browser sends with Allow, after these ticks were taken away."""
    boxes = re.findall(r'name="(scope-[^"]+)"[^>]*?\bchecked', page)
    (shown,) = re.findall(r'name="shown"\s+value="([^"]*)"', page)
    kept = {box: "on" for box in boxes if box.removeprefix("scope-") not in left_out}
    return {"decision": "allow", "shown": shown, **kept, **more}


def allow(shopper: Shopper, address: str, *left_out: str, **more: str) -> dict[str, str]:
    """The token answer after Allow, with these ticks taken away."""
    answer = shopper.browser.post(address, form(read(shopper, address), *left_out, **more))
    return shopper.exchange(returned(answer)["code"]).json()


def lines(page: str) -> list[str]:
    """The list of what is shared, tags taken out."""
    (listed,) = re.findall(r'<ul class="scopes".*?</ul>', page, re.DOTALL)
    items = re.findall(r"<li.*?</li>", listed, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in items]


def test_each_scope_is_in_plain_words_with_the_values_of_the_user(third):
    LocalAccount.objects.update(
        claims={
            "name": "Jane Doe",
            "given_name": "Jane",
            "email": "jane@example.org",
            "email_verified": True,
            "updated_at": "1700000000",
            "nickname": "<b>jd</b>",
        }
    )
    assert lines(read(third, asked(third))) == [
        "Know who you are",
        "See your e-mail address jane@example.org",
        "See your orders",
        "See your name Jane Doe jd jane",
    ]


def test_values_of_users_are_text_and_never_markup(third):
    LocalAccount.objects.update(claims={"email": "<script>alert(1)</script>"})
    page = third.browser.get(asked(third)).content.decode()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("language", "orders", "email"),
    [
        ("en", "See your orders", "See your e-mail address"),
        ("nl", "Je bestellingen zien", "Je e-mailadres zien"),
        ("de", "Ihre Bestellungen sehen", "Ihre E-Mail-Adresse sehen"),
        ("fr", "Voir vos commandes", "Voir votre adresse e-mail"),
    ],
)
def test_the_words_are_those_of_the_language(third, language, orders, email):
    (row,) = scopes("orders.read")
    row.translations = {
        "nl": "Je bestellingen zien",
        "de": "Ihre Bestellungen sehen",
        "fr": "Voir vos commandes",
    }
    row.save()
    (row,) = scopes("email")
    row.description = ""  # Then it has words of its own.
    row.save()
    client = Client.objects.get(client_id="third")
    client.brand.languages = ["en", "nl", "de", "fr"]
    client.brand.save()
    said = lines(read(third, asked(third, ui_locales=language)))
    assert said[1:3] == [f"{email} jane@example.org", orders]


def test_a_third_party_is_named_with_its_links(third):
    client = Client.objects.get(client_id="third")
    client.flags = {"consent": "remember", **LINKS}
    client.save()
    page = read(third, asked(third, prompt="consent"))
    assert "<bdi>Third</bdi> is not run by <bdi>Acme</bdi>." in " ".join(page.split())
    assert [address for address in LINKS.values() if f'href="{address}"' not in page] == []


def test_nobody_is_said_to_be_somebody_else_who_has_not_said_so(third):
    page = read(third, asked(third))
    assert "is not run by" not in page
    assert 'name="scope-email"' in page


def test_a_client_of_our_own_has_no_boxes_and_keeps_what_it_has(third):
    shop("own", name="Own")
    own = Shopper("own")
    address = asked(own, prompt="consent", scope="")
    page = read(own, address)
    assert "is not run by" not in page
    assert 'name="scope-' not in page
    tokens = allow(own, address)
    assert RefreshToken.objects.get().scope == "*"
    assert set(tokens["scope"].split()) == set(SCOPE.split())


def test_what_is_left_out_is_in_no_token_and_in_no_claim(third):
    gateway()
    tokens = allow(third, asked(third), "email", "orders.read")
    assert tokens["scope"] == "openid profile"
    assert RefreshToken.objects.get().scope == AccessToken.objects.get().scope == "openid profile"
    assert introspected(tokens["access_token"])["scope"] == "openid profile"
    said = userinfo(tokens["access_token"]).json()
    assert "email" not in said
    assert said["name"] == "Jane Doe"
    again = third.refresh(tokens["refresh_token"]).json()
    assert again["scope"] == "openid profile"
    assert third.refresh(again["refresh_token"], scope="openid email").status_code == 400
    event = AuditEvent.objects.get(tag="tokens:consent:given")
    assert event.details["scopes"] == ["openid", "profile"]
    assert event.details["declined"] == ["email", "orders.read"]


def test_what_was_left_out_is_remembered_too(third):
    allow(third, asked(third), "email")
    for parameters in ({}, {"prompt": "none"}):
        answer = third.authorize(scope=SCOPE, **parameters)
        tokens = third.exchange(returned(answer)["code"]).json()
        assert tokens["scope"] == "openid orders.read profile"
    # Where nothing else is asked for, the user is asked again.
    assert asked(third, scope="email").startswith("/consent?")
    page = read(third, asked(third, prompt="consent"))
    assert re.search(r'name="scope-email"\s+type="checkbox"\s*>', page)


def test_openid_cannot_be_left_out_and_nothing_at_all_is_a_refusal(third):
    address = asked(third)
    assert allow(third, address, *SCOPE.split())["scope"] == "openid"
    address = asked(third, scope="email", prompt="consent")
    answer = third.browser.post(address, form(read(third, address), "email"))
    assert returned(answer)["error"] == "access_denied"


def test_a_scope_that_the_page_did_not_show_is_not_granted(third):
    group = ScopeGroup.objects.create(name="shop")
    group.scopes.set(scopes("orders.read"))
    Client.objects.get(client_id="third").scope_groups.add(group)
    address = asked(third, scope="openid shop")
    posted = form(read(third, address))
    group.scopes.add(*scopes("orders.write"))
    tokens = third.exchange(
        returned(third.browser.post(address, {**posted, "scope-orders.write": "on"}))["code"]
    ).json()
    assert tokens["scope"] == "openid orders.read"


def test_who_asks_for_more_than_before_shows_what_is_new(third):
    allow(third, asked(third, scope="openid email"))
    page = read(third, asked(third))
    assert "now asks for more" in page
    assert [line for line in lines(page) if " New" in line] == [
        "See your orders New",
        "See your name New Jane Doe jane",
    ]
    assert "New" not in read(third, asked(third, scope="openid email", prompt="consent"))


def test_who_takes_something_back_ends_what_the_client_has_under_it(third):
    tokens = allow(third, asked(third))
    shop("other")
    other = Shopper("other")
    kept = other.tokens()
    allow(third, asked(third, prompt="consent"), "email")
    assert third.refresh(tokens["refresh_token"]).status_code == 400
    assert userinfo(tokens["access_token"]).status_code == 401
    assert userinfo(kept["access_token"]).status_code == 200
    event = AuditEvent.objects.get(tag="tokens:consent:narrowed")
    assert (event.client_id, event.details["rows"]) == ("third", 2)
    # To grant the same or more ends nothing.
    allow(third, asked(third, prompt="consent"))
    assert AuditEvent.objects.filter(tag="tokens:consent:narrowed").count() == 1


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0, "We remember your decision until you withdraw it."),
        (1, "We remember your decision for 1 day."),
        (30, "We remember your decision for 30 days."),
    ],
)
def test_a_decision_is_remembered_as_long_as_the_page_says(third, days, said):
    Client.objects.filter(client_id="third").update(
        flags={"consent": "remember", "consent_days": days}
    )
    with time_machine.travel(timezone.now(), tick=False) as clock:
        address = asked(third)
        assert said in " ".join(read(third, address).split())
        allow(third, address)
        clock.shift(timedelta(days=days) - timedelta(minutes=1) if days else timedelta(days=4000))
        third.browser.cookies.clear()
        assert "code" in returned(third.sign_in(third.authorize(scope=SCOPE)))
        if days:
            clock.shift(timedelta(minutes=2))
            assert asked(third)


def test_who_wants_to_be_asked_again_is(third):
    allow(third, asked(third), forget="on")
    assert asked(third)
    allow(third, asked(third))
    assert "code" in returned(third.authorize(scope=SCOPE))


def test_a_client_that_always_asks_promises_to_remember_nothing(third):
    Client.objects.filter(client_id="third").update(flags={"consent": "always"})
    page = read(third, asked(third))
    assert "remember" not in page
    assert 'name="forget"' not in page


def test_a_refusal_is_as_easy_and_changes_nothing(third):
    address = asked(third)
    page = read(third, address)
    buttons = re.findall(r'<button class="button[^"]*"\s+type="submit"\s+name="decision"', page)
    assert len(buttons) == 2
    answer = third.browser.post(address, {**form(page), "decision": "deny"})
    assert returned(answer)["error"] == "access_denied"
    assert not Consent.objects.exists()
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://a.example/", "third.example", 7])
def test_a_link_of_a_third_party_is_a_web_address(address):
    client = shop("third", flags={"consent": "remember"})
    client.flags = {"privacy_url": address}
    with pytest.raises(Exception, match="privacy_url"):
        client.full_clean()
