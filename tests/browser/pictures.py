"""Pictures of pages for `docs/images/screens`, and a guard that they are still true.

`make screenshots` takes them anew. With each goes what a screen reader would say of the page,
without what differs from run to run; every other run compares the page with that, so that a page
that says something else than its picture fails its test.
"""

import os
import re
from pathlib import Path

from playwright.sync_api import Page

from idp.environment import PROJECT

SCREENS = PROJECT / "docs" / "images" / "screens"
OUTLINES = Path(__file__).parent / "outlines"
TAKE = "PICTURES"

# Keys, tokens and identifiers; then dates, times and numbers.
_RANDOM = re.compile(r"\bcs_[\w-]+|\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]{8,}\b")
_NUMBER = re.compile(r"\d+([.,:]\d+)*")
_MONTH = re.compile(
    r"\b(Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)\b\.?|\b[ap]\.m\.|midnight|noon"
)


def are_taken() -> bool:
    return bool(os.environ.get(TAKE))


def keep(page: Page, name: str, *, whole: bool = True, suffix: str = ".png") -> None:
    """Takes the picture, or holds that the page is still as in the one that was taken.

    JPEG is the smaller one of what has gradients.
    """
    page.wait_for_load_state()
    said = outline(page)
    file = OUTLINES / f"{name}.txt"
    if are_taken():
        SCREENS.mkdir(parents=True, exist_ok=True)
        OUTLINES.mkdir(exist_ok=True)
        page.screenshot(
            path=SCREENS / f"{name}{suffix}",
            full_page=whole,
            animations="disabled",
            **{} if suffix == ".png" else {"quality": 80},
        )
        file.write_text(said)
        return
    assert said == file.read_text(), f"{name} is out of date: look at the page, make screenshots"


def outline(page: Page) -> str:
    """The page as its accessibility tree says it."""
    text = page.locator("body").aria_snapshot()
    for pattern, word in ((_RANDOM, "…"), (_MONTH, "#"), (_NUMBER, "#")):
        text = pattern.sub(word, text)
    return f"{page.title()}\n{text}\n"
