"""The lists that requests come from: files whose lines are an Authorization header and a token."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

FEW = 50

type Lines = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Share:
    """The lines of a list from `begin` to before `end`; used `once`, each serves one request."""

    path: Path
    begin: int
    end: int
    once: bool


class TooShortError(Exception):
    """There are not as many tokens as the measuring needs."""


class Supply:
    """A list, and how much of it is used up. One that is used up serves one task alone."""

    def __init__(self, path: Path, *, once: bool) -> None:
        self.path, self.once = path, once
        with path.open() as lines:
            self.length = sum(1 for _ in lines)
        self.used = 0

    def share(self, parts: int) -> Share:
        """All of the list; where it is used up, what is left divided by so many."""
        if not self.once:
            return Share(self.path, 0, self.length, once=False)
        size = (self.length - self.used) // parts
        if size < FEW:
            raise TooShortError(f"the list {self.path.name} is too short: measure with more --rows")
        return Share(self.path, self.used, self.used + size, once=True)

    def use(self, share: Share, requests: int) -> None:
        """A line more is read by wrk, and not sent."""
        if self.once:
            self.used = min(share.begin + requests + 1, share.end)


def lines_of(share: Share, wanted: int) -> list[tuple[str, str]]:
    """The first of a share."""
    with share.path.open() as lines:
        taken = lines.read().splitlines()[share.begin : share.end][:wanted]
    pairs = [tuple(line.split("\t")) for line in taken]
    return [(authorization, token) for authorization, token in pairs]


def write(folder: str, name: str, lines: Lines, *, with_few: bool = False) -> None:
    """Writes a list; `with_few` beside it the list of its first lines."""
    texts = [f"{authorization}\t{token}\n" for authorization, token in lines]
    if not texts:
        raise TooShortError(f"nothing is in the list {name}: measure with more --rows")
    (Path(folder) / name).write_text("".join(texts))
    if with_few:
        (Path(folder) / f"{name}-few").write_text("".join(texts[:FEW]))


def basic(client_id: str, secret: str) -> str:
    """RFC 6749 section 2.3.1."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
