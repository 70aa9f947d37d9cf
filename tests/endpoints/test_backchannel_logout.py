"""OpenID Connect Back-Channel Logout 1.0: who is told of which logout, and what ends with it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
import time_machine
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.utils import timezone

from clients_admin.models import Client, GrantType
from idp import worker
from idp.accounts import local
from idp.accounts.assurance import PASSWORD
from idp.accounts.models import BrowserSession, LocalAccount, User
from idp.audit.models import AuditEvent
from idp.signals import user_blocked
from tests.configuration import (
    REDIRECT_URI,
    Shopper,
    account,
    client,
    gateway,
    introspected,
    login_service,
    post,
    shop,
)
from tests.relying_parties import LogoutEndpoint
from tokens import cleanup, devices, issue, logins, logout_notices
from tokens.interaction.session import Visitor
from tokens.models import LogoutNotice, SessionLogin

pytestmark = pytest.mark.django_db

PATH = "/oauth2/logout"
EVENTS = {"http://schemas.openid.net/event/backchannel-logout": {}}
NEW_PASSWORD = "correct horse battery staple"


@pytest.fixture
def endpoint(settings) -> Iterator[LogoutEndpoint]:
    settings.LOGOUT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with LogoutEndpoint() as server:
        yield server


@pytest.fixture
def shopper(endpoint) -> Shopper:
    account()
    gateway()
    shop(backchannel_logout_uri=endpoint.url)
    return Shopper()


def blog(**fields: Any) -> Client:
    """Another client of the same users, which is told as well."""
    return shop("blog", **fields)


def said(id_token: str) -> dict[str, Any]:
    return jwt.decode(id_token, options={"verify_signature": False})


def sign_out(shopper: Shopper) -> None:
    answer = shopper.browser.post("/sign-out", {"decision": "sign_out"})
    assert answer.status_code == 200


def at_client(shopper: Shopper, client_id: str) -> Shopper:
    """The same browser, on its way to another client."""
    other = Shopper(client_id, shopper.username)
    other.browser = shopper.browser
    return other


def events(tag: str) -> list[dict[str, Any]]:
    found = AuditEvent.objects.filter(tag=f"tokens:logout:{tag}").order_by("id")
    return [{"client": event.client_id, **event.details} for event in found]


# --- The name of a session ------------------------------------------------------------------------


def test_a_session_has_one_name_for_all_clients_and_all_refreshes(shopper):
    blog()
    tokens = shopper.tokens()
    sid = said(tokens["id_token"])["sid"]
    assert len(sid) == 22
    assert said(at_client(shopper, "blog").tokens()["id_token"])["sid"] == sid
    refreshed = shopper.refresh(tokens["refresh_token"]).json()
    again = shopper.refresh(refreshed["refresh_token"], scope="openid").json()
    assert said(refreshed["id_token"])["sid"] == said(again["id_token"])["sid"] == sid
    assert said(Shopper().tokens()["id_token"])["sid"] != sid, "another browser"
    assert not Session.objects.filter(pk__startswith=sid[:8]).exists(), "it is not the key"


def test_whoever_signs_in_again_goes_on_with_the_session(shopper):
    sid = said(shopper.tokens()["id_token"])["sid"]
    assert said(shopper.tokens(prompt="login")["id_token"])["sid"] == sid
    sign_out(shopper)
    assert said(shopper.tokens()["id_token"])["sid"] != sid


def test_access_tokens_know_no_session_and_can_still_be_shared(shopper):
    Client.objects.filter(client_id="shop").update(
        flags={"consent": "never", "access_token_reuse": "always"}
    )
    first, second = shopper.tokens(), Shopper().tokens()
    assert first["access_token"] == second["access_token"]
    assert "sid" not in introspected(first["access_token"])
    assert shopper.refresh(first["refresh_token"]).json()["access_token"] == first["access_token"]


# --- The logout token -----------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_client_is_told_by_a_token_that_only_we_can_have_made(shopper, endpoint, algorithm):
    Client.objects.filter(client_id="shop").update(
        flags={"consent": "never", "id_token_alg": algorithm}
    )
    id_token = said(shopper.tokens()["id_token"])
    sign_out(shopper)
    assert endpoint.tokens == [], "the user waits for nobody"
    assert logout_notices.deliver() == {"delivered": 1}
    assert jwt.get_unverified_header(endpoint.tokens[0])["alg"] == algorithm
    (claims,) = endpoint.heard()
    assert claims == {
        "iss": id_token["iss"],
        "aud": "shop",
        "sub": id_token["sub"],
        "sid": id_token["sid"],
        "events": EVENTS,
        "iat": claims["iat"],
        "exp": claims["iat"] + 120,
        "jti": claims["jti"],
    }
    assert logout_notices.deliver() == {}, "once"
    assert events("delivered") == [{"client": "shop", "attempts": 1}]


def test_each_client_of_the_session_is_told_and_no_other(shopper, endpoint):
    blog(backchannel_logout_uri=f"{endpoint.url}/blog")
    shop("never-visited", backchannel_logout_uri=f"{endpoint.url}/never-visited")
    shop("no-id-token", backchannel_logout_uri=f"{endpoint.url}/no-id-token")
    shop("tells-nobody")
    other = Shopper()
    other.tokens()
    for name in ("shop", "blog", "tells-nobody"):
        at_client(shopper, name).tokens()
    assert "id_token" not in at_client(shopper, "no-id-token").tokens(scope="orders.read")
    shopper.tokens()  # A second time at the same client is the same session.
    sign_out(shopper)
    assert logout_notices.deliver() == {"delivered": 2}
    assert sorted(endpoint.paths) == ["/logout", "/logout/blog"]
    assert SessionLogin.objects.count() == 1, "that of the other browser"


# --- Every way in which sessions end --------------------------------------------------------------


def by_the_client(shopper: Shopper, tokens: dict[str, Any]) -> None:
    shopper.browser.get(PATH, {"id_token_hint": tokens["id_token"]})


def by_the_page(shopper: Shopper, tokens: dict[str, Any]) -> None:
    sign_out(shopper)


def by_an_operator(shopper: Shopper, tokens: dict[str, Any]) -> None:
    logins.end_all(User.objects.get(), timezone.now())


def by_a_new_password(shopper: Shopper, tokens: dict[str, Any]) -> None:
    row = LocalAccount.objects.get()
    local.set_password(row, NEW_PASSWORD)
    row.save()


def by_a_block(shopper: Shopper, tokens: dict[str, Any]) -> None:
    user_blocked.send(User, user=User.objects.get())


ONE = (by_the_client, by_the_page)
ALL = (by_an_operator, by_a_new_password, by_a_block)


@pytest.mark.parametrize("end", [*ONE, *ALL])
@pytest.mark.parametrize("wants_sid", [False, True])
def test_however_a_session_ends_its_clients_are_told(shopper, endpoint, end, wants_sid):
    Client.objects.filter(client_id="shop").update(backchannel_logout_session_required=wants_sid)
    tokens, elsewhere = shopper.tokens(), Shopper().tokens()
    end(shopper, tokens)
    logout_notices.deliver()
    heard = endpoint.heard()
    sids = [said(one["id_token"])["sid"] for one in (tokens, elsewhere)]
    told = [claims.get("sid") for claims in heard]
    # Without a session, all of the user's are meant.
    expected = sids[:1] if end in ONE else sids if wants_sid else [None]
    assert sorted(told, key=str) == sorted(expected, key=str)
    assert {claims["sub"] for claims in heard} == {said(tokens["id_token"])["sub"]}
    assert introspected(tokens["access_token"]) == {"active": False}
    assert introspected(elsewhere["access_token"])["active"] is (end in ONE)


def number_of(shopper: Shopper) -> int:
    key = shopper.browser.session.session_key
    return BrowserSession.objects.get(session_id=key).pk


def test_a_session_that_its_user_ends_from_elsewhere_takes_all_with_it(shopper, endpoint):
    here = Shopper()
    tokens, kept = shopper.tokens(), here.tokens()
    here.browser.post("/account/sessions", {"session": number_of(shopper)})
    assert logout_notices.deliver() == {"delivered": 1}
    assert [claims["sid"] for claims in endpoint.heard()] == [said(tokens["id_token"])["sid"]]
    assert introspected(tokens["access_token"]) == {"active": False}
    assert introspected(kept["access_token"])["active"]


def test_where_a_user_ends_all_others_this_one_goes_on_by_its_name(shopper, endpoint):
    here, third = Shopper(), Shopper()
    tokens, kept, more = shopper.tokens(), here.tokens(), third.tokens()
    sid = said(kept["id_token"])["sid"]
    here.browser.post("/account/sessions", {"session": "others"})
    assert logout_notices.deliver() == {"delivered": 2}
    others = {said(one["id_token"])["sid"] for one in (tokens, more)}
    assert {claims["sid"] for claims in endpoint.heard()} == others
    assert introspected(more["access_token"]) == {"active": False}
    assert said(here.refresh(kept["refresh_token"]).json()["id_token"])["sid"] == sid
    assert said(here.tokens()["id_token"])["sid"] == sid
    sign_out(here)
    logout_notices.deliver()
    assert endpoint.heard()[-1]["sid"] == sid


# --- What ends with a session ---------------------------------------------------------------------


def test_tokens_end_with_their_session_unless_they_are_for_offline(shopper):
    tokens = shopper.tokens()
    client_row = Client.objects.get(client_id="shop")
    client_row.scopes.create(name="offline_access", description="Stay signed in")
    offline = shopper.tokens(scope="openid offline_access")
    plain = shopper.tokens(scope="orders.read")
    sign_out(shopper)
    assert shopper.refresh(tokens["refresh_token"]).status_code == 400
    assert introspected(tokens["access_token"]) == {"active": False}
    kept = shopper.refresh(offline["refresh_token"])
    assert kept.status_code == 200
    assert "sid" in said(kept.json()["id_token"])
    assert shopper.refresh(plain["refresh_token"]).status_code == 200, "OAuth without OpenID"
    (event,) = AuditEvent.objects.filter(tag="tokens:family:signed_out")
    assert (event.client_id, event.details["rows"]) == ("shop", 2)


def test_a_code_of_a_session_that_has_ended_is_worth_nothing(shopper, endpoint):
    code = shopper.code()
    sign_out(shopper)
    answer = shopper.exchange(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert logout_notices.deliver() == {"delivered": 1}, "it may have been exchanged a moment ago"


def test_a_device_is_in_no_browser_session(shopper):
    """It stays signed in where the browser that has let it in is not."""
    television = client(
        "tv",
        "openid",
        grant_types=[GrantType.DEVICE_CODE, "refresh_token"],
        client_type="public",
        login_services=[login_service()],
    )
    now = timezone.now()
    device = devices.begin(television, "openid", now)
    shopper.tokens()
    visitor = Visitor(User.objects.get(), now, (PASSWORD,), SessionStore())
    assert devices.approve(device, visitor, "openid", now)
    form = {
        "grant_type": GrantType.DEVICE_CODE.value,
        "client_id": "tv",
        "device_code": issue.say(device),
    }
    tokens = post("/oauth2/token", form).json()
    assert "sid" not in said(tokens["id_token"])
    sign_out(shopper)
    form = {"grant_type": "refresh_token", "client_id": "tv"}
    answer = post("/oauth2/token", {**form, "refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 200


# --- Until the client listens ---------------------------------------------------------------------


def test_a_client_that_fails_is_told_again_after_growing_pauses_and_then_given_up(
    shopper, endpoint
):
    endpoint.statuses = [500, 503, 400, 404, 302, 429, 500]
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        shopper.tokens()
        sign_out(shopper)
        for pause in logout_notices.PAUSES_SECONDS:
            assert logout_notices.deliver() == {"failed": 1}
            clock.shift(pause - 1)
            assert logout_notices.deliver() == {}, "not before its time"
            clock.shift(1)
        assert logout_notices.deliver() == {"given_up": 1}
        assert not LogoutNotice.objects.exists()
    assert endpoint.paths == ["/logout"] * 7, "redirects are not followed"
    assert len(set(endpoint.tokens)) == 7, "each is a new token"
    (event,) = events("given_up")
    assert event == {"client": "shop", "attempts": 7, "reason": "it answered with status 500"}
    assert list(logout_notices.PAUSES_SECONDS) == sorted(set(logout_notices.PAUSES_SECONDS))


def test_a_client_that_listens_at_last_has_heard(shopper, endpoint):
    endpoint.statuses = [500, 204]
    shopper.tokens()
    sign_out(shopper)
    assert logout_notices.deliver() == {"failed": 1}
    LogoutNotice.objects.update(due_at=timezone.now())
    assert logout_notices.deliver() == {"delivered": 1}
    assert events("delivered") == [{"client": "shop", "attempts": 2}]


def test_a_client_that_is_away_is_tried_once_and_holds_up_no_other(shopper, endpoint, monkeypatch):
    blog(backchannel_logout_uri="http://127.0.0.1:1/logout")
    asked = []
    real = logout_notices.outbound.post

    def count(url: str, *arguments: Any, **options: Any) -> Any:
        asked.append(url)
        return real(url, *arguments, **options)

    monkeypatch.setattr(logout_notices.outbound, "post", count)
    monkeypatch.setattr(logout_notices, "BATCH", 2)
    for _ in range(3):
        browser = Shopper()
        browser.tokens()
        at_client(browser, "blog").tokens()
        sign_out(browser)
    assert logout_notices.deliver() == {"failed": 3, "delivered": 3}
    assert asked.count("http://127.0.0.1:1/logout") == 1


def test_no_network_of_ours_is_asked(shopper, endpoint, settings):
    settings.LOGOUT_ALLOWED_NETWORKS = ()
    uri = endpoint.url.replace("http:", "https:")
    Client.objects.filter(client_id="shop").update(backchannel_logout_uri=uri)
    shopper.tokens()
    sign_out(shopper)
    LogoutNotice.objects.update(attempts=6)
    assert logout_notices.deliver() == {"given_up": 1}
    assert endpoint.tokens == []
    (event,) = events("given_up")
    assert event["reason"] == "the address is at no address that may be asked"


def test_a_worker_that_dies_leaves_its_notices_to_the_next(shopper, endpoint, monkeypatch):
    shopper.tokens()
    sign_out(shopper)
    now = timezone.now()
    assert len(logout_notices._take(now)) == 1
    assert logout_notices._take(now + logout_notices.LEASE - timedelta(seconds=1)) == []
    assert len(logout_notices._take(now + logout_notices.LEASE)) == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_a_logout_starts_the_worker_and_loses_nothing_without_a_broker(
    shopper, endpoint, monkeypatch, django_capture_on_commit_callbacks, is_there
):
    asked = []

    def hand_over(task: str, *_: Any, **__: Any) -> bool:
        asked.append(task)
        return is_there

    monkeypatch.setattr(worker, "hand_over", hand_over)
    shopper.tokens()
    with django_capture_on_commit_callbacks(execute=True):
        sign_out(shopper)
    assert asked == ["tokens.deliver_logouts"]
    assert LogoutNotice.objects.count() == 1, "it stays until it has been told"


def test_what_nobody_could_tell_for_a_day_is_given_up_and_says_so(shopper):
    shopper.tokens()
    sign_out(shopper)
    cleanup.RULES["tokens_logoutnotice"].clean(timezone.now() + timedelta(days=1))
    assert [event["reason"] for event in events("given_up")] == ["it is older than a day"]


# --- What an operator may enter -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("https://shop.example/logout?from=idp", ""),
        ("http://127.0.0.1:9000/logout", ""),
        ("http://shop.example/logout", "Use https"),
        ("https://shop.example/logout#there", "fragment"),
        ("https://user:secret@shop.example/", "credentials"),
        ("ftp://shop.example/", "Use https"),
        ("/logout", "not an address"),
    ],
)
def test_the_address_of_a_client_is_checked(uri: str, problem: str):
    row = Client(
        client_id="x", client_type="confidential", redirect_uris=REDIRECT_URI,
        jwks_url="", backchannel_logout_uri=uri,
    )  # fmt: skip
    check: Callable[[], None] = row.clean
    if not problem:
        check()
        return
    with pytest.raises(Exception, match=problem) as raised:
        check()
    assert list(raised.value.error_dict) == ["backchannel_logout_uri"]


def test_discovery_says_so():
    document = Browser().get("/.well-known/openid-configuration").json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True
