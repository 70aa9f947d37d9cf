"""RFC 8693 for a user who is not there, over HTTP: who may, for whom, for what, and who acted."""

import uuid
from unittest import mock

import jwt
import pytest
import time_machine
from django.test import Client as Browser

from clients_admin.models import Client, ScopeGroup
from idp.accounts import login
from idp.accounts.models import LocalAccount, LoginService, User
from idp.accounts.outcomes import Unavailable
from idp.audit.models import AuditEvent
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    EXCHANGE,
    Shopper,
    account,
    basic,
    batch,
    client,
    gateway,
    introspected,
    login_service,
    post,
    scopes,
    shop,
)
from tokens.grants.exchange_parameters import JWT_TYPE, USER_REFERENCE_TYPE
from tokens.models import AccessToken, RefreshToken

pytestmark = pytest.mark.django_db

FLAGS = {
    "on_behalf_of_login_services": ["acme-web"],
    "on_behalf_of_scopes": ["openid", "orders.read"],
}
NOBODY = "The subject_token names nobody on whose behalf this client may act."


def helpdesk(**fields) -> Client:
    """A client that acts for users; it has more scopes than it may use on their behalf."""
    defaults = {"grant_types": [EXCHANGE, "client_credentials"], "flags": FLAGS}
    names = ("openid", "email", "orders.read", "orders.write")
    return client("helpdesk", *names, **{**defaults, **fields})


def ask(subject: str, client_id: str = "helpdesk", **parameters: str):
    form = {
        "grant_type": EXCHANGE,
        "subject_token": subject,
        "subject_token_type": USER_REFERENCE_TYPE,
        **parameters,
    }
    return post("/oauth2/token", {k: v for k, v in form.items() if v}, **basic(client_id))


def own_token(client_id: str = "helpdesk") -> str:
    answer = post("/oauth2/token", {"grant_type": "client_credentials"}, **basic(client_id))
    return answer.json()["access_token"]


def exchanged(token: str) -> dict:
    """What the services read in the gateway JWT of a token."""
    form = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN_TYPE}
    return verified(post("/oauth2/token", form, **basic("gateway")).json()["access_token"])


