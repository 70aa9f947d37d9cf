"""The pictures in docs: each is shown, each that is shown is there, each has its outline."""

import re

from idp.environment import PROJECT
from tests.browser.pictures import OUTLINES, SCREENS

DOCS = PROJECT / "docs"


def shown() -> set[str]:
    """Names of all screens that a page of docs shows."""
    text = "".join(page.read_text() for page in DOCS.rglob("*.md"))
    return set(re.findall(r"\]\(\S*images/screens/([\w-]+)\.(?:png|jpg)\)", text))


def test_each_is_shown_and_guarded():
    taken = {file.stem for file in SCREENS.iterdir()}
    assert taken
    assert shown() == taken
    assert {file.stem for file in OUTLINES.glob("*.txt")} == taken
