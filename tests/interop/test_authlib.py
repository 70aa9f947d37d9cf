"""Authlib, with joserfc for the signatures, does all that an application and a gateway do."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.interop import demo
from tests.interop.user_agent import Landing, UserAgent
from tests.servers import LiveIDP

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SCOPE = "email openid profile"


@dataclass
class Provider:
    """What a client learns from discovery, and the keys that it loads."""

    metadata: dict[str, Any]
    keys: KeySet

    def __getattr__(self, name: str) -> str:
        return self.metadata[name]


@pytest.fixture(scope="module")
def provider(live_idp: LiveIDP) -> Provider:
    metadata = get_json(f"{live_idp.url}/.well-known/openid-configuration")
    return Provider(metadata, KeySet.import_key_set(get_json(metadata["jwks_uri"])))


@pytest.fixture
def application(provider: Provider) -> Iterator[OAuth2Session]:
    """The shop of the first brand: public, so PKCE is all that it has."""
    shop = demo.client("acme-shop")
    with session(shop, scope=SCOPE, redirect_uri=shop.redirect_uri) as client:
        yield client


@pytest.fixture
def gateway() -> Iterator[OAuth2Session]:
    with session(demo.client("demo-gateway")) as client:
        yield client


def session(client: demo.Client, **settings: str) -> OAuth2Session:
    return OAuth2Session(
        client.client_id, client.secret or None, code_challenge_method="S256", **settings
    )


def get_json(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


@dataclass
class Login:
    """Where one authorization request has led to."""

    landing: Landing
    state: str
    nonce: str
    verifier: str

    @property
    def response(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.landing.parameters.items())
        return f"{self.landing.url}?{query}"


def sign_in(application: OAuth2Session, provider: Provider, user: demo.User) -> Login:
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    url, state = application.create_authorization_url(
        provider.authorization_endpoint, code_verifier=verifier, nonce=nonce
    )
    agent = UserAgent(provider.issuer)
    at = agent.sign_in(agent.open(url), user.username, user.password)
    if not isinstance(at, Landing):
        at = agent.submit(at, "Allow")
    assert isinstance(at, Landing), at
    return Login(at, state, nonce, verifier)


def fetch_token(application: OAuth2Session, provider: Provider, login: Login) -> dict[str, Any]:
    return application.fetch_token(
        provider.token_endpoint,
        authorization_response=login.response,
        state=login.state,
        code_verifier=login.verifier,
    )


def test_authlib_accepts_both_discovery_documents(live_idp: LiveIDP, provider: Provider) -> None:
    OpenIDProviderMetadata(https_as_in_production(provider.metadata)).validate()
    oauth = get_json(f"{live_idp.url}/.well-known/oauth-authorization-server")
    AuthorizationServerMetadata(https_as_in_production(oauth)).validate()
    assert oauth == provider.metadata


def https_as_in_production(metadata: dict[str, Any]) -> dict[str, Any]:
    """Authlib's checks insist on https, which a loopback server does not have."""
    return {
        name: value.replace("http://", "https://", 1) if isinstance(value, str) else value
        for name, value in metadata.items()
    }


def test_a_code_with_pkce_gives_a_pair_and_a_genuine_id_token(
    application: OAuth2Session, provider: Provider
) -> None:
    user = demo.user("acme-web")
    began_at = int(time.time())
    login = sign_in(application, provider, user)
    assert login.landing.parameters == {
        "code": login.landing.parameters["code"],
        "state": login.state,
        "iss": provider.issuer,
    }

    token = fetch_token(application, provider, login)
    assert token == {
        "access_token": token["access_token"],
        "refresh_token": token["refresh_token"],
        "id_token": token["id_token"],
        "token_type": "Bearer",
        "expires_in": token["expires_in"],
        "expires_at": token["expires_at"],  # Authlib's own
        "scope": SCOPE,
    }

    header, claims = id_token(token, provider, application.client_id, login.nonce)
    assert header == {"alg": "RS256", "kid": header["kid"], "typ": "JWT"}
    assert claims == {
        "iss": provider.issuer,
        "sub": claims["sub"],
        "aud": application.client_id,
        "iat": claims["iat"],
        "exp": claims["exp"],
        "auth_time": claims["auth_time"],
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "nonce": login.nonce,
        "at_hash": claims["at_hash"],
        "sid": claims["sid"],
    }
    assert began_at <= claims["auth_time"] <= claims["iat"] <= time.time() < claims["exp"]

    assert application.get(provider.userinfo_endpoint).json() == {
        **user.claims_for(SCOPE),
        "sub": claims["sub"],
    }


