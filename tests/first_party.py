"""The demo's first-party client, and the gateway, over real HTTP."""

import base64
import hashlib
from urllib.parse import urlencode

import requests

from tests.interop.user_agent import Landing, UserAgent

VERIFIER = "a-code-verifier-of-the-tests-with-enough-characters"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
REDIRECT_URI = "http://127.0.0.1:8765/callback"
CLIENT = ("acme-own", "acme-own-secret-not-for-production")
GATEWAY = ("demo-gateway", "demo-gateway-secret-not-for-production")


def new_code(issuer: str) -> str:
    """A code of a first-party client, by a browser that signs in."""
    query = urlencode(
        {
            "response_type": "code",
            "client_id": CLIENT[0],
            "redirect_uri": REDIRECT_URI,
            "scope": "openid",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
    )
    browser = UserAgent(issuer)
    landing = browser.sign_in(
        browser.open(f"{issuer}/oauth2/authorize?{query}"), "jane", "jane-demo-password"
    )
    assert isinstance(landing, Landing)
    return landing.parameters["code"]


def exchange(url: str, code: str) -> requests.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    return requests.post(f"{url}/oauth2/token", data=form, auth=CLIENT, timeout=30)


def refresh(url: str, token: str) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return requests.post(f"{url}/oauth2/token", data=form, auth=CLIENT, timeout=30)


def is_active(url: str, token: str) -> bool:
    answer = requests.post(
        f"{url}/oauth2/introspect", data={"token": token}, auth=GATEWAY, timeout=30
    )
    return bool(answer.json()["active"])
