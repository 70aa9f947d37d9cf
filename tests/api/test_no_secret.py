"""A viewer never receives a secret in any answer of the API: every route is walked and read."""

import base64
import re

import pytest

from clients_admin import secrets
from clients_admin.models import ScopeGroup
from clients_admin.roles import EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from tests.api.callers import block, call, of_operator
from tests.configuration import SECRET, client, scopes
from tests.test_hostile_input import paths
from tokens.api import urls
from tokens.api.rights import SCOPES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

READING, WRITING = ("GET", "HEAD"), ("POST", "PUT", "PATCH", "DELETE")
BODIES = (None, {"old_ends_in": 0}, {"name": "new"})
CALLS = [
    *((method, None) for method in READING),
    *((method, body) for method in WRITING for body in BODIES),
]


def routes(**known: object) -> list[str]:
    """Every address of the API, with something that is there in each of its places."""
    return [
        re.sub(r"<\w+:(\w+)>", lambda place: str(known[place[1]]), path)
        for path in paths(urls.urlpatterns)
    ]


def walked(token: str, addresses: list[str]) -> str:
    """All that is answered, headers included, whatever is sent."""
    answers = [
        call(method, address, token, body, HTTP_IF_MATCH="*")
        for address in addresses for method, body in CALLS
    ]  # fmt: skip
    assert any(answer.status_code == 200 for answer in answers)
    return "\n".join(f"{dict(answer.headers)} {answer.content.decode()}" for answer in answers)


def house(role):
    """The token of an operator, the secrets that are there, and every address."""
    made = client("batch", "orders.read", grant_types=["client_credentials"])
    second = secrets.add(made)
    secrets.mark_exposed(made, second)
    scopes("spare")
    ScopeGroup.objects.create(name="spare")
    token = of_operator(role, *SCOPES)
    addresses = routes(
        block_id=block().pk,
        client_id="batch",
        event_id=AuditEvent.objects.latest("id").pk,
        name="spare",
        secret_id=made.secrets.latest("pk").pk,
    )
    return token, made, [SECRET, second], addresses


def traces(made, known):
    """The secrets, and what is kept of them in each form in which it could be written."""
    digests = [bytes(row.digest) for row in made.secrets.all()]
    forms = (bytes.hex, lambda raw: base64.b64encode(raw).decode(), repr)
    return [*known, *(form(digest) for digest in digests for form in forms)]


def test_a_viewer_never_receives_a_secret_or_its_hash():
    token, made, known, addresses = house(VIEWERS)
    before = made.secrets.count()
    text = walked(token, addresses)
    assert [trace for trace in traces(made, known) if trace in text] == []
    # Not even a new one.
    assert secrets.PREFIX not in text
    assert made.secrets.count() == before


def test_the_walk_would_find_one():
    """An editor, on the same walk, receives new secrets, and none that was there."""
    token, made, known, addresses = house(EDITORS)
    kept = traces(made, known)
    addresses = [address for address in addresses if address.endswith("/secrets")]
    text = walked(token, addresses)
    assert secrets.PREFIX in text
    assert [trace for trace in kept if trace in text] == []
