"""Who calls the API in tests: clients that act for themselves, and operators through a client."""

import json
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client as Browser
from django.utils import timezone

from idp.accounts.models import User
from idp.blocking.models import Block
from tests.configuration import Shopper, account, basic, client, login_service, post, scopes, shop
from tokens.api.rights import LIFT_BLOCKS, READ, WRITE

BOTH = (READ, LIFT_BLOCKS)
EDITING = (READ, WRITE)
MERGE_PATCH = "application/merge-patch+json"


def of_client(*scope_names: str, client_id: str = "operations") -> str:
    """The token of a client that acts for itself."""
    client(client_id, *scope_names, grant_types=["client_credentials"])
    return post("/oauth2/token", {"grant_type": "client_credentials"}, **basic(client_id)).json()[
        "access_token"
    ]


def of_operator(role: str, *scope_names: str, username: str = "vera") -> str:
    """The token of somebody of the operators' login service; `role` "" is none."""
    service = login_service("operators")
    account(username, service)
    shop("console", login_services=[service]).scopes.set(scopes("openid", *scope_names))
    token: str = Shopper("console", username).tokens(scope="")["access_token"]
    user = User.objects.get(username=username)
    if role:
        User.objects.filter(pk=user.pk).update(is_staff=True)
        user.groups.add(Group.objects.get(name=role))
    return token


def call(method: str, path: str, token: str = "", body: Any = None, **headers: str) -> HttpResponse:
    """One call; `body` goes as JSON, unless it is bytes, and as a merge patch where it is one."""
    if token:
        headers = {"HTTP_AUTHORIZATION": f"Bearer {token}", **headers}
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = MERGE_PATCH if method == "PATCH" else "application/json"
    return Browser().generic(method, path, data, content_type=kind, **headers)


def tag(path: str, token: str) -> str:
    """The ETag of what is at a path now."""
    return call("GET", path, token).headers["ETag"]


def change(method: str, path: str, token: str, body: Any = None) -> HttpResponse:
    """A change by somebody who has just read it."""
    return call(method, path, token, body, HTTP_IF_MATCH=tag(path, token))


def block(label: str = "192.0.2.1", **fields: Any) -> Block:
    """A block of an address that lives for a quarter of an hour."""
    now = timezone.now()
    return Block.objects.create(
        **{
            "subject": label,
            "kind": "address",
            "effect": "refuse",
            "label": label,
            "reason": "many names failed (password)",
            "profile": "default",
            "attempts": 10,
            "names": ["jane", "j•••"],
            "name_count": 10,
            "created_at": now,
            "until": now + timedelta(minutes=15),
            **fields,
        }
    )


def ended(label: str = "192.0.2.1", **fields: Any) -> Block:
    """One that has run out an hour ago, which nothing has written down yet."""
    now = timezone.now()
    times = {"created_at": now - timedelta(hours=2), "until": now - timedelta(hours=1)}
    return block(label, **{**times, **fields})
