"""The issuer is IDP_PUBLIC_URL: no header of a request has a say in it."""

import json
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from django.test import Client as Browser

from idp.ops.run import DEMO_CLIENT, DEMO_GATEWAY
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    EXCHANGE,
    Shopper,
    account,
    basic,
    gateway,
    post,
    returned,
    shop,
)

EVIL = "evil.example"
FORGERIES = [
    {"Host": EVIL},
    {"Host": f"{EVIL}:8000"},
    {"X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "444"},
    {"Forwarded": f"host={EVIL};proto=https"},
    {"X-Original-Host": EVIL, "X-Forwarded-Server": EVIL, "X-Host": EVIL},
    {"X-Forwarded-Prefix": f"//{EVIL}", "X-Original-URL": f"//{EVIL}/", "X-Rewrite-URL": "/x"},
    {"Origin": f"https://{EVIL}", "Referer": f"https://{EVIL}/"},
]
forged = pytest.mark.parametrize("headers", FORGERIES, ids=lambda headers: next(iter(headers)))
DOCUMENTS = ["openid-configuration", "oauth-authorization-server"]


def environ(headers: dict[str, str]) -> dict[str, str]:
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


# --- In the process: all that says an issuer ---------------------------------------------------


@pytest.fixture
def shopper(db) -> Shopper:
    account()
    shop()
    gateway()
    return Shopper()


@pytest.mark.django_db
@forged
@pytest.mark.parametrize("document", DOCUMENTS)
def test_discovery_names_the_issuer_of_the_settings(settings, document, headers):
    answer = Browser().get(f"/.well-known/{document}", **environ(headers))
    named = answer.json()
    assert answer.status_code == 200
    assert named["issuer"] == settings.PUBLIC_URL
    urls = [value for value in named.values() if isinstance(value, str)]
    assert len(urls) >= 8
    assert all(
        url == settings.PUBLIC_URL or url.startswith(f"{settings.PUBLIC_URL}/") for url in urls
    )
    assert EVIL not in answer.text


@forged
def test_tokens_and_answers_name_the_issuer_of_the_settings(shopper, settings, headers):
    code = shopper.code()
    back = returned(shopper.browser.get("/oauth2/authorize", shopper.request(), **environ(headers)))
    assert back["iss"] == settings.PUBLIC_URL
    form = {"grant_type": "authorization_code", "client_id": "shop", "code": code}
    form |= {"redirect_uri": "https://shop.example/callback"}
    form |= {"code_verifier": "a-code-verifier-of-the-tests-with-enough-characters"}
    tokens = post("/oauth2/token", form, **environ(headers)).json()
    assert claims(tokens["id_token"])["iss"] == settings.PUBLIC_URL
    authorized = basic("gateway") | environ(headers)
    introspected = post(
        "/oauth2/introspect", {"token": tokens["access_token"]}, **authorized
    ).json()
    assert introspected["iss"] == settings.PUBLIC_URL
    exchanged = post("/oauth2/token", exchange(tokens["access_token"]), **authorized).json()
    assert claims(exchanged["access_token"])["iss"] == settings.PUBLIC_URL


@forged
def test_refusals_name_the_issuer_of_the_settings(shopper, settings, headers):
    refused = shopper.request(prompt="none")
    back = returned(Browser().get("/oauth2/authorize", refused, **environ(headers)))
    assert (back["error"], back["iss"]) == ("login_required", settings.PUBLIC_URL)
    unsupported = shopper.request(code_challenge_method="plain")
    back = returned(Browser().get("/oauth2/authorize", unsupported, **environ(headers)))
    assert (back["error"], back["iss"]) == ("invalid_request", settings.PUBLIC_URL)


@pytest.mark.django_db
@forged
@pytest.mark.parametrize(
    "path", ["/oauth2/authorize", "/sign-in", "/consent", "/sign-out", "/oauth2/logout", "/nowhere"]
)
def test_pages_and_their_redirects_stay_on_our_own_paths(path, headers):
    answer = Browser().get(path, **environ(headers))
    assert EVIL not in answer.text
    assert EVIL not in str(answer.headers)


@pytest.mark.django_db
@forged
@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login/"])
def test_the_admin_does_not_follow_a_forged_host(path, headers):
    """Its login page reads the Host header, and answers 400 to one that is not ours."""
    answer = Browser().get(path, **environ(headers))
    assert answer.status_code in {200, 302, 400}
    assert EVIL not in answer.text
    assert not urlsplit(answer.headers.get("Location", "")).netloc


@forged
def test_a_sign_in_goes_on_to_our_own_path(shopper, headers):
    page = shopper.authorize()
    form = {"username": "jane", "password": "correct horse battery staple"}
    answer = shopper.browser.post(page.headers["Location"], form, **environ(headers))
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/oauth2/authorize?")


# --- Over the real server ----------------------------------------------------------------------


@forged
@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_server_answers_discovery_alike_under_any_host(live_idp, document, headers):
    url = f"{live_idp.url}/.well-known/{document}"
    plain, answer = (requests.get(url, headers=sent, timeout=20) for sent in ({}, headers))
    assert plain.json()["issuer"] == live_idp.public_url
    assert answer.json() == plain.json()
    assert EVIL not in answer.text + str(answer.headers)


@forged
def test_the_server_signs_its_own_name_under_any_host(live_idp, headers):
    token = live_post(live_idp, DEMO_CLIENT, headers, grant_type="client_credentials")
    asked = exchange(token["access_token"])
    answer = live_post(live_idp, DEMO_GATEWAY, headers, **asked)
    assert claims(answer["access_token"])["iss"] == live_idp.public_url


@forged
def test_the_server_redirects_to_its_own_paths_under_any_host(live_idp, headers):
    asked = {
        "response_type": "code",
        "client_id": "acme-shop",
        "redirect_uri": "http://127.0.0.1:8765/callback",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    url = f"{live_idp.url}/oauth2/authorize"
    options = {"headers": headers, "allow_redirects": False}
    answer = requests.get(url, asked, timeout=20, **options)
    assert answer.headers["Location"].startswith("/sign-in?")
    refused = requests.get(url, asked | {"prompt": "none"}, timeout=20, **options)
    back = parse_qs(urlsplit(refused.headers["Location"]).query)
    assert back == {
        "error": ["login_required"],
        "error_description": ["The user must sign in."],
        "iss": [live_idp.public_url],
    }


def live_post(server, credentials: str, headers: dict[str, str], **form: str) -> dict[str, str]:
    client_id, secret = credentials.split(":")
    answer = requests.post(
        f"{server.url}/oauth2/token",
        form,
        auth=(client_id, secret),
        headers=headers,
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)


def exchange(token: str) -> dict[str, str]:
    return {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
    }


def claims(token: str) -> dict[str, str]:
    return jwt.decode(token, options={"verify_signature": False})
