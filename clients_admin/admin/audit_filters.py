"""What the list of audit events can be narrowed by: one field each, its mistakes told beside it."""

from collections.abc import Iterator
from datetime import UTC
from ipaddress import ip_network
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from idp.accounts import finding
from idp.audit import references
from idp.audit.models import AuditEventQuerySet
from idp.audit.tags import Tag


class EventFilter(admin.SimpleListFilter):
    """A form of one field. Where that is wrong the list is empty, so that nobody reads what was
    not asked for."""

    template = "unfold/filters/filters_field.html"
    parameter_name: str
    field: forms.Field

    def __init__(self, request: HttpRequest, *arguments: Any) -> None:
        super().__init__(request, *arguments)
        self.form = forms.Form({self.parameter_name: self.value()})
        self.form.fields[self.parameter_name] = self.field

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {"form": self.form}

    def queryset(self, request: HttpRequest, queryset: Any) -> AuditEventQuerySet:
        if not self.form.is_valid():
            return queryset.none()
        chosen = self.form.cleaned_data[self.parameter_name]
        return self.narrow(queryset, chosen) if chosen else queryset

    def narrow(self, events: AuditEventQuerySet, chosen: Any) -> AuditEventQuerySet:
        raise NotImplementedError


def _tags() -> list[Any]:
    """All tags, in groups by their source."""
    by_source = groupby(sorted(Tag), key=lambda tag: tag.source)
    return [
        ("", "All"),
        *((source, [(tag.value, tag.value) for tag in tags]) for source, tags in by_source),
    ]


class ByTag(EventFilter):
    title, parameter_name = "tag", "tag"
    field = forms.ChoiceField(
        label="Tag", choices=_tags, required=False, widget=UnfoldAdminSelectWidget()
    )

    def narrow(self, events: AuditEventQuerySet, chosen: str) -> AuditEventQuerySet:
        return events.with_tag(chosen)


class UserField(forms.CharField):
    """`SERVICE/NAME` or a `sub`, as the users whom it names."""

    def clean(self, value: Any) -> Any:
        if not (text := super().clean(value)):
            return []
        if not (users := finding.find(text)):
            raise ValidationError("There is no such user.")
        return users


class ByUser(EventFilter):
    title, parameter_name = "user", "user"
    field = UserField(
        label="User",
        required=False,
        max_length=320,
        help_text=f"{finding.HOW_TO_NAME}.",
        widget=UnfoldAdminTextInputWidget(),
    )

    def narrow(self, events: AuditEventQuerySet, chosen: Any) -> AuditEventQuerySet:
        return events.of_users(user.pk for user in chosen)


class ByClient(EventFilter):
    title, parameter_name = "client", "client"
    field = forms.CharField(
        label="Client ID", required=False, max_length=255, widget=UnfoldAdminTextInputWidget()
    )

    def narrow(self, events: AuditEventQuerySet, chosen: str) -> AuditEventQuerySet:
        return events.of_client(chosen)


class NetworkField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return ip_network(text) if text else None
        except ValueError as problem:
            raise ValidationError(str(problem)) from None


class ByAddress(EventFilter):
    title, parameter_name = "address", "address"
    field = NetworkField(
        label="Address",
        required=False,
        max_length=50,
        help_text="An address, or a network such as 10.1.0.0/16.",
        widget=UnfoldAdminTextInputWidget(),
    )

    def narrow(self, events: AuditEventQuerySet, chosen: Any) -> AuditEventQuerySet:
        return events.from_network(chosen)


class MomentField(forms.DateTimeField):
    """In UTC, as the list shows it, by the browser's own calendar."""

    input_formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})

    def clean(self, value: Any) -> Any:
        moment = super().clean(value)
        return moment and moment.replace(tzinfo=UTC)


class From(EventFilter):
    title, parameter_name = "from", "from"
    field = MomentField(label="From (UTC)", required=False)

    def narrow(self, events: AuditEventQuerySet, chosen: Any) -> AuditEventQuerySet:
        return events.since(chosen)


class Before(EventFilter):
    title, parameter_name = "before", "before"
    field = MomentField(label="Before (UTC)", required=False)

    def narrow(self, events: AuditEventQuerySet, chosen: Any) -> AuditEventQuerySet:
        return events.before(chosen)


class ReferenceField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if text and references.read(text) is None:
            raise ValidationError("This is not a reference of an error page.")
        return references.read(text) if text else None


class ByReference(EventFilter):
    title, parameter_name = "reference", "reference"
    field = ReferenceField(
        label="Reference",
        required=False,
        max_length=50,
        help_text="What an error page told its user to say.",
        widget=UnfoldAdminTextInputWidget(),
    )

    def narrow(self, events: AuditEventQuerySet, chosen: Any) -> AuditEventQuerySet:
        return references.narrow(events, *chosen)


FILTERS = (ByTag, ByUser, ByClient, ByAddress, ByReference, From, Before)
