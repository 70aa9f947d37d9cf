"""`/api/v1/audit`: the events that are kept, to be searched and read."""

from collections.abc import Callable
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from idp.accounts import finding
from idp.audit import export
from idp.audit.models import AuditEvent, AuditEventQuerySet
from tokens.api import pages, reading, shapes
from tokens.api.audit.serializers import EventFilters, EventPageSerializer, EventSerializer
from tokens.api.endpoint import Endpoint
from tokens.api.openapi import answers
from tokens.api.rights import READ, Right

LIST = "/api/v1/audit"
SEE = Right(READ, "idp.view_auditevent")
# Each parameter of the list, and the search that it stands for.
SEARCHES: dict[str, Callable[[AuditEventQuerySet, Any], AuditEventQuerySet]] = {
    "tag": AuditEventQuerySet.with_tag,
    "user": AuditEventQuerySet.of_users,
    "client": AuditEventQuerySet.of_client,
    "address": AuditEventQuerySet.from_network,
    "from": AuditEventQuerySet.since,
    "to": AuditEventQuerySet.before,
}
EVENT_ID = OpenApiParameter(
    "event_id", int, OpenApiParameter.PATH, description="The `id` of an event in the list."
)
_SHOWN = {
    "id": "3735928559",
    "at": "2026-11-05T12:00:00.000000Z",
    "tag": "clients:client:changed",
    "actor": "client demo-operations",
    "client_id": "demo-batch",
    "user": None,
    "address": "192.0.2.1",
    "details": {
        "what": "changed",
        "name": "Nightly batch",
        "changed": {"flags.access_token_seconds": [None, 3600]},
        "hidden": [],
    },
}


class EventList(Endpoint):
    needs = {"GET": SEE}

    @extend_schema(
        operation_id="list_audit_events",
        summary="List audit events",
        description="The newest first. What happens between two pages moves nothing.",
        parameters=[EventFilters],
        responses=answers(EventPageSerializer, 400),
        examples=[shapes.answer("The last page", {"results": [_SHOWN], "next": None})],
    )
    def get(self, request: Request) -> Response:
        asked = reading.query(request, EventFilters)
        found, following = pages.by_key(LIST, _narrowed(asked), "id", asked, newest_first=True)
        body: dict[str, Any] = {"results": _described(found), "next": None}
        if following:
            body["next"] = pages.next_page(LIST, request.query_params.dict(), following)
        return Response(body)


class OneEvent(Endpoint):
    needs = {"GET": SEE}

    @extend_schema(
        operation_id="read_audit_event",
        summary="Read an audit event",
        description="As long as it is kept.",
        parameters=[EVENT_ID],
        responses=answers(EventSerializer, 400, 404),
        examples=[shapes.answer("A change of a client", _SHOWN)],
    )
    def get(self, request: Request, event_id: int) -> Response:
        reading.query(request, reading.Strict)
        (shown,) = _described([get_object_or_404(AuditEvent, pk=event_id)])
        return Response(shown)


def _narrowed(asked: dict[str, Any]) -> AuditEventQuerySet:
    events: AuditEventQuerySet = AuditEvent.objects.all()
    for parameter, search in SEARCHES.items():
        if parameter in asked:
            events = search(events, asked[parameter])
    return events


def _described(events: list[AuditEvent]) -> list[dict[str, Any]]:
    """With the users of all of them, looked up together."""
    users = finding.described({event.user_id for event in events if event.user_id is not None})
    return [export.described(event, users) for event in events]
