"""Whatever comes in, on every URL of the product: the RFC's refusal, never a 5xx, nothing written.

Each URL has one or more valid requests in SEEDS; these are spoilt in one place (each parameter,
each header, exhaustively) and in several at once (by hypothesis), so that the code behind the
first check is reached too. HYPOTHESIS_PROFILE=deep looks further than CI does.
"""

import base64
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO
from itertools import chain
from typing import Any
from urllib.parse import quote_plus

import pytest
import time_machine
from django.core.management import call_command
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.test import override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from branding.models import BrandFile
from clients_admin.models import ClientSecret, GrantType, ScopeGroup
from idp.accounts import password_links
from idp.accounts.models import LocalAccount, LoginService, User
from idp.audit.models import AuditEvent
from idp.wsgi import application
from tests.api.callers import MERGE_PATCH, block
from tests.brands.pictures import SVG
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    CHALLENGE,
    EXCHANGE,
    FORM,
    PASSWORD,
    REDIRECT_URI,
    SECRET,
    VERIFIER,
    Shopper,
    account,
    basic,
    batch,
    brand,
    client,
    gateway,
    login_service,
    portal,
    post,
    scopes,
    shop,
    trust,
)
from tests.environment import PUBLIC_URL
from tests.issuers import Signer
from tokens import exposed_credentials, private_key_jwt
from tokens.api import pages
from tokens.api.rights import SCOPES
from tokens.grants.exchange_parameters import USER_REFERENCE_TYPE

