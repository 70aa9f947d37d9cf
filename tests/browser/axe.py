"""axe-core (npm), which knows most of what WCAG 2.2 AA asks of a page that a program can see."""

from playwright.sync_api import Page

from tests.interop.conftest import HERE

# What depends on colours and sizes; all else is the same in every look.
LOOKS = ("color-contrast", "target-size", "link-in-text-block")
WCAG_22_AA = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
ALL = (*WCAG_22_AA, "best-practice")


def source() -> str:
    """The library, to be run in a page: `node` of tests/interop has it installed."""
    return (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text()


def violations(page: Page, library: str, only: tuple[str, ...] = WCAG_22_AA) -> list[str]:
    """What is wrong with the page as it stands, a line for each element."""
    # Past the policy of the page, as a browser's own tools are.
    if not page.evaluate("'axe' in window"):
        page.evaluate(library)
    found = page.evaluate(
        """([type, values]) => axe.run(document, {
            runOnly: {type, values}, resultTypes: ["violations"],
        })""",
        ["rule" if only is LOOKS else "tag", list(only)],
    )
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
