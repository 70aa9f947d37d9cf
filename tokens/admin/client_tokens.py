"""The tokens of a client: about how many are alive, and the button that ends them all."""

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone

from clients_admin.admin.added_pages import Visit
from tokens import of_client

REVOKE = "tokens.revoke_refreshtoken"


def tokens_page(visit: Visit) -> HttpResponse:
    counts = of_client.counts(visit.target, timezone.now())
    context = {"title": "Tokens", "counts": counts, "may_revoke": visit.may(REVOKE)}
    return visit.answer("tokens/admin/client_tokens.html", context)


def revoke_page(visit: Visit) -> HttpResponse:
    """Asks once more, then does it."""
    visit.require(REVOKE)
    if visit.request.method != "POST":
        title = "Revoke all tokens of this client?"
        return visit.answer("tokens/admin/revoke_client.html", {"title": title})
    rows = of_client.end_all(visit.target, timezone.now())
    if rows:
        messages.success(visit.request, f"All tokens of this client were revoked ({rows:,} rows).")
    else:
        messages.info(visit.request, "No token of this client was alive.")
    return visit.to("tokens")
