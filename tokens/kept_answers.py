"""Answers about living tokens, kept by this process for a few seconds, to be said again.

An answer is kept by a digest of the whole request, credentials and all: nobody gets it who could
not have asked for it, and no token lies in memory for it. It is dropped when anything that it was
made of changes (`idp.database.changes`): the token ends, its user or one of the clients is edited.
Where changes are not heard, nothing is kept. At the latest it goes after
IDP_INTROSPECTION_CACHE_SECONDS, whatever is heard.
"""

import hashlib
import time
from datetime import datetime
from typing import NamedTuple

from idp.database.changes import changes

MAX_ANSWERS = 20_000

type Header = tuple[str, str]
type Ready = tuple[int, list[Header], list[bytes]]


class Keepable(NamedTuple):
    """What an answer says of being kept: what it is made of, and until when it is true.

    `expires_in` is the number of seconds that its body holds, where there is one: it is written
    anew whenever the answer is said.
    """

    marks: tuple[str, ...]
    until: datetime
    expires_in: int | None = None


class _Kept(NamedTuple):
    status: int
    headers: list[Header]
    body: tuple[bytes, bytes] | bytes  # In two where a number of seconds stands between them.
    ends_at: float  # When that number is nought, by the clock on the wall.
    marks: tuple[str, ...]
    read_at: float
    until: float


class KeptAnswers:
    """Those of one process; times are `time.monotonic()`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._kept: dict[bytes, _Kept] = {}

    def get(self, key: bytes) -> Ready | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if time.monotonic() >= kept.until or changes.changed_since(kept.read_at, kept.marks):
            self._kept.pop(key, None)
            return None
        if isinstance(kept.body, bytes):
            return kept.status, kept.headers, [kept.body]
        before, after = kept.body
        seconds = int(kept.ends_at - time.time())
        return kept.status, *_of_length(kept.headers, b"%b%d%b" % (before, seconds, after))

    def keep(self, key: bytes, ready: Ready, keepable: Keepable, read_at: float) -> None:
        """Keeps what was read since `read_at`, unless some of it has changed meanwhile."""
        if changes.changed_since(read_at, keepable.marks):
            return
        status, headers, (body,) = ready
        lives_for = keepable.until.timestamp() - time.time()
        until = read_at + min(self.seconds, lives_for)
        self._make_room(read_at)
        self._kept[key] = _Kept(
            status=status,
            headers=headers,
            body=body if keepable.expires_in is None else _split(body, keepable.expires_in),
            ends_at=time.time() + (keepable.expires_in or 0),
            marks=keepable.marks,
            read_at=read_at,
            until=until,
        )

    def _make_room(self, now: float) -> None:
        """The oldest first: a dict has them in the order in which they came."""
        try:
            while self._kept:
                key = next(iter(self._kept))
                is_over = self._kept[key].read_at + self.seconds <= now
                if not is_over and len(self._kept) < MAX_ANSWERS:
                    return
                self._kept.pop(key, None)
        except (KeyError, RuntimeError):
            pass  # Another thread makes room at the same moment.


def key_of(*parts: str | bytes) -> bytes:
    """A digest of a request; each part is told apart from the next."""
    encoded = [
        part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in parts
    ]
    lengths = b"%d," * len(encoded) % tuple(map(len, encoded))
    return hashlib.blake2b(lengths + b"".join(encoded), digest_size=32).digest()


def _of_length(headers: list[Header], body: bytes) -> tuple[list[Header], list[bytes]]:
    """The headers for a body that may be a digit shorter than the one they were made for."""
    length = str(len(body))
    return [(name, length if name == "Content-Length" else text) for name, text in headers], [body]


def _split(body: bytes, seconds: int) -> tuple[bytes, bytes]:
    before, name, after = body.partition(b'"expires_in": ')
    return before + name, after.removeprefix(b"%d" % seconds)
