"""Who has forgotten a password gets a link by mail, and by that a new password: once."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client as Browser

from branding.models import Brand
from idp.accounts import local, password_links, passwords
from idp.accounts.models import LocalAccount, LoginService, User
from idp.audit.models import AuditEvent
from idp.blocking.models import Block
from tests.configuration import (
    PASSWORD,
    Shopper,
    account,
    brand,
    corporate,
    gateway,
    introspected,
    login_service,
    returned,
    shop,
)
from tests.passwords.journey import (
    FORGOTTEN,
    NEW,
    RESET,
    ask_for_link,
    can_sign_in,
    follow,
    link_in,
    set_new,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def jane():
    shop()
    return account()


def events(tag):
    return list(AuditEvent.objects.filter(tag=f"accounts:password:{tag}").order_by("id"))


# --- Where it begins ------------------------------------------------------------------------------


def test_the_sign_in_page_leads_there_and_back_with_the_same_request(handed):
    shopper = Shopper()
    sign_in = shopper.authorize().headers["Location"]
    page = shopper.browser.get(sign_in).content.decode()
    link = re.search(r'href="(/account/password/forgotten\?[^"]+)"', page)[1].replace("&amp;", "&")
    assert link.partition("?")[2] == sign_in.partition("?")[2]
    page = shopper.browser.get(link).content.decode()
    back = re.search(r'href="(/oauth2/authorize\?[^"]+)"', page)[1].replace("&amp;", "&")
    assert shopper.browser.get(back).headers["Location"] == sign_in


def test_the_brands_own_page_goes_first():
    Brand.objects.update(reset_url="https://acme.example/reset")
    shopper = Shopper()
    page = shopper.browser.get(shopper.authorize().headers["Location"]).content.decode()
    assert "https://acme.example/reset" in page
    assert FORGOTTEN not in page


def test_where_no_password_is_kept_here_nothing_leads_there():
    LoginService.objects.update(kind="sql")
    shopper = Shopper()
    page = shopper.browser.get(shopper.authorize().headers["Location"]).content.decode()
    assert FORGOTTEN not in page
    assert Browser().get(FORGOTTEN, {"client_id": "shop"}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"client_id": "nobody"},
        {"client_id": "shop", "redirect_uri": "https://attacker.example/"},
    ],
)
def test_a_wrong_query_sends_nobody_anywhere(query, handed):
    for method in ("get", "post"):
        answer = getattr(Browser(), method)(FORGOTTEN, query_params=query)
        assert answer.status_code == 400
        assert "attacker" not in answer.content.decode()
    assert handed == []


def test_what_is_wrong_with_the_name_is_said_beside_it(handed):
    for username in ("", "x" * 256, "ja\0ne"):
        answer = Browser().post(
            FORGOTTEN, {"username": username}, query_params={"client_id": "shop"}
        )
        assert answer.status_code == 400
        assert 'aria-invalid="true"' in answer.content.decode()
    assert handed == []


# --- The whole way --------------------------------------------------------------------------------


def test_a_user_gets_a_new_password_and_goes_on_where_they_were(at_work):
    shopper = Shopper()
    link = ask_for_link(shopper.browser, **shopper.request())
    page = follow(link, shopper.browser).get(RESET).content.decode()
    assert "<bdi>jane</bdi>" in page
    done = set_new(shopper.browser).content.decode()
    assert "Your new password is set" in done
    back = re.search(r'href="(/oauth2/authorize\?[^"]+)"', done)[1].replace("&amp;", "&")
    answer = shopper.sign_in(shopper.browser.get(back), NEW)
    assert returned(answer)["state"] == "the-state"
    assert not can_sign_in(PASSWORD)


def test_in_another_browser_there_is_nowhere_to_go_back_to(at_work):
    link = ask_for_link(Browser(), **Shopper().request())
    done = set_new(follow(link)).content.decode()
    assert "Your new password is set" in done
    assert "/oauth2/authorize" not in done


def test_it_is_all_in_the_audit_with_the_address_and_without_any_secret(at_work):
    Shopper().tokens()
    browser = Browser(REMOTE_ADDR="192.0.2.7")
    link = ask_for_link(browser)
    set_new(follow(link, browser))
    (asked,), (done,) = events("reset_requested"), events("reset")
    user = User.objects.get()
    for event in (asked, done):
        assert (event.user_id, event.client_id, event.address) == (user.pk, "shop", "192.0.2.7")
    assert asked.details == {"login_service": "acme-web", "username": "jane", "is_sent": True}
    assert done.details == {"login_service": "acme-web", "username": "jane"}


def test_the_link_is_in_no_table_and_no_log(at_work, caplog):
    caplog.set_level("DEBUG")
    link = ask_for_link()
    token = link.rpartition("/")[2]
    follow(link)
    kept = [session.get_decoded() for session in Session.objects.all()]
    assert token not in str(kept)
    assert token.rpartition(":")[2] not in str(kept)
    Browser().put(link)
    Browser().get(f"{link}?password=x")
    Browser().get(f"{link}x")
    assert "/account/password/reset/<str:token>" in caplog.text
    assert token not in caplog.text


def test_the_answer_to_the_link_leaks_it_nowhere(at_work):
    answer = Browser().get(ask_for_link())
    assert answer.headers["Location"] == RESET
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"


# --- What it ends ---------------------------------------------------------------------------------


def test_sessions_and_tokens_of_before_end(at_work):
    gateway()
    shopper = Shopper()
    tokens = shopper.tokens()
    assert introspected(tokens["access_token"])["active"]
    set_new(follow(ask_for_link()))
    assert not introspected(tokens["access_token"])["active"]
    assert shopper.refresh(tokens["refresh_token"]).status_code == 400
    assert shopper.authorize().headers["Location"].startswith("/sign-in")
    assert AuditEvent.objects.filter(tag="tokens:user:ended").count() == 1


def test_others_keep_theirs(at_work):
    gateway()
    account("john")
    tokens = Shopper(username="john").tokens()
    set_new(follow(ask_for_link()))
    assert introspected(tokens["access_token"])["active"]


def test_a_blocked_user_is_free_again(at_work, settings, monkeypatch):
    from django.db import transaction

    from idp.blocking import attempts

    settings.BLOCKING = "on"
    monkeypatch.setattr(attempts, "apart", transaction.atomic)
    for number in range(10):
        shopper = Shopper()
        shopper.browser = Browser(REMOTE_ADDR=f"203.0.113.{number}")
        page = shopper.sign_in(shopper.authorize(), "wrong").content.decode()
    assert "Too many wrong passwords" in page
    assert "/account/password/forgotten?" in page
    assert not can_sign_in(PASSWORD)
    set_new(follow(ask_for_link()))
    assert can_sign_in(NEW)
    assert Block.objects.get().ended_by == "new password"


def test_the_owner_is_told(at_work):
    set_new(follow(ask_for_link()))
    link, told = mail.outbox
    assert told.to == link.to == ["jane@example.org"]
    assert told.subject == "Your password was changed \N{EN DASH} Acme"
    assert "/account/" not in told.body


# --- Links that are over --------------------------------------------------------------------------


def is_over(answer) -> bool:
    return (answer.status_code, "no longer works" in answer.content.decode()) == (400, True)


def test_a_link_works_once(at_work):
    link = ask_for_link()
    first, second = follow(link), follow(link)
    assert set_new(first).status_code == 200
    assert is_over(set_new(second, "another password of mine"))
    assert is_over(set_new(first, "another password of mine"))
    assert is_over(Browser().get(link))
    assert can_sign_in(NEW)
    assert len(events("reset")) == 1


def test_a_link_of_before_a_new_password_is_over(at_work, jane):
    links = [ask_for_link(), ask_for_link()]
    waiting = follow(links[0])
    local.set_password(jane, "an operator has chosen this")
    jane.save()
    for answer in (Browser().get(links[1]), set_new(waiting)):
        assert is_over(answer)
        assert "/account/password/forgotten?client_id=shop" in answer.content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"is_active": False},
        {"claims": {"email": "mallory@example.org"}},
    ],
)
def test_a_link_ends_with_its_account_or_address(at_work, change):
    link = ask_for_link()
    waiting = follow(link)
    LocalAccount.objects.update(**change)
    assert is_over(Browser().get(link))
    assert is_over(set_new(waiting))


def test_a_link_ends_with_its_login_service(at_work):
    link = ask_for_link()
    LoginService.objects.update(is_enabled=False)
    assert is_over(Browser().get(link))


def test_a_link_works_for_half_an_hour(at_work, time_machine):
    time_machine.move_to(NOON, tick=False)
    link = ask_for_link()
    time_machine.move_to(NOON + timedelta(minutes=29, seconds=59), tick=False)
    waiting = follow(link)
    time_machine.move_to(NOON + timedelta(minutes=30), tick=False)
    assert is_over(set_new(waiting))
    assert is_over(Browser().get(link))
    assert can_sign_in(PASSWORD)


def test_a_link_that_we_have_not_made_opens_nothing(at_work, jane, settings):
    link = ask_for_link()
    settings.SECRET_KEY = "somebody-elses-" + "x" * 32
    forged = password_links.make(jane, "shop", datetime.now(UTC))
    settings.SECRET_KEY = settings.SECRET_KEY[::-1]
    for token in (forged, f"{link[:-1]}", "x", "a:b:c", "x" * 5000, "%00", "é"):
        assert is_over(Browser().get(f"{RESET}/{token.rpartition('/')[2]}"))


def test_a_link_outlives_a_new_secret_in_front_of_the_old_one(at_work, settings):
    link = ask_for_link()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the-next-secret-" + "n" * 32
    assert set_new(follow(link)).status_code == 200


def test_without_a_link_there_is_no_form():
    assert is_over(Browser().get(RESET))
    assert is_over(set_new(Browser()))
    assert can_sign_in(PASSWORD)


# --- The new password -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "Enter a new password."),
        ("short", "Use at least 10 characters."),
        ("jane-jane!", "Use a password that is not like your user name."),
        ("1234567890", "This password is among the first that others would try."),
        ("x" * 1025, "This password is too long."),
    ],
)
def test_what_is_wrong_with_it_is_said_beside_the_field(at_work, jane, password, said):
    LocalAccount.objects.update(username="jane-jane")
    link = ask_for_link(username="jane-jane")
    answer = set_new(follow(link), password)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert f'<p class="field-error" id="id_new_password_error">{said}</p>' in page
    assert not password or password not in page
    assert passwords.problems_with(NEW, jane) == []
    assert events("reset") == []


def test_two_that_differ_are_refused(at_work):
    browser = follow(ask_for_link())
    page = set_new(browser, repeated=f"{NEW}.").content.decode()
    assert "The two passwords are not the same." in page
    assert set_new(browser).status_code == 200


# --- Who gets a link ------------------------------------------------------------------------------


def test_all_local_services_of_the_client_are_tried(at_work):
    other = login_service("acme-staff")
    account("jane", other)
    account("joan", other)
    off = login_service("acme-old")
    account("joan", off)
    elsewhere = login_service("elsewhere")
    account("joan", elsewhere)
    LoginService.objects.filter(pk=off.pk).update(is_enabled=False)
    shop("big", login_services=[login_service(), other, off, corporate()])
    Browser().post(FORGOTTEN, {"username": "JOAN"}, query_params={"client_id": "big"})
    assert [sent.to for sent in mail.outbox] == [["joan@example.org"]]
    Browser().post(FORGOTTEN, {"username": "jane"}, query_params={"client_id": "big"})
    assert len(mail.outbox) == 3
    set_new(follow(link_in(mail.outbox[2])))
    # One of the two has a new password: two users who are called alike stay two.
    assert can_sign_in(NEW, client_id="big")
    assert can_sign_in(PASSWORD, client_id="big")


@pytest.mark.parametrize("claims", [{}, {"email": ""}, {"email": 7}, {"email": "a@b\nBcc: c@d"}])
def test_without_an_address_there_is_no_mail(at_work, claims):
    LocalAccount.objects.update(claims=claims)
    Browser().post(FORGOTTEN, {"username": "jane"}, query_params={"client_id": "shop"})
    assert mail.outbox == []
    assert events("reset_requested")[0].details["is_sent"] is False


def test_an_inactive_account_gets_none(at_work):
    LocalAccount.objects.update(is_active=False)
    Browser().post(FORGOTTEN, {"username": "jane"}, query_params={"client_id": "shop"})
    assert mail.outbox == []


def test_three_mails_an_hour_are_enough(at_work, time_machine):
    time_machine.move_to(NOON, tick=False)
    for _ in range(8):
        Browser().post(FORGOTTEN, {"username": "jane"}, query_params={"client_id": "shop"})
    assert len(mail.outbox) == 3
    assert [event.details["is_sent"] for event in events("reset_requested")] == [True] * 3 + [
        False
    ] * 5
    time_machine.move_to(NOON + timedelta(hours=1), tick=False)
    Browser().post(FORGOTTEN, {"username": "jane"}, query_params={"client_id": "shop"})
    assert len(mail.outbox) == 4


def test_one_address_cannot_flood_mailboxes(handed, settings, monkeypatch):
    from django.db import transaction

    from idp.blocking import attempts

    settings.BLOCKING = "on"
    monkeypatch.setattr(attempts, "apart", transaction.atomic)
    browser = Browser(REMOTE_ADDR="192.0.2.9")
    answers = [
        browser.post(
            FORGOTTEN, {"username": f"user{number}"}, query_params={"client_id": "shop"}
        ).status_code
        for number in range(12)
    ]
    assert answers == [200] * 10 + [429] * 2
    assert len(handed) == 10
    block = Block.objects.get()
    assert block.reason == "many names failed (password reset)"
    assert block.names == ["u•••"]


def test_a_brand_of_other_languages_is_asked_for_its_own():
    made = brand("globex")
    made.languages = ["de", "en"]
    made.save()
    shop("globex-shop", brand=made)
    page = Browser().get(FORGOTTEN, {"client_id": "globex-shop"}, headers={"Accept-Language": "nl"})
    assert page.headers["Content-Language"] == "de"
    assert "Passwort vergessen?" in page.content.decode()
