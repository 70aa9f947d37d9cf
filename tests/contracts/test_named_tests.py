"""Pages that say which test shows a rule name tests that exist."""

import ast
import re

import pytest

from idp.environment import PROJECT

PAGES = ("docs/oidc.md", "docs/attacks.md")
_ROW = re.compile(r"^\|(?! *(?:rule|attack|-+) *\|).*\|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[a-z_/]+\.py)(?:::(test_\w+))?` \|$")


@pytest.mark.parametrize("page", PAGES)
def test_each_row_names_a_test_that_is_there(page: str) -> None:
    rows = [row for row in _ROW.findall((PROJECT / page).read_text()) if "|---|" not in row]
    assert len(rows) > 15
    missing = []
    for row in rows:
        named = _TEST.search(row)
        if named is None or not is_there(named[1], named[2]):
            missing.append(row)
    assert missing == []


def is_there(file: str, test: str | None) -> bool:
    path = PROJECT / file
    if not path.exists():
        return False
    functions = {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }
    return test in functions if test else any(name.startswith("test_") for name in functions)


def test_a_name_that_is_wrong_is_seen() -> None:
    here = "tests/contracts/test_named_tests.py"
    assert is_there(here, "test_a_name_that_is_wrong_is_seen")
    assert not is_there(here, "test_that_nobody_wrote")
    assert not is_there("tests/nothing.py", None)
