"""Generated pages are current."""

import re
import subprocess
import sys

import pytest

from idp.audit import document
from idp.audit.tags import Tag
from idp.environment import PROJECT


def test_the_page_of_settings_is_what_the_command_prints():
    printed = subprocess.run(
        [sys.executable, "manage.py", "settings_help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (PROJECT / "docs/operations/settings.txt").read_text() == printed


def test_the_page_of_audit_events_has_every_tag_with_its_meaning():
    page = document.PAGE.read_text()
    assert page == document.with_tags(page), "run `make docs`"
    rows = re.findall(
        r"^\| `([a-z_:]+)` \| (.+) \|$", page.partition(document.MARK)[2], re.MULTILINE
    )
    assert dict(rows) == {tag.value: tag.meaning for tag in Tag}
    assert len(rows) == len(Tag)


def test_every_tag_that_the_page_names_exists():
    page = document.PAGE.read_text()
    assert set(re.findall(r"[a-z_]+:[a-z_]+:[a-z_]+", page)) - {"source:subject:action"} == {
        tag.value for tag in Tag
    }


def test_a_page_that_has_lost_its_mark_is_not_written():
    with pytest.raises(ValueError, match="has lost its mark"):
        document.with_tags("# Audit events")
