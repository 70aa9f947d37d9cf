"""Every URL of the API, as `idp.urls` takes them in."""

from django.urls import URLPattern, path

from tokens.api.blocks.views import BlockList, LiftBlock, LiftBlocks, OneBlock

urlpatterns: list[URLPattern] = [
    path("api/v1/blocks", BlockList.as_view(), name="api-blocks"),
    path("api/v1/blocks/lift", LiftBlocks.as_view(), name="api-blocks-lift"),
    path("api/v1/blocks/<int:block_id>", OneBlock.as_view(), name="api-block"),
    path("api/v1/blocks/<int:block_id>/lift", LiftBlock.as_view(), name="api-block-lift"),
]
