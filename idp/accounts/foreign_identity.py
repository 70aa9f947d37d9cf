"""What another server says of a user, made into an identity that can be kept."""

import json
import re
from collections.abc import Iterable
from typing import Any

from idp.accounts.outcomes import Identity, Role, UnusableAnswer

MAX_ID_CHARACTERS = 255
MAX_CLAIMS_CHARACTERS = 16_384
CLAIM_NAME = re.compile(r"\A[a-z][a-z0-9_]{0,99}\Z")


def identity(
    external_id: object,
    username: object,
    claims: dict[str, Any],
    roles: Iterable[Role] | None = None,
) -> Identity:
    """Raises UnusableAnswer: a server that is set up wrongly refuses nobody."""
    if not isinstance(external_id, str) or not _is_name(external_id):
        raise UnusableAnswer("its answer has no usable external_id")
    if not isinstance(username, str) or not _is_name(username):
        raise UnusableAnswer("its answer has no usable username")
    kept = {name: value for name, value in claims.items() if value is not None}
    for name in kept:
        if not CLAIM_NAME.match(name) or name == "sub":
            raise UnusableAnswer("its answer has a claim that is named as no claim can be")
    try:
        text = json.dumps(kept, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise UnusableAnswer("its answer has a claim that cannot be kept") from None
    # PostgreSQL keeps no NUL, which JSON writes as an escape.
    if len(text) > MAX_CLAIMS_CHARACTERS or r"\u0000" in text:
        raise UnusableAnswer("its answer has claims that cannot be kept")
    return Identity(external_id, username, kept, None if roles is None else frozenset(roles))


def _is_name(text: str) -> bool:
    """Ids are compared letter for letter, so none may hold what cannot be seen."""
    return 0 < len(text) <= MAX_ID_CHARACTERS and text.isprintable() and text == text.strip()


def is_same_name(asked: str, found: object) -> bool:
    """Whether a server found what was asked for, and not what it takes for the same.

    Collations ignore accents and blanks, directories the width of letters. Failed attempts are
    counted by the name that was typed: each spelling of a name would have a count of its own.
    """
    return isinstance(found, str) and found.casefold() == asked.casefold()
