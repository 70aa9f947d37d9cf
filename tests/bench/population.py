"""Who has which tokens in a database of any size: arithmetic that makes each row from its number.

A number counts in the order of issue. A use-case (client, user, scope) has up to 8 access tokens,
4 on average, and up to 8 logins, each with the refresh token that it was given: these are kept and
not rotated. All were issued at an even rate, logins over the last 90 days and access tokens over
the last 12 hours, so ids and times rise together, over both tables, as `tokens.rows` has it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import gcd
from typing import Any

from idp.partitioning.tables import SEQUENCE_BITS, PartitionedTable
from tests.bench.copying import Target
from tokens.identifiers import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS

MOST = 8  # access tokens of one use-case, and logins

CODE_LIFE = timedelta(seconds=60)
REFRESH_LIFE = timedelta(days=90)
# Longer than the default of 2 hours, so that what was loaded in the morning serves all day.
ACCESS_LIFE = timedelta(hours=24)
ACCESS_ISSUED_OVER = timedelta(hours=12)

EVERYTHING = "*"
FROZEN = ("openid profile email orders.read", "openid orders.read orders.write")
THIRD_PARTY = 5  # every so many-th client has users who consented to a frozen list

type Row = tuple[Any, ...]
type Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Population:
    """`clients` are primary keys; those of the users follow `first_user`."""

    access_tokens: int
    refresh_tokens: int
    now: datetime
    clients: tuple[int, ...]
    first_user: int = 1
    first_sequence: int = 1

    def __post_init__(self) -> None:
        fewest = self.use_cases
        most = fewest + len(_MORE_LOGINS) * (fewest // MOST)
        if not fewest <= self.refresh_tokens <= most:
            raise ValueError(
                f"Beside {self.access_tokens:,} access tokens there can be "
                f"{fewest:,} to {most:,} refresh tokens, not {self.refresh_tokens:,}."
            )

    @cached_property
    def tokens_of_clients(self) -> int:
        """How many access tokens have no user."""
        return min(MOST * len(self.clients), self.access_tokens // 20)

    @cached_property
    def use_cases(self) -> int:
        """How many there are of users; they come in blocks, see `_TOKENS_OF_BLOCK`."""
        of_users = self.access_tokens - self.tokens_of_clients
        return (MOST + 1) * -(-of_users // len(_TOKENS_OF_BLOCK))

    @cached_property
    def users(self) -> int:
        """Each has one use-case or two."""
        return self.use_cases * 4 // 5

    @property
    def last_sequence(self) -> int:
        """A login takes two numbers: its code's and its refresh token's."""
        return self.first_sequence + 2 * self.refresh_tokens + self.access_tokens - 1

    @property
    def access_expires(self) -> Span:
        """When the first access token dies, and when the last."""
        return self.now - ACCESS_ISSUED_OVER + ACCESS_LIFE, self.now + ACCESS_LIFE

    def access_rows(self, expires: Span | None = None) -> Iterator[Row]:
        """All access tokens, oldest first; `expires` is another span for them to die in."""
        first, span = _begin_and_length(expires or self.access_expires)
        first_sequence = self.first_sequence + 2 * self.refresh_tokens
        count, step = self.access_tokens, _step(self.access_tokens)
        of_users, life = count - self.tokens_of_clients, _microseconds(ACCESS_LIFE)
        for number in range(count):
            expires_at = first + number * span // count
            row_id = _id(ACCESS_TOKENS, expires_at, first_sequence + number)
            head = (row_id, _nonce(), expires_at - life, expires_at)
            slot = number * step % count
            if slot < of_users:
                block, within = divmod(slot, len(_TOKENS_OF_BLOCK))
                place, ordinal = _TOKENS_OF_BLOCK[within]
                use_case = block * (MOST + 1) + place
                family, login_at = self._family(self._login_of(use_case, ordinal))
                yield (*head, *self._use_case(use_case), family, login_at, None)
            else:
                client = self.clients[slot % len(self.clients)]
                yield (*head, client, None, EVERYTHING, None, None, None)

    def refresh_rows(self) -> Iterator[Row]:
        """All refresh tokens, oldest first."""
        count, step, life = (
            self.refresh_tokens,
            _step(self.refresh_tokens),
            _microseconds(REFRESH_LIFE),
        )
        for number in range(count):
            login = number * step % count
            family, login_at = self._family(login)
            expires_at = login_at + life
            row_id = _id(REFRESH_TOKENS, expires_at, self.first_sequence + 2 * number + 1)
            head = (row_id, _nonce(), login_at, expires_at)
            use_case = self._use_case(self._use_case_of(login))
            yield (*head, *use_case, family, login_at, None, login_at)

    def _use_case(self, number: int) -> tuple[int, int, str]:
        """Its client, user and scope."""
        lap, person = divmod(number, self.users)
        person = person * self._users_step % self.users
        client = person % len(self.clients)
        if not _is_third_party(client):
            client = (client + lap) % len(self.clients)
        # So the two use-cases of a third party's user differ in their scope alone.
        scope = FROZEN[lap] if _is_third_party(client) else EVERYTHING
        return self.clients[client], self.first_user + person, scope

    def _login_of(self, use_case: int, ordinal: int) -> int:
        """The login that an access token stems from: those of its use-case take turns."""
        block, place = divmod(use_case, MOST)
        first = block * len(_MORE_LOGINS) + _MORE_LOGINS_BEFORE[place]
        more = min(max(self.refresh_tokens - self.use_cases - first, 0), place)
        turn = ordinal % (1 + more)
        return self.use_cases + first + turn - 1 if turn else use_case

    def _use_case_of(self, login: int) -> int:
        """Each use-case has the login of its own number, and some have more."""
        if login < self.use_cases:
            return login
        block, within = divmod(login - self.use_cases, len(_MORE_LOGINS))
        return block * MOST + _MORE_LOGINS[within]

    def _family(self, login: int) -> tuple[int, int]:
        """The id of the login's code, and when the login was."""
        number = login * self._number_of_login % self.refresh_tokens
        first, span = self._logins
        login_at = first + number * span // self.refresh_tokens
        code_expires_at = login_at + _microseconds(CODE_LIFE)
        return _id(AUTHORIZATION_CODES, code_expires_at, self.first_sequence + 2 * number), login_at

    @cached_property
    def _logins(self) -> tuple[int, int]:
        """Since when, and for how long; the first one's refresh token outlives the data."""
        span = self.now - REFRESH_LIFE + ACCESS_LIFE, self.now - ACCESS_ISSUED_OVER
        return _begin_and_length(span)

    @cached_property
    def _users_step(self) -> int:
        return _step(self.users)

    @cached_property
    def _number_of_login(self) -> int:
        return pow(_step(self.refresh_tokens), -1, self.refresh_tokens)