BRAND_FILE = f"{'0' * 32}.svg"
DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
# Of everything that can be spoilt in one way, CI sends this many to each seed, another part each.
AT_MOST = 10_000 if DEEP else 16
PROPERTY = settings(
    max_examples=2000 if DEEP else 10,
    derandomize=not DEEP,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
DEVICE = GrantType.DEVICE_CODE.value
SESSION, CSRF = "idp-session", "idp-csrf"
GOODBYE_URI = "https://shop.example/goodbye"
INTERNAL = "/internal/jwt"
API = "/api/v1/"
NEW_PASSWORD = "a horse of another colour"
CLAIMS = '{"userinfo": {"email": null}, "id_token": {"name": {"essential": true}}}'
AUTHORIZATION = {
    "response_type": "code",
    "client_id": "shop",
    "redirect_uri": REDIRECT_URI,
    "scope": "openid email orders.read",
    "state": "the-state",
    "nonce": "the-nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "max_age": "3600",
    "prompt": "consent",
    "login_hint": "jane",
}


# --- Requests ------------------------------------------------------------------------------------

type Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Draft:
    """A request before it is sent; the pairs are bytes as they travel, percent signs and all."""

    path: str
    method: str = "GET"
    query: Pairs = ()
    form: Pairs = ()
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    raw_body: bytes | None = None

    @property
    def body(self) -> bytes:
        return joined(self.form) if self.raw_body is None else self.raw_body


@dataclass(frozen=True)
class House:
    """What a valid request needs; all of it is alive and unused."""

    code: str
    tokens: dict[str, str]
    client_token: str
    cookie: str
    external_id: str = ""
    approved_device: str = "dc_"
    user_code: str = "BBBB-BBBB"
    operations_token: str = "a"
    block_id: int = 1
    event_id: int = 1
    secret_id: int = 1
    link: str = "/account/password/reset/<str:token>"
    request_uri: str = "urn:"
    sub: str = "a"


def get(path: str, parameters: dict[str, str] | None = None, **headers: str) -> Draft:
    return Draft(path, query=pairs(parameters or {}), headers=headers)


def form(path: str, parameters: dict[str, str], **headers: str) -> Draft:
    return Draft(path, "POST", form=pairs(parameters), headers=headers, content_type=FORM)


def page_form(path: str, query: dict[str, str], parameters: dict[str, str], *cookies: str) -> Draft:
    """A form on one of our pages, with what the CSRF check wants to see."""
    token = "c" * 32
    cookie = "; ".join([f"{CSRF}={token}", *cookies])
    draft = form(path, {**parameters, "csrfmiddlewaretoken": token}, HTTP_COOKIE=cookie)
    return replace(draft, query=pairs(query))


def pairs(parameters: dict[str, str]) -> Pairs:
    return tuple(
        (quote_plus(name).encode(), quote_plus(value).encode())
        for name, value in parameters.items()
    )


def joined(parameters: Pairs) -> bytes:
    return b"&".join(name + b"=" + value for name, value in parameters)


def signed_in(house: House) -> dict[str, str]:
    return {"HTTP_COOKIE": house.cookie}


def bearer(house: House) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {house.tokens['access_token']}"}


def operations(house: House) -> dict[str, str]:
    """How a client calls the API."""
    return {"HTTP_AUTHORIZATION": f"Bearer {house.operations_token}"}


def order(path: str, body: bytes, **headers: str) -> Draft:
    return Draft(path, "POST", raw_body=body, headers=headers, content_type="application/json")


def change(house: House, method: str, path: str, body: bytes) -> Draft:
    """A change of whatever is there."""
    headers = {"HTTP_IF_MATCH": "*", **operations(house)}
    kind = MERGE_PATCH if method == "PATCH" else "application/json"
    return replace(order(f"{API}{path}", body, **headers), method=method, content_type=kind)


def whole_client(client_id: str) -> bytes:
    """A body with all that a client can have."""
    return json.dumps(
        {
            "client_id": client_id,
            "name": "Batch",
            "description": "x",
            "client_type": "confidential",
            "grant_types": ["authorization_code", "client_credentials"],
            "redirect_uris": [REDIRECT_URI],
            "post_logout_redirect_uris": [GOODBYE_URI],
            "allowed_origins": ["https://shop.example"],
            "scopes": ["openid"],
            "scope_groups": ["all"],
            "brand": "acme",
            "login_services": ["acme-web"],
            "jwks": ROBOT.jwks,
            "flags": {"jwt_alg": "EdDSA", "on_behalf_of_scopes": ["openid"], "x": "y"},
            "active": True,
        }
    ).encode()


BEARER = GrantType.JWT_BEARER.value
CORPORATE = Signer("https://login.corp.example", "https://id.example", kid="one")
ROBOT = Signer("robot", PUBLIC_URL, kid="one", defaults={"sub": "robot"})


def signed() -> dict[str, str]:
    """How a client proves itself by a JWT."""
    return {
        "client_assertion_type": private_key_jwt.ASSERTION_TYPE,
        "client_assertion": ROBOT.sign(),
    }


# One or more valid requests for each URL of the product.
SEEDS: dict[str, Callable[[House], Draft]] = {
    "token: client credentials": lambda _: form(
        "/oauth2/token",
        {"grant_type": "client_credentials", "scope": "orders.read"},
        **basic("batch"),
    ),
    "token: secret in the body": lambda _: form(
        "/oauth2/token",
        {"grant_type": "client_credentials", "client_id": "batch", "client_secret": SECRET},
    ),
    "token: code": lambda house: form(
        "/oauth2/token",
        {
            "grant_type": "authorization_code",
            "client_id": "shop",
            "code": house.code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        },
    ),
    "token: refresh": lambda house: form(
        "/oauth2/token",
        {
            "grant_type": "refresh_token",
            "client_id": "shop",
            "refresh_token": house.tokens["refresh_token"],
            "scope": "openid orders.read",
        },
    ),
    "token: exchange": lambda house: form(
        "/oauth2/token",
        {
            "grant_type": EXCHANGE,
            "subject_token": house.tokens["access_token"],
            "subject_token_type": ACCESS_TOKEN_TYPE,
            "requested_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "audience": "services",
            "scope": "openid",
        },
        **basic("gateway"),
    ),
    "token: on behalf of": lambda house: form(
        "/oauth2/token",
        {
            "grant_type": EXCHANGE,
            "subject_token": f"acme-web:{house.external_id}",
            "subject_token_type": USER_REFERENCE_TYPE,
            "requested_token_type": ACCESS_TOKEN_TYPE,
            "actor_token": house.tokens["access_token"],
            "actor_token_type": ACCESS_TOKEN_TYPE,
            "scope": "openid",
        },
        **basic("helpdesk"),
    ),
    "token: on behalf of a new user": lambda _: form(
        "/oauth2/token",
        {
            "grant_type": EXCHANGE,
            "subject_token": "corporate:1",
            "subject_token_type": USER_REFERENCE_TYPE,
        },
        **basic("helpdesk"),
    ),
    "token: password": lambda _: form(
        "/oauth2/token",
        {
            "grant_type": "password",
            "client_id": "legacy",
            "username": "jane",
            "password": PASSWORD,
            "scope": "openid",
        },
    ),
    "token: device code": lambda house: form(
        "/oauth2/token",
        {
            "grant_type": DEVICE,
            "client_id": "legacy",
            "device_code": house.approved_device,
        },
    ),
    "device authorization": lambda _: form(
        "/oauth2/device_authorization", {"client_id": "legacy", "scope": "openid"}
    ),
    "device": lambda _: get("/oauth2/device"),
    "device: from a QR code": lambda house: get("/oauth2/device", {"user_code": house.user_code}),
    "device: code POST": lambda house: page_form(
        "/oauth2/device", {}, {"user_code": house.user_code}
    ),
    "device: sign-in POST": lambda house: page_form(
        "/oauth2/device",
        {"user_code": house.user_code},
        {"username": "jane", "password": PASSWORD},
    ),
    "device: decision": lambda house: get(
        "/oauth2/device", {"user_code": house.user_code}, **signed_in(house)
    ),
    "device: decision POST": lambda house: page_form(
        "/oauth2/device", {"user_code": house.user_code}, {"decision": "allow"}, house.cookie
    ),
    "token: JWT bearer": lambda _: form(
        "/oauth2/token",
        {"grant_type": BEARER, "assertion": CORPORATE.sign(), "scope": "openid"},
        **basic("portal"),
    ),
    "token: signed by the client": lambda _: form(
        "/oauth2/token", {"grant_type": "client_credentials", "client_id": "robot", **signed()}
    ),
    "introspect: signed by the client": lambda house: form(
        "/oauth2/introspect", {"token": house.tokens["access_token"], **signed()}
    ),
    "introspect": lambda house: form(
        "/oauth2/introspect",
        {"token": house.tokens["access_token"], "token_type_hint": "access_token"},
        **basic("gateway"),
    ),
    "introspect: secret in the body": lambda house: form(
        "/oauth2/introspect",
        {"token": house.client_token, "client_id": "gateway", "client_secret": SECRET},
    ),
    "introspect: gateway JWT": lambda house: form(
        "/oauth2/introspect",
        {"token": house.tokens["access_token"]},
        HTTP_ACCEPT="application/jwt, */*;q=0.1",
        **basic("gateway"),
    ),
    "introspect: signed": lambda house: form(
        "/oauth2/introspect",
        {"token": house.tokens["access_token"]},
        HTTP_ACCEPT="application/token-introspection+jwt",
        **basic("gateway"),
    ),
    "internal JWT": lambda _: form(
        INTERNAL,
        {"grant_type": "client_credentials", "audience": "services", "scope": "orders.read"},
        **basic("batch"),
    ),
    "revoke: access token": lambda house: form(
        "/oauth2/revoke", {"token": house.client_token}, **basic("batch")
    ),
    "revoke: refresh token": lambda house: form(
        "/oauth2/revoke",
        {
            "token": house.tokens["refresh_token"],
            "token_type_hint": "refresh_token",
            "client_id": "shop",
        },
    ),
    "userinfo": lambda house: get("/oauth2/userinfo", **bearer(house)),
    "userinfo: POST": lambda house: form(
        "/oauth2/userinfo", {"access_token": house.tokens["access_token"]}
    ),
    "authorize": lambda _: get("/oauth2/authorize", AUTHORIZATION),
    "authorize: POST": lambda _: form("/oauth2/authorize", AUTHORIZATION),
    "authorize: signed in": lambda house: get(
        "/oauth2/authorize",
        {
            **{name: value for name, value in AUTHORIZATION.items() if name != "prompt"},
            "id_token_hint": house.tokens["id_token"],
        },
        **signed_in(house),
    ),
    "authorize: default redirect URI": lambda house: get(
        "/oauth2/authorize",
        {
            name: AUTHORIZATION[name]
            for name in ("response_type", "client_id", "code_challenge", "code_challenge_method")
        },
        **signed_in(house),
    ),
    "sign-in": lambda _: get("/sign-in", AUTHORIZATION),
    "sign-in: POST": lambda _: page_form(
        "/sign-in", AUTHORIZATION, {"username": "jane", "password": PASSWORD}
    ),
    "pushed request": lambda _: form("/oauth2/par", {**AUTHORIZATION, "claims": CLAIMS}),
    "authorize: pushed": lambda house: get(
        "/oauth2/authorize", {"client_id": "shop", "request_uri": house.request_uri}
    ),
    "authorize: claims": lambda house: get(
        "/oauth2/authorize",
        {**AUTHORIZATION, "claims": CLAIMS, "acr_values": "a b"},
        **signed_in(house),
    ),
    "accounts": lambda house: get("/select-account", AUTHORIZATION, **signed_in(house)),
    "accounts: POST": lambda house: page_form(
        "/select-account", AUTHORIZATION, {"account": house.sub}, house.cookie
    ),
    "accounts: sign-out POST": lambda house: page_form(
        "/select-account", AUTHORIZATION, {"sign_out": house.sub}, house.cookie
    ),
    "consent": lambda house: get("/consent", AUTHORIZATION, **signed_in(house)),
    "consent: POST": lambda house: page_form(
        "/consent", AUTHORIZATION, {"decision": "allow"}, house.cookie
    ),
    "logout": lambda house: get(
        "/oauth2/logout",
        {
            "id_token_hint": house.tokens["id_token"],
            "client_id": "shop",
            "post_logout_redirect_uri": GOODBYE_URI,
            "state": "the-state",
        },
        **signed_in(house),
    ),
    "logout: POST": lambda house: form(
        "/oauth2/logout",
        {"client_id": "shop", "post_logout_redirect_uri": GOODBYE_URI, "state": "the-state"},
        **signed_in(house),
    ),
    "sign-out": lambda house: get("/sign-out", {"client_id": "shop"}, **signed_in(house)),
    "sign-out: POST": lambda house: page_form(
        "/sign-out",
        {"client_id": "shop", "post_logout_redirect_uri": GOODBYE_URI, "state": "the-state"},
        {"decision": "sign_out"},
        house.cookie,
    ),
    "forgotten password": lambda _: get("/account/password/forgotten", AUTHORIZATION),
    "forgotten password: POST": lambda _: page_form(
        "/account/password/forgotten", {"client_id": "shop"}, {"username": "jane"}
    ),
    "password link": lambda house: get(house.link),
    "password reset": lambda house: get("/account/password/reset", **signed_in(house)),
    "password reset: POST": lambda house: page_form(
        "/account/password/reset",
        {},
        {"new_password": NEW_PASSWORD, "repeated": NEW_PASSWORD},
        house.cookie,
    ),
    **{
        f"account: {page}": lambda house, page=page: get(
            f"/account/{page}", {"client_id": "shop"}, **signed_in(house)
        )
        for page in ("", "sessions", "applications", "sign-ins", "passkeys")
    },
    "account: sign in": lambda _: page_form(
        "/account/", {"client_id": "shop"}, {"username": "jane", "password": PASSWORD}
    ),
    "account: second factor": lambda house: page_form(
        "/account/second-factor", {}, {"second_factor": "begin", "code": "123456"}, house.cookie
    ),
    "account: add a passkey": lambda house: page_form(
        "/account/passkeys", {}, {"passkey_new": "{}", "passkey_name": "x"}, house.cookie
    ),
    "account: end a session": lambda house: page_form(
        "/account/sessions", {"client_id": "shop"}, {"session": "1"}, house.cookie
    ),
    "account: remove access": lambda house: page_form(
        "/account/applications", {}, {"application": "partner"}, house.cookie
    ),
    "password": lambda house: get("/account/password", **signed_in(house)),
    "password: POST": lambda house: page_form(
        "/account/password",
        {},
        {"present_password": PASSWORD, "new_password": NEW_PASSWORD, "repeated": NEW_PASSWORD},
        house.cookie,
    ),
    "openid-configuration": lambda _: get("/.well-known/openid-configuration"),
    "oauth-authorization-server": lambda _: get("/.well-known/oauth-authorization-server"),
    "jwks": lambda _: get("/.well-known/jwks.json"),
    "API: document": lambda _: get("/api/schema"),
    "API: blocks": lambda house: get(
        f"{API}blocks",
        {
            "kind": "user",
            "effect": "refuse",
            "state": "active",
            "limit": "5",
            "login_service": "acme-web",
            "user_name": "jane",
        },
        **operations(house),
    ),
    "API: blocks of an address": lambda house: get(
        f"{API}blocks",
        {
            "address": "192.0.2.1",
            "cursor": pages.cursor(f"{API}blocks", ["2026-11-05T12:00:00+00:00", "active", 1]),
        },
        **operations(house),
    ),
    "API: block": lambda house: get(f"{API}blocks/{house.block_id}", **operations(house)),
    "API: lift a block": lambda house: order(
        f"{API}blocks/{house.block_id}/lift", b"", **operations(house)
    ),
    "API: lift blocks": lambda house: order(
        f"{API}blocks/lift", b'{"address": "192.0.2.1"}', **operations(house)
    ),
    "API: audit": lambda house: get(
        f"{API}audit",
        {
            "tag": "accounts:sign_in:accepted",
            "user": "acme-web/jane",
            "client": "shop",
            "address": "127.0.0.0/8",
            "from": "2026-01-01T00:00:00Z",
            "to": "2999-01-01T00:00:00Z",
            "limit": "5",
        },
        **operations(house),
    ),
    "API: audit from a place": lambda house: get(
        f"{API}audit", {"cursor": pages.cursor(f"{API}audit", [1])}, **operations(house)
    ),
    "API: audit event": lambda house: get(f"{API}audit/{house.event_id}", **operations(house)),
    "API: flags": lambda house: get(f"{API}flags", **operations(house)),
    "API: clients": lambda house: get(
        f"{API}clients",
        {
            "brand": "acme",
            "grant_type": "password",
            "active": "true",
            "search": "leg",
            "limit": "5",
            "cursor": pages.cursor(f"{API}clients", ["batch"]),
        },
        **operations(house),
    ),
    "API: new client": lambda house: order(
        f"{API}clients", whole_client("new"), **operations(house)
    ),
    "API: client": lambda house: get(f"{API}clients/batch", **operations(house)),
    "API: client again": lambda house: get(
        f"{API}clients/batch", HTTP_IF_NONE_MATCH='"x", W/"y"', **operations(house)
    ),
    "API: put client": lambda house: change(house, "PUT", "clients/batch", whole_client("batch")),
    "API: put new client": lambda house: replace(
        order(f"{API}clients/batch2", whole_client("batch2"), **operations(house)),
        method="PUT",
        headers={"HTTP_IF_NONE_MATCH": "*", **operations(house)},
    ),
    "API: change client": lambda house: change(
        house, "PATCH", "clients/batch", b'{"flags": {"jwt_seconds": 60, "x": null}}'
    ),
    "API: delete client": lambda house: change(house, "DELETE", "clients/batch", b""),
    "API: secrets": lambda house: get(f"{API}clients/batch/secrets", **operations(house)),
    "API: new secret": lambda house: order(
        f"{API}clients/batch/secrets", b'{"old_ends_in": 60}', **operations(house)
    ),
    "API: end a secret": lambda house: order(
        f"{API}clients/batch/secrets/{house.secret_id}/end", b"", **operations(house)
    ),
    "API: scopes": lambda house: get(f"{API}scopes", {"limit": "2"}, **operations(house)),
    "API: new scope": lambda house: order(
        f"{API}scopes", b'{"name": "new", "description": "New"}', **operations(house)
    ),
    "API: scope": lambda house: get(f"{API}scopes/email", **operations(house)),
    "API: put scope": lambda house: change(house, "PUT", "scopes/email", b'{"description": "x"}'),
    "API: change scope": lambda house: change(
        house, "PATCH", "scopes/email", b'{"description": null}'
    ),
    "API: delete scope": lambda house: change(house, "DELETE", "scopes/spare", b""),
    "API: scope groups": lambda house: get(f"{API}scope-groups", **operations(house)),
    "API: new scope group": lambda house: order(
        f"{API}scope-groups", b'{"name": "new", "members": ["email"]}', **operations(house)
    ),
    "API: scope group": lambda house: get(f"{API}scope-groups/all", **operations(house)),
    "API: put scope group": lambda house: change(
        house, "PUT", "scope-groups/all", b'{"members": ["openid"]}'
    ),
    "API: change scope group": lambda house: change(
        house, "PATCH", "scope-groups/all", b'{"members": ["openid"]}'
    ),
    "API: delete scope group": lambda house: change(house, "DELETE", "scope-groups/all", b""),
    "stylesheet": lambda _: get("/brand/acme.css", {"v": "1"}),
    "brand file": lambda _: get(f"/brand/files/{BRAND_FILE}"),
    "where to change a password": lambda _: get("/.well-known/change-password"),
    "healthz": lambda _: get("/healthz"),
    "readyz": lambda _: get("/readyz"),
    "metrics": lambda _: get("/metrics"),
    "admin": lambda _: get("/admin"),
    "admin: login": lambda _: get("/admin/login/", {"next": "/admin/"}),
    "admin: login POST": lambda _: page_form(
        "/admin/login/", {"next": "/admin/"}, {"username": "jane", "password": PASSWORD}
    ),
}

CHALLENGES = {
    "/oauth2/token": "Basic",
    "/oauth2/par": "Basic",
    "/oauth2/introspect": "Basic",
    INTERNAL: "Basic",
    "/oauth2/revoke": "Basic",
    "/oauth2/device_authorization": "Basic",
    "/oauth2/userinfo": "Bearer",
}
PROTOCOL = {*CHALLENGES, *(f"/.well-known/{name}" for name in (
    "openid-configuration", "oauth-authorization-server", "jwks.json",
))}  # fmt: skip
PAGES = {
    "/oauth2/authorize",
    "/oauth2/logout",
    "/oauth2/device",
    "/sign-in",
    "/select-account",
    "/consent",
    "/sign-out",
    *("/account/", "/account/sessions", "/account/applications", "/account/sign-ins"),
    *("/account/second-factor", "/account/passkeys"),
    "/account/password",
    "/account/password/forgotten",
    "/account/password/reset",
}
OTHERS = {
    "/.well-known/change-password",
    *("/brand/acme.css", f"/brand/files/{BRAND_FILE}"),
    *("/healthz", "/readyz", "/metrics", "/admin", "/admin/login/"),
    House.link,
    *("/api/schema", *(f"{API}{path}" for path in (
        "audit", "audit/1", "blocks", "blocks/1", "blocks/1/lift", "blocks/lift",
        "clients", "clients/batch", "clients/batch2", "clients/batch/secrets",
        "clients/batch/secrets/1/end", "flags", "scopes", "scopes/email", "scopes/spare",
        "scope-groups", "scope-groups/all",
    ))),
}  # fmt: skip
REDIRECT_TARGETS = (
    *(f"{REDIRECT_URI}?", GOODBYE_URI, "/oauth2/authorize?", "/sign-in?", "/consent?"),
    "/select-account?",
    "/oauth2/device?",
    *("/sign-out", "/admin/", "/account/"),
)


# --- What is hostile ------------------------------------------------------------------------------


def unsigned_jwt(header: bytes) -> bytes:
    return base64.urlsafe_b64encode(header).rstrip(b"=") + b".e30.AAAA"


VALUES = [
    *(b"", b"%00", b"\0", b"a%00b", b"\x01%1f%7f", b"%0d%0aX-Injected:%20yes", b"%0a", b"%09"),
    *(b"\xff\xfe", b"%ff", b"%c0%ae", b"%ed%a0%80", b"%ed%b2%80", b"%f4%90%80%80", b"\xc3\xa9"),
    *(b"%", b"%%", b"%2", b"%zz", b"%u0041", b"%25", b"%26a%3db", b"=", b"==", b"a=b=c", b";"),
    b"+",
    *(b"%e2%80%ae", b"%ef%bf%bf", b"%f0%9f%92%a9", b"%d9%a3", b"%c2%b2", b"%ef%bc%91"),
    b"%cc%81" * 9,
    *(b"0", b"-1", b"1e9", b"1.5", b"nan", b"9" * 19, b"9" * 25, b"9" * 5000, b"0x10", b"_1"),
    b" 1",
    *(b"null", b"true", b"[]", b"{}", b"[" * 9000, b"*", b"* openid", b"openid " * 500, b"all"),
    *(b"'", b"%27%20OR%201=1--", b"%22", b"%5c", b"%3Cscript%3Ealert(1)%3C/script%3E", b"{{7*7}}"),
    *(b"javascript:alert(1)", b"//evil.example", b"https://evil.example/", b"http://[::1"),
    b"..%2f",
    *(b"http://127.0.0.1:99999/", b"https://shop.example/callback%23a", b"https://@shop.example"),
    *(b"at_", b"rt_" + b"A" * 44, b"ac_" + b"_" * 44, b"at_" + b"%c3%a9" * 44, b"cs_", b"a.b.c"),
    *(b"..", b"...", unsigned_jwt(b'{"alg":"none"}'), unsigned_jwt(b'{"alg":"RS256","kid":[]}')),
    *(unsigned_jwt(b"[]"), unsigned_jwt(b"\xff"), unsigned_jwt(b"[" * 11_000)),
    unsigned_jwt(b"9" * 9000),
    *(unsigned_jwt(b'{"a":' * 2200), b"none", b"none login", b"login", b"select_account", b"S256"),
    *(b"a" * 300, b"a" * 16_384, b"%41" * 6000, b"a" * 70_000),
]  # fmt: skip
NAMES = [
    *(b"", b"%00", b"%ff", b"[]", b"a[b]", b"a.b", b"__class__", b"__dict__", b"_params", b"self"),
    # What oauthlib's request, and ours, keep as attributes.
    *(b"client", b"user", b"scopes", b"code_row", b"refresh_row", b"stored_scope", b"subject"),
    *(b"uri", b"headers", b"body", b"decoded_body", b"oauth_params", b"validator_log"),
    b"auth_time",
    *(b"extra_credentials", b"using_default_redirect_uri", b"redirect_uri", b"http_method"),
    *(b"request", b"request_uri", b"response_mode", b"claims", b"display", b"resource"),
    b"audience",
    *(b"prompt", b"max_age", b"id_token_hint", b"scope", b"state", b"client_id", b"client_secret"),
    *(b"code", b"code_verifier", b"code_challenge", b"token", b"access_token", b"refresh_token"),
    *(b"subject_token", b"actor_token", b"assertion", b"client_assertion", b"grant_type", b"next"),
    *(b"registration", b"csrfmiddlewaretoken", b"decision", b"username", b"password"),
    *(b"is_pushed", b"hinted_sub", b"claims_request", b"granted_claims", b"account", b"sign_out"),
    *(b"user_code", b"device_code", b"subject_token_type", b"actor_token_type"),
]  # fmt: skip


def twisted(value: bytes) -> list[bytes]:
    """Almost the valid value."""
    middle = len(value) // 2
    other = b"B" if value[middle : middle + 1] == b"A" else b"A"
    return [
        value[:-1],
        value[1:],
        value + b"A",
        value + value,
        value.upper(),
        value.lower(),
        value[:middle] + other + value[middle + 1 :],
        value[:middle] + b"%00" + value[middle:],
        value[:middle] + b"%ff" + value[middle:],
        *(value + end for end in (b"%00", b"%0a", b"%20", b"=", b"%3d", b"/", b"%2f..", b"?a=b")),
        *(start + value for start in (b"%20", b"%00", b"%0a")),
    ]


def basics(credentials: bytes) -> str:
    return f"Basic {base64.b64encode(credentials).decode()}"


HEADERS: dict[str, list[str]] = {
    "HTTP_AUTHORIZATION": [
        *("", " ", "Basic", "Basic ", "basic =", "Basic \0", "Basic é", "Basic ====", "Basic Og"),
        *(basics(text) for text in (b"", b":", b"::", b"batch", b"batch:", b":x", b"\xff:\xff")),
        *(basics(text) for text in (b"a\0b:c", b"%00:%00", b"%ff:%ff", b"%zz:%", b"batch:a\0b")),
        *(basics(text) for text in (b"\xc3\xa9:\xc3\xa9", b"batch:\xed\xa0\x80", b"\r\n:\r\n")),
        basics(b"a" * 40_000 + b":" + b"b" * 40_000),
        *("Bearer", "Bearer ", "Bearer \0", "Bearer a b c", "Bearer é", "Bearer at_" + "A" * 44),
        *("bearer " + "A" * 100_000, "Bearer at_" + "Ù" * 44, "Bearer Basic Bearer", "\x01\x7f"),
        *("Digest username=a", "DPoP x", "Negotiate", "Basic,Bearer"),
        "🦄".encode().decode("latin-1"),
    ],
    "HTTP_COOKIE": [
        *("", "=", ";;;", "=;=", "\0", f"{SESSION}", f"{SESSION}=", f"{SESSION}=short"),
        f"{SESSION}=\0",
        # The quoted form of a cookie can spell any byte, NUL included.
        *(f'{SESSION}="{octal * 32}"' for octal in (r"\000", r"\377", r"\012", r"\101")),
        *(f"{SESSION}={'a' * 32}", f"{SESSION}={'a' * 9000}", f"{SESSION}={'é' * 32}"),
        *(f'{SESSION}="', f"{SESSION}=a; {SESSION}=b", f"{SESSION}={'%00' * 16}", "é=é"),
        *(f"idp-accounts={text}" for text in ("a", ".", "a" * 32, "\0", '"' + r"\000" * 32 + '"')),
        *(f"idp-browser={text}" for text in ("", "a" * 43, "\0", "é")),
        "a" * 9000,
        *(f"{CSRF}=", f'{CSRF}="{chr(92)}000"', f"{CSRF}={'a' * 64}", f"{CSRF}={'é' * 64}"),
        *(f"django_language={text}" for text in ("xx", "nl\0", '"' + r"\000" * 9 + '"', "a" * 600)),
        *(f"django_language={text}" for text in ("a-" * 600, "../../etc", "é", "en-" + "x" * 900)),
        *("messages=garbage", "messages=a:b:c", 'messages="' + r"\000" + '"', "sessionid=x"),
    ],
    "HTTP_ACCEPT_LANGUAGE": [
        *("", "*", "nl;q=", "nl;q=9", "nl;q=-1", "nl;q=nan", "\0", "é", "-", "a-" * 5000),
        "nl" * 5000,
        *("nl, " * 3000, "../../etc/passwd", "zh_Hant", "x" * 600, "nl;q=0", "xx,yy;q=0.1"),
        "nl-NL\0",
    ],
    "HTTP_HOST": [
        *("", "evil.example", "127.0.0.1", "127.0.0.1:99999", "[::1", "a b", "\0", "é", "a" * 300),
        *("evil.example:80@localhost", "localhost:8000:8000", "localhost/", "-", ".", "*"),
    ],
    "HTTP_ORIGIN": [
        *("", "null", "https://[::1", "https://[", "https://evil.example", "https://a:b"),
        "https://\0",
        *("é", "https://shop.example:99999", "https://[fe80::1%25eth0]", "https://\uff0e", "//"),
        "x" * 9000,
    ],
    "HTTP_REFERER": ["", "http://[", "https://[::1", "\0", "é", "x" * 9000, "https://evil.example"],
    "HTTP_ACCEPT": [
        *("", "*", "application/jwt", "\0", ";q=x", "é", "text/html;" * 1000, "*/*;q=nan", "/////"),
        *("application/token-introspection+jwt", "application/jwt;q=" + "9" * 5000, "a/b," * 9000),
        *("a;c*=d'e'f", "a;c*=hex'e'%ff", "application/jwt;q*=utf-8''0", "application/jwt;a=b"),
    ],
    "HTTP_IF_NONE_MATCH": ["", "*", '"', 'W/"', "\0", "é", '"a",' * 3000],
    "HTTP_IF_MODIFIED_SINCE": ["", "x", "Sun, 99 Foo 9999 99:99:99 GMT", "\0", "é", "9" * 99],
    "HTTP_RANGE": ["", "bytes=", "bytes=-1", "bytes=9-1", "bytes=0-0," * 999, "\0", "é"],
    "HTTP_X_CSRFTOKEN": ["", "\0", "a" * 64, "é", "a" * 9000],
    "HTTP_X_FORWARDED_FOR": ["", "\0", "é", "1.2.3.4, " * 999, "[::1", "999.1.1.1"],
    "HTTP_X_FORWARDED_HOST": ["", "evil.example", "\0", "[::1", "é"],
    "HTTP_X_FORWARDED_PROTO": ["", "https", "gopher", "\0", "é", "https,http"],
    "HTTP_X_FORWARDED_PORT": ["", "x", "-1", "99999", "\0"],
    "HTTP_FORWARDED": ["", "for=", "host=evil.example;proto=https", "\0", "é"],
    "HTTP_TRANSFER_ENCODING": ["chunked", "gzip, chunked", "\0", "identity"],
    "HTTP_CONTENT_ENCODING": ["gzip", "br", "\0"],
    "HTTP_X_HTTP_METHOD_OVERRIDE": ["DELETE", "\0"],
    "HTTP_EXPECT": ["100-continue", "\0"],
    "REMOTE_ADDR": ["", "\0", "unix:", "999.1.1.1", "::1%eth0"],
    "CONTENT_LENGTH": ["", "x", "-1", "0", "1", "1e3", "9" * 30, "99999999", "\0", " 5 ", "+5"],
    "CONTENT_TYPE": [
        *("", "/", ";", "text", "text/plain", "application/json", "application/xml", "\0", "é"),
        *(f"{FORM};", f"{FORM}; charset=utf-16", f"{FORM}; charset=", f"{FORM}; charset=utf-7"),
        *(f"{FORM}; charset={name}" for name in ("hex", "rot13", "idna", "zlib", "é", "a" * 999)),
        *(f"text/plain; charset={name}" for name in ("hex", "rot13", "undefined", "utf-16")),
        *(FORM.upper(), f" {FORM}", f"{FORM}, {FORM}", f"{FORM};boundary=x", "a" * 11_000, "*/*"),
        "a;charset*=x",
        *("multipart/form-data", "multipart/form-data; boundary="),
        "multipart/form-data; boundary=é",
        *(f"multipart/form-data; boundary={name}" for name in ("x", "\0", "a" * 300, '"')),
        "multipart/form-data; boundary=x; charset=hex",
        'multipart/form-data; boundary="x;charset=hex"; charset=utf-8',
    ],
}  # fmt: skip
METHODS = [
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"),
    *("get", "PROPFIND", "X" * 300, "G\0T", "", "É"),
]
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--x--\r\n'
BODIES = [
    *(b"", b"&", b"&&&&", b"=", b"=&=", b"\0", b"\xff" * 100, b"{}", b'{"grant_type":"x"}'),
    b"[" * 9999,
    *(b"a=b&" * 51, b"a&" * 2000, b"a" * 65_536, b"a" * 65_537, b"a=" + b"b" * 1_100_000, b"--x--"),
    *(b"--x\r\n", MULTIPART % (b"a", b"b"), MULTIPART % (b"\0", b"\0")),
    MULTIPART % (b"\xff", b"\xff"),
    *(MULTIPART % (b"username", b"a"), b"--x\r\n" * 300, b"<?xml version='1.0'?>"),
    b"\x1f\x8b\x08\0",
]  # fmt: skip


def one_parameter_spoilt(draft: Draft) -> Iterator[Draft]:
    """Every parameter left out, emptied, repeated, and given each of the hostile values."""
    for place in ("query", "form"):
        valid: Pairs = getattr(draft, place)
        for index, (name, value) in enumerate(valid):
            before, after = valid[:index], valid[index + 1 :]
            yield replace(draft, **{place: before + after})
            yield replace(draft, **{place: (*valid, (name, value))})
            for hostile in chain(VALUES, twisted(value)):
                yield replace(draft, **{place: (*before, (name, hostile), *after)})
                if DEEP:
                    yield replace(draft, **{place: (*valid, (name, hostile))})


def one_parameter_too_many(draft: Draft) -> Iterator[Draft]:
    """Every hostile name added to the query and to the form, and the form moved to the query."""
    for name in NAMES:
        for value in (b"x", b"", b"%ff", b"%00"):
            yield replace(draft, query=(*draft.query, (name, value)))
            if draft.form:
                yield replace(draft, form=(*draft.form, (name, value)))
    yield replace(draft, query=draft.form, form=draft.query)
    yield replace(draft, query=(*draft.query, *draft.form))


def one_header_spoilt(draft: Draft) -> Iterator[Draft]:
    for name, values in HEADERS.items():
        for value in values:
            yield with_header(draft, name, value)


def other_shape(draft: Draft) -> Iterator[Draft]:
    """Another method, another body, another type of body."""
    for method in METHODS:
        yield replace(draft, method=method)
    for body in BODIES:
        for kind in (FORM, "multipart/form-data; boundary=x", "application/json", "text/plain"):
            yield replace(draft, method="POST", raw_body=body, content_type=kind)


def with_header(draft: Draft, name: str, value: str) -> Draft:
    return replace(draft, headers={**draft.headers, name: value})


@st.composite
def spoilt_in_many_places(draw: st.DrawFn, draft: Draft) -> Draft:
    for _ in range(draw(st.integers(1, 4))):
        draft = draw(st.sampled_from(SPOILERS))(draw, draft)
    return draft


def spoil_query(draw: st.DrawFn, draft: Draft) -> Draft:
    return replace(draft, query=draw(spoilt_pairs(draft.query)))


def spoil_form(draw: st.DrawFn, draft: Draft) -> Draft:
    return replace(draft, form=draw(spoilt_pairs(draft.form)))


def spoil_header(draw: st.DrawFn, draft: Draft) -> Draft:
    name = draw(st.sampled_from(sorted(HEADERS)))
    made_up = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)
    return with_header(draft, name, draw(st.sampled_from(HEADERS[name]) | made_up))


