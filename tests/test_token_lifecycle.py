"""The life of tokens as a state machine: a model in plain Python knows what must be alive.

hypothesis makes up what applications, users, operators, jobs and the clock do, in any order; after
each step the endpoints and the database are compared with the model. The clock stands in 2001, for
which nobody has made partitions, and each example is one transaction that is rolled back.

What flags decide is said here a second time, in whole seconds: a slip in `tokens.policy` is seen.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client as Browser
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clients_admin.flags import BY_NAME, problems
from clients_admin.models import Client, ScopeGroup
from idp.accounts.models import User
from idp.audit.record import known as known_of_audit
from tests.configuration import (
    CHALLENGE,
    FORM,
    REDIRECT_URI,
    VERIFIER,
    basic,
    client,
    gateway,
    login_service,
    scopes,
)
from tokens import caps, cleanup, issue, policy, rows
from tokens.format import Prefix

pytestmark = pytest.mark.django_db

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
SETTINGS = settings(
    max_examples=2000 if DEEP else 60,
    stateful_step_count=30,
    derandomize=not DEEP,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

BEGIN = "2001-05-14T12:00:00Z"
MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 7 * 86_400
CODE_SECONDS = 60
SETTLED_SECONDS = 600

ALL = "*"
GROUP = "shop"
SCOPES = ("email", "orders.read", "orders.write")
GRANTS = ["authorization_code", "client_credentials", "refresh_token"]

VALUES = {
    "access_token_seconds": [5, 60, 90, HOUR, DAY, 30 * DAY],
    "refresh_token_seconds": [5, 60, HOUR, 4 * HOUR, DAY, 8 * DAY],
    "refresh_expiry": ["sliding", "fixed", "sliding_capped"],
    "refresh_max_seconds": [60, HOUR, DAY, 30 * DAY],
    "refresh_rotation": ["rotate", "rotate", "rotate", "keep"],
    "refresh_grace_seconds": [0, 1, 10, HOUR, HOUR],
    "access_token_reuse": ["never", "recent", "always"],
    "reuse_recent_seconds": [1, 5, 60, HOUR],
    "reuse_min_remaining_seconds": [0, 1, 60, HOUR],
    "max_access_tokens": [0, 1, 2, 3, 8],
    "max_refresh_tokens": [0, 1, 2, 3, 8],
}
FLAGS = {name: st.sampled_from(values) for name, values in VALUES.items()}
CHANGES = st.fixed_dictionaries({}, optional=FLAGS)
ASKED = st.sampled_from(["", "", "", "orders.read", "email orders.read", GROUP])
CLIENTS = st.sampled_from(["one", "one", "two"])
USERS = st.sampled_from(["jane", "jane", "jane", "john"])

BROWSER = Browser()


# --- What the model knows ------------------------------------------------------------------------


@dataclass(eq=False)
class Application:
    row: Client
    scopes: set[str]
    flags: dict[str, Any]


@dataclass(frozen=True)
class UseCase:
    """What caps and re-use go by; without a user, the client's own tokens."""

    client: str
    user: str | None
    scope: str


@dataclass(eq=False)
class Login:
    code: str
    use_case: UseCase
    begun_at: int
    has_ended: bool = False

    @property
    def client(self) -> str:
        return self.use_case.client

    @property
    def code_is_known_until(self) -> int:
        return end_of(DAY, self.begun_at + CODE_SECONDS)


@dataclass(eq=False)
class Token:
    text: str
    number: int
    use_case: UseCase
    issued_at: int
    deadline: int
    has_ended: bool = field(default=False, kw_only=True)

    @property
    def client(self) -> str:
        return self.use_case.client

    @property
    def id(self) -> int:
        reference = issue.hear(Prefix(self.text[:2]), self.text)
        assert reference
        return reference.id

    def is_alive(self) -> bool:
        return not self.has_ended and now() < self.deadline

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.number}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


