"""The pages of audit events, to be searched and read by all operators and changed by none."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from clients_admin.admin.audit_filters import FILTERS
from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.models import Client
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag

# What a list goes back: a page is found by counting the events before it.
LONGEST_LIST = 10_000
SUMMARY = 100
_MEANINGS = {tag.value: tag.meaning for tag in Tag}


class EventPaginator(InfinitePaginator):
    count = LONGEST_LIST


class EventList(ChangeList):
    """Events hold no keys of users and clients: those of a page are looked up together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        users = User.objects.select_related("login_service").in_bulk(
            {event.user_id for event in self.result_list if event.user_id is not None}
        )
        clients = Client.objects.in_bulk(
            {event.client_id for event in self.result_list if event.client_id is not None},
            field_name="client_id",
        )
        for event in self.result_list:
            event.user, event.client = users.get(event.user_id), clients.get(event.client_id)


class AuditEventAdmin(OperatorModelAdmin):
    list_display = ("moment", "tag", "who", "client_link", "address", "summary")
    list_display_links = ("moment",)
    list_filter = FILTERS
    list_filter_submit = True
    sortable_by = ()
    ordering = ("-pk",)
    paginator = EventPaginator
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ["moment", "tag", "meaning", "detail_table"]}),
        ("Who", {"fields": ["actor", "user_link", "client_link", "address"]}),
    )
    readonly_fields = ("moment", "meaning", "detail_table", "user_link", "client_link")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The filters and no others: a lookup typed into the address could read the whole table."""
        return lookup in {narrow.parameter_name for narrow in FILTERS}

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return EventList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        event = super().get_object(request, object_id, from_field)
        if event is not None:
            event.user = User.objects.filter(pk=event.user_id).first()
            event.client = Client.objects.filter(client_id=event.client_id).first()
        return event

    @admin.display(description="at (UTC)")
    def moment(self, event: AuditEvent) -> str:
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="means")
    def meaning(self, event: AuditEvent) -> str:
        """Of a tag that a later release has written, nothing is known here."""
        return _MEANINGS.get(event.tag, "-")

    @admin.display(description="who")
    def who(self, event: AuditEvent) -> SafeString | str:
        return event.actor or self.user_link(event)

    @admin.display(description="user")
    def user_link(self, event: Any) -> SafeString | str:
        return _link(event.user, event.user_id)

    @admin.display(description="client")
    def client_link(self, event: Any) -> SafeString | str:
        return _link(event.client, event.client_id)

    @admin.display(description="details")
    def summary(self, event: AuditEvent) -> str:
        said = [f"{name}: {value}" for name, value in rows(event.details)]
        text = ", ".join(said)
        return text if len(text) <= SUMMARY else f"{text[: SUMMARY - 1]}…"

    @admin.display(description="details")
    def detail_table(self, event: AuditEvent) -> SafeString | str:
        listed = format_html_join(
            "", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows(event.details)
        )
        if not listed:
            return "-"
        return format_html('<table class="operators-table"><tbody>{}</tbody></table>', listed)


def rows(details: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Details as names and texts: what is nested is named by its path, plain lists are one row."""
    match details:
        case dict() if details:
            for key, value in details.items():
                yield from rows(value, f"{name}.{key}" if name else str(key))
        case list() if any(isinstance(item, dict | list) for item in details):
            for number, item in enumerate(details, 1):
                yield from rows(item, f"{name}.{number}")
        case list():
            yield name, ", ".join(map(_text, details)) or "none"
        case dict():
            if name:
                yield name, "none"
        case _:
            yield name, _text(details)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _link(target: Model | None, name: object) -> SafeString | str:
    """To the page of a user or client; the bare name of one that is no more."""
    if target is None:
        return "-" if name is None else str(name)
    opts = target._meta
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[target.pk])
    return format_html('<a class="text-link" href="{}">{}</a>', address, target)
