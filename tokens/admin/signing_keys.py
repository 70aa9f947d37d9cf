"""The pages of signing keys: the list below a line of time, and one key with its orders."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display

from clients_admin.admin import dashboard
from clients_admin.admin.added_pages import Link, WithAddedPages
from tokens import start_page
from tokens.admin import key_orders, key_timeline
from tokens.keys import gauges, listing
from tokens.keys.models import SigningKey
from tokens.keys.vault import Seal

# How unfold colours them.
_LABELS = {
    Seal.NEWEST.value: "success",
    Seal.OLDER.value: "warning",
    Seal.MISSING.value: "danger",
    Seal.DESTROYED.value: "info",
}


@admin.register(SigningKey)
class SigningKeyAdmin(WithAddedPages):
    """Which keys there are and in which state; only `keys.rotation` changes that, by an order."""

    list_before_template = "tokens/admin/key_timeline.html"
    added_pages = key_orders.PAGES
    list_filter = ("algorithm", "state")
    fields = (
        *("kid", "algorithm", "state", "what_comes", "private_half", "created_at"),
        *("published_again_at", "activated_at", "retiring_at", "retired_at", "compromised_at"),
    )

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """With what comes for each key, seen from all of them at once."""
        rotates_at = gauges.rotations(list(SigningKey.objects.all()))

        @admin.display(description="what comes")
        def what_comes(key: SigningKey) -> str:
            return listing.what_comes(key, rotates_at.get(key.algorithm))

        return ["kid", "algorithm", "state", "created_at", what_comes, "private_half"]

    @admin.display(description="what comes")
    def what_comes(self, key: SigningKey) -> str:
        same = SigningKey.objects.filter(algorithm=key.algorithm)
        return listing.what_comes(key, gauges.rotations(list(same)).get(key.algorithm))

    @display(description="private half", label=_LABELS)  # type: ignore[untyped-decorator]
    def private_half(self, key: SigningKey) -> str:
        return key.seal.value

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        for key in SigningKey.objects.published():
            if key.is_locked:
                messages.warning(
                    request,
                    f"{key.algorithm} {key.kid} ({key.state}) cannot be opened: the secret that "
                    "sealed it is not in IDP_SECRET_KEYS. It is published and cannot sign.",
                )
        may_order = request.user.has_perm(key_orders.ORDER)
        context = {
            **(extra_context or {}),
            **key_timeline.context(timezone.now(), may_order=may_order),
            "may_order": may_order,
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def added_links(self, request: HttpRequest, target: Model) -> list[Link]:
        """To what can be ordered about the key."""
        if not isinstance(target, SigningKey) or not request.user.has_perm(key_orders.ORDER):
            return []
        here = self.address_of("change", target)
        links = [("Signing key", here)]
        links += [(offer.title, offer.address) for offer in key_orders.offers(target)]
        return [Link(title, address, address == request.path) for title, address in links]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


dashboard.CARDS[:0] = start_page.CARDS
