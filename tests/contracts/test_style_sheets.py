"""Every style sheet of ours is whole, and styles what there is."""

import re
from itertools import chain

import pytest

from idp.environment import PROJECT

SHEETS = sorted(
    sheet
    for floor in ("branding", "clients_admin", "tokens")
    for sheet in (PROJECT / floor).rglob("*.css")
)
OPERATORS = PROJECT / "clients_admin" / "static" / "clients_admin" / "operators.css"
CLASS = re.compile(r"(?<![-\w])operators-[a-z-]+[a-z]")


def rules(sheet: str) -> str:
    """Without comments, and without texts that may hold braces."""
    return re.sub(r'/\*.*?\*/|"[^"\n]*"', "", sheet, flags=re.DOTALL)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_rule_ends_before_the_next_begins(sheet):
    opened: list[str] = []
    for line in rules(sheet.read_text()).splitlines():
        for brace in re.findall(r"[{}]", line):
            if brace == "}":
                assert opened, f"nothing to end: {line}"
                opened.pop()
                continue
            assert all(outer.startswith("@") for outer in opened), f"not ended: {opened}"
            opened.append(line.strip())
    assert not opened, f"not ended: {opened}"


def test_pages_of_operators_name_the_classes_that_there_are():
    pages = chain.from_iterable(
        (PROJECT / floor).rglob(kind)
        for floor in ("clients_admin", "tokens", "idp")
        for kind in ("*.html", "*.py", "*.js")
    )
    used = set(chain.from_iterable(CLASS.findall(page.read_text()) for page in pages))
    styled = set(CLASS.findall(rules(OPERATORS.read_text())))
    assert used == styled