@dataclass(eq=False, repr=False)
class AccessToken(Token):
    """It is shared from when a second login gets it."""

    given_to: list[Login]

    @property
    def is_shared(self) -> bool:
        return len(self.given_to) > 1

    @property
    def is_seen_by_caps_until(self) -> int:
        return end_of(DAY, self.deadline)


@dataclass(eq=False, repr=False)
class RefreshToken(Token):
    """`successor` and `access_token` are what it was rotated to."""

    login: Login
    rotated_at: int | None = None
    successor: "RefreshToken | None" = None
    access_token: AccessToken | None = None

    @property
    def is_seen_by_caps_until(self) -> int:
        return end_of(WEEK, self.deadline)


def now() -> int:
    return int(time.time())


def end_of(span: int, moment: int) -> int:
    """The end of the bucket in which a moment lies."""
    return (moment // span + 1) * span


def known(name: str) -> st.SearchStrategy:
    """One of the things that the machine has in its list of that name."""
    return st.runner().flatmap(lambda machine: st.sampled_from(getattr(machine, name)))


BESIDE = st.sampled_from([-1, 0, 1])
EDGES = st.runner().flatmap(
    lambda machine: st.sampled_from(machine.edges()).flatmap(st.sampled_from)
)


def some(name: str):
    return precondition(lambda machine: bool(getattr(machine, name)))


# --- The machine ---------------------------------------------------------------------------------


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    for partitions in (rows.known, known_of_audit):
        partitions.refresh()


class TokenLifecycle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.example = ExitStack()
        self.clock = self.example.enter_context(time_machine.travel(BEGIN, tick=False))
        self.example.enter_context(rolled_back())
        gateway()
        self.group = {"orders.write"}
        group = ScopeGroup.objects.create(name=GROUP)
        group.scopes.set(scopes(*self.group))
        self.clients = {}
        for name in ("one", "two"):
            row = client(name, *SCOPES, grant_types=GRANTS, redirect_uris=REDIRECT_URI)
            row.scope_groups.add(group)
            flags = {flag: BY_NAME[flag].default for flag in VALUES}
            self.clients[name] = Application(row, set(SCOPES), flags)
        self.users = {
            name: User.objects.create(
                login_service=login_service(), external_id=name, username=name
            )
            for name in ("jane", "john")
        }
        self.logins: list[Login] = []
        self.access_tokens: list[AccessToken] = []
        self.refresh_tokens: list[RefreshToken] = []
        self.new: list[AccessToken | RefreshToken] = []
        self.changed: list[AccessToken] = []
        caps.skip_to_head()

    def teardown(self) -> None:
        self.example.close()

    # --- What applications and their users do ----------------------------------------------------

    @initialize(
        one=st.fixed_dictionaries(FLAGS),
        two=CHANGES,
        logins=st.lists(st.tuples(CLIENTS, USERS), min_size=1, max_size=4),
    )
    def begin(
        self, one: dict[str, Any], two: dict[str, Any], logins: list[tuple[str, str]]
    ) -> None:
        self.change_flags("one", one)
        self.change_flags("two", two)
        for application, user in logins:
            self.log_in(application, user, ALL)

    @rule(client=CLIENTS, user=USERS, asked=ASKED, is_fresh=st.booleans(), times=st.integers(1, 3))
    def somebody_logs_in(
        self, client: str, user: str, asked: str, is_fresh: bool, times: int
    ) -> None:
        for _ in range(times):
            scope = asked if asked and self.may_ask(client, asked) else ALL
            self.log_in(client, user, scope, is_fresh=is_fresh)

    @rule(client=CLIENTS, asked=ASKED)
    def a_client_asks_for_itself(self, client: str, asked: str) -> None:
        answer = ask("token", client, grant_type="client_credentials", scope=asked)
        if asked and not self.may_ask(client, asked):
            refused(answer, "invalid_scope")
        else:
            self.take_access_token(granted(answer), UseCase(client, None, asked or ALL), None)

    @some("refresh_tokens")
    @rule(token=known("refresh_tokens"), asked=ASKED)
    def refresh_with_any(self, token: RefreshToken, asked: str) -> None:
        self.refresh(token, asked)

    @some("unused")
    @rule(token=known("unused"), asked=ASKED, times=st.integers(1, 3))
    def refresh_with_an_unused_one(self, token: RefreshToken, asked: str, times: int) -> None:
        for _ in range(times):
            self.refresh(token, asked)

    @some("rotated")
    @rule(token=known("rotated"), asked=ASKED)
    def refresh_with_a_rotated_one(self, token: RefreshToken, asked: str) -> None:
        self.refresh(token, asked)

    @some("unused")
    @rule(token=known("unused"), times=st.integers(2, 5))
    def refresh_again_and_again(self, token: RefreshToken, times: int) -> None:
        """Each time when half of what is left is over."""
        for _ in range(times):
            self.wait_until((now() + token.deadline) // 2)
            self.refresh(token, "")
            token = token.successor or token

    @some("unused")
    @rule(token=known("unused"), asked=ASKED)
    def refresh_twice_and_come_back(self, token: RefreshToken, asked: str) -> None:
        self.refresh(token, asked)
        self.refresh(token.successor or token, "")
        self.refresh(token, asked)

    @some("unused")
    @rule(token=known("unused"), asked=ASKED, edge=st.integers(0, 3))
    def refresh_and_come_back_at_an_edge(self, token: RefreshToken, asked: str, edge: int) -> None:
        """In the second before it, and twice when it has come."""
        self.refresh(token, asked)
        grace_seconds = self.clients[token.client].flags["refresh_grace_seconds"]
        moments = [now() + grace_seconds, token.deadline]
        if token.successor and token.access_token:
            moments += [token.successor.deadline, token.access_token.deadline]
        moment = moments[edge % len(moments)]
        for come_back_at in (moment - 1, moment, moment):
            self.wait_until(max(come_back_at, now()))
            self.refresh(token, asked)

    @some("logins")
    @rule(what=known("logins") | known("access_tokens") | known("refresh_tokens"))
    def revoke_or_exchange_a_code_again(self, what: Login | AccessToken | RefreshToken) -> None:
        if isinstance(what, Login):
            refused(exchange(what), "invalid_grant")
            if now() < what.code_is_known_until:
                self.end(what)
            return
        assert ask("revoke", what.client, token=what.text).status_code == 200
        if what.is_alive() and isinstance(what, RefreshToken):
            self.end(what.login)
        elif what.is_alive():
            self.end_access_token(what)

    # --- What time and operators do --------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 5, 9, 60, HOUR, DAY]))
    def let_time_pass(self, seconds: int) -> None:
        self.wait_until(now() + seconds)

    @rule(edge=EDGES, beside=BESIDE)
    def come_to_an_edge(self, edge: int, beside: int) -> None:
        self.wait_until(max(edge + beside, now()))

    @rule(client=CLIENTS, changes=CHANGES)
    def set_flags(self, client: str, changes: dict[str, Any]) -> None:
        self.change_flags(client, changes)

    @some("access_tokens")
    @rule(client=st.sampled_from(["one", "two", GROUP]), scope=st.sampled_from(SCOPES))
    def add_or_remove_a_scope(self, client: str, scope: str) -> None:
        """Of a client, or of the group that both have."""
        if client == GROUP:
            self.group ^= {scope}
            ScopeGroup.objects.get(name=GROUP).scopes.set(scopes(*self.group))
        else:
            application = self.clients[client]
            application.scopes ^= {scope}
            application.row.scopes.set(scopes(*application.scopes))
        living = self.living(self.access_tokens)
        frozen = [token for token in living if token.use_case.scope != ALL]
        for token in [*living[-1:], *frozen[-2:]]:
            self.look_at(token)

    @some("access_tokens")
    @rule(client=CLIENTS, user=USERS)
    def switch_a_client_and_a_user_off_for_a_moment(self, client: str, user: str) -> None:
        found = Client.objects.filter(client_id=client), User.objects.filter(username=user)
        for rows_to_switch in found:
            rows_to_switch.update(is_active=False)
        for token in self.living(self.access_tokens)[-2:]:
            is_off = token.client == client or token.use_case.user == user
            assert introspected(token)["active"] is not is_off
        for refresh_token in self.living(self.refresh_tokens)[-2:]:
            if refresh_token.client == client:
                refused(present(refresh_token), "invalid_client")
            elif refresh_token.use_case.user == user:
                refused(present(refresh_token), "invalid_grant")
        for rows_to_switch in found:
            rows_to_switch.update(is_active=True)

    # --- What jobs do ----------------------------------------------------------------------------

    @rule(client=CLIENTS, user=USERS, times=st.integers(1, 4), seconds=st.sampled_from([0, 5, 90]))
    def too_many_log_in(self, client: str, user: str, times: int, seconds: int) -> None:
        for _ in range(times):
            self.log_in(client, user, ALL)
        self.wait_until(now() + seconds)
        self.enforce()

    @some("new")
    @rule()
    def enforce_the_caps(self) -> None:
        self.enforce()

    def enforce(self) -> None:
        """Of a use-case that got an access token or a login since the last time, the newest stay;
        of others no more than too many may go."""
        due = {
            (type(token), token.use_case)
            for token in self.new
            if not token.has_ended and now() < token.is_seen_by_caps_until
        }
        excess = [
            *self.beyond_the_cap("max_access_tokens", self.living(self.access_tokens)),
            *self.beyond_the_cap("max_refresh_tokens", self.unused),
        ]
        assert set(caps.enforce()) == {"access_token", "family"}
        self.new.clear()
        access_rows, refresh_rows = living_rows()
        for token in excess:
            is_gone = token.id not in access_rows and token.id not in refresh_rows
            assert is_gone or (type(token), token.use_case) not in due
            if is_gone and isinstance(token, RefreshToken):
                self.end(token.login)
            elif is_gone:
                self.end_access_token(token)

    @some("new")
    @rule(job=st.sampled_from(["make_partitions", "clean_up"]))
    def beat_runs(self, job: str) -> None:
        getattr(cleanup, job)()

    # --- What always holds -----------------------------------------------------------------------

    @invariant()
    def what_lives_and_until_when_is_what_the_model_says(self) -> None:
        access_rows, refresh_rows = living_rows()
        assert access_rows == {
            token.id: token.deadline for token in self.living(self.access_tokens)
        }
        assert refresh_rows == {
            token.id: (token.deadline, token.successor and token.successor.id)
            for token in self.living(self.refresh_tokens)
        }

    @invariant()
    def who_asks_is_told_of_every_end(self) -> None:
        while self.changed:
            self.look_at(self.changed.pop())

    # --- The policy, once more -------------------------------------------------------------------

    def refresh_token_deadline(self, login: Login, predecessor: RefreshToken | None) -> int:
        flags = self.clients[login.client].flags
        sliding = now() + flags["refresh_token_seconds"]
        match flags["refresh_expiry"]:
            case "fixed" if predecessor:
                return predecessor.deadline
            case "sliding_capped":
                return min(sliding, login.begun_at + flags["refresh_max_seconds"])
        return sliding

    def access_token_deadline(
        self, client: str, beside: RefreshToken | None, *, more: int = 0
    ) -> int:
        flags = self.clients[client].flags
        deadline = now() + flags["access_token_seconds"] + more
        match flags["refresh_expiry"]:
            case "fixed" if beside:
                return min(deadline, beside.deadline)
            case "sliding_capped" if beside:
                return min(deadline, beside.login.begun_at + flags["refresh_max_seconds"])
        return deadline

    def reusable(self, use_case: UseCase, deadline: int, latest: int) -> list[AccessToken]:
        """What may be given once more in place of a token that would live until `deadline`; those
        who wait for their turn may find one that lives until `latest`."""
        flags = self.clients[use_case.client].flags
        earliest = now() + flags["reuse_min_remaining_seconds"]
        oldest = now() - flags["reuse_recent_seconds"]
        if flags["access_token_reuse"] == "never" or earliest > deadline:
            return []
        return [
            token
            for token in self.living(self.access_tokens)
            if token.use_case == use_case
            and earliest <= token.deadline <= latest
            and (flags["access_token_reuse"] == "always" or oldest < token.issued_at)
        ]

    def beyond_the_cap[T: Token](self, flag: str, living: list[T]) -> list[T]:
        use_cases: dict[UseCase, list[T]] = defaultdict(list)
        for token in sorted(living, key=lambda token: -token.number):
            use_cases[token.use_case].append(token)
        limits = {use_case: self.clients[use_case.client].flags[flag] for use_case in use_cases}
        return [
            token
            for use_case, tokens in use_cases.items()
            if limits[use_case]
            for token in tokens[limits[use_case] :]
        ]

    def allowed(self, client: str) -> set[str]:
        return self.clients[client].scopes | self.group

    def opened(self, names: str) -> set[str]:
        return set(chain(*(self.group if name == GROUP else [name] for name in names.split())))

    def may_ask(self, client: str, names: str) -> bool:
        return self.opened(names) <= self.allowed(client)

    def effective(self, use_case: UseCase) -> set[str]:
        allowed = self.allowed(use_case.client)
        return allowed if use_case.scope == ALL else self.opened(use_case.scope) & allowed

    # --- The model learns ------------------------------------------------------------------------

    def log_in(self, client: str, user: str, scope: str, *, is_fresh: bool = False) -> None:
        moment = timezone.now()
        code = issue.authorization_code(
            self.clients[client].row,
            self.users[user],
            scope,
            moment,
            redirect_uri=REDIRECT_URI,
            redirect_uri_was_given=True,
            code_challenge=CHALLENGE,
            openid_nonce="",
            auth_time=moment,
            auth_time_is_essential=is_fresh,
        )
        login = Login(issue.say(code), UseCase(client, user, scope), now())
        body = granted(exchange(login))
        self.logins.append(login)
        refresh_token = self.next_refresh_token(body["refresh_token"], login)
        self.take_access_token(body, login.use_case, refresh_token, may_reuse=not is_fresh)

    def refresh(self, token: RefreshToken, asked: str) -> None:
        login = token.login
        flags = self.clients[token.client].flags
        answer = present(token, asked)
        is_over = (
            flags["refresh_expiry"] == "sliding_capped"
            and login.begun_at + flags["refresh_max_seconds"] <= now()
        )
        if not token.is_alive():
            refused(answer, "invalid_grant")
        elif is_over:
            refused(answer, "invalid_grant")
            if token.rotated_at is not None and token.id not in living_rows()[1]:
                self.end(login)  # It may be taken for a replay.
        elif token.rotated_at is None:
            self.rotated_or_kept(token, asked, answer)
        elif now() >= token.rotated_at + flags["refresh_grace_seconds"]:
            refused(answer, "invalid_grant")
            self.end(login)
        else:
            self.repeated_or_replayed(token, asked, answer)

    def rotated_or_kept(self, token: RefreshToken, asked: str, answer: HttpResponse) -> None:
        if asked and not self.opened(asked) <= self.effective(token.use_case):
            refused(answer, "invalid_scope")
            return
        body = granted(answer)
        use_case = replace(token.use_case, scope=asked or token.use_case.scope)
        if self.clients[token.client].flags["refresh_rotation"] == "keep":
            assert body["refresh_token"] == token.text
            self.take_access_token(body, use_case, token)
            return
        token.rotated_at = now()
        token.successor = self.next_refresh_token(body["refresh_token"], token.login, token)
        token.access_token = self.take_access_token(body, use_case, token.successor)

    def repeated_or_replayed(self, token: RefreshToken, asked: str, answer: HttpResponse) -> None:
        """Within the grace time: the identical pair, until its refresh token was rotated.

        A use of that under `keep` leaves no trace.
        """
        successor = token.successor
        assert successor
        assert token.access_token
        if asked and not self.opened(asked) <= self.effective(token.use_case):
            refused(answer, "invalid_scope")
            return
        if successor.rotated_at is not None or not successor.is_alive():
            refused(answer, "invalid_grant")
            self.end(token.login)
            return
        body = granted(answer)
        assert body["refresh_token"] == successor.text
        if token.access_token.is_alive():
            assert body["access_token"] == token.access_token.text
            assert body["expires_in"] == token.access_token.deadline - now()
        else:
            use_case = replace(token.use_case, scope=asked or token.use_case.scope)
            token.access_token = self.take_access_token(body, use_case, successor)

    def next_refresh_token(
        self, text: str, login: Login, predecessor: RefreshToken | None = None
    ) -> RefreshToken:
        assert text not in {token.text for token in self.refresh_tokens}
        deadline = self.refresh_token_deadline(login, predecessor)
        number = len(self.refresh_tokens)
        token = RefreshToken(text, number, login.use_case, now(), deadline, login)
        self.refresh_tokens.append(token)
        if predecessor is None:
            self.new.append(token)
        return token

    def take_access_token(
        self,
        body: dict[str, Any],
        use_case: UseCase,
        beside: RefreshToken | None,
        *,
        may_reuse: bool = True,
    ) -> AccessToken:
        """A new token, or one that may be given once more."""
        deadline = self.access_token_deadline(use_case.client, beside)
        turns = int(policy.TURNS_TAKE.total_seconds())
        latest = self.access_token_deadline(use_case.client, beside, more=turns)
        reusable = self.reusable(use_case, deadline, latest) if may_reuse else []
        if reusable:
            (token,) = [token for token in reusable if token.text == body["access_token"]]
        else:
            text, number = body["access_token"], len(self.access_tokens)
            assert text not in {token.text for token in self.access_tokens}
            token = AccessToken(text, number, use_case, now(), deadline, [])
            self.access_tokens.append(token)
            self.new.append(token)
        if beside and beside.login not in token.given_to:
            token.given_to.append(beside.login)
        assert body["expires_in"] == token.deadline - now()
        assert set(body["scope"].split()) == self.effective(use_case)
        return token

    def end(self, login: Login) -> None:
        """All tokens of a login end, with what it shares; perhaps with what others of the same user
        and client share."""
        login.has_ended = True
        for token in self.refresh_tokens:
            if token.login is login:
                token.has_ended = True
        access_rows, _ = living_rows()
        for token in self.living(self.access_tokens):
            is_of_the_same = replace(token.use_case, scope="") == replace(login.use_case, scope="")
            may_end = token.is_shared and is_of_the_same and token.id not in access_rows
            if login in token.given_to or may_end:
                self.end_access_token(token)

    def end_access_token(self, token: AccessToken) -> None:
        token.has_ended = True
        self.changed.append(token)

    def change_flags(self, client: str, changes: dict[str, Any]) -> None:
        application = self.clients[client]
        application.flags |= changes
        flags = {"consent": "never", **application.flags}
        assert problems(flags) == {}
        Client.objects.filter(client_id=client).update(flags=flags)

    def wait_until(self, moment: int) -> None:
        living = self.living(self.access_tokens)
        self.clock.move_to(moment)
        self.changed.extend(token for token in living if not token.is_alive())

    def edges(self) -> list[list[int]]:
        """The moments to come at which something may change, by kind, the next ones first."""
        access_tokens = [(t, self.clients[t.client].flags) for t in self.living(self.access_tokens)]
        unused = [(t, self.clients[t.client].flags) for t in self.unused]
        rotated = [(t, self.clients[t.client].flags) for t in self.rotated]
        kinds = [
            [end_of(DAY, now())],
            [end_of(WEEK, now())],
            [now() + SETTLED_SECONDS],
            [t.deadline for t, _ in access_tokens],
            [t.deadline - flags["reuse_min_remaining_seconds"] for t, flags in access_tokens],
            [t.issued_at + flags["reuse_recent_seconds"] for t, flags in access_tokens],
            [t.deadline for t, _ in unused],
            [t.login.begun_at + flags["refresh_max_seconds"] for t, flags in unused],
            [(t.rotated_at or 0) + flags["refresh_grace_seconds"] for t, flags in rotated],
        ]
        to_come = ([moment for moment in moments if moment > now()] for moments in kinds)
        return [sorted(moments)[:4] for moments in to_come if moments]

    def living[T: Token](self, tokens: list[T]) -> list[T]:
        return [token for token in tokens if token.is_alive()]

    @property
    def unused(self) -> list[RefreshToken]:
        living = self.living(self.refresh_tokens)
        return [token for token in living if token.rotated_at is None]

    @property
    def rotated(self) -> list[RefreshToken]:
        living = self.living(self.refresh_tokens)
        return [token for token in living if token.rotated_at is not None]

    def look_at(self, token: AccessToken) -> None:
        told = introspected(token)
        if not token.is_alive():
            assert told == {"active": False}
            return
        user = token.use_case.user
        assert told["active"] is True
        assert (told["iat"], told["exp"]) == (token.issued_at, token.deadline)
        assert told["client_id"] == token.client
        assert told["sub"] == (self.users[user].sub if user else token.client)
        assert set(told["scope"].split()) == self.effective(token.use_case)


# --- Requests and rows ---------------------------------------------------------------------------


def ask(endpoint: str, client: str, **parameters: str) -> HttpResponse:
    form = urlencode({name: value for name, value in parameters.items() if value})
    return BROWSER.post(f"/oauth2/{endpoint}", form, content_type=FORM, **basic(client))


def exchange(login: Login) -> HttpResponse:
    return ask(
        "token",
        login.client,
        grant_type="authorization_code",
        code=login.code,
        redirect_uri=REDIRECT_URI,
        code_verifier=VERIFIER,
    )


def present(token: RefreshToken, asked: str = "") -> HttpResponse:
    return ask(
        "token", token.client, grant_type="refresh_token", refresh_token=token.text, scope=asked
    )


def introspected(token: AccessToken) -> dict[str, Any]:
    return ask("introspect", "gateway", token=token.text).json()


def granted(answer: HttpResponse) -> dict[str, Any]:
    assert answer.status_code == 200, answer.content
    return answer.json()


def refused(answer: HttpResponse, error: str) -> None:
    status = 401 if error == "invalid_client" else 400
    assert (answer.status_code, answer.json().get("error")) == (status, error)


def living_rows() -> tuple[dict[int, int], dict[int, tuple[int, int | None]]]:
    """The deadlines of access tokens by id, and those of refresh tokens with their successors."""
    with connection.cursor() as cursor:
        moment, condition = [timezone.now()], "WHERE expires_at > %s"
        cursor.execute(f"SELECT id, expires_at FROM tokens_accesstoken {condition}", moment)
        access_rows = {row_id: int(ends.timestamp()) for row_id, ends in cursor.fetchall()}
        cursor.execute(
            f"SELECT id, expires_at, successor FROM tokens_refreshtoken {condition}", moment
        )
        refresh_rows = {
            row_id: (int(ends.timestamp()), successor)
            for row_id, ends, successor in cursor.fetchall()
        }
    return access_rows, refresh_rows


def test_whatever_happens_the_tokens_that_live_are_those_of_the_model(monkeypatch):
    # So few that a run of the job has several steps, and making partitions takes no time.
    monkeypatch.setattr(caps, "STEP", 40)
    tables = [
        replace(table, ahead=min(table.ahead, timedelta(days=2)))
        for table in cleanup.PARTITIONED_TABLES
    ]
    monkeypatch.setattr(cleanup, "PARTITIONED_TABLES", tables)
    run_state_machine_as_test(TokenLifecycle, settings=SETTINGS)
