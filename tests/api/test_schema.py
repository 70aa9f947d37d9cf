"""The OpenAPI document: valid, whole, and true of what is answered."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from clients_admin.flags import FLAGS, Flag, Kind
from tests.api.callers import BOTH, block, call, ended, of_client
from tests.test_hostile_input import paths
from tokens.api import urls
from tokens.api.rights import SCOPES

LIST = "/api/v1/blocks"
EMPTY = {"204", "304"}


def document() -> dict[str, Any]:
    return Browser().get("/api/schema").json()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_valid_and_nothing_is_guessed():
    """Where the generator does not know, it warns and guesses."""
    GENERATOR_STATS.reset()
    made = SchemaGenerator(patterns=urls.urlpatterns).get_schema(public=True)
    assert not GENERATOR_STATS, dict(GENERATOR_STATS._warn_cache | GENERATOR_STATS._error_cache)
    validate_schema(made)
    validate_schema(document())


def test_it_is_open_to_all_and_says_nothing_of_its_reader():
    answer = Browser().get("/api/schema?lang=nl&version=9")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.content == Browser().get("/api/schema", HTTP_ACCEPT_LANGUAGE="nl").content
    assert answer.json()["servers"] == [{"url": "http://127.0.0.1:8000"}]
    assert Browser().post("/api/schema").status_code == 405


def as_said(pattern: str) -> str:
    """A URL of ours as OpenAPI writes it."""
    return re.sub(r"<\w+:(\w+)>", r"{\1}", pattern)


def test_every_endpoint_is_in_it():
    assert set(document()["paths"]) == set(map(as_said, paths(urls.urlpatterns)))
    verbs, nouns = ("create", "read", "put", "change", "delete"), ("client", "scope", "scope_group")
    assert sorted(operation["operationId"] for *_, operation in operations()) == sorted([
        *("list_blocks", "read_block", "lift_block", "lift_blocks"),
        *(f"list_{noun}s" for noun in nouns),
        *(f"{verb}_{noun}" for verb in verbs for noun in nouns),
        *("list_secrets", "create_secret", "end_secret"),
        *("list_flags", "list_audit_events", "read_audit_event"),
    ])  # fmt: skip


def test_each_operation_says_what_it_needs_and_how_it_is_refused():
    views = {as_said(f"/{entry.pattern}"): entry.callback.cls for entry in urls.urlpatterns}
    for path, method, operation in operations():
        view = views[path]
        assert operation["security"] == [{"oauth2": [view.needs[method.upper()].scope]}]
        statuses = set(operation["responses"])
        assert {"400", "401", "403", "429", "503"} < statuses
        # What is put may be made.
        assert ("404" in statuses) == ("{" in path and method != "put")
        assert ("415" in statuses) == (method != "get")
        assert ({"412", "428"} <= statuses) == (method in {"put", "patch", "delete"})
        assert operation["summary"]
        assert operation["description"]
        assert all(parameter["description"] for parameter in operation.get("parameters", ()))
        for status, answer in operation["responses"].items():
            kind = "application/json" if status < "300" else "application/problem+json"
            assert list(answer.get("content", ())) == ([] if status in EMPTY else [kind])
    flows = document()["components"]["securitySchemes"]["oauth2"]["flows"]
    assert [flow["scopes"] for flow in flows.values()] == [SCOPES] * 2


def test_every_property_has_a_description():
    undescribed = [
        f"{name}.{field}"
        for name, schema in document()["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description") and "$ref" not in json.dumps(described)
    ]
    assert undescribed == []


def validator(path: str, method: str, status: int) -> Draft202012Validator:
    whole = document()
    (content,) = whole["paths"][path][method]["responses"][str(status)]["content"].values()
    return Draft202012Validator({**content["schema"], "components": whole["components"]})


def test_its_examples_are_what_it_says():
    found = 0
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            for content in answer.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    validator(path, method, int(status)).validate(example["value"])
                    found += 1
    assert found == 22


def test_every_flag_is_in_it_with_its_type_bounds_default_choices_and_help():
    for name in ("Client", "NewClient", "ClientBody"):
        said = document()["components"]["schemas"][name]["properties"]["flags"]
        assert set(said["properties"]) == {flag.name for flag in FLAGS}
        # What is unknown is kept as text.
        assert said["additionalProperties"] == {"type": "string"}
        for flag in FLAGS:
            assert_tells(said["properties"][flag.name], flag)


def assert_tells(said: dict[str, Any], flag: Flag) -> None:
    assert said["description"].startswith(flag.help)
    assert ("In seconds." in said["description"]) == (flag.kind is Kind.SECONDS)
    default = list(flag.default) if isinstance(flag.default, tuple) else flag.default
    assert said["default"] == default
    flag_schema = Draft202012Validator(said)
    for value in probes(flag):
        assert flag_schema.is_valid(value) == (flag.problem_with(value) is None), (flag.name, value)


def probes(flag: Flag) -> list[Any]:
    """Values of all types, and those at the bounds of the flag and just beyond."""
    bounds = [flag.minimum - 1, flag.minimum, flag.maximum, flag.maximum + 1]
    texts = ["x" * length for length in bounds if 0 <= length <= 10_000]
    lists = [[f"n{i}" for i in range(n)] for n in bounds if 0 <= n <= 1000]
    odd = [None, True, False, 1.5, {}, ["a", "a"], [1], "no choice", "https://a.example/"]
    return [*bounds, *texts, *lists, *odd, *flag.choices]


def test_a_patch_takes_each_flag_away():
    said = document()["components"]["schemas"]["PatchedClientPatch"]["properties"]["flags"]
    for flag in FLAGS:
        flag_schema = Draft202012Validator(said["properties"][flag.name])
        assert flag_schema.is_valid(None)
        for value in probes(flag):
            if value is not None:
                assert flag_schema.is_valid(value) == (flag.problem_with(value) is None)
    assert said["additionalProperties"] == {"type": ["string", "null"]}


@pytest.mark.django_db
@pytest.mark.usefixtures("partition_lists")
def test_what_is_answered_is_what_it_says():
    token = of_client(*BOTH)
    rows = [block(), block("192.0.2.2", effect="warning", client_id="shop"), ended("192.0.2.3")]
    lift = f"{LIST}/{{block_id}}/lift"
    for path, method, address, status, body in (
        (LIST, "get", LIST, 200, None),
        (LIST, "get", f"{LIST}?limit=1", 200, None),
        (LIST, "get", f"{LIST}?x=y", 400, None),
        (f"{LIST}/{{block_id}}", "get", f"{LIST}/{rows[2].pk}", 200, None),
        (f"{LIST}/{{block_id}}", "get", f"{LIST}/{rows[2].pk + 1}", 404, None),
        (lift, "post", f"{LIST}/{rows[0].pk}/lift", 200, None),
        (lift, "post", f"{LIST}/{rows[0].pk}/lift", 200, None),
        (f"{LIST}/lift", "post", f"{LIST}/lift", 200, {"address": "192.0.2.2"}),
        (f"{LIST}/lift", "post", f"{LIST}/lift", 400, {"address": 1}),
    ):
        answer = call(method.upper(), address, token, body)
        assert answer.status_code == status, answer.content
        validator(path, method, status).validate(answer.json())
    validator(LIST, "get", 401).validate(call("GET", LIST).json())
