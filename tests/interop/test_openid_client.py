"""openid-client (npm), which is strict, does all that an application and a gateway do."""

import time
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.interop import demo
from tests.interop.conftest import RelyingParty
from tests.interop.user_agent import Landing, Page, UserAgent
from tests.servers import LiveIDP

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
SCOPE = "email openid profile"
SHOP = "globex-shop"


@pytest.fixture(scope="module")
def issuer(live_idp: LiveIDP) -> str:
    return live_idp.public_url


@pytest.fixture(scope="module")
def metadata(relying_party: RelyingParty, issuer: str) -> dict[str, Any]:
    """What openid-client has discovered, for the shop that it plays; checked by it."""
    for client_id in (SHOP, "demo-gateway", "demo-batch", "acme-own"):
        party = demo.client(client_id)
        found = relying_party.ask(
            "discover", issuer=issuer, client_id=client_id, secret=party.secret
        )
    return found


@pytest.fixture
def party(relying_party: RelyingParty, metadata: dict[str, Any]) -> RelyingParty:
    return relying_party


@pytest.fixture
def agent(issuer: str) -> UserAgent:
    return UserAgent(issuer)


def begin(party: RelyingParty, client_id: str = SHOP, **parameters: str) -> dict[str, Any]:
    redirect_uri = demo.client(client_id).redirect_uri
    parameters = {"scope": SCOPE, "redirect_uri": redirect_uri} | parameters
    return party.ask("authorize", client_id=client_id, **parameters)


def walk(agent: UserAgent, url: str, user: demo.User) -> Landing:
    """The user's part: to the application and back, through whichever pages come."""
    at = agent.open(url)
    if isinstance(at, Page) and at.heading == "Sign in":
        at = agent.sign_in(at, user.username, user.password)
    if isinstance(at, Page):
        at = agent.submit(at, "Allow")
    assert isinstance(at, Landing), at
    return at


def finish(
    party: RelyingParty, begun: dict[str, Any], landing: Landing, **parameters: object
) -> dict[str, Any]:
    url = f"{landing.url}?{urlencode(landing.parameters)}"
    parameters = {"client_id": SHOP} | parameters
    return party.ask("callback", url=url, state=begun["state"], **parameters)


def sign_in(party: RelyingParty, agent: UserAgent) -> dict[str, Any]:
    begun = begin(party)
    return finish(party, begun, walk(agent, begun["url"], demo.user("globex-web")))


def test_discovery_says_what_this_server_does(metadata: dict[str, Any], issuer: str) -> None:
    # The order of these says nothing; what is in them may grow.
    lists = {name: set(value) for name, value in metadata.items() if isinstance(value, list)}
    assert metadata | lists == lists | {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "end_session_endpoint": f"{issuer}/oauth2/logout",
        "device_authorization_endpoint": f"{issuer}/oauth2/device_authorization",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth2/par",
        "require_pushed_authorization_requests": False,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
    }
    assert lists["response_types_supported"] == {"code"}
    assert lists["response_modes_supported"] == {"query"}
    assert lists["code_challenge_methods_supported"] == {"S256"}
    assert lists["subject_types_supported"] == {"public"}
    assert lists["id_token_signing_alg_values_supported"] == {"RS256", "ES256", "EdDSA"}
    assert lists["prompt_values_supported"] == {"none", "login", "consent", "select_account"}
    assert lists["scopes_supported"] >= {"openid", "profile", "email"}
    assert lists["claims_supported"] >= {"sub", "name", "email"}
    methods = {"client_secret_basic", "client_secret_post"}
    assert lists["token_endpoint_auth_methods_supported"] >= methods | {"none"}
    assert lists["revocation_endpoint_auth_methods_supported"] >= methods | {"none"}
    assert lists["introspection_endpoint_auth_methods_supported"] >= methods
    assert "none" not in lists["introspection_endpoint_auth_methods_supported"]
    assert lists["grant_types_supported"] >= {
        "authorization_code",
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    }


