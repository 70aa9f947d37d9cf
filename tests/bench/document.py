"""Puts what was measured into docs/performance.md, between markers:

<!-- measured: NAME -->
...
<!-- end -->

What stands around them is written by hand.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from idp.environment import PROJECT

PAGE = PROJECT / "docs" / "performance.md"
CPU_INFO = Path("/proc/cpuinfo")


def write(blocks: Mapping[str, str]) -> None:
    """Each block in place of the one of its name, with the place and the day below."""
    text = PAGE.read_text()
    for name, block in blocks.items():
        text = with_block(text, name, f"{block}\n\n{provenance()}")
    PAGE.write_text(text)


def with_block(text: str, name: str, block: str) -> str:
    """The page with this block. Raises LookupError where the page has no place for it."""
    place = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(text):
        raise LookupError(f"{PAGE.name} has no place for {name}")
    return place.sub(lambda found: f"{found[1]}\n{block}\n\n{found[2]}", text, count=1)


def provenance() -> str:
    """Machine, day and commit of a figure."""
    cores = len(os.sched_getaffinity(0))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"*{cpu_model(CPU_INFO.read_text())}, {cores} cores; {day}, commit {_commit()}.*"


def cpu_model(cpu_info: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpu_info, re.MULTILINE)
    return found[1].strip() if found else "a CPU without a name"


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD")
    # The page itself does not count: it is what is being written.
    changed = _git("status", "--porcelain", "--", ".", f":!{PAGE.relative_to(PROJECT)}")
    return f"{commit or 'unknown'}{' with changes' if changed else ''}"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