# Which use-case of a block a token belongs to, as its first, second … : they have 0 to 8.
_TOKENS_OF_BLOCK = [(place, ordinal) for place in range(MOST + 1) for ordinal in range(place)]
# Which use-case of a block a further login belongs to: they have 0 to 7.
_MORE_LOGINS = [place for place in range(MOST) for _ in range(place)]
_MORE_LOGINS_BEFORE = [_MORE_LOGINS.index(place) if place else 0 for place in range(MOST)]

# Times travel as PostgreSQL keeps them, microseconds since 2000: no datetime is made for a row.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_SECONDS = int(_EPOCH.timestamp())
_SECOND = 1_000_000
_TIME = "int8"

_COLUMNS = {
    "id": "int8",
    "nonce": "int8",
    "issued_at": _TIME,
    "expires_at": _TIME,
    "client_id": "int4",
    "user_id": "int8",
    "scope": "text",
    "family": "int8",
    "auth_time": _TIME,
    "extra": "jsonb",
}
ACCESS_COPY = Target(ACCESS_TOKENS.name, _COLUMNS)
REFRESH_COPY = Target(REFRESH_TOKENS.name, _COLUMNS | {"login_at": _TIME})


def _id(table: PartitionedTable, expires_at: int, sequence: int) -> int:
    seconds = _EPOCH_SECONDS + expires_at // _SECOND
    return seconds // table.bucket_seconds << SEQUENCE_BITS | sequence


def _nonce() -> int:
    return random.getrandbits(64) - (1 << 63)


def _is_third_party(client: int) -> bool:
    return client % THIRD_PARTY == THIRD_PARTY - 1


def _step(count: int) -> int:
    """Taking every so many-th of `count`, round and round, takes each once and leaps far."""
    step = max(1, int(count * 0.618))
    while gcd(step, count) != 1:
        step += 1
    return step


def _begin_and_length(span: Span) -> tuple[int, int]:
    first, last = span
    return _microseconds(first - _EPOCH), _microseconds(last - first)


def _microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
