"""The discovery documents say what works, and nothing else."""

from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser
from django.urls import resolve

from tokens.grants import GRANTS

pytestmark = pytest.mark.django_db

PATHS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]


@pytest.mark.parametrize("path", PATHS)
def test_both_documents_say_the_same(path, settings):
    document = Browser().get(path).json()
    assert document == Browser().get(PATHS[0]).json()
    assert document["issuer"] == settings.PUBLIC_URL
    assert document["grant_types_supported"] == list(GRANTS)
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["response_types_supported"] == ["code"]


def test_every_advertised_endpoint_is_there():
    document = Browser().get(PATHS[0]).json()
    urls = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(urls) == 9
    for url in urls:
        assert resolve(urlsplit(url).path)


def test_the_jwks_holds_public_keys_only_and_may_be_kept_for_a_while():
    answer = Browser().get("/.well-known/jwks.json")
    keys = answer.json()["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256", "EdDSA"}
    for key in keys:
        private = {"d", "p", "q", "dp", "dq", "qi", "k"}
        assert not private & set(key)
        assert {"kid", "kty", "alg", "use"} <= set(key)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