def spoil_shape(draw: st.DrawFn, draft: Draft) -> Draft:
    return replace(
        draft,
        method=draw(st.sampled_from([draft.method, *METHODS])),
        raw_body=draw(st.none() | st.sampled_from(BODIES) | st.binary(max_size=200)),
        content_type=draw(st.sampled_from([draft.content_type, *HEADERS["CONTENT_TYPE"]])),
    )


SPOILERS = (spoil_query, spoil_form, spoil_header, spoil_shape)


@st.composite
def spoilt_pairs(draw: st.DrawFn, valid: Pairs) -> Pairs:
    parameters = list(valid)
    names = st.sampled_from([*(name for name, _ in valid), *NAMES]) | st.binary(max_size=20)
    values = st.sampled_from([*(value for _, value in valid), *VALUES]) | st.binary(max_size=40)
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(parameters)))
        how = draw(st.sampled_from(["add", "replace", "twist", "drop"]))
        if how == "add" or index == len(parameters):
            parameters.insert(index, (draw(names), draw(values)))
        elif how == "drop":
            del parameters[index]
        elif how == "twist":
            name, value = parameters[index]
            parameters[index] = (name, draw(st.sampled_from(twisted(value))))
        else:
            parameters[index] = (parameters[index][0], draw(values))
    return tuple(parameters)


