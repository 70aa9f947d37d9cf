"""A long list in pages: each says where the next one begins, in words that only we understand.

A place in a list is signed, so that what comes back is what we have said.
"""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.db.models import QuerySet
from rest_framework import serializers

from tokens.api.reading import Strict, Text
from tokens.errors import InvalidRequest

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
_SALT = "tokens.api.cursor:"


class Paged(Strict):
    """The parameters that every list takes."""

    limit = serializers.IntegerField(
        required=False,
        default=DEFAULT_LIMIT,
        min_value=1,
        max_value=MAX_LIMIT,
        help_text="So many at most.",
    )
    cursor = Text(
        required=False, help_text="Where the page begins: from `next` of the page before."
    )


def cursor(path: str, place: list[Any]) -> str:
    """A place in the list at a path, for the outside; `place` is plain JSON."""
    return signing.dumps(place, salt=_SALT + path)


def place(path: str, said: str) -> list[Any]:
    """The place again. Raises InvalidRequest for what `cursor` has not said of this list."""
    try:
        found: list[Any] = signing.loads(said, salt=_SALT + path)
    except signing.BadSignature:
        raise InvalidRequest("The cursor is not one of this list.") from None
    return found


def next_page(path: str, asked: dict[str, Any], following: str) -> str:
    """The whole address of the next page: what was asked, from another place."""
    return f"{settings.PUBLIC_URL}{path}?{urlencode({**asked, 'cursor': following})}"


def by_key(
    path: str, rows: QuerySet[Any], key: str, asked: dict[str, Any], *, newest_first: bool = False
) -> tuple[list[Any], str | None]:
    """A page of rows along a unique index, and the cursor of the next one; None after the last.

    What is added or goes meanwhile moves nothing: a page begins behind the key of a row.
    """
    if "cursor" in asked:
        (last,) = place(path, asked["cursor"])
        rows = rows.filter(**{f"{key}__{'lt' if newest_first else 'gt'}": last})
    limit = asked["limit"]
    found = list(rows.order_by(f"-{key}" if newest_first else key)[: limit + 1])
    if len(found) <= limit:
        return found, None
    return found[:limit], cursor(path, [getattr(found[limit - 1], key)])
