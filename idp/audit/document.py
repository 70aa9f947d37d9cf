"""Writes the table of all tags into docs/audit-events.md: `python -m idp.audit.document`.

What stands above the mark is written by hand and stays.
"""

from itertools import groupby

from idp.audit.tags import Tag
from idp.environment import PROJECT

PAGE = PROJECT / "docs" / "audit-events.md"
MARK = "<!-- What follows is written by `make docs` from idp/audit/tags.py. -->\n"


def with_tags(page: str) -> str:
    """The page with the tags as they are now. Raises ValueError where the mark is missing."""
    head, mark, _old = page.partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} has lost its mark: {MARK.strip()}")
    return head + mark + _tables()


def _tables() -> str:
    tables = []
    for source, tags in groupby(sorted(Tag), key=lambda tag: tag.source):
        rows = "".join(f"| `{tag}` | {tag.meaning} |\n" for tag in tags)
        tables.append(f"\n### {source}\n\n| tag | meaning |\n|---|---|\n{rows}")
    return "".join(tables)


if __name__ == "__main__":
    PAGE.write_text(with_tags(PAGE.read_text()))
