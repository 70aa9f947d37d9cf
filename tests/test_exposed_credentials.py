"""A secret in a URL opens nothing, is told of, and is shown beside its client until rotated."""

import re
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import requests
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.test import Client as Browser
from django.urls import get_resolver, reverse
from django.utils import timezone

from clients_admin import secrets
from clients_admin.models import Client, ClientSecret
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.models import LoginService, User
from idp.audit.models import AuditEvent
from idp.ops.run import granian_command
from tests.configuration import FORM, SECRET, Shopper, account, basic, batch, gateway, post, shop
from tests.interop import demo
from tests.servers import LiveIDP
from tests.test_hostile_input import paths
from tests.test_metrics import value
from tokens import exposed_credentials
from tokens.exposed_credentials import PAGES, PLACES
from tokens.models import AccessToken, AuthorizationCode, RefreshToken
from tokens.wire import CREDENTIALS

GRANT = {"grant_type": "client_credentials"}
LIST = "/admin/clients_admin/client/"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PROTOCOL_PATHS = sorted(
    path for path in paths(get_resolver().url_patterns) if path.startswith(PLACES)
)


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(tag="clients:credential:exposed").order_by("id"))


def only_event() -> AuditEvent:
    (event,) = events()
    return event


def nothing_is_issued() -> bool:
    return not any(m.objects.exists() for m in (AccessToken, RefreshToken, AuthorizationCode))


def exposed_at() -> list[object]:
    return list(ClientSecret.objects.order_by("pk").values_list("exposed_at", flat=True))


def ask(path: str, method: str = "GET", **query: str):
    return Browser().generic(method, f"{path}?{urlencode(query)}")


IN_THE_URL = "Credentials must not be sent in the URL."


# --- Refused -------------------------------------------------------------------------------------


def test_the_walk_below_meets_all_protocol_addresses():
    assert {"/oauth2/token", "/oauth2/userinfo", "/.well-known/jwks.json"} < set(PROTOCOL_PATHS)
    assert {"/internal/jwt", "/oauth2/device", "/sign-in", "/consent"} < set(PROTOCOL_PATHS)
    assert {"/api/v1/blocks", "/api/schema"} < set(PROTOCOL_PATHS)
    assert set(PROTOCOL_PATHS) > PAGES


@pytest.mark.parametrize("path", [*PROTOCOL_PATHS, "/oauth2/no-such-thing", "/internal/", "/api/"])
def test_no_address_takes_any_credential_by_any_method(db, path):
    for parameter in CREDENTIALS:
        answer = ask(path, **{parameter: "s3cr3t"})
        assert answer.status_code == 400
        assert "s3cr3t" not in answer.content.decode()
        if path in PAGES or path.startswith("/account/"):
            assert answer.headers["Content-Type"].startswith("text/html")
            continue
        assert answer.headers["Cache-Control"] == "no-store"
        body = answer.json()
        if path.startswith("/api/"):
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert (body["code"], body["detail"]) == ("invalid_request", IN_THE_URL)
        else:
            assert body == {"error": "invalid_request", "error_description": IN_THE_URL}
    for method in METHODS:
        assert ask(path, method, client_secret="s3cr3t").status_code == 400
    assert len(events()) == len(CREDENTIALS) + len(METHODS)


