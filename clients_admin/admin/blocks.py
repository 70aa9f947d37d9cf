"""The pages of blocks, and of the network profiles that they are made by."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextareaWidget

from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.links import lines
from idp.blocking import blocks
from idp.blocking.models import DEFAULT, Block, NetworkProfile

LIFT = "idp.lift_block"
_ACTIVE, _OVER = "blocked", "over"


class Shown(admin.SimpleListFilter):
    """Those that refuse somebody now come first; shadows and warnings stand apart."""

    title = "shown"
    parameter_name = "shown"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("shadow", "would be blocked (shadow)"),
            ("warning", "applications that do not forward"),
            ("ended", "ended"),
            ("all", "all"),
        ]

    def choices(self, changelist: Any) -> Any:
        """With what is shown where nothing is chosen, in place of “All”."""
        first, *others = super().choices(changelist)
        return [{**first, "display": "blocked now"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Block]) -> QuerySet[Block]:
        now, chosen = timezone.now(), self.value()
        living = Block.objects.living(now).values("pk")
        if chosen in {Block.Effect.SHADOW, Block.Effect.WARNING}:
            return queryset.filter(pk__in=living, effect=chosen)
        if chosen == "ended":
            return queryset.exclude(pk__in=living)
        if chosen == "all":
            return queryset
        return queryset.filter(pk__in=living, effect=Block.Effect.REFUSE)


class BlockAdmin(OperatorModelAdmin):
    """What is blocked, why and until when; whoever may see it may lift it by one click.

    Blocks are made by failed attempts alone, so nobody can add or change one here.
    """

    list_display = ("label", "kind", "state", "reason", "name_list", "until", "unblock_button")
    list_filter = (Shown, "kind", "profile")
    search_fields = ("^label", "=client_id")
    search_help_text = "Beginning of an address or a user name, or a whole client ID."
    ordering = ("-pk",)
    paginator = InfinitePaginator
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ["label", "kind", "state", "unblock_button"]}),
        ("Why", {"fields": ["reason", "attempts", "name_count", "name_list", "client_id"]}),
        ("How long", {"fields": ["profile", "level", "created_at", "until"]}),
        ("Its end", {"fields": ["ended_at", "ended_by"]}),
    )
    readonly_fields = ("state", "name_list", "unblock_button")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        unblock = require_POST(self.unblock)
        return [
            path(
                "<int:block_pk>/unblock/",
                self.admin_site.admin_view(unblock),
                name="idp_block_unblock",
            ),
            *super().get_urls(),
        ]

    def unblock(self, request: HttpRequest, block_pk: int) -> HttpResponse:
        if not request.user.has_perm(LIFT):
            raise PermissionDenied
        block = get_object_or_404(Block, pk=block_pk)
        if blocks.lift(block, actor=str(request.user), now=timezone.now()):
            messages.success(request, f"{block} is free again.")
        else:
            messages.info(request, f"{block} was free already.")
        return HttpResponseRedirect(reverse("admin:idp_block_changelist"))

    @display(label={_ACTIVE: "danger", "shadow": "warning", "warning": "warning", _OVER: "info"})
    def state(self, block: Block) -> str:
        if block.ended_at is not None or block.until <= timezone.now():
            return _OVER
        return _ACTIVE if block.effect == Block.Effect.REFUSE else block.effect

    @admin.display(description="names tried")
    def name_list(self, block: Block) -> SafeString:
        more = block.name_count - len(block.names)
        return lines([*block.names, *([f"and {more} more"] if more > 0 else [])])

    @admin.display(description="lift")
    def unblock_button(self, block: Block) -> SafeString | str:
        """Sends the form around it, list or page, to the one address that lifts this block."""
        if block.ended_at is not None or block.until <= timezone.now():
            return f"by {block.ended_by or blocks.BY_TIME}"
        return format_html(
            '<button type="submit" class="text-link" formmethod="post" formnovalidate '
            'formaction="{}">Unblock</button>',
            reverse("admin:idp_block_unblock", args=[block.pk]),
        )


class NetworkProfileForm(forms.ModelForm):
    """Networks one below the other; `NetworkProfile.clean` decides what is right."""

    networks = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text="One a line, such as 192.0.2.0/24 or 2001:db8::/32. The smallest network that "
        "holds an address counts.",
    )

    class Meta:
        model = NetworkProfile
        fields = (
            "name",
            "description",
            "networks",
            "window_seconds",
            "max_names",
            "max_repeats",
            "max_client_failures",
            "block_seconds",
            "longest_block_seconds",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["networks"] = "\n".join(self.instance.networks)

    def clean_networks(self) -> list[str]:
        return str(self.cleaned_data["networks"]).split()


class NetworkProfileAdmin(OperatorModelAdmin):
    form = NetworkProfileForm
    list_display = ("name", "description", "network_list", "max_names", "max_repeats")
    search_fields = ("name", "description")
    fixed_fields = ("name",)
    shown_as = {"networks": "network_list"}
    fieldsets = (
        (None, {"fields": ["name", "description", "networks"]}),
        (
            "What is an attack",
            {"fields": ["window_seconds", "max_names", "max_repeats", "max_client_failures"]},
        ),
        ("What comes of it", {"fields": ["block_seconds", "longest_block_seconds"]}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There are always limits for the addresses that no profile names."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.name != DEFAULT)

    @admin.display(description="networks")
    def network_list(self, profile: NetworkProfile) -> SafeString:
        return lines(profile.networks)
