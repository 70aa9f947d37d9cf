"""Audit events as the API says them, and what it is asked about them."""

from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from idp.accounts import finding
from idp.audit.tags import Tag
from tokens.api import shapes
from tokens.api.pages import Paged
from tokens.api.reading import Text

EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class MomentField(serializers.DateTimeField):
    """A moment at which an event could have been written, and one that can be reckoned with."""

    def to_internal_value(self, value: Any) -> datetime:
        moment = super().to_internal_value(value)
        if not EARLIEST <= moment <= LATEST:
            raise serializers.ValidationError("There are no events that early or late.")
        return moment


class EventFilters(Paged):
    """Which events are listed; together they narrow each other."""

    tag = serializers.ChoiceField(
        required=False, choices=sorted(tag.value for tag in Tag), help_text="What has happened."
    )
    user = Text(required=False, max_length=320, help_text=f"Of a user: {finding.HOW_TO_NAME}.")
    client = Text(required=False, max_length=255, help_text="Of the client with this `client_id`.")
    address = Text(
        required=False, max_length=50, help_text="From an address, or a network of them."
    )

    def get_fields(self) -> dict[str, Any]:
        """With two names that are none in Python."""
        since = MomentField(required=False, help_text="At this moment or later.")
        before = MomentField(required=False, help_text="Earlier than this moment.")
        return {**super().get_fields(), "from": since, "to": before}

    def validate_user(self, text: str) -> list[int]:
        users = finding.find(text)
        if not users:
            raise serializers.ValidationError("There is no such user.")
        return [user.pk for user in users]

    def validate_address(self, text: str) -> IPv4Network | IPv6Network:
        try:
            return ip_network(text)
        except ValueError:
            raise serializers.ValidationError("This is no address and no network.") from None


class EventUserSerializer(serializers.Serializer[Any]):
    """Whom an event is about."""

    sub = serializers.CharField(help_text="As applications know them.")
    login_service = serializers.CharField(help_text="Where they sign in.")
    username = serializers.CharField(help_text="What they are called there.")


@extend_schema_field({"type": "object", "additionalProperties": {}})
class DetailsField(serializers.JSONField):
    pass


class EventSerializer(serializers.Serializer[Any]):
    """One event, as `manage.py audit export` writes it."""

    id = serializers.CharField(help_text="As a text: it is greater than JavaScript's numbers.")
    at = serializers.DateTimeField(help_text="When it happened.")
    tag = serializers.CharField(help_text="What has happened: `source:subject:action`.")
    actor = serializers.CharField(
        allow_null=True, help_text="Who did it, where it was not the user."
    )
    client_id = serializers.CharField(allow_null=True, help_text="The client that it is about.")
    user = EventUserSerializer(
        allow_null=True, help_text="The user that it is about; null where there is none any more."
    )
    address = serializers.CharField(allow_null=True, help_text="Where the request came from.")
    details = DetailsField(help_text="What else there is to say; docs/audit-events.md names it.")


class EventPageSerializer(shapes.Page):
    """A page of events."""

    results = EventSerializer(many=True)