def test_a_valid_request_with_its_secret_in_the_url_gets_nothing(db):
    batch()
    shown = {"client_id": "batch", "client_secret": SECRET}
    for answer in (
        ask("/oauth2/token", "POST", **GRANT, **shown),
        ask("/oauth2/token", "GET", **GRANT, **shown),
        post(f"/oauth2/token?{urlencode(shown)}", GRANT),
        post(f"/oauth2/token?{urlencode(shown)}", {**GRANT, **shown}),
        post(f"/oauth2/token?client_secret={SECRET}", GRANT, **basic("batch")),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert nothing_is_issued()
    assert len(events()) == 5


def test_an_access_token_in_the_query_of_userinfo_opens_nothing(db):
    """RFC 6750 section 2.3 allows it, and says that it SHOULD NOT be used."""
    account()
    shop()
    token = Shopper().tokens()["access_token"]
    assert ask("/oauth2/userinfo", access_token=token).status_code == 400
    assert only_event().details["parameters"] == ["access_token"]
    assert token not in str(only_event().details)


@pytest.mark.parametrize(
    "query",
    [
        "client_secret=a&client_secret=b",
        "a=%ff&client_secret=a",
        "client%5Fsecret=a",
        "%63lient_secret=%00",
        "a=b&" * 60 + "client_secret=a",
        "x=" + "a" * 20_000 + "&client_secret=a",
        "&&=&client_secret=" + "a" * 20_000,
        "client_secret=a&client_id=%00",
        "client_secret=%ff%fe&client_id=" + "a" * 200,
    ],
)
def test_what_no_endpoint_would_read_is_found_all_the_same(db, query):
    batch()
    assert Browser().post(f"/oauth2/token?{query}").status_code == 400
    assert (only_event().details["parameters"], only_event().client_id) == (["client_secret"], None)
    assert exposed_at() == [None]


@pytest.mark.parametrize("query", ["client_secret=", "client_secret", "clientsecret=a", "a=token"])
def test_what_shows_nothing_is_not_told_of(db, query):
    assert Browser().get(f"/.well-known/openid-configuration?{query}").status_code == 200
    assert not events()


@pytest.mark.parametrize("path", ["/healthz", "/admin/login/", "/brand/acme.css"])
def test_addresses_that_are_none_of_the_protocol_are_left_alone(db, path):
    Browser().get(f"{path}?token=a&code=b")
    assert not events()


def test_a_long_query_is_read_quickly():
    begun = time.process_time()
    for query in ("a&" * 32_000, "%61=a&" * 11_000, "client_secret=a&" * 4000, "=" * 64_000):
        exposed_credentials.look(query)
    assert time.process_time() - begun < 0.5


# --- Told ----------------------------------------------------------------------------------------


def test_the_event_says_which_parameters_and_where_and_no_value(
    db, django_capture_on_commit_callbacks
):
    batch()
    before = value("idp_exposed_credentials_total", parameter="password")
    query = f"password=geheim&client_secret={SECRET}&username=jane"
    with django_capture_on_commit_callbacks(execute=True):
        post(f"/oauth2/token?{query}", GRANT, **basic("batch"))
    event = only_event()
    assert event.client_id == "batch"
    assert event.details == {
        "path": "/oauth2/token",
        "parameters": ["client_secret", "password"],
        "secret_ids": [ClientSecret.objects.get().pk],
    }
    assert value("idp_exposed_credentials_total", parameter="password") == before + 1


def test_a_client_that_does_not_exist_and_an_address_of_the_caller_s_are_not_repeated(db):
    token = "at_" + "A" * 44
    ask("/oauth2/token", client_id="made-up", client_secret="a")
    ask(f"/oauth2/{token}", client_id=token, token="a")
    assert [(event.client_id, event.details["path"]) for event in events()] == [
        (None, "/oauth2/token"),
        (None, "/oauth2/…"),
    ]


@pytest.mark.parametrize(
    ("query", "form", "headers"),
    [
        ({"client_id": "batch"}, {}, {}),
        ({}, {"client_id": "batch"}, {}),
        ({}, {}, basic("batch", "whatever")),
        ({"client_id": "gateway"}, {"client_id": "batch"}, basic("nobody")),
    ],
)
def test_the_secret_that_stood_there_is_marked_wherever_its_client_is_named(
    db, query, form, headers
):
    batch()
    gateway()
    ClientSecret.objects.filter(client__client_id="gateway").delete()
    begun = timezone.now()
    post(f"/oauth2/token?{urlencode({'client_secret': SECRET, **query})}", form, **headers)
    marked = ClientSecret.objects.get()
    assert marked.exposed_at >= begun
    assert only_event().details["secret_ids"] == [marked.pk]


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ({"client_secret": "rubbish", "client_id": "batch"}, {}),
        ({"client_secret": SECRET}, {}),
        ({"client_secret": SECRET, "client_id": "nobody"}, {}),
        ({"password": SECRET, "client_id": "batch"}, {}),
        ({"token": "a"}, {"client_id": "batch", "client_secret": SECRET}),
    ],
)
def test_a_stranger_cannot_brand_a_client(db, query, form):
    batch()
    assert post(f"/oauth2/token?{urlencode(query)}", form).status_code == 400
    assert exposed_at() == [None]
    assert only_event().details["secret_ids"] == []


def test_the_first_time_stays_and_is_notified_once(db, caplog, django_capture_on_commit_callbacks):
    batch()
    with django_capture_on_commit_callbacks(execute=True):
        ask("/oauth2/token", client_id="batch", client_secret=SECRET)
        first = exposed_at()
        ask("/oauth2/token", client_id="batch", client_secret=SECRET)
    assert exposed_at() == first
    told = [record.getMessage() for record in caplog.records if "Notification" in record.message]
    assert len(told) == 1
    assert "A secret of the client batch stood in a URL" in told[0]
    assert SECRET not in caplog.text


def test_an_ended_secret_is_no_longer_a_secret(db):
    batch().secrets.update(expires_at=timezone.now())
    ask("/oauth2/token", client_id="batch", client_secret=SECRET)
    assert exposed_at() == [None]


