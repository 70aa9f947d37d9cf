"""Public keys as tables to look at, and when they end."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from idp import jwks
from idp.accounts import certificates
from idp.accounts.certificates import KnownKey

SOON_DAYS = 30
ENDED, SOON, LATER = "danger", "warning", "success"


def days_left(ends_at: datetime) -> tuple[str, str]:
    """`(urgency, text)`, such as `("warning", "in 12 days")`."""
    days = (ends_at - timezone.now()).days
    if days < 0:
        return ENDED, "ended"
    text = {0: "today", 1: "in 1 day"}.get(days, f"in {days} days")
    return SOON if days <= SOON_DAYS else LATER, text


def pem_table(pems: Iterable[str]) -> SafeString:
    """What each public key or certificate is, whose, and until when."""
    return _table(("Key", "For", "Subject", "Ends"), map(_pem_row, certificates.readable(pems)))


def _pem_row(known: KnownKey) -> tuple[str, ...]:
    end = "never"
    if known.ends_at:
        end = f"{known.ends_at:%Y-%m-%d} ({days_left(known.ends_at)[1]})"
    return known.kind, ", ".join(sorted(known.algorithms)), known.subject or "-", end


def jwks_table(document: Any) -> SafeString:
    """The keys of a JWKS, by what it says of them."""
    try:
        left_out = jwks.unusable(document)
    except jwks.BadKeySet:
        return SafeString("-")
    rows = (
        (
            entry.get("kid", "-"),
            " ".join(str(entry[name]) for name in ("kty", "crv") if name in entry),
            entry.get("alg", "any"),
            entry.get("use", "any"),
            "no" if number in left_out else "yes",
        )
        for number, entry in enumerate(document["keys"], start=1)
    )
    return _table(("Key ID", "Kind", "Algorithm", "Use", "Can verify"), rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> SafeString:
    """A dash where there is none."""
    named = [list(zip(heads, row, strict=True)) for row in rows]
    context = {"heads": heads, "rows": named}
    text = render_to_string("clients_admin/keys.html", context) if named else "-"
    return SafeString(text)
