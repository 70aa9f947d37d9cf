"""Programs that nobody here wrote call the API as its document says, and as it does not.

Schemathesis makes the calls of the OpenAPI document alone, and holds each answer against it. The
calls are the same in each run; SCHEMATHESIS_EXAMPLES makes more of them.
"""

import os
from typing import Any

import pytest
import schemathesis
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from clients_admin.flags import FLAGS
from clients_admin.models import ScopeGroup
from clients_admin.roles import VIEWERS
from idp.audit.models import AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.wsgi import application
from tests.api.callers import block, of_client, of_operator
from tests.configuration import client, login_service, scopes
from tests.environment import PUBLIC_URL
from tests.test_hostile_input import own_connection
from tokens.api.openapi import document
from tokens.api.rights import SCOPES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

# A schema cannot say that a name must exist, so not all that it allows is accepted.
NOT_CHECKED = [positive_data_acceptance]
CALLS = hypothesis_settings(
    max_examples=int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3")),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def _operations() -> dict[str, Any]:
    config = SchemathesisConfig()
    # RFC 9110 section 13.2.1: preconditions come before the content.
    config.projects.default.checks.negative_data_rejection.expected_statuses.append("412")
    schema = schemathesis.openapi.from_dict(document(PUBLIC_URL), config=config)
    schema.app = application
    found = (result.ok() for result in schema.get_all_operations())
    return {operation.label: operation for operation in found}


OPERATIONS = _operations()
every_operation = pytest.mark.parametrize("label", OPERATIONS)
# Where all that can be given is free text, nothing is otherwise than as said.
SPOILABLE = [
    label for label, operation in OPERATIONS.items()
    if operation.body or operation.query or "_id}" in label.replace("client_id", "")
]  # fmt: skip


@pytest.fixture
def house(label) -> dict[str, Any]:
    """What can be read and changed, by the names of the parameters."""
    service = login_service()
    made = client("batch", "orders.read", grant_types=["client_credentials"])
    client("web", login_services=[service])
    if "scope-groups" in label:
        ScopeGroup.objects.create(name="spare")
    else:
        scopes("spare")
    record(Tag.CLIENTS_SECRET_ADDED, client_id="batch")
    event = AuditEvent.objects.latest("id")
    return {
        "block_id": block().pk,
        "client_id": "batch",
        "event_id": event.pk,
        "name": "spare",
        "secret_id": made.secrets.get().pk,
    }


def calls_of(
    label: str, mode: GenerationMode, house: dict[str, Any], *, at_house: bool = False
) -> st.SearchStrategy[Any]:
    """Calls of an operation; `at_house`, of what is there."""
    made = OPERATIONS[label].as_strategy(generation_mode=mode)
    if mode is GenerationMode.NEGATIVE:
        # A parameter without a value counts as omitted, as in the protocol.
        return made.filter(lambda case: "" not in (case.query or {}).values())

    def aimed(case: Any) -> Any:
        case.path_parameters = {name: house[name] for name in case.path_parameters or {}}
        case.query = {name: case.query[name] for name in PLAIN & set(case.query or {})}
        if isinstance(case.body, dict):
            case.body = plain(label, case.body)
        case.headers.pop("If-None-Match", None)
        if case.method in {"PUT", "PATCH", "DELETE"}:
            case.headers["If-Match"] = "*"
        return case

    return made.map(aimed) if at_house else made


# What names nothing else, so that any value of its type is right.
PLAIN = frozenset({"client_id", "name", "description", "active", "flags", "members", "limit"})


def plain(label: str, body: dict[str, Any]) -> dict[str, Any]:
    """The part of a body that names nothing that might not be there."""
    if label.endswith("/blocks/lift"):
        return {"address": "192.0.2.1"}
    kept = {name: body[name] for name in PLAIN & set(body)}
    if "members" in kept:
        kept["members"] = ["orders.read"]
    if isinstance(kept.get("flags"), dict):
        known = {flag.name for flag in FLAGS if not flag.names_of}
        kept["flags"] = {name: kept["flags"][name] for name in known & set(kept["flags"])}
    if "{" in label:
        kept.pop("client_id", None)
        if label.split("/")[3] != "clients":
            kept.pop("name", None)
    return kept


def call(case: Any, token: str) -> Any:
    """Through the whole application; whatever it has done is undone."""
    headers = {"Authorization": f"Bearer {token}"}
    with transaction.atomic(), own_connection():
        try:
            return case.call_and_validate(
                base_url=PUBLIC_URL, headers=headers, excluded_checks=NOT_CHECKED
            )
        finally:
            transaction.set_rollback(True)


@every_operation
def test_what_the_document_says_is_answered_as_it_says(house, label):
    token = of_client(*SCOPES)
    answered(label, GenerationMode.POSITIVE, house, token)
    seen = answered(label, GenerationMode.POSITIVE, house, token, at_house=True)
    assert seen & {200, 201, 204}, f"none has come through: {seen}"


@pytest.mark.parametrize("label", SPOILABLE)
def test_what_it_does_not_say_is_refused(house, label):
    seen = answered(label, GenerationMode.NEGATIVE, house, of_client(*SCOPES))
    assert not seen & {200, 201, 204}


def answered(
    label: str, mode: GenerationMode, house: dict[str, Any], token: str, *, at_house: bool = False
) -> set[int]:
    """How the program of an editor is answered, who may everything."""
    seen = set()

    @CALLS
    @given(calls_of(label, mode, house, at_house=at_house))
    def answers(case: Any) -> None:
        seen.add(call(case, token).status_code)

    answers()
    return seen


@every_operation
def test_a_viewer_changes_nothing_whatever_they_send(house, label, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    token = of_operator(VIEWERS, *SCOPES)
    seen = []

    @CALLS
    @given(calls_of(label, GenerationMode.POSITIVE, house, at_house=True))
    def changes_nothing(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with own_connection():
            answer = case.call_and_validate(
                base_url=PUBLIC_URL, headers=headers, excluded_checks=NOT_CHECKED
            )
        seen.append(answer.status_code)

    before = configuration()
    changes_nothing()
    assert configuration() == before
    is_change = not label.startswith("GET ") and "/lift" not in label
    assert not is_change or set(seen) <= {400, 403, 404, 415, 428}, seen


def configuration() -> dict[str, list[Any]]:
    """All that is in the tables of clients, brands and login services."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' "
            "AND relname ~ '^(clients_admin|branding|idp_(loginservice|trustedissuer))'"
        )
        found = {}
        for (table,) in sorted(cursor.fetchall()):
            cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
            found[table] = cursor.fetchall()
    assert found["clients_admin_client"]
    return found