# --- Sending and judging --------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes
    rows_written: int
    fault: BaseException | None


def send(draft: Draft) -> Answer:
    """Hands the request to the WSGI application as bytes, and undoes what it has written."""
    body = draft.body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": draft.method,
        "PATH_INFO": draft.path,
        "QUERY_STRING": joined(draft.query).decode("latin-1"),
        "CONTENT_TYPE": draft.content_type,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        **draft.headers,
    }
    started: list[tuple[int, CaseInsensitiveDict[str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        started.append((int(status.split(maxsplit=1)[0]), CaseInsensitiveDict(headers)))

    with transaction.atomic(), own_connection(), faults_noted() as faults:
        before = rows_written()
        try:
            # WSGI servers answer 500 to what escapes the application, so nothing may.
            response = application(environ, start_response)
            content = b"".join(response)
            getattr(response, "close", lambda: None)()
            written = 0 if faults else rows_written() - before
        finally:
            transaction.set_rollback(True)
    return Answer(*started[0], content, written, faults[0] if faults else None)


@contextmanager
def own_connection() -> Iterator[None]:
    """As in Django's test client: a request must not close the test's own transaction."""
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    try:
        yield
    finally:
        for end in ends:
            end.connect(close_old_connections)


@contextmanager
def faults_noted() -> Iterator[list[BaseException | None]]:
    """What Django's handlers have caught."""
    faults: list[BaseException | None] = []

    def note(**_: object) -> None:
        faults.append(sys.exception())

    got_request_exception.connect(note)
    try:
        yield faults
    finally:
        got_request_exception.disconnect(note)


def rows_written() -> int:
    """What this transaction has inserted, updated and deleted, even where it was rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
                       + pg_stat_get_xact_tuples_deleted(oid))
            FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            """
        )
        return int(cursor.fetchone()[0])


def fault_in(draft: Draft) -> str | None:
    """What is wrong with the answer, in a line that starts with what; None where all is well."""
    try:
        judge(draft, send(draft))
    except Exception as fault:  # noqa: BLE001 - whatever escapes, of the product's or of the judge's
        return f"{type(fault).__name__}: {str(fault)[:300]}\n    {draft}"[:2000]
    return None


def judge(draft: Draft, answer: Answer) -> None:
    """What every answer must be."""
    assert answer.status < 500, (answer.status, answer.fault)
    # That credentials stood in a URL is audited, and the very secret of a client is marked.
    # So is the reason that an error page does not say, under the reference that it does.
    page = int(draft.path not in PROTOCOL and not draft.path.startswith(API))
    most = (2 if shows_credentials(draft) else notes_of(draft)) + page
    written = range(int(shows_credentials(draft)), most + 1)
    if answer.status >= 400:
        assert answer.rows_written in written, "refused, and yet something is written"
    assert answer.status == 400 or not shows_credentials(draft), answer.status
    if draft.path in PROTOCOL:
        judge_protocol(draft, answer)
    elif draft.path.startswith(API):
        judge_api(draft, answer)
    else:
        judge_page(draft, answer)


def shows_credentials(draft: Draft) -> bool:
    query = joined(draft.query).decode("latin-1")
    is_ours = draft.path.startswith(exposed_credentials.PLACES)
    return is_ours and bool(exposed_credentials.look(query).parameters)


# Refused requests of these grants are audited, devices that wait are counted with, and so are wrong
# user codes, in the session.
NOTED = (b"user-reference", b"grant_type=password", b"jwt-bearer", b"device_code")


def notes_of(draft: Draft) -> int:
    """How many audit events may tell of a refusal: of a password, and of what it was shown for."""
    is_of_grant = draft.path == "/oauth2/token" and any(part in draft.body for part in NOTED)
    # Why a JWT of somebody else was refused; and one that was right is spent.
    has_assertion = b"assertion=" in draft.body
    has_password = (
        draft.path in {"/sign-in", "/oauth2/token"} or draft.path.startswith("/account/")
    ) and b"password" in draft.body
    return (is_of_grant or has_assertion or draft.path == "/oauth2/device") + has_password


ERROR_CODE = re.compile(r"[a-z_]+")
# RFC 6749 section 5.2: "MUST NOT include characters outside the set %x20-21 / %x23-5B / %x5D-7E".
DESCRIPTION = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")


def judge_protocol(draft: Draft, answer: Answer) -> None:
    assert answer.status in {200, 201, 204, 304, 400, 401, 403, 404, 405}, answer.status
    if answer.status in {200, 201}:
        return
    if answer.status == 304:
        # It was asked whether the keys have changed.
        assert (draft.path, answer.body) == ("/.well-known/jwks.json", b"")
        return
    if answer.status == 204:
        # The gateway's way to hear of an inactive token.
        assert (draft.path, answer.body) == ("/oauth2/introspect", b"")
        return
    if answer.status == 404:
        # Not from inside, so it is not there.
        assert draft.path == INTERNAL
        assert draft.method.upper() == "HEAD" or json.loads(answer.body)["error"] == "not_found"
        return
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"].startswith(f"{CHALLENGES[draft.path]} ")
    if answer.status == 405:
        assert answer.headers["Allow"]
    if draft.method.upper() == "HEAD":
        return
    body = json.loads(answer.body)
    assert set(body) <= {"error", "error_description", "error_uri", "state"}, body
    assert ERROR_CODE.fullmatch(body["error"]), body
    assert DESCRIPTION.fullmatch(body.get("error_description", "-")), body


def judge_api(draft: Draft, answer: Answer) -> None:
    """RFC 9457, and RFC 6750 section 3 for what is about the token."""
    refused = {400, 401, 403, 404, 405, 409, 412, 415, 428}
    assert answer.status in {200, 201, 204, 304, *refused}, answer.status
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status in {204, 304}:
        assert (answer.body, "Content-Type" in answer.headers) == (b"", False)
        return
    if answer.status in {200, 201}:
        assert answer.headers["Content-Type"] == "application/json"
        return
    assert answer.headers["Content-Type"] == "application/problem+json"
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    if answer.status == 405:
        assert answer.headers["Allow"]
    if draft.method.upper() == "HEAD":
        return
    body = json.loads(answer.body)
    assert (body["type"], body["status"]) == ("about:blank", answer.status), body
    assert ERROR_CODE.fullmatch(body["code"]), body


def judge_page(draft: Draft, answer: Answer) -> None:
    assert answer.status in {200, 302, 303, 304, 400, 401, 403, 404, 405, 413}, answer.status
    assert b"<script>alert" not in answer.body
    if location := answer.headers.get("Location", ""):
        assert location.startswith(REDIRECT_TARGETS), location
        assert location.isascii(), location
    elif draft.path in PAGES:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert draft.method.upper() == "HEAD" or answer.body
    if answer.status == 405:
        assert answer.headers["Allow"]


# --- The tests ------------------------------------------------------------------------------------


# What a password costs is no matter here, and there are thousands of them.
CHEAP = {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}


@pytest.fixture(scope="module")
def built(django_db_setup, django_db_blocker) -> Iterator[tuple[House, datetime]]:
    """What all tests here share, and when it was made: each leaves it as it was."""
    with django_db_blocker.unblock():
        with override_settings(**CHEAP):
            built = build()
        connection.close()
    yield built, timezone.now()
    with django_db_blocker.unblock():
        call_command("flush", verbosity=0, interactive=False)
        connection.close()


@pytest.fixture
def house(built, db, settings) -> Iterator[House]:
    """While its codes live: the clock is put back to when it was made."""
    house, at = built
    settings.PASSWORD_HASHERS = CHEAP["PASSWORD_HASHERS"]
    with time_machine.travel(at):
        yield house


def build() -> House:
    BrandFile.objects.create(name=BRAND_FILE, content=SVG, kept_at=timezone.now())
    account()
    shop(post_logout_redirect_uris=GOODBYE_URI, flags={"consent": "remember"})
    batch()
    gateway()
    client(
        *("legacy", "openid", "email"),
        client_type="public",
        grant_types=["password", DEVICE],
        brand=brand(),
        login_services=[login_service()],
        flags={"allow_password_grant": True},
    )
    LoginService.objects.create(name="corporate", kind=LoginService.Kind.CORPORATE)
    client(
        *("helpdesk", "openid"),
        grant_types=["client_credentials", EXCHANGE],
        flags={
            "on_behalf_of_login_services": ["acme-web", "corporate"],
            "on_behalf_of_scopes": ["openid"],
            "on_behalf_of_unknown_users": "create",
        },
    )
    trust(CORPORATE, algorithms=["ES256"])
    portal()
    post("/oauth2/token", {"grant_type": BEARER, "assertion": CORPORATE.sign()}, **basic("portal"))
    client("operations", *SCOPES, grant_types=["client_credentials"])
    scopes("spare")
    ScopeGroup.objects.create(name="all")
    client(
        *("robot", "orders.read", "introspection"),
        grant_types=["client_credentials"],
        jwks=ROBOT.jwks,
    )
    shopper = Shopper()
    page = shopper.sign_in(shopper.authorize(max_age="3600"))
    allowed = shopper.browser.post(page.headers["Location"], {"decision": "allow"})
    assert allowed.status_code == 303
    tokens = shopper.tokens()
    grant = {"grant_type": "client_credentials"}
    client_token = post("/oauth2/token", grant, **basic("batch")).json()["access_token"]
    # The first use of a secret is recorded; the next one within minutes is not.
    post("/oauth2/introspect", {"token": client_token}, **basic("gateway"))
    post("/oauth2/token", grant, **basic("helpdesk"))
    operations_token = post("/oauth2/token", grant, **basic("operations")).json()["access_token"]
    jane = LocalAccount.objects.get(login_service__name="acme-web")
    link = f"/account/password/reset/{password_links.make(jane, 'shop', timezone.now())}"
    code = shopper.code()
    assert shopper.browser.get(link).status_code == 303
    session = shopper.browser.cookies[SESSION].value
    return House(
        code=code,
        tokens=tokens,
        client_token=client_token,
        cookie=f"{SESSION}={session}",
        external_id=User.objects.get(login_service__name="acme-web").external_id,
        operations_token=operations_token,
        block_id=block().pk,
        event_id=AuditEvent.objects.latest("id").pk,
        secret_id=ClientSecret.objects.get(client__client_id="batch").pk,
        link=link,
        request_uri=post("/oauth2/par", shopper.request()).json()["request_uri"],
        sub=shopper.sub(),
        **devices_of(shopper),
    )


def devices_of(shopper: Shopper) -> dict[str, str]:
    """One that the user has approved, and one that waits."""
    ask = {"client_id": "legacy", "scope": "openid"}
    first, second = (post("/oauth2/device_authorization", ask).json() for _ in range(2))
    page = first["verification_uri_complete"].removeprefix("http://127.0.0.1:8000")
    assert shopper.browser.post(page, {"decision": "allow"}).status_code == 200
    return {"approved_device": first["device_code"], "user_code": second["user_code"]}


seeds = pytest.mark.parametrize("seed", SEEDS)


def paths(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from paths(pattern.url_patterns, path)
        else:
            yield path


def test_every_url_of_the_product_is_tested_here():
    of_the_product = set(paths(get_resolver().url_patterns))
    ours = {path for path in of_the_product if not path.startswith("/admin/")}
    patterns = [re.compile(f"^{re.sub('<[^>]+>', '[^/]+', path)}$") for path in ours]
    here = PROTOCOL | PAGES | OTHERS
    missing = [one.pattern for one in patterns if not any(map(one.match, here))]
    assert missing == [], "give these a valid request in SEEDS"
    nobody = House("a", dict.fromkeys(("access_token", "refresh_token", "id_token"), "a"), "a", "")
    assert {seed(nobody).path for seed in SEEDS.values()} == PROTOCOL | PAGES | OTHERS


@seeds
def test_the_requests_that_are_spoilt_below_are_good(house, seed):
    answer = send(SEEDS[seed](house))
    assert answer.status in {200, 201, 204, 302, 303}, answer.body
    assert "error=" not in answer.headers.get("Location", "")


@seeds
@pytest.mark.parametrize(
    "spoil", [one_parameter_spoilt, one_parameter_too_many, one_header_spoilt, other_shape]
)
def test_one_thing_spoilt(house, seed, spoil):
    drafts = list(spoil(SEEDS[seed](house)))
    step = len(drafts) // AT_MOST + 1
    first = list(SEEDS).index(seed) % step
    faults = [fault for draft in drafts[first::step] if (fault := fault_in(draft))]
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:5])


@seeds
def test_many_things_spoilt(house, seed):
    @PROPERTY
    @given(spoilt_in_many_places(SEEDS[seed](house)))
    def is_refused_properly(draft: Draft) -> None:
        fault = fault_in(draft)
        assert fault is None, fault

    is_refused_properly()


# --- In particular -------------------------------------------------------------------------------


def known_once(house: House) -> dict[str, Draft]:
    """What was found by the tests above, each of them a 500 at its time."""
    query = {name: AUTHORIZATION[name] for name in AUTHORIZATION if name != "client_id"}
    challenge = {name: AUTHORIZATION[name] for name in AUTHORIZATION if "challenge" in name}
    no_redirect = {"response_type": "code", "client_id": "shop", **challenge}
    fields = get("/oauth2/token", {f"p{number}": "x" for number in range(1001)})
    named_in_octal = f'{SESSION}="{chr(92)}000{"a" * 31}"'
    return {
        "a parameter named like an attribute": get(
            "/oauth2/authorize", {**no_redirect, "code_row": "x"}, **signed_in(house)
        ),
        "a client of the caller's": get("/oauth2/authorize", {**query, "client": "x"}),
        "a session key with NUL": get(
            "/oauth2/authorize", AUTHORIZATION, HTTP_COOKIE=named_in_octal
        ),
        "a charset that is none of text": get(
            "/oauth2/authorize", AUTHORIZATION, CONTENT_TYPE="text/plain; charset=hex"
        ),
        "a charset within a boundary": get(
            "/oauth2/authorize",
            AUTHORIZATION,
            CONTENT_TYPE='multipart/form-data; boundary="x;charset=hex"; charset=utf-8',
        ),
        "fields counted before the view": replace(fields, content_type="a/b; charset=utf-8"),
        "fields counted on a page": replace(fields, path="/oauth2/authorize"),
        "fields counted beside a language": replace(
            fields, query=(*fields.query, (b"page_language", b"xx"))
        ),
        "a long content type": get("/oauth2/authorize", CONTENT_TYPE="a/" + "b" * 11_000),
        "a content type in no charset": get("/healthz", CONTENT_TYPE="a/b; c*=d'e'f"),
    }


@pytest.mark.parametrize("case", known_once(House("", {}, "", "")))
def test_what_once_went_wrong(house, case):
    fault = fault_in(known_once(house)[case])
    assert fault is None, fault


FORMS = pytest.mark.parametrize(
    "path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", INTERNAL]
)


