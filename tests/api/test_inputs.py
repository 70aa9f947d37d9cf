"""Whatever is sent: a problem that says what is wrong, and nothing has changed."""

import json
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.audit.models import AuditEvent
from idp.blocking.models import Block
from tests.api.callers import BOTH, block, call, of_client
from tests.configuration import login_service
from tokens.api import pages

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

LIST, LIFT = "/api/v1/blocks", "/api/v1/blocks/lift"
HOME = "192.0.2.1"
PROPERTY = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def token():
    return of_client(*BOTH)


def problem(answer, status=400):
    """What the answer says is wrong; it is a whole problem."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    required = {"type", "title", "status", "detail", "code"}
    assert required <= set(body) <= {*required, "errors"}
    assert (body["type"], body["status"]) == ("about:blank", status)
    return body


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "The body is not JSON that can be read."),
        (b"\xff", "The body is not JSON that can be read."),
        (b'"\xed\xa0\x80"', "The body is not JSON that can be read."),
        (b"[" * 20_000, "The body is not JSON that can be read."),
        (b'{"address": NaN}', "The body is not JSON that can be read."),
        (b'{"address": ' + b"9" * 5000 + b"}", "The body is not JSON that can be read."),
        (b'{"address": "192.0.2.1", "address": "::1"}', "A member of the body is given more than"),
        (b" " * 65_537, "The body is too large."),
    ],
)
def test_what_is_no_json_is_refused(token, body, detail):
    made = block()
    found = problem(call("POST", LIFT, token, body))
    assert found["code"] == "invalid_request"
    assert found["detail"].startswith(detail)
    made.refresh_from_db()
    assert made.ended_at is None


ADDRESS = "This is no address."
NEITHER = "Give an address, or a login_service and a user_name."
APART = "login_service and user_name belong together."


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ([], "#", "Invalid data. Expected a dictionary, but got list."),
        ("192.0.2.1", "#", "Invalid data. Expected a dictionary, but got str."),
        (None, "#", NEITHER),
        ({}, "#", NEITHER),
        ({"adress": HOME}, "#/adress", "There is nothing of this name."),
        ({"address": HOME, "a/b~c": 1}, "#/a~1b~0c", "There is nothing of this name."),
        ({"address": HOME, "\ud800": 1}, "#/\ud800", "There is nothing of this name."),
        ({"address": None}, "#/address", "This field may not be null."),
        ({"address": 3221225985}, "#/address", "Not a valid string."),
        ({"address": [HOME]}, "#/address", "Not a valid string."),
        ({"address": True}, "#/address", "Not a valid string."),
        ({"address": ""}, "#/address", "This field may not be blank."),
        ({"address": "192.0.2"}, "#/address", ADDRESS),
        ({"address": "192.0.2.0/24"}, "#/address", ADDRESS),
        ({"address": "192.0.2.1/32"}, "#/address", ADDRESS),
        ({"address": "2001:db8::17/64"}, "#/address", ADDRESS),
        ({"address": "2001:db8::/48"}, "#/address", ADDRESS),
        ({"address": "\0"}, "#/address", "Null characters are not allowed."),
        ({"address": "a" * 1001}, "#/address", "Ensure this field has no more than 1000 charac"),
        ({"login_service": "acme-web"}, "#", APART),
        ({"user_name": "jane"}, "#", APART),
        ({"address": HOME, "login_service": "acme-web"}, "#", APART),
        (
            {"address": HOME, "login_service": "acme-web", "user_name": "jane"},
            "#",
            "Give an address or a user, not both.",
        ),
        (
            {"login_service": "nowhere", "user_name": "jane"},
            "#/login_service",
            "There is no login service of this name.",
        ),
        (
            {"login_service": "acme-web", "user_name": "\0"},
            "#/user_name",
            "Null characters are not allowed.",
        ),
        (
            {"login_service": "acme-web", "user_name": "\ud800"},
            "#/user_name",
            "Surrogate characters are not allowed: U+D800.",
        ),
    ],
)
def test_what_is_wrong_in_a_body_is_said_beside_its_place(token, body, pointer, detail):
    login_service()
    made = block()
    found = problem(call("POST", LIFT, token, body, HTTP_ACCEPT_LANGUAGE="nl"))
    assert found["detail"] == "The body is not as it should be; see errors."
    (error,) = found["errors"]
    assert error["pointer"] == pointer
    assert error["detail"].startswith(detail)
    made.refresh_from_db()
    assert made.ended_at is None
    assert not AuditEvent.objects.filter(tag__startswith="blocking:").exists()


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        ("knd=user", "knd", "There is nothing of this name."),
        ("kind=people", "kind", '"people" is not a valid choice.'),
        ("effect=none", "effect", '"none" is not a valid choice.'),
        ("state=living", "state", '"living" is not a valid choice.'),
        ("limit=0", "limit", "Ensure this value is greater than or equal to 1."),
        ("limit=201", "limit", "Ensure this value is less than or equal to 200."),
        ("limit=many", "limit", "A valid integer is required."),
        ("limit=" + "9" * 5000, "limit", "String value too large."),
        ("address=nowhere", "address", ADDRESS),
        ("login_service=nowhere&user_name=jane", "login_service", "There is no login service of"),
    ],
)
def test_what_is_wrong_in_a_query_is_said_beside_its_name(token, query, parameter, detail):
    found = problem(call("GET", f"{LIST}?{query}", token, HTTP_ACCEPT_LANGUAGE="de"))
    assert found["detail"] == "The query is not as it should be; see errors."
    (error,) = found["errors"]
    assert error["parameter"] == parameter
    assert error["detail"].startswith(detail)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("kind=user&kind=user", "A parameter is given more than once."),
        ("user_name=%00", "A parameter holds a NUL character."),
        ("user_name=%ff", "A parameter is not UTF-8."),
        ("cursor=x", "The cursor is not one of this list."),
        ("cursor=a:b:c", "The cursor is not one of this list."),
        ("cursor=%F0%9F%92%A9", "The cursor is not one of this list."),
    ],
)
def test_a_query_is_read_as_strictly_as_those_of_the_protocol(token, query, detail):
    assert problem(call("GET", f"{LIST}?{query}", token))["detail"] == detail


def test_a_cursor_is_for_the_list_that_has_given_it(token):
    foreign = pages.cursor("/api/v1/elsewhere", ["2026-01-01T00:00:00+00:00", "active", 1])
    assert problem(call("GET", f"{LIST}?cursor={foreign}", token))["code"] == "invalid_request"


def test_a_query_where_none_belongs_is_refused(token):
    made = block()
    assert problem(call("POST", f"{LIFT}?dry_run=yes", token, {"address": HOME}))["errors"] == [
        {"parameter": "dry_run", "detail": "There is nothing of this name."}
    ]
    assert problem(call("GET", f"{LIST}/{made.pk}?expand=all", token))["errors"]
    assert problem(call("POST", f"{LIST}/{made.pk}/lift", token, {"reason": "x"}))["errors"] == [
        {"pointer": "#/reason", "detail": "There is nothing of this name."}
    ]
    made.refresh_from_db()
    assert made.ended_at is None


@pytest.mark.parametrize("number", ["0", "9" * 18, "9" * 19, "9" * 40, "9" * 5000, "-1", "x", "²"])
def test_an_id_that_nothing_has_is_not_found(token, number):
    assert problem(call("GET", f"{LIST}/{number}", token), 404)["code"] == "not_found"
    assert problem(call("POST", f"{LIST}/{number}/lift", token), 404)["code"] == "not_found"


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "/", "é"])
def test_a_body_of_another_kind_is_refused(token, kind):
    answer = Browser().generic(
        "POST", LIFT, b'{"address": "::1"}', content_type=kind, HTTP_AUTHORIZATION=f"Bearer {token}"
    )
    assert problem(answer, 415)["detail"] == "Send application/json."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, LIST, "GET, HEAD") for method in ("POST", "PUT", "DELETE", "OPTIONS", "X")),
        *((method, LIFT, "POST") for method in ("GET", "PUT", "PATCH", "OPTIONS")),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(token, method, path, allowed):
    answer = call(method, path, token)
    assert problem(answer, 405)["code"] == "invalid_request"
    assert answer.headers["Allow"] == allowed


def test_nothing_but_json_comes_whatever_is_accepted(token):
    for accept in ("text/html", "application/xml", "a;c*=d'e'f", "*/*;q=nan"):
        answer = call("GET", LIST, token, HTTP_ACCEPT=accept)
        assert answer.headers["Content-Type"] == "application/json"
    assert problem(call("GET", f"{LIST}?format=api", token))["errors"][0]["parameter"] == "format"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["address", "login_service", "user_name", "subject"]) | st.text(max_size=9)
VALUES = st.sampled_from([HOME, "::1", "acme-web", "jane", "\0", "\ud800"]) | ANYTHING
BODIES = st.binary(max_size=80) | ANYTHING | st.dictionaries(NAMES, VALUES, max_size=4)


def test_any_body_at_all(token):
    login_service()
    made = block("203.0.113.1")

    @PROPERTY
    @given(BODIES)
    def is_answered(body):
        answer = call("POST", LIFT, token, body)
        if answer.status_code == 200:
            assert answer.json() == {"lifted": []}
        else:
            assert problem(answer)["code"] == "invalid_request"
        assert Block.objects.filter(pk=made.pk, ended_at=None).exists()

    is_answered()


PARAMETERS = st.sampled_from(
    ["kind", "effect", "state", "address", "login_service", "user_name", "limit", "cursor", "x"]
)


def test_any_query_at_all(token):
    login_service()
    block()
    some = st.sampled_from(["user", "active", HOME, "acme-web", "5", "\0", ""]) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=30
    )

    @PROPERTY
    @given(st.lists(st.tuples(PARAMETERS, some), max_size=4))
    def is_answered(pairs):
        answer = call("GET", f"{LIST}?{urlencode(pairs)}", token)
        assert answer.status_code == 200 or problem(answer)["code"] == "invalid_request"

    is_answered()