def verified(encoded: str) -> dict:
    keys = jwt.PyJWKSet.from_dict(Browser().get("/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(encoded)["kid"]]
    return jwt.decode(encoded, key, algorithms=["ES256"], audience="services")


def reference(known: LocalAccount) -> str:
    return f"{known.login_service.name}:{known.external_id}"


@pytest.fixture
def jane() -> LocalAccount:
    gateway()
    helpdesk()
    return account()


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(tag__startswith="tokens:on_behalf_of:").order_by("id"))


# --- What is given --------------------------------------------------------------------------------


def test_a_client_gets_a_token_of_a_user_who_has_never_signed_in(jane, settings):
    body = ask(reference(jane)).json()
    assert body == {
        "access_token": body["access_token"],
        "issued_token_type": ACCESS_TOKEN_TYPE,
        "token_type": "Bearer",
        "expires_in": 7200,
        "scope": "openid orders.read",
    }
    user = User.objects.get()
    assert (user.external_id, user.username) == (str(jane.external_id), "jane")
    said = introspected(body["access_token"])
    assert said == {
        "active": True,
        "iss": settings.PUBLIC_URL,
        "sub": user.sub,
        "client_id": "helpdesk",
        "scope": "openid orders.read",
        "token_type": "Bearer",
        "iat": said["iat"],
        "exp": said["iat"] + 7200,
        "login_service": "acme-web",
        "username": "jane",
        "act": {"sub": "helpdesk"},
    }
    row = AccessToken.objects.get()
    assert (row.auth_time, row.extra) == (None, {"act": {"sub": "helpdesk"}})
    assert not RefreshToken.objects.exists()


def test_the_jwt_that_services_get_says_who_acts(jane):
    token = ask(reference(jane)).json()["access_token"]
    claims = exchanged(token)
    assert claims["sub"] == User.objects.get().sub
    assert (claims["client_id"], claims["act"]) == ("helpdesk", {"sub": "helpdesk"})
    assert "auth_time" not in claims


def test_a_jwt_may_be_had_at_once_and_leaves_no_row(jane):
    answer = ask(reference(jane), requested_token_type=JWT_TYPE, scope="orders.read").json()
    assert (answer["issued_token_type"], answer["expires_in"]) == (JWT_TYPE, 300)
    claims = verified(answer["access_token"])
    assert claims["sub"] == User.objects.get().sub
    assert (claims["scope"], claims["act"]) == ("orders.read", {"sub": "helpdesk"})
    assert not AccessToken.objects.exists()


def test_both_parties_stand_in_the_audit(jane):
    ask(reference(jane))
    (event,) = events()
    assert event.tag == "tokens:on_behalf_of:issued"
    assert (event.client_id, event.user_id) == ("helpdesk", User.objects.get().pk)
    assert event.actor == "helpdesk"
    assert event.details == {
        "login_service": "acme-web",
        "external_id": str(jane.external_id),
        "scope": "openid orders.read",
        "issued": ACCESS_TOKEN_TYPE,
    }


def test_an_employee_who_shows_a_token_is_the_actor(jane):
    shop()
    employee = account("agent", login_service())
    token = Shopper(username="agent").tokens()["access_token"]
    body = ask(reference(jane), actor_token=token, actor_token_type=ACCESS_TOKEN_TYPE).json()
    sub = User.objects.get(external_id=str(employee.external_id)).sub
    assert introspected(body["access_token"])["act"] == {"sub": sub}
    assert AuditEvent.objects.get(tag="tokens:on_behalf_of:issued").actor == sub


def test_who_acts_for_somebody_who_acts_is_nested(jane):
    john = account("john")
    first = ask(reference(jane)).json()["access_token"]
    actor = {"actor_token": first, "actor_token_type": ACCESS_TOKEN_TYPE}
    token = ask(reference(john), **actor).json()["access_token"]
    jane_sub = User.objects.get(username="jane").sub
    assert exchanged(token)["act"] == {"sub": jane_sub, "act": {"sub": "helpdesk"}}


def test_a_chain_of_actors_has_an_end(jane):
    token = ask(reference(jane)).json()["access_token"]
    for _ in range(3):
        actor = {"actor_token": token, "actor_token_type": ACCESS_TOKEN_TYPE}
        token = ask(reference(jane), **actor).json()["access_token"]
    actor = {"actor_token": token, "actor_token_type": ACCESS_TOKEN_TYPE}
    assert ask(reference(jane), **actor).json()["error"] == "invalid_request"


def test_nobody_acts_for_longer_than_their_own_token_lives(jane):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        actor = {"actor_token": own_token(), "actor_token_type": ACCESS_TOKEN_TYPE}
        clock.shift(7190)
        assert ask(reference(jane), **actor).json()["expires_in"] == 10
        answer = ask(reference(jane), requested_token_type=JWT_TYPE, **actor)
        assert answer.json()["expires_in"] == 10
        clock.shift(10)
        assert ask(reference(jane), **actor).json()["error"] == "invalid_request"


def test_a_token_that_is_said_again_keeps_its_actor():
    gateway()
    shop()
    helpdesk(flags=FLAGS | {"access_token_reuse": "always"})
    jane = account()
    account("agent")
    agent = Shopper(username="agent").tokens()["access_token"]
    actor = {"actor_token": agent, "actor_token_type": ACCESS_TOKEN_TYPE}
    by_client = [ask(reference(jane)).json()["access_token"] for _ in range(2)]
    by_agent = [ask(reference(jane), **actor).json()["access_token"] for _ in range(2)]
    assert by_client[0] == by_client[1]
    assert by_client[0] not in by_agent
    assert introspected(by_client[0])["act"] == {"sub": "helpdesk"}
    assert introspected(by_agent[1])["act"]["sub"] != "helpdesk"


def test_scopes_are_frozen_to_what_flag_and_client_have_now(jane):
    client_row = Client.objects.get(client_id="helpdesk")
    token = ask(reference(jane)).json()["access_token"]
    client_row.flags = FLAGS | {"on_behalf_of_scopes": ["openid", "orders.read", "email"]}
    client_row.save()
    assert introspected(token)["scope"] == "openid orders.read"
    assert ask(reference(jane)).json()["scope"] == "email openid orders.read"
    client_row.scopes.set(scopes("orders.read"))
    assert introspected(token)["scope"] == "orders.read"
    assert ask(reference(jane)).json()["scope"] == "orders.read"


def test_scope_groups_are_opened_in_the_flag_and_in_the_request(jane):
    group = ScopeGroup.objects.create(name="orders")
    group.scopes.set(scopes("orders.read", "orders.write"))
    ScopeGroup.objects.create(name="nothing")
    Client.objects.update(flags=FLAGS | {"on_behalf_of_scopes": ["orders"]})
    assert ask(reference(jane)).json()["scope"] == "orders.read orders.write"
    assert ask(reference(jane), scope="orders").json()["scope"] == "orders.read orders.write"
    assert ask(reference(jane), scope="nothing").json()["error"] == "invalid_scope"
    group.scopes.set(scopes("orders.read"))
    assert ask(reference(jane)).json()["scope"] == "orders.read"


# --- Who is not known yet -------------------------------------------------------------------------


def corporate() -> LoginService:
    return LoginService.objects.create(name="corporate", kind=LoginService.Kind.CORPORATE)


def test_a_user_whom_the_service_does_not_know_is_never_invented(jane):
    for unknown in (str(uuid.uuid4()), "jane", str(jane.external_id).upper()):
        answer = ask(f"acme-web:{unknown}").json()
        assert answer == {"error": "invalid_request", "error_description": NOBODY}
    Client.objects.update(flags=FLAGS | {"on_behalf_of_unknown_users": "create"})
    assert ask(f"acme-web:{uuid.uuid4()}").json()["error"] == "invalid_request"
    assert not User.objects.exists()


def test_where_the_service_cannot_be_asked_the_flag_decides(jane):
    corporate()
    flags = FLAGS | {"on_behalf_of_login_services": ["corporate"]}
    Client.objects.update(flags=flags)
    assert ask("corporate:e:123").json()["error"] == "invalid_request"
    assert not User.objects.exists()
    Client.objects.update(flags=flags | {"on_behalf_of_unknown_users": "create"})
    assert introspected(ask("corporate:e:123").json()["access_token"])["username"] == "e:123"
    Client.objects.update(flags=flags)
    assert ask("corporate:e:123").status_code == 200, "now known"
    assert User.objects.get().external_id == "e:123"


def test_an_outage_of_the_login_service_is_no_refusal(jane, monkeypatch):
    down = mock.Mock(return_value=Unavailable("timeout"))
    monkeypatch.setitem(login.FINDERS, LoginService.Kind.LOCAL, down)
    answer = ask(reference(jane))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["error"] == "temporarily_unavailable"
    assert events() == []


# --- What is refused ------------------------------------------------------------------------------


def refused(answer) -> dict:
    """The refusal on the wire and in the audit, where both parties stand."""
    assert answer.status_code == 400
    event = AuditEvent.objects.latest("id")
    assert (event.tag, event.client_id) == ("tokens:on_behalf_of:refused", "helpdesk")
    assert event.details["error"] == answer.json()["error"]
    return {**answer.json(), **event.details, "user_id": event.user_id, "actor": event.actor}


@pytest.mark.parametrize(
    "fields",
    [
        {"grant_types": ["client_credentials"]},
        {"flags": {}},
        {"flags": {"on_behalf_of_login_services": ["acme-web"]}},
        {"flags": {"on_behalf_of_scopes": ["openid"]}},
        {"client_type": "public"},
    ],
    ids=["no grant", "no flags", "no scopes", "no login services", "public"],
)
def test_a_client_without_the_right(fields):
    jane = account()
    helpdesk(**fields)
    form = {
        "grant_type": EXCHANGE,
        "subject_token": reference(jane),
        "subject_token_type": USER_REFERENCE_TYPE,
    }
    is_public = fields.get("client_type") == "public"
    if is_public:
        answer = post("/oauth2/token", form | {"client_id": "helpdesk"})
    else:
        answer = post("/oauth2/token", form, **basic("helpdesk"))
    told = refused(answer)
    assert told["error"] == "unauthorized_client"
    assert (told["login_service"], told["external_id"]) == ("acme-web", str(jane.external_id))
    assert (told["actor"], told["user_id"]) == ("helpdesk", None)
    assert not User.objects.exists()
    assert not AccessToken.objects.exists()


def test_a_login_service_that_is_not_the_clients(jane):
    other = account("gus", login_service("globex-web", "globex"))
    told = refused(ask(reference(other)))
    assert (told["error"], told["error_description"]) == ("invalid_request", NOBODY)
    assert told["reason"] == "login service not in on_behalf_of_login_services"
    assert not User.objects.exists()


@pytest.mark.parametrize("scope", ["orders.write", "openid email", "unknown", "*", "introspection"])
def test_a_scope_that_is_not_for_this(jane, scope):
    told = refused(ask(reference(jane), scope=scope))
    assert told["error"] == "invalid_scope"
    assert told["reason"].startswith("not allowed: ")


def test_a_user_who_is_blocked(jane):
    ask(reference(jane))
    User.objects.update(is_active=False)
    told = refused(ask(reference(jane)))
    assert (told["error_description"], told["reason"]) == (NOBODY, "inactive user")
    assert told["user_id"] == User.objects.get().pk
    assert AccessToken.objects.count() == 1


def test_an_account_that_is_not_active(jane):
    ask(reference(jane))
    LocalAccount.objects.update(is_active=False)
    assert refused(ask(reference(jane)))["reason"] == "inactive account"


def test_a_login_service_that_is_switched_off(jane):
    ask(reference(jane))
    LoginService.objects.update(is_enabled=False)
    assert refused(ask(reference(jane)))["reason"] == "disabled login service"


def test_a_login_service_that_is_only_in_the_flag(jane):
    Client.objects.update(flags=FLAGS | {"on_behalf_of_login_services": ["gone"]})
    assert refused(ask("gone:1"))["reason"] == "unknown login service"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"requested_token_type": USER_REFERENCE_TYPE}, "invalid_request"),
        ({"audience": "elsewhere"}, "invalid_target"),
        ({"resource": "https://services.example"}, "invalid_target"),
        ({"actor_token_type": ACCESS_TOKEN_TYPE}, "invalid_request"),
        ({"actor_token": "at_made-up"}, "invalid_request"),
        ({"actor_token": "at_made-up", "actor_token_type": ACCESS_TOKEN_TYPE}, "invalid_request"),
        ({"actor_token": "a.b.c", "actor_token_type": JWT_TYPE}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token": "acme-web"}, "invalid_request"),
        ({"subject_token": "acme-web:"}, "invalid_request"),
        ({"subject_token": ":1"}, "invalid_request"),
        ({"subject_token": "acme-web:" + "1" * 256}, "invalid_request"),
        ({"subject_token": "acme-web: 1"}, "invalid_request"),
        ({"subject_token": "acme-web:\u202e1"}, "invalid_request"),
        ({"subject_token": "acme-web:at_" + "A" * 44}, "invalid_request"),
        ({"scope": "at_" + "A" * 44}, "invalid_scope"),
    ],
)
def test_what_else_is_refused_and_audited(jane, parameters, error):
    assert (
        refused(ask(**{"subject": reference(jane)} | parameters_of(parameters)))["error"] == error
    )


def parameters_of(parameters: dict[str, str]) -> dict[str, str]:
    names = {"subject_token": "subject"}
    return {names.get(name, name): value for name, value in parameters.items()}


def test_the_token_of_another_client_makes_nobody_an_actor(jane):
    batch()
    actor = {"actor_token": own_token("batch"), "actor_token_type": ACCESS_TOKEN_TYPE}
    assert refused(ask(reference(jane), **actor))["error"] == "invalid_request"


def test_a_token_of_the_client_itself_makes_it_the_actor(jane):
    actor = {"actor_token": own_token(), "actor_token_type": ACCESS_TOKEN_TYPE}
    token = ask(reference(jane), **actor).json()["access_token"]
    assert introspected(token)["act"] == {"sub": "helpdesk"}
