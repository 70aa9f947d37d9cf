"""Generated pages are current."""

import subprocess
import sys

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
