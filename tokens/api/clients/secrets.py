"""`/api/v1/clients/{client_id}/secrets`: making and ending them.

A new secret is in one answer and nowhere else. Viewers do not even see that there are some.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from clients_admin import secrets
from clients_admin.models import Client, ClientSecret
from tokens.api import reading
from tokens.api.clients import examples
from tokens.api.clients.views import CLIENTS
from tokens.api.endpoint import Endpoint
from tokens.api.openapi import answers
from tokens.api.reading import Strict
from tokens.api.refusals import Conflict
from tokens.api.rights import WRITE, Right

MAX_OLD_ENDS_IN = timedelta(days=365)
SEE = Right(WRITE, "clients_admin.view_clientsecret")
ADD = Right(WRITE, "clients_admin.add_clientsecret")
END = Right(WRITE, "clients_admin.change_clientsecret")
CLIENT_ID = OpenApiParameter(
    "client_id", str, OpenApiParameter.PATH, description="The `client_id` of a client."
)
SECRET_ID = OpenApiParameter(
    "secret_id", int, OpenApiParameter.PATH, description="The `id` of a secret in the list."
)
_TOO_MANY = f"{secrets.LIVE_AT_ONCE} secrets are live: end one of them, or have the old ones end."


class SecretSerializer(serializers.ModelSerializer[ClientSecret]):
    """That a client has a secret, and nothing of what it is."""

    class Meta:
        model = ClientSecret
        fields = ("id", "created_at", "last_used_at", "expires_at", "exposed_at")
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "What it is ended by."},
            "created_at": {"help_text": "When it was made."},
            "last_used_at": {"help_text": "When it was used last, to within five minutes."},
            "expires_at": {"help_text": "When it ends, or has ended; null where no end is set."},
            "exposed_at": {"help_text": "When it stood in a URL: rotate it. Else null."},
        }


class SecretListSerializer(serializers.Serializer[Any]):
    """The secrets of a client."""

    results = SecretSerializer(many=True, help_text="The newest first.")


class NewSecretSerializer(SecretSerializer):
    """A new secret, which is shown this once."""

    client_secret = serializers.CharField(help_text="What it is. Nobody can see it again.")

    class Meta(SecretSerializer.Meta):
        fields = (*SecretSerializer.Meta.fields, "client_secret")  # type: ignore[assignment]


class SecretOrder(Strict):
    """How a secret is made; an empty body adds one."""

    old_ends_in = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=int(MAX_OLD_ENDS_IN.total_seconds()),
        help_text="The others end in so many seconds; none of them ends later than it did before.",
    )


class EndedSerializer(serializers.Serializer[Any]):
    """What has come of ending a secret."""

    was_ended = serializers.BooleanField(
        help_text="false where it had ended already: nothing was changed."
    )
    secret = SecretSerializer()


class ClientSecrets(Endpoint):
    needs = {"GET": SEE, "POST": ADD}

    @extend_schema(
        operation_id="list_secrets",
        summary="List the secrets of a client",
        description="Also those that have ended, the newest first: never what they are.",
        parameters=[CLIENT_ID],
        responses=answers(SecretListSerializer, 400, 404),
        examples=[examples.SECRETS],
    )
    def get(self, request: Request, client_id: str) -> Response:
        reading.query(request, Strict)
        rows = _client(client_id).secrets.all()
        return Response({"results": SecretSerializer(rows, many=True).data})

    @extend_schema(
        operation_id="create_secret",
        summary="Make a secret for a client",
        description="It is in this answer and can never be seen again. At most "
        f"{secrets.LIVE_AT_ONCE} live at once; with `old_ends_in` the others get an end.",
        parameters=[CLIENT_ID],
        request=SecretOrder,
        responses=answers({201: NewSecretSerializer}, 400, 404, 409, 415),
        examples=[examples.ROTATION, examples.NEW_SECRET],
    )
    @sensitive_variables("secret")
    def post(self, request: Request, client_id: str) -> Response:
        order = reading.body(request, SecretOrder)
        with transaction.atomic():
            client = _client(client_id)
            if not client.is_confidential:
                raise Conflict("A public client has no secret.")
            try:
                secret = self._made(client, order.get("old_ends_in"))
            except secrets.TooManySecretsError:
                raise Conflict(_TOO_MANY) from None
            shown = SecretSerializer(client.secrets.latest("pk")).data
        return Response({**shown, "client_secret": secret}, status=status.HTTP_201_CREATED)

    def _made(self, client: Client, old_ends_in: int | None) -> str:
        if old_ends_in is None:
            return secrets.add(client, actor=self.caller.name)
        self.caller.require(END)
        ends_in = timedelta(seconds=old_ends_in)
        return secrets.rotate(client, old_ends_in=ends_in, actor=self.caller.name)


class EndSecret(Endpoint):
    needs = {"POST": END}

    @extend_schema(
        operation_id="end_secret",
        summary="End a secret of a client",
        description="At once, in all processes. Once more does no harm, and says so. The body is "
        "empty.",
        parameters=[CLIENT_ID, SECRET_ID],
        request=None,
        responses=answers(EndedSerializer, 400, 404, 415),
        examples=[examples.ENDED],
    )
    def post(self, request: Request, client_id: str, secret_id: int) -> Response:
        reading.body(request, Strict)
        with transaction.atomic():
            known = get_object_or_404(_client(client_id).secrets, pk=secret_id)
            was_ended = secrets.end(known, actor=self.caller.name)
            known.refresh_from_db()
        return Response({"was_ended": was_ended, "secret": SecretSerializer(known).data})


def _client(client_id: str) -> Client:
    row: Client | None = CLIENTS.find(client_id)
    if row is None:
        raise Http404
    return row
