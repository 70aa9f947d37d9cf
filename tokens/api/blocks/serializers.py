"""Blocks as the API says them, and what it is asked about them."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from idp.accounts.models import LoginService
from idp.blocking import blocks, subjects
from idp.blocking.models import Block
from idp.net import parse_address
from tokens.api.blocks.listing import ACTIVE, ENDED, HALVES
from tokens.api.pages import Paged
from tokens.api.reading import Strict, Text


class BlockSerializer(serializers.ModelSerializer[Block]):
    """That an address or a user is refused until a time, or would have been."""

    state = serializers.SerializerMethodField(
        help_text="Whether it lives; one that has run out or was lifted has ended."
    )
    network_profile = serializers.CharField(
        source="profile", help_text="Whose limits were reached."
    )
    names = serializers.ListField(
        child=serializers.CharField(),
        help_text="Some of the names that were tried; in clear where there is a user or client of "
        "that name, else the first letter.",
    )
    ended_at = serializers.SerializerMethodField(help_text="null while it lives.")
    ended_by = serializers.SerializerMethodField(
        help_text="Who has lifted it, or `time`; null while it lives."
    )

    class Meta:
        model = Block
        fields = (
            *("id", "kind", "effect", "state", "label", "reason", "network_profile", "client_id"),
            *("attempts", "names", "name_count", "created_at", "until", "ended_at", "ended_by"),
        )
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "What it is asked for by; never used again."},
            "kind": {"help_text": "What is refused."},
            "effect": {
                "help_text": "`refuse`: it is refused. `shadow`: it would be, if `IDP_BLOCKING` "
                "were on. `warning`: an application that does not forward the addresses of its "
                "users; nothing is refused."
            },
            "label": {
                "help_text": "The address (of IPv6 its /64), or the user and their login service."
            },
            "client_id": {"help_text": "The client that all of it came through, or empty."},
            "reason": {"help_text": "What was too much, in words."},
            "attempts": {"help_text": "So many have failed."},
            "name_count": {"help_text": "So many different names were tried."},
            "created_at": {"help_text": "When it was made."},
            "until": {"help_text": "When it ends by itself."},
        }

    @extend_schema_field(serializers.ChoiceField(choices=HALVES))
    def get_state(self, block: Block) -> str:
        return ENDED if _end(block) else ACTIVE

    def get_ended_at(self, block: Block) -> datetime | None:
        return _end(block)

    def get_ended_by(self, block: Block) -> str | None:
        return (block.ended_by or blocks.BY_TIME) if _end(block) else None


def _end(block: Block) -> datetime | None:
    """When it has ended; of one that has run out, that is not always written down yet."""
    if block.ended_at is not None:
        return block.ended_at
    return block.until if block.until <= timezone.now() else None


class OfSubject(Strict):
    """Names an address or a user, as operators know them; `subject` is what that is to blocks."""

    address = Text(
        required=False,
        help_text="An IPv4 or IPv6 address; of IPv6 its /64 is meant, and may be given.",
    )
    login_service = Text(required=False, help_text="The name of a login service; with user_name.")
    user_name = Text(required=False, help_text="What a user signs in with; with login_service.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        address = attrs.pop("address", None)
        service, name = attrs.pop("login_service", None), attrs.pop("user_name", None)
        if (service is None) != (name is None):
            raise serializers.ValidationError("login_service and user_name belong together.")
        if address is not None and name is not None:
            raise serializers.ValidationError("Give an address or a user, not both.")
        if address is not None:
            attrs["subject"] = _of_address(address)
        elif name is not None:
            attrs["subject"] = _of_user(service, name)
        return attrs


def _of_address(text: str) -> str:
    address = parse_address(text.partition("/")[0])
    subject = subjects.of_address(str(address)) if address else ""
    if not subject or ("/" in text and text != subject):
        raise serializers.ValidationError({"address": "This is no address."})
    return subject


def _of_user(service_name: str, name: str) -> str:
    service = LoginService.objects.filter(name=service_name).first()
    if service is None:
        raise serializers.ValidationError(
            {"login_service": "There is no login service of this name."}
        )
    return subjects.of_user(service.pk, name)


class BlockFilters(Paged, OfSubject):
    """Which blocks are listed; without any, all that are kept."""

    kind = serializers.ChoiceField(
        required=False, choices=Block.Kind.choices, help_text="What is refused."
    )
    effect = serializers.ChoiceField(
        required=False, choices=Block.Effect.choices, help_text="What it does."
    )
    state = serializers.ChoiceField(required=False, choices=HALVES, help_text="Whether it lives.")


class LiftOrder(OfSubject):
    """Whose blocks are lifted: an address, or a login service and a user name."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        read = super().validate(attrs)
        if "subject" not in read:
            raise serializers.ValidationError(
                "Give an address, or a login_service and a user_name."
            )
        return read


class BlockPageSerializer(serializers.Serializer[Any]):
    """A page of blocks."""

    results = BlockSerializer(many=True)
    next = serializers.URLField(
        allow_null=True, help_text="The address of the next page; null on the last one."
    )


class LiftedSerializer(serializers.Serializer[Any]):
    """What has come of lifting one block."""

    was_lifted = serializers.BooleanField(
        help_text="false where it had ended already: nothing was changed."
    )
    block = BlockSerializer()


class AllLiftedSerializer(serializers.Serializer[Any]):
    """What has come of lifting all blocks of an address or a user."""

    lifted = BlockSerializer(
        many=True, help_text="Those that were lifted now; none where nothing was blocked."
    )