def test_a_login_from_discovery_to_sign_out(
    party: RelyingParty, agent: UserAgent, issuer: str
) -> None:
    shop, user = demo.client(SHOP), demo.user("globex-web")

    begun = begin(party)
    landing = walk(agent, begun["url"], user)
    assert landing == Landing(
        shop.redirect_uri,
        {"code": landing.parameters["code"], "state": begun["state"], "iss": issuer},
    )

    login = finish(party, begun, landing)
    tokens, claims = login["tokens"], login["claims"]
    assert tokens == {
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "id_token": tokens["id_token"],
        "token_type": "bearer",  # openid-client writes it small
        "expires_in": tokens["expires_in"],
        "scope": SCOPE,
    }
    assert claims == {
        "iss": issuer,
        "sub": claims["sub"],
        "aud": SHOP,
        "iat": claims["iat"],
        "exp": claims["exp"],
        "auth_time": claims["auth_time"],
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "nonce": begun["nonce"],
        "at_hash": claims["at_hash"],
        "sid": claims["sid"],
    }

    userinfo = party.ask(
        "userinfo", client_id=SHOP, access_token=tokens["access_token"], sub=claims["sub"]
    )
    assert userinfo == {
        **user.claims_for(SCOPE),
        "sub": claims["sub"],
    }

    renewed = party.ask("refresh", client_id=SHOP, refresh_token=tokens["refresh_token"])
    assert renewed["tokens"] == tokens | {
        name: renewed["tokens"][name]
        for name in ("access_token", "refresh_token", "id_token", "expires_in")
    }
    kept = ("iss", "sub", "aud", "auth_time")
    assert [renewed["claims"][name] for name in kept] == [claims[name] for name in kept]

    token = renewed["tokens"]["access_token"]
    seen = party.ask("introspect", client_id="demo-gateway", token=token)
    assert seen == {
        "active": True,
        "iss": issuer,
        "sub": claims["sub"],
        "client_id": SHOP,
        "username": user.username,
        "scope": SCOPE,
        "token_type": "Bearer",
        "iat": seen["iat"],
        "exp": seen["exp"],
        "auth_time": claims["auth_time"],
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "brand": "globex",
        "login_service": "globex-web",
    }

    assert party.ask("revoke", client_id=SHOP, token=renewed["tokens"]["refresh_token"]) is None
    gone = party.ask("introspect", client_id="demo-gateway", token=token)
    assert gone == {"active": False}

    ended = party.ask(
        "end_session",
        client_id=SHOP,
        id_token_hint=renewed["tokens"]["id_token"],
        post_logout_redirect_uri=shop.post_logout_redirect_uri,
        state="back-again",
    )
    back = agent.open(ended["url"])
    assert back == Landing(shop.post_logout_redirect_uri, {"state": "back-again"})
    assert agent.open(begin(party)["url"]).heading == "Sign in"


def test_a_code_is_refused_the_second_time_and_ends_what_the_first_gave(
    party: RelyingParty, agent: UserAgent
) -> None:
    begun = begin(party)
    landing = walk(agent, begun["url"], demo.user("globex-web"))
    first = finish(party, begun, landing)
    refused = {
        "error": "invalid_grant",
        "error_description": (
            "The grant is invalid, expired, revoked or was issued to another client."
        ),
        "status": 400,
    }
    assert finish(party, begun, landing) == refused
    replayed = first["tokens"]["refresh_token"]
    assert party.ask("refresh", client_id=SHOP, refresh_token=replayed) == refused


def test_an_answer_without_the_issuer_is_refused_because_discovery_promises_it(
    party: RelyingParty, agent: UserAgent
) -> None:
    begun = begin(party)
    landing = walk(agent, begun["url"], demo.user("globex-web"))
    del landing.parameters["iss"]
    assert finish(party, begun, landing) == {
        "failure": [
            "invalid response encountered",
            'response parameter "iss" (issuer) missing',
        ]
    }