def id_token(
    token: dict[str, Any], provider: Provider, client_id: str, nonce: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, after every check of OpenID Connect Core 1.0 section 3.1.3.7."""
    decoded = jwt.decode(token["id_token"], provider.keys, algorithms=["RS256"])
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": client_id},
            "auth_time": {"essential": True},
            "at_hash": {"essential": True},
        },
        params={"nonce": nonce, "client_id": client_id, "access_token": token["access_token"]},
    )
    claims.validate(leeway=5)
    return decoded.header, dict(claims)


def test_a_code_works_once_and_its_replay_ends_the_login(
    application: OAuth2Session, gateway: OAuth2Session, provider: Provider
) -> None:
    login = sign_in(application, provider, demo.user("acme-web"))
    token = fetch_token(application, provider, login)
    with pytest.raises(OAuthError, match=r"^invalid_grant: "):
        fetch_token(application, provider, login)
    assert introspect(gateway, provider, token["access_token"]) == {"active": False}


def test_a_code_is_worth_nothing_without_its_verifier(
    application: OAuth2Session, provider: Provider
) -> None:
    login = sign_in(application, provider, demo.user("acme-web"))
    login.verifier = secrets.token_urlsafe(48)
    with pytest.raises(OAuthError, match=r"^invalid_grant: "):
        fetch_token(application, provider, login)


def test_a_refresh_gives_a_new_pair_and_keeps_login_and_subject(
    application: OAuth2Session, gateway: OAuth2Session, provider: Provider
) -> None:
    login = sign_in(application, provider, demo.user("acme-web"))
    first = dict(fetch_token(application, provider, login))
    second = dict(application.refresh_token(provider.token_endpoint))

    assert second == first | {
        "access_token": second["access_token"],
        "refresh_token": second["refresh_token"],
        "id_token": second["id_token"],
        "expires_in": second["expires_in"],
        "expires_at": second["expires_at"],
    }
    assert first["access_token"] != second["access_token"]
    assert first["refresh_token"] != second["refresh_token"]

    client_id = application.client_id
    _, before = id_token(first, provider, client_id, login.nonce)
    _, after = id_token(second, provider, client_id, None)
    # OpenID Connect Core 1.0 section 12.2: same iss, sub and aud; auth_time is "the time of the
    # original authentication"; and it "SHOULD NOT have a nonce".
    kept = ("iss", "sub", "aud", "auth_time")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert "nonce" not in after

    seen = introspect(gateway, provider, second["access_token"])
    assert seen["active"] is True
    assert seen["sub"] == before["sub"]


def test_a_refresh_may_ask_for_less_and_the_next_one_for_all_again(
    application: OAuth2Session, provider: Provider
) -> None:
    fetch_token(application, provider, sign_in(application, provider, demo.user("acme-web")))
    less = application.refresh_token(provider.token_endpoint, scope="openid")
    assert less["scope"] == "openid"
    userinfo = application.get(provider.userinfo_endpoint).json()
    assert userinfo == {"sub": userinfo["sub"]}
    # RFC 6749 section 6: "the refresh token scope MUST be identical to that of the refresh token
    # included by the client in the request".
    assert application.refresh_token(provider.token_endpoint, scope=SCOPE)["scope"] == SCOPE


def test_the_gateway_sees_whose_token_it_is(
    application: OAuth2Session, gateway: OAuth2Session, provider: Provider
) -> None:
    user = demo.user("acme-web")
    login = sign_in(application, provider, user)
    token = fetch_token(application, provider, login)
    _, claims = id_token(token, provider, application.client_id, login.nonce)

    seen = introspect(gateway, provider, token["access_token"])
    assert seen == {
        "active": True,
        "iss": provider.issuer,
        "sub": claims["sub"],
        "client_id": application.client_id,
        "username": user.username,
        "scope": SCOPE,
        "token_type": "Bearer",
        "iat": claims["iat"],
        "exp": seen["exp"],
        "auth_time": claims["auth_time"],
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "brand": "acme",
        "login_service": "acme-web",
    }
    assert abs(seen["exp"] - token["expires_at"]) <= 2


def introspect(gateway: OAuth2Session, provider: Provider, token: str) -> dict[str, Any]:
    answer = gateway.introspect_token(provider.introspection_endpoint, token=token)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_gateway_exchanges_a_users_token_for_a_jwt_that_services_verify(
    application: OAuth2Session, gateway: OAuth2Session, provider: Provider
) -> None:
    user = demo.user("acme-web")
    login = sign_in(application, provider, user)
    token = fetch_token(application, provider, login)
    _, identity = id_token(token, provider, application.client_id, login.nonce)

    answer = gateway.fetch_token(
        provider.token_endpoint,
        grant_type=TOKEN_EXCHANGE,
        subject_token=token["access_token"],
        subject_token_type=ACCESS_TOKEN_TYPE,
    )
    assert answer == {
        "access_token": answer["access_token"],
        "issued_token_type": JWT_TYPE,
        "token_type": "Bearer",
        "expires_in": answer["expires_in"],
        "expires_at": answer["expires_at"],  # Authlib's own
        "scope": SCOPE,
    }

    header, claims = gateway_jwt(answer, provider)
    assert header == {"alg": "ES256", "kid": header["kid"], "typ": "at+jwt"}
    assert claims == {
        "iss": provider.issuer,
        "sub": identity["sub"],
        "aud": "services",
        "client_id": application.client_id,
        "scope": SCOPE,
        "iat": claims["iat"],
        "exp": claims["exp"],
        "jti": claims["jti"],
        "auth_time": identity["auth_time"],
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "brand": "acme",
        "login_service": "acme-web",
        **user.claims_for(SCOPE),
    }
    assert abs(claims["exp"] - answer["expires_at"]) <= 2
    assert claims["exp"] <= introspect(gateway, provider, token["access_token"])["exp"]


def test_a_batch_job_exchanges_its_own_token_which_has_no_user(
    gateway: OAuth2Session, provider: Provider
) -> None:
    with session(demo.client("demo-batch")) as batch:
        own = batch.fetch_token(provider.token_endpoint, grant_type="client_credentials")
    assert own == {
        "access_token": own["access_token"],
        "token_type": "Bearer",
        "expires_in": own["expires_in"],
        "expires_at": own["expires_at"],
        "scope": own["scope"],
    }
    answer = gateway.fetch_token(
        provider.token_endpoint,
        grant_type=TOKEN_EXCHANGE,
        subject_token=own["access_token"],
        subject_token_type=ACCESS_TOKEN_TYPE,
    )
    _, claims = gateway_jwt(answer, provider)
    assert claims == {
        "iss": provider.issuer,
        "sub": "demo-batch",
        "aud": "services",
        "client_id": "demo-batch",
        "scope": own["scope"],
        "iat": claims["iat"],
        "exp": claims["exp"],
        "jti": claims["jti"],
    }


def gateway_jwt(
    answer: dict[str, Any], provider: Provider
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, after every check of RFC 9068 section 4."""
    decoded = jwt.decode(answer["access_token"], provider.keys, algorithms=["ES256"])
    claims = JWTAccessTokenClaims(
        decoded.claims,
        decoded.header,
        options={
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": "services"},
            **{
                name: {"essential": True}
                for name in ("sub", "client_id", "scope", "iat", "exp", "jti")
            },
        },
    )
    claims.validate(leeway=5)
    return decoded.header, dict(claims)


def test_a_revoked_access_token_is_dead_and_its_refresh_token_lives(
    application: OAuth2Session, gateway: OAuth2Session, provider: Provider
) -> None:
    token = dict(
        fetch_token(application, provider, sign_in(application, provider, demo.user("acme-web")))
    )
    assert revoke(application, provider, token["access_token"]) == (200, "")

    assert introspect(gateway, provider, token["access_token"]) == {"active": False}
    refused = application.get(provider.userinfo_endpoint)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="idp", error="invalid_token"'
    renewed = application.refresh_token(provider.token_endpoint)
    assert introspect(gateway, provider, renewed["access_token"])["active"] is True


def test_a_revoked_refresh_token_takes_its_access_tokens_along(
    application: OAuth2Session, gateway: OAuth2Session, provider: Provider
) -> None:
    token = dict(
        fetch_token(application, provider, sign_in(application, provider, demo.user("acme-web")))
    )
    assert revoke(application, provider, token["refresh_token"]) == (200, "")

    assert introspect(gateway, provider, token["access_token"]) == {"active": False}
    with pytest.raises(OAuthError, match=r"^invalid_grant: "):
        application.refresh_token(provider.token_endpoint)
    with pytest.raises(OAuthError, match=r"^invalid_request: "):
        gateway.fetch_token(
            provider.token_endpoint,
            grant_type=TOKEN_EXCHANGE,
            subject_token=token["access_token"],
            subject_token_type=ACCESS_TOKEN_TYPE,
        )


def revoke(application: OAuth2Session, provider: Provider, token: str) -> tuple[int, str]:
    answer = application.revoke_token(provider.revocation_endpoint, token=token)
    return answer.status_code, answer.text


def test_a_confidential_client_authenticates_by_header_or_by_body(provider: Provider) -> None:
    shop, user = demo.client("globex-shop"), demo.user("globex-web")
    for method in ("client_secret_basic", "client_secret_post"):
        with session(
            shop,
            scope=SCOPE,
            redirect_uri=shop.redirect_uri,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        ) as application:
            login = sign_in(application, provider, user)
            token = dict(fetch_token(application, provider, login))
            assert id_token(token, provider, shop.client_id, login.nonce)
            renewed = dict(application.refresh_token(provider.token_endpoint))
            assert id_token(renewed, provider, shop.client_id, None)
            assert revoke(application, provider, renewed["refresh_token"]) == (200, "")