def test_without_its_database_it_answers_503(db, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OperationalError

    monkeypatch.setattr(exposed_credentials, "record", fail)
    browser = Browser(raise_request_exception=False)
    for path in ("/oauth2/token", "/sign-in"):
        answer = browser.post(f"{path}?client_secret=a")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


# --- In the admin --------------------------------------------------------------------------------


def operator(name: str, role: str) -> Browser:
    service, _ = LoginService.objects.get_or_create(name="operators")
    user = User.objects.create(
        login_service=service, external_id=name, username=name, is_staff=True
    )
    user.groups.add(Group.objects.get(name=role))
    browser = Browser()
    browser.force_login(user)
    return browser


def text_of(browser: Browser, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_editors_and_viewers_see_it_until_the_secret_is_rotated(db):
    client = batch()
    gateway()
    editor, viewer = operator("eddy", EDITORS), operator("vera", VIEWERS)
    page = reverse("admin:clients_admin_client_change", args=[client.pk])

    def seen() -> list[bool]:
        return [
            *("secret exposed" in text_of(browser, LIST) for browser in (editor, viewer)),
            *("stood in a URL</strong>" in text_of(b, page) for b in (editor, viewer)),
            "stood in a URL</span>" in text_of(editor, page),
        ]

    assert seen() == [False] * 5
    ask("/oauth2/token", client_id="batch", client_secret=SECRET)
    assert seen() == [True] * 5
    assert text_of(viewer, LIST).count("secret exposed") == 1
    assert "An editor must rotate it" in text_of(viewer, page)
    assert "Rotate it</a>" in text_of(editor, page)
    assert "tab-secrets" not in text_of(viewer, page)
    rotate = reverse("admin:clients_admin_client_rotate_secret", args=[client.pk])

    editor.post(rotate, {"old_ends": "in 7 days"})
    assert seen() == [True] * 5, "it is still a secret"
    editor.post(
        reverse(
            "admin:clients_admin_client_end_secret",
            args=[client.pk, client.secrets.order_by("pk")[0].pk],
        )
    )
    assert seen() == [False] * 5


def test_one_click_rotates_and_shows_the_new_secret_once(db):
    client = batch()
    editor, viewer = operator("eddy", EDITORS), operator("vera", VIEWERS)
    address = reverse("admin:clients_admin_client_rotate_secret", args=[client.pk])
    page = reverse("admin:clients_admin_client_change", args=[client.pk])
    assert 'form="rotate-secret"' in text_of(editor, page)
    assert viewer.post(address, {"old_ends": "now"}).status_code == 403
    assert editor.get(address).status_code == 405
    assert editor.post(address, {"old_ends": "never"}).status_code == 403
    assert editor.post(address).status_code == 403
    assert ClientSecret.objects.count() == 1

    answer = editor.post(address, {"old_ends": "now"})
    secret = re.search(r"cs_[A-Za-z0-9_-]{43}", answer.content.decode())[0]
    assert "no-store" in answer.headers["Cache-Control"]
    assert secrets.verify(client, secret)
    assert not secrets.verify(client, SECRET)
    assert secret not in text_of(editor, page)
    told = AuditEvent.objects.filter(tag__startswith="clients:secret:").order_by("id")
    assert [(event.tag, event.client_id, event.actor) for event in told] == [
        ("clients:secret:ended", "batch", "eddy (operators)"),
        ("clients:secret:added", "batch", "eddy (operators)"),
    ]

    editor.post(address, {"old_ends": "in 1 day"})
    ends_at = client.secrets.get(expires_at__gt=timezone.now()).expires_at
    assert 86_390 < (ends_at - timezone.now()).total_seconds() <= 86_400
    assert 'form="rotate-secret"' not in text_of(editor, page)
    answer = editor.post(address, {"old_ends": "in 7 days"}, follow=True)
    assert "Two secrets are live. End one of them first." in answer.content.decode()
    assert client.secrets.get(expires_at__gt=timezone.now()).expires_at == ends_at
    public = Client.objects.create(client_id="spa", client_type="public")
    address = reverse("admin:clients_admin_client_rotate_secret", args=[public.pk])
    answer = editor.post(address, {"old_ends": "now"}, follow=True)
    assert "A public client has no secret." in answer.content.decode()


# --- In the log ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logging_idp(live_database: str) -> Iterator[LiveIDP]:
    """A server that writes whatever it can."""
    wordy = {"GRANIAN_LOG_ACCESS_ENABLED": "true", "GRANIAN_LOG_LEVEL": "debug"}
    with LiveIDP(live_database, IDP_LOG_LEVEL="debug", **wordy) as server:
        yield server


def test_the_log_of_the_server_holds_the_request_and_not_the_secret(logging_idp):
    known = demo.client("demo-batch")
    shown = {"client_id": known.client_id, "client_secret": known.secret, "password": "geheim-1"}
    for path in ("/oauth2/token", "/oauth2/authorize", "/oauth2/no-such-thing", "/internal/jwt"):
        for method in ("GET", "POST", "BREW"):
            url = f"{logging_idp.url}{path}?{urlencode({**GRANT, **shown})}"
            answer = requests.request(method, url, headers={"Content-Type": FORM}, timeout=30)
            assert answer.status_code == 400
    deadline = time.monotonic() + 20
    while (log := logging_idp.log_text()).count("POST /oauth2/token") < 1:
        assert time.monotonic() < deadline, log
        time.sleep(0.1)
    assert known.secret not in log
    assert "geheim-1" not in log
    assert "client_secret=" not in log


def test_make_run_writes_no_access_log():
    from idp.environment import environment

    assert not [part for part in granian_command(environment()) if "access" in part]