@FORMS
@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({"raw_body": b"a=%00"}, "A parameter holds a NUL character."),
        ({"raw_body": b"a%00=b"}, "A parameter holds a NUL character."),
        ({"raw_body": b"a=%ff"}, "A parameter is not UTF-8."),
        ({"raw_body": b"\xff=b"}, "A parameter is not UTF-8."),
        ({"raw_body": b"a=%ed%a0%80"}, "A parameter is not UTF-8."),
        ({"raw_body": b"a=1&b=2&a=1"}, "A parameter is given more than once."),
        ({"raw_body": b"a=1&%61=1"}, "A parameter is given more than once."),
        ({"raw_body": b"a=" + b"b" * 16_385}, "A parameter is too long."),
        ({"raw_body": b"a=b&" * 51}, "There are too many parameters."),
        ({"raw_body": b"a" * 65_537}, "The body is too large."),
        ({"headers": {"CONTENT_LENGTH": "99"}}, "The body is incomplete."),
        ({"query": ((b"a", b"b"),)}, "Parameters belong in the request body, not in the URL."),
        ({"query": ((b"token", b"b"),)}, "Credentials must not be sent in the URL."),
        ({"query": ((b"client_secret", b"b"),)}, "Credentials must not be sent in the URL."),
        ({"content_type": "application/json"}, f"The content type must be {FORM}."),
        ({"content_type": ""}, f"The content type must be {FORM}."),
    ],
)
def test_a_malformed_form_is_refused_before_all_else(house, path, change, description):
    answer = send(replace(form(path, {"a": "b"}), **change))
    assert json.loads(answer.body) == {
        "error": "invalid_request",
        "error_description": description,
    }
    assert (answer.status, answer.rows_written) == (400, int(description.startswith("Credentials")))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *((path, "POST") for path in ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke")),
        (INTERNAL, "POST"),
        ("/oauth2/device_authorization", "POST"),
        ("/oauth2/userinfo", "GET, POST"),
        *((path, "GET, HEAD") for path in sorted(PROTOCOL) if path.startswith("/.well-known/")),
        *((path, "GET, HEAD, POST") for path in ("/oauth2/logout",)),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(house, path, allowed):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        answer = send(Draft(path, method))
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def admin_pages(object_id: str) -> list[str]:
    """Every page of the admin that has an address without a regular expression."""
    found = {re.sub("<[^>]+>", object_id, path) for path in paths(get_resolver().url_patterns)}
    return sorted(path for path in found if path.startswith("/admin/") and "?P" not in path)


def test_no_page_of_the_admin_opens_to_strangers(house):
    opened = {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}
    for path in set(admin_pages("1")) - opened:
        for method in ("GET", "POST"):
            answer = send(Draft(path, method))
            assert answer.status in {302, 403}, path
            assert answer.headers.get("Location", "/admin/login/").startswith("/admin/login/")


@pytest.mark.parametrize("object_id", ["1", "x", "\0", "9" * 30, "²", "a" * 5000, "_00"])
def test_an_operator_breaks_no_page_of_the_admin(house, object_id):
    User.objects.update(is_staff=True, is_superuser=True)
    query = [(b"q", b"%00"), (b"o", b"-9.x"), (b"p", b"9" * 30), (b"id__exact", b"%00")]
    query += [(b"id", b"x"), (b"name__icontains", b"%ff"), (b"_to_field", b"x"), (b"e", b"1")]
    faults = []
    for path in admin_pages(object_id):
        for index in range(len(query)) if object_id == "1" else (0,):
            draft = Draft(path, query=tuple(query[index : index + 1]), headers=signed_in(house))
            faults += [fault for fault in [fault_in(draft)] if fault]
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:5])


