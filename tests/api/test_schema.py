"""The OpenAPI document: valid, whole, and true of what is answered."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from tests.api.callers import BOTH, block, call, ended, of_client
from tests.test_hostile_input import paths
from tokens.api import urls
from tokens.api.rights import SCOPES

LIST = "/api/v1/blocks"


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


def test_every_endpoint_is_in_it():
    said = {path.replace("{block_id}", "<int:block_id>") for path in document()["paths"]}
    assert said == set(paths(urls.urlpatterns))
    assert {operation["operationId"] for *_, operation in operations()} == {
        *("list_blocks", "read_block", "lift_block", "lift_blocks"),
    }


def test_each_operation_says_what_it_needs_and_how_it_is_refused():
    views = {f"/{entry.pattern}": entry.callback.cls for entry in urls.urlpatterns}
    for path, method, operation in operations():
        view = views[path.replace("{block_id}", "<int:block_id>")]
        assert operation["security"] == [{"oauth2": [view.needs[method.upper()].scope]}]
        assert {"200", "400", "401", "403", "429", "503"} <= set(operation["responses"])
        assert ("404" in operation["responses"]) == ("block_id" in path)
        assert ("415" in operation["responses"]) == (method == "post")
        assert operation["summary"]
        assert operation["description"]
        assert all(parameter["description"] for parameter in operation.get("parameters", ()))
        for status, answer in operation["responses"].items():
            kind = "application/json" if status == "200" else "application/problem+json"
            assert list(answer["content"]) == [kind]
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
            for content in answer["content"].values():
                for example in content.get("examples", {}).values():
                    validator(path, method, int(status)).validate(example["value"])
                    found += 1
    assert found == 4


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
