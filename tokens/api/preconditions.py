"""What a caller has seen, so that nobody overwrites what they have not (RFC 9110 section 13).

A tag stands for the very object that is answered, which makes it strong (section 8.8.1), and for
what the forms of the admin go by.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.utils.crypto import salted_hmac

from idp.audit.changes import version_of
from tokens.api.refusals import PreconditionFailed, PreconditionRequired
from tokens.errors import InvalidRequest

_ANY = "*"
# RFC 9110 section 8.8.3: entity-tag = [ weak ] opaque-tag.
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_TAGS = re.compile(rf"\A{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*\Z")

type Headers = Mapping[str, str]


def tag_of(row: Model, shown: Mapping[str, Any]) -> str:
    """The entity tag of a row that is answered as `shown`."""
    said = json.dumps([version_of(row), shown], sort_keys=True)
    return f'"{salted_hmac("tokens.api.tag", said, algorithm="sha256").hexdigest()[:32]}"'


def is_known(headers: Headers, tag: str) -> bool:
    """Whether a reader has it already: section 13.1.2, by "the weak comparison function"."""
    asked = headers.get("If-None-Match")
    return asked is not None and _names(asked, tag, is_weak=True)


def demand(headers: Headers, *, may_create: bool = False) -> None:
    """Raises PreconditionRequired unless the caller says what they have seen, or have not."""
    sees_nothing = may_create and headers.get("If-None-Match", "").strip() == _ANY
    if "If-Match" not in headers and not sees_nothing:
        raise PreconditionRequired


def check(headers: Headers, tag: str | None) -> None:
    """Raises PreconditionFailed; `tag` is None where there is nothing. Section 13.2.2: first
    If-Match, by "the strong comparison function", then If-None-Match."""
    wanted, unwanted = headers.get("If-Match"), headers.get("If-None-Match")
    if wanted is not None and not _names(wanted, tag, is_weak=False):
        raise PreconditionFailed
    if unwanted is not None and _names(unwanted, tag, is_weak=True):
        raise PreconditionFailed


def _names(header: str, tag: str | None, *, is_weak: bool) -> bool:
    """Whether the header means what has this tag. Raises InvalidRequest."""
    header = header.strip(" \t")
    if header == _ANY:
        return tag is not None
    if not _TAGS.match(header):
        raise InvalidRequest("If-Match and If-None-Match take *, or entity tags in quotes.")
    named = _TAG.findall(header)
    return tag in ([one.removeprefix("W/") for one in named] if is_weak else named)
