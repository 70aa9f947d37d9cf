"""Secrets of clients over the API: shown once, to those who may change clients, and ended."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clients_admin import secrets
from clients_admin.models import Client
from clients_admin.roles import EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from tests.api.callers import EDITING, call, of_client, of_operator
from tests.api.test_inputs import problem
from tests.configuration import basic, client, post
from tokens.api.rights import READ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

BATCH = "/api/v1/clients/batch"
SECRETS = f"{BATCH}/secrets"


@pytest.fixture
def token():
    return of_client(*EDITING)


@pytest.fixture
def batch(token):
    body = {"client_id": "batch", "grant_types": ["client_credentials"]}
    assert call("POST", "/api/v1/clients", token, body).status_code == 201
    return Client.objects.get(client_id="batch")


def opens(secret):
    answer = post("/oauth2/token", {"grant_type": "client_credentials"}, **basic("batch", secret))
    return answer.status_code == 200


def live(token):
    now = timezone.now().isoformat()
    rows = call("GET", SECRETS, token).json()["results"]
    return [row["id"] for row in rows if row["expires_at"] is None or row["expires_at"] > now]


def test_a_new_secret_is_in_one_answer_and_opens_the_client(batch, token):
    answer = call("POST", SECRETS, token)
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert set(made) == {
        *("id", "client_secret", "created_at", "last_used_at", "expires_at", "exposed_at"),
    }
    assert opens(made["client_secret"])
    (row,) = call("GET", SECRETS, token).json()["results"]
    assert set(row) == set(made) - {"client_secret"}
    assert row["last_used_at"] is not None
    event = AuditEvent.objects.get(tag="clients:secret:added", client_id="batch")
    assert (event.actor, event.details["secret_id"]) == ("client operations", made["id"])


def test_no_answer_but_the_first_holds_it_and_none_its_hash(batch, token):
    secret = call("POST", SECRETS, token).json()["client_secret"]
    known = batch.secrets.get()
    for path in (SECRETS, BATCH, "/api/v1/clients", "/api/v1/audit"):
        text = call("GET", path, token).content.decode()
        assert secret not in text
        assert bytes(known.digest).hex() not in text


def test_a_third_waits_until_one_has_ended(batch, token):
    first, _second = (call("POST", SECRETS, token).json() for _ in range(2))
    assert problem(call("POST", SECRETS, token), 409)["code"] == "conflict"
    assert problem(call("POST", SECRETS, token, {"old_ends_in": 60}), 409)
    ended = call("POST", f"{SECRETS}/{first['id']}/end", token).json()
    assert (ended["was_ended"], ended["secret"]["id"]) == (True, first["id"])
    assert not opens(first["client_secret"])
    assert call("POST", f"{SECRETS}/{first['id']}/end", token).json()["was_ended"] is False
    assert call("POST", SECRETS, token).status_code == 201
    assert len(live(token)) == 2


def test_a_rotation_gives_the_old_one_its_end(batch, token):
    old = call("POST", SECRETS, token).json()
    new = call("POST", SECRETS, token, {"old_ends_in": 3600}).json()
    assert opens(old["client_secret"])
    assert opens(new["client_secret"])
    ends_at = batch.secrets.get(pk=old["id"]).expires_at
    assert abs(ends_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)
    last = call("POST", SECRETS, token, {"old_ends_in": 0}).json()
    assert live(token) == [last["id"]]
    assert not opens(old["client_secret"])


@pytest.mark.parametrize("value", [-1, 31_536_001, "x", None, [1], 10**40])
def test_an_end_that_is_none_is_refused(batch, token, value):
    found = problem(call("POST", SECRETS, token, {"old_ends_in": value}))
    assert found["errors"][0]["pointer"] == "#/old_ends_in"
    assert not batch.secrets.exists()


def test_a_public_client_has_none(token):
    client("app", client_type="public")
    assert problem(call("POST", "/api/v1/clients/app/secrets", token), 409)


def test_a_secret_of_another_client_is_not_found(batch, token):
    other = client("other").secrets.get()
    assert problem(call("POST", f"{SECRETS}/{other.pk}/end", token), 404)
    assert problem(call("GET", "/api/v1/clients/none/secrets", token), 404)
    assert problem(call("POST", "/api/v1/clients/%00/secrets", token), 404)
    assert secrets.live(other.client)


@pytest.mark.parametrize(
    ("role", "scopes", "expected"),
    [
        (EDITORS, EDITING, [200, 201, 200]),
        (VIEWERS, EDITING, [403] * 3),
        (EDITORS, (READ,), [403] * 3),
    ],
)
def test_an_operator_needs_the_scope_and_the_role_of_editors(batch, role, scopes, expected):
    known = secrets.add(batch) and batch.secrets.get()
    token = of_operator(role, *scopes)
    calls = [("GET", SECRETS), ("POST", SECRETS), ("POST", f"{SECRETS}/{known.pk}/end")]
    assert [call(method, path, token).status_code for method, path in calls] == expected