def test_a_refusal_reaches_the_application_as_an_error_with_state_and_issuer(
    party: RelyingParty, agent: UserAgent, issuer: str
) -> None:
    begun, user = begin(party), demo.user("globex-web")
    consent = agent.sign_in(agent.open(begun["url"]), user.username, user.password)
    landing = agent.submit(consent, "Deny")
    assert landing == Landing(
        demo.client(SHOP).redirect_uri,
        {
            "error": "access_denied",
            "error_description": "The user refused.",
            "state": begun["state"],
            "iss": issuer,
        },
    )
    assert finish(party, begun, landing) == {
        "error": "access_denied",
        "error_description": "The user refused.",
    }


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"prompt": "none"}, "login_required"),
        ({"scope": "openid nobody.has.this"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code", "request": "e30.e30."}, "request_not_supported"),
        (
            {"response_type": "code", "request_uri": "https://client.example/request"},
            "request_uri_not_supported",
        ),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_to_the_application(
    party: RelyingParty,
    agent: UserAgent,
    issuer: str,
    parameters: dict[str, str],
    error: str,
) -> None:
    begun = begin(party, **parameters)
    landing = agent.open(begun["url"])
    assert isinstance(landing, Landing), landing
    assert landing == Landing(
        demo.client(SHOP).redirect_uri,
        {
            "error": error,
            "error_description": landing.parameters["error_description"],
            "state": begun["state"],
            "iss": issuer,
        },
    )


def test_max_age_asks_for_a_fresh_sign_in_and_the_id_token_proves_it(
    party: RelyingParty, agent: UserAgent
) -> None:
    first = sign_in(party, agent)
    time.sleep(1.1)  # auth_time has whole seconds
    begun = begin(party, max_age="0")
    second = finish(party, begun, walk(agent, begun["url"], demo.user("globex-web")), max_age=0)
    assert second["claims"]["auth_time"] > first["claims"]["auth_time"]


def test_a_login_of_somebody_else_than_the_hint_names_is_an_error(
    party: RelyingParty, agent: UserAgent, issuer: str
) -> None:
    jane, john = demo.user("acme-web"), demo.user("acme-web", "john")
    begun = begin(party, "acme-own", scope="openid")
    login = finish(party, begun, walk(agent, begun["url"], jane), client_id="acme-own")

    hint = {"id_token_hint": login["tokens"]["id_token"]}
    again = begin(party, "acme-own", scope="openid", prompt="none", **hint)
    assert "code" in agent.open(again["url"]).parameters
    # OpenID Connect Core 1.0 section 3.1.2.1: "otherwise, it MUST return an error, such as
    # login_required".
    other = UserAgent(issuer)
    begun = begin(party, "acme-own", scope="openid", **hint)
    landing = other.sign_in(other.open(begun["url"]), john.username, john.password)
    assert isinstance(landing, Landing), landing.text
    assert landing.parameters["error"] == "login_required"


def test_an_application_of_our_own_asks_for_no_consent(
    party: RelyingParty, agent: UserAgent
) -> None:
    begun, user = begin(party, "acme-own", scope="openid"), demo.user("acme-web")
    landing = agent.sign_in(agent.open(begun["url"]), user.username, user.password)
    assert isinstance(landing, Landing), landing
    login = finish(party, begun, landing, client_id="acme-own")
    assert login["tokens"]["scope"] == "openid"
    assert login["claims"]["aud"] == "acme-own"
    # And signed in as they are, not even a page.
    again = begin(party, "acme-own", scope="openid", prompt="none")
    assert "code" in agent.open(again["url"]).parameters


def test_a_batch_job_gets_a_token_and_the_gateway_its_jwt(party: RelyingParty, issuer: str) -> None:
    own = party.ask("client_credentials", client_id="demo-batch")
    assert own == {
        "access_token": own["access_token"],
        "token_type": "bearer",
        "expires_in": own["expires_in"],
        "scope": own["scope"],
    }
    answer = party.ask("exchange", client_id="demo-gateway", token=own["access_token"])
    assert answer == {
        "access_token": answer["access_token"],
        "issued_token_type": JWT_TYPE,
        "token_type": "bearer",
        "expires_in": answer["expires_in"],
        "scope": own["scope"],
    }
    verified = party.ask(
        "verify",
        client_id="demo-gateway",
        token=answer["access_token"],
        audience="services",
        typ="at+jwt",
    )
    claims = verified["claims"]
    assert verified["header"] == {
        "alg": "ES256",
        "kid": verified["header"]["kid"],
        "typ": "at+jwt",
    }
    assert (claims["sub"], claims["client_id"]) == ("demo-batch", "demo-batch")
    assert (claims["iss"], claims["scope"]) == (issuer, own["scope"])


def test_an_introspection_that_is_signed_says_the_same(party: RelyingParty, issuer: str) -> None:
    """RFC 9701; the library checks type, issuer, audience and, as it was told to, signature."""
    gateway = demo.client("demo-gateway")
    own = party.ask("client_credentials", client_id="demo-batch")
    plain = party.ask("introspect", client_id=gateway.client_id, token=own["access_token"])
    with RelyingParty(party.node) as other:
        other.ask(
            "discover",
            issuer=issuer,
            client_id=gateway.client_id,
            secret=gateway.secret,
            metadata={"introspection_signed_response_alg": "ES256"},
        )
        asked = {"client_id": gateway.client_id}
        assert plain["active"] is True
        assert other.ask("introspect", token=own["access_token"], **asked) == plain
        assert other.ask("introspect", token="at_made-up", **asked) == {"active": False}


@pytest.mark.parametrize("client_id", ["demo-batch", "nobody-known"])
def test_a_wrong_secret_and_an_unknown_client_are_refused_alike(
    relying_party: RelyingParty, issuer: str, client_id: str
) -> None:
    with RelyingParty(relying_party.node) as other:
        other.ask("discover", issuer=issuer, client_id=client_id, secret="guessed")
        assert other.ask("client_credentials", client_id=client_id) == {
            "status": 401,
            "challenges": [{"scheme": "basic", "parameters": {"realm": "idp", "charset": "UTF-8"}}],
        }
