"""`/api/v1/blocks`: the blocks of addresses and users, and how they are lifted."""

from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from idp.blocking import blocks
from idp.blocking.models import Block
from tokens.api import pages, reading
from tokens.api.blocks import examples, listing
from tokens.api.blocks.serializers import (
    AllLiftedSerializer,
    BlockFilters,
    BlockPageSerializer,
    BlockSerializer,
    LiftedSerializer,
    LiftOrder,
)
from tokens.api.endpoint import Endpoint
from tokens.api.openapi import answers
from tokens.api.rights import LIFT_BLOCKS, READ, Right

LIST = "/api/v1/blocks"
SEE = Right(READ, "idp.view_block")
LIFT = Right(LIFT_BLOCKS, "idp.lift_block")
BLOCK_ID = OpenApiParameter(
    "block_id", int, OpenApiParameter.PATH, description="The `id` of a block in the list."
)


class BlockList(Endpoint):
    needs = {"GET": SEE}

    @extend_schema(
        operation_id="list_blocks",
        summary="List blocks",
        description="Those that live come first, then those that have ended in the last 90 days; "
        "of each the newest first. All pages are as of the moment of the first one.",
        parameters=[BlockFilters],
        responses=answers(BlockPageSerializer, 400),
        examples=[examples.PAGE],
    )
    def get(self, request: Request) -> Response:
        asked = reading.query(request, BlockFilters)
        place = listing.Place(timezone.now())
        if "cursor" in asked:
            place = listing.Place.from_json(pages.place(LIST, asked["cursor"]))
        filters = {name: asked[name] for name in ("kind", "effect", "subject") if name in asked}
        found, following = listing.page(
            Block.objects.filter(**filters), place, asked["limit"], state=asked.get("state", "")
        )
        body: dict[str, Any] = {"results": BlockSerializer(found, many=True).data, "next": None}
        if following:
            cursor = pages.cursor(LIST, following.to_json())
            body["next"] = pages.next_page(LIST, request.query_params.dict(), cursor)
        return Response(body)


class OneBlock(Endpoint):
    needs = {"GET": SEE}

    @extend_schema(
        operation_id="read_block",
        summary="Read a block",
        description="One block, also while it is over: it is kept for 90 days.",
        parameters=[BLOCK_ID],
        responses=answers(BlockSerializer, 400, 404),
        examples=[examples.BLOCK],
    )
    def get(self, request: Request, block_id: int) -> Response:
        reading.query(request, reading.Strict)
        return Response(BlockSerializer(get_object_or_404(Block, pk=block_id)).data)


class LiftBlock(Endpoint):
    needs = {"POST": LIFT}

    @extend_schema(
        operation_id="lift_block",
        summary="Lift a block",
        description="Ends a block before its time, in all processes at once. Once more does no "
        "harm, and says so. The body is empty.",
        parameters=[BLOCK_ID],
        request=None,
        responses=answers(LiftedSerializer, 400, 404, 415),
        examples=[examples.LIFTED],
    )
    def post(self, request: Request, block_id: int) -> Response:
        reading.body(request, reading.Strict)
        with transaction.atomic():
            block = get_object_or_404(Block.objects.select_for_update(), pk=block_id)
            was_lifted = blocks.lift(block, actor=self.caller.name, now=timezone.now())
            block.refresh_from_db()
        return Response({"was_lifted": was_lifted, "block": BlockSerializer(block).data})


class LiftBlocks(Endpoint):
    needs = {"POST": LIFT}

    @extend_schema(
        operation_id="lift_blocks",
        summary="Lift the blocks of an address or a user",
        description="Ends all living blocks of an address, or of a user at a login service, in all "
        "processes at once. Where nothing is blocked, nothing is lifted, and that is no mistake.",
        request=LiftOrder,
        responses=answers(AllLiftedSerializer, 400, 415),
        examples=[examples.LIFT_ADDRESS, examples.LIFT_USER, examples.ALL_LIFTED],
    )
    def post(self, request: Request) -> Response:
        order = reading.body(request, LiftOrder)
        with transaction.atomic():
            lifted = blocks.lift_all(order["subject"], actor=self.caller.name, now=timezone.now())
            rows: Any = Block.objects.in_bulk([block.pk for block in lifted])
        return Response(
            {"lifted": BlockSerializer([rows[block.pk] for block in lifted], many=True).data}
        )
