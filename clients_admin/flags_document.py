"""Writes docs/client-flags.md from the registry: `python -m clients_admin.flags_document`."""

from clients_admin.flags import FLAGS, Flag, Kind
from idp.environment import PROJECT

PAGE = PROJECT / "docs" / "client-flags.md"
HEAD = """\
# Client flags

<!-- Written by `make docs` from clients_admin/flags.py. -->

What a client is granted beyond its grants and scopes: lifetimes, re-use, caps, the JWT that
services get, consent, and what only trusted applications may do. Flags are set on the tab *Flags*
of a client's page ([the operators' UI](idp-ui.md#flags)), under `flags` in a configuration file
([configuration](configuration.md#flags)) or by [the API](api.md). What is not set has its default.
A change counts at once, in all processes; a token that lives keeps the end that it was given.
"""


def page() -> str:
    return HEAD + "".join(map(_section, FLAGS))


def values(flag: Flag) -> str:
    """What may be set, in words."""
    match flag.kind:
        case Kind.SECONDS:
            return f"{flag.minimum} to {flag.maximum} seconds"
        case Kind.COUNT:
            return f"{flag.minimum} to {flag.maximum}"
        case Kind.TEXT | Kind.WEB_ADDRESS:
            what = "text" if flag.kind is Kind.TEXT else "an https or http address"
            return f"{what} of {flag.minimum} to {flag.maximum} characters"
        case Kind.CHOICE:
            return ", ".join(f"`{choice}`" for choice in flag.choices)
        case Kind.NAMES:
            return f"list of at most {flag.maximum} names, each of a {flag.names_of}"
        case Kind.SWITCH:
            return "`true` or `false`"


def default(flag: Flag) -> str:
    match flag.default:
        case bool():
            return "`true`" if flag.default else "`false`"
        case () | "":
            return "none"
    return f"`{flag.default}`"


def _section(flag: Flag) -> str:
    return (
        f"\n## {flag.name}\n\n{flag.help}\n\n"
        f"| value | default |\n|---|---|\n| {values(flag)} | {default(flag)} |\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page())