# --- Over the real server ------------------------------------------------------------------------

HOST = b"Host: 127.0.0.1"


def raw(first_line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([first_line, *headers, b"Connection: close", b"", body])


HEALTH = b"GET /healthz HTTP/1.1"
TOKEN = b"POST /oauth2/token HTTP/1.1"
RAW = {
    "NUL in a header": raw(HEALTH, HOST, b"X: a\0b"),
    "NUL in the path": raw(b"GET /health\0z HTTP/1.1", HOST),
    "bytes in the path": raw(b"GET /\xff\xfe HTTP/1.1", HOST),
    "bytes in the query": raw(b"GET /oauth2/authorize?\xff=\xc3\xa9 HTTP/1.1", HOST),
    "bytes in a header": raw(b"GET /sign-in HTTP/1.1", HOST, b"Cookie: \xff\xe9=\x80"),
    "bytes in the credentials": raw(TOKEN, HOST, b"Authorization: Basic \xff\xe9"),
    "a URL of 1 MB": raw(b"GET /healthz?" + b"a" * 1_000_000 + b" HTTP/1.1", HOST),
    "a URL of 60 kB": raw(b"GET /oauth2/authorize?" + b"a" * 60_000 + b" HTTP/1.1", HOST),
    "a header of 1 MB": raw(HEALTH, HOST, b"X: " + b"a" * 1_000_000),
    "a cookie of 60 kB": raw(b"GET /sign-in HTTP/1.1", HOST, b"Cookie: a=" + b"b" * 60_000),
    "many headers": raw(HEALTH, HOST, *[b"X: a"] * 20_000),
    "a folded header": raw(HEALTH, HOST, b"X: a\r\n b"),
    "a blank before the colon": raw(HEALTH, HOST, b"X : a"),
    "two hosts": raw(b"GET /admin/ HTTP/1.1", HOST, b"Host: evil.example"),
    "no host": raw(b"GET /admin/login/ HTTP/1.1"),
    "HTTP/1.0 without a host": b"GET /.well-known/openid-configuration HTTP/1.0\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n",
    "a version of the future": raw(b"GET /healthz HTTP/9.9", HOST),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500,
    "line feeds alone": b"GET /healthz HTTP/1.1\nHost: a\nConnection: close\n\n",
    "an absolute URL": raw(b"GET http://evil.example/oauth2/authorize HTTP/1.1", HOST),
    "a proxy's method": raw(b"CONNECT evil.example:443 HTTP/1.1", HOST),
    "an asterisk": raw(b"OPTIONS * HTTP/1.1", HOST),
    "a negative length": raw(TOKEN, HOST, b"Content-Length: -1"),
    "no number as length": raw(TOKEN, HOST, b"Content-Length: x"),
    "two lengths": raw(TOKEN, HOST, b"Content-Length: 1", b"Content-Length: 2", body=b"ab"),
    "more promised than sent": raw(
        *(TOKEN, HOST, f"Content-Type: {FORM}".encode(), b"Content-Length: 99"), body=b"grant_type"
    ),
    "a charset that is none of text": raw(
        b"GET /oauth2/authorize?a=b HTTP/1.1", HOST, b"Content-Type: text/plain; charset=hex"
    ),
    "a long content type": raw(HEALTH, HOST, b"Content-Type: a/" + b"b" * 11_000),
    "a session key with NUL": raw(
        b"GET /admin/login/ HTTP/1.1", HOST, rb'Cookie: idp-session="\000aaaaaaaaaaaaaaaa"'
    ),
    "rubbish after a request": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + b"\0rubbish\r\n" * 9,
    "requests in one go": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 50 + b"X" * 5000,
    "an early end": b"GET /heal",
    "nothing": b"",
}


def talk(port: int, sent: bytes, *, patience_seconds: float = 2) -> bytes:
    """Writes all of it and reads whatever comes back, until the end or until patience is gone."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        received = b""
        try:
            connection.sendall(sent)
            connection.settimeout(patience_seconds)
            while data := connection.recv(65_536):
                received += data
        except (ConnectionError, TimeoutError):
            pass  # It has hung up on us, as it may, or it waits for more.
        return received


@pytest.mark.parametrize("case", RAW)
def test_the_server_bears_what_is_no_request(live_idp, case):
    answer = talk(live_idp.port, RAW[case])
    assert not re.search(rb"^HTTP/1\.[01] 5(?!05)", answer, re.MULTILINE), answer[:500]
    after = talk(live_idp.port, raw(b"GET /readyz HTTP/1.1", HOST), patience_seconds=20)
    assert after.startswith(b"HTTP/1.1 200 OK\r\n")


def test_protocol_endpoints_need_no_host_header(live_idp):
    answer = talk(live_idp.port, RAW["HTTP/1.0 without a host"])
    assert re.match(rb"HTTP/1\.[01] 200 ", answer), answer
    assert f'"issuer": "{live_idp.public_url}"'.encode() in answer
