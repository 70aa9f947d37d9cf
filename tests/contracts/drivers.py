"""One change of each kind, driven from outside where that can be: over HTTP, or by a command.

`prepare` makes what has to be there, and answers the change; the change answers an HTTP response,
or nothing. It can be made again after it has failed.
"""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.db import transaction
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from branding.models import Brand
from clients_admin import expiry
from clients_admin.models import Scope, ScopeGroup
from clients_admin.proposals import life
from clients_admin.roles import APPROVERS, EDITORS, VIEWERS
from clients_admin.undo import undo
from idp.accounts import (
    operator_rights,
    passkeys,
    password_links,
    password_mails,
    second_factor,
    totp,
)
from idp.accounts.login import sign_in
from idp.accounts.models import BrowserSession, LocalAccount, LoginService, User
from idp.accounts.outcomes import Role
from idp.audit.changes import record_change, state_of, version_of
from idp.audit.models import AuditEvent
from idp.blocking.models import FailedAttempt
from tests import proposals
from tests.api.callers import call, of_client
from tests.authenticator import Authenticator
from tests.configuration import (
    PASSWORD,
    SECRET,
    Shopper,
    account,
    basic,
    batch,
    brand,
    client,
    login_service,
    post,
    scopes,
    shop,
)
from tests.environment import PUBLIC_URL
from tests.passwords.journey import CHANGE, NEW, RESET, follow, set_new
from tokens import caps, devices, logout_notices
from tokens.api.rights import WRITE
from tokens.interaction.session import Visitor
from tokens.keys.models import SigningKey
from tokens.keys.orders import Order, exclusive
from tokens.models import RefreshToken

type Change = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Driver:
    """A change; the tags of its events, of which each is needed; the writers that it goes through.

    All of it is one transaction, or nothing else would be written when an event fails.
    """

    name: str
    prepare: Callable[[], Change]
    tags: tuple[str, ...]
    writers: tuple[str, ...]


# --- Users ----------------------------------------------------------------------------------------


def _sign_in_page(password: str = PASSWORD) -> Change:
    account()
    shop()
    shopper = Shopper()
    page = shopper.authorize().headers["Location"]
    form = {"username": "jane", "password": password}
    return lambda: shopper.browser.post(page, form)


def _second_sign_in() -> Change:
    change = _sign_in_page()
    Shopper().code()
    return change


def _changed_name() -> Change:
    change = _second_sign_in()
    LocalAccount.objects.update(claims={"email": "new@example.org"})
    return change


def _wrong_password() -> Change:
    return _sign_in_page("wrong")


def _one_wrong_password_too_many() -> Change:
    shop()
    account()
    Shopper().tokens()

    def guess(number: int) -> None:
        sign_in([login_service()], "jane", "wrong", address=f"192.0.2.{number}")

    def change() -> None:
        # An attempt that could not be closed counts for a minute as one that is open.
        FailedAttempt.objects.filter(is_open=True).delete()
        guess(99)

    for number in range(9):
        guess(number)
    return change


def _unblock() -> Change:
    account()
    for number in range(10):
        sign_in([login_service()], "jane", "wrong", address=f"192.0.2.{number}")
    return lambda: call_command("unblock", "--all", stdout=io.StringIO())


def _sign_out() -> Change:
    shop(backchannel_logout_uri="https://shop.example/backchannel")
    account()
    shopper = Shopper()
    shopper.code()
    return lambda: shopper.browser.post("/sign-out", {"decision": "sign_out"})


def _two_accounts() -> Shopper:
    """A browser in which two users are signed in."""
    shop()
    account()
    account("joe")
    shopper = Shopper()
    shopper.code()
    joe = {"username": "joe", "password": PASSWORD}
    shopper.browser.post(f"/sign-in?{urlencode(shopper.request())}", joe)
    return shopper


def _both_signed_out() -> Change:
    shopper = _two_accounts()
    return lambda: shopper.browser.post("/sign-out", {"decision": "sign_out"})


def _one_signed_out() -> Change:
    shopper = _two_accounts()
    page = f"/select-account?{urlencode(shopper.request())}"
    return lambda: shopper.browser.post(page, {"sign_out": shopper.sub()})


def _logout_told() -> Change:
    """What is written once the client has answered; the way there has tests of its own."""
    _sign_out()()
    (notice,) = logout_notices._take(timezone.now())
    return lambda: logout_notices._settle(notice, "")


def _consent() -> Change:
    shop(flags={"consent": "remember"})
    account()
    shopper = Shopper()
    page = shopper.sign_in(shopper.authorize()).headers["Location"]
    assert page.startswith("/consent"), page
    return lambda: shopper.browser.post(page, {"decision": "allow"})


def _session_revoked(which: str = "") -> Callable[[], Change]:
    """A user ends a session of theirs from another one: that of the other browser, or all."""

    def prepare() -> Change:
        shop()
        account()
        here, there = Shopper(), Shopper()
        here.code()
        there.code()
        row = BrowserSession.objects.get(session_id=there.browser.session.session_key)
        return lambda: here.browser.post("/account/sessions", {"session": which or row.pk})

    return prepare


def _consent_withdrawn() -> Change:
    shop()
    account()
    shopper = Shopper()
    shopper.tokens()
    return lambda: shopper.browser.post("/account/applications", {"application": "shop"})


def _second_factor(typed: str = "") -> Callable[[], Change]:
    """A user sets up an app; or has one, and a code is typed at it: a right one, or none."""

    def prepare() -> Change:
        change, secret = _sign_in_page(), totp.new_secret()
        change()
        user, now = User.objects.get(), timezone.now()
        begun = now - timedelta(seconds=totp.STEP_SECONDS)
        first = totp.code(secret, totp.step_at(begun))
        if not typed:
            return lambda: _done(second_factor.set_up(user, secret, first, begun))
        codes = second_factor.set_up(user, secret, first, begun) or []
        if typed == "removed":
            return lambda: _done(second_factor.remove(user))
        given = {"app": totp.code(secret, totp.step_at(now)), "recovery": codes[0], "wrong": "x"}
        return lambda: _done(
            second_factor.check(user, given[typed], address="", client_id=None, now=now)
        )

    return prepare


def _passkey(what: str) -> Callable[[], Change]:
    """A user adds a passkey; or has one, which is removed or signs, rightly or not."""

    def prepare() -> Change:
        _sign_in_page()()
        user, now, key = User.objects.get(), timezone.now(), Authenticator(PUBLIC_URL)
        made = key.create(passkeys.to_register(user, "browser", now))
        names = {"browser": "browser", "now": now}
        if what == "added":
            return lambda: _done(passkeys.register(user, made, "mine", **names))
        row = passkeys.register(user, made, "mine", **names)
        if what == "removed":
            return lambda: _done(passkeys.remove(user, row.pk))
        bent = {"signature": b"wrong"} if what == "wrong" else {}
        answer = key.get(passkeys.to_sign_in("browser", now), **bent)
        return lambda: _done(passkeys.check(answer, address="", client_id=None, **names))

    return prepare


def _done(_: Any) -> None:
    """What came of it is in the database."""


def _link_asked_for() -> Change:
    jane = account()
    services = [jane.login_service_id]
    now = timezone.now()
    return lambda: password_mails.find(
        services, "jane", client_id="shop", address="192.0.2.1", now=now
    )


def _password_reset() -> Change:
    shop()
    token = password_links.make(account(), "shop", timezone.now())
    browser = follow(f"{RESET}/{token}")
    return lambda: set_new(browser)


def _password_changed() -> Change:
    account()
    shop()
    shopper = Shopper()
    shopper.code()
    form = {"present_password": PASSWORD, "new_password": NEW, "repeated": NEW}
    return lambda: shopper.browser.post(CHANGE, form)


def _operator(name: str = "eddy", *, is_superuser: bool = False) -> Browser:
    service = LoginService.objects.get_or_create(name="operators")[0]
    known = account(name, service)
    user = User.objects.create(
        login_service=service,
        external_id=str(known.external_id),
        username=name,
        claims=known.claims,
        is_staff=True,
        is_superuser=is_superuser,
    )
    user.groups.add(Group.objects.get(name=EDITORS))
    browser = Browser()
    browser.force_login(user)
    return browser


def _admin_sign_in() -> Change:
    _operator()
    form = {"username": "eddy", "password": PASSWORD}
    return lambda: Browser().post(reverse("admin:login"), form)


def _admin_sign_out() -> Change:
    browser = _operator()
    return lambda: browser.post(reverse("admin:logout"))


def _roles_of_a_directory() -> Change:
    user = User.objects.create(login_service=login_service(), external_id="1", username="eddy")
    return lambda: operator_rights._give(user, frozenset({Role.EDITOR}), timezone.now())


def _ensure_operator() -> Change:
    def change() -> None:
        with mock.patch.object(sys, "stdin", io.StringIO(f"{PASSWORD}\n")):
            arguments = ("--username", "root", "--password-stdin")
            call_command("ensure_operator", *arguments, stdout=io.StringIO())

    return change


# --- Tokens ---------------------------------------------------------------------------------------


def _code_exchange() -> Change:
    shop()
    account()
    code = Shopper().code()
    return lambda: Shopper().exchange(code)


def _password_grant() -> Change:
    account()
    flags = {"allow_password_grant": True}
    services = [login_service()]
    client("legacy", "orders.read", grant_types=["password"], login_services=services, flags=flags)
    form = {"grant_type": "password", "username": "jane", "password": PASSWORD}
    return lambda: post("/oauth2/token", form, **basic("legacy"))


def _device() -> Change:
    user = User.objects.create(login_service=login_service(), external_id="1", username="jane")
    television = client("tv", "openid", client_type="public")
    device = devices.begin(television, "openid", timezone.now())
    now = timezone.now()
    visitor = Visitor(user, now, ("pwd",), SessionStore())
    return lambda: devices.approve(device, visitor, "openid", now)


def _revoked(kind: str) -> Change:
    shop()
    account()
    form = {"token": Shopper().tokens()[kind], "client_id": "shop"}
    return lambda: post("/oauth2/revoke", form)


def _client_ended() -> Change:
    editor = _operator()
    ended = batch()
    post("/oauth2/token", {"grant_type": "client_credentials"}, **basic("batch"))
    page = reverse("admin:clients_admin_client_revoke", args=[ended.pk])
    return lambda: editor.post(page)


def _session_ended(login: str = "") -> Change:
    editor = _operator()
    ended = shop()
    account()
    Shopper().tokens()
    user = User.objects.get(username="jane")
    family = RefreshToken.objects.get().family
    page = reverse("admin:idp_user_revoke", args=[user.pk])
    return lambda: editor.post(page, {"login": login or f"{ended.pk}-{family}"})


def _all_sessions_ended() -> Change:
    return _session_ended("all")


def _too_many_tokens() -> Change:
    batch(flags={"max_access_tokens": 1})
    # So that one step is left, however many numbers other tests have drawn: each is a transaction.
    caps.skip_to_head()
    for _ in range(3):
        post("/oauth2/token", {"grant_type": "client_credentials"}, **basic("batch"))
    return lambda: caps.enforce(timezone.now() + timedelta(minutes=5))


# --- Configuration --------------------------------------------------------------------------------


def _scope_added() -> Change:
    editor = _operator()
    form = {"name": "orders.read", "description": "See your orders"}
    return lambda: editor.post(reverse("admin:clients_admin_scope_add"), form)


def _scope_changed() -> Change:
    editor = _operator()
    scope = _scope()
    page = reverse("admin:clients_admin_scope_change", args=[scope.pk])
    form = {"description": "Look at your orders", "opened_version": version_of(scope)}
    return lambda: editor.post(page, form)


def _change_set_back() -> Change:
    client = batch(login_services=[login_service()])
    with transaction.atomic():
        before = state_of(client)
        client.scopes.clear()
        client.clientloginservice_set.all().delete()
        client.name = "Other"
        client.save()
        record_change(client, before)
    event = AuditEvent.objects.latest("id")
    return lambda: undo(client, event)


def _scope_deleted() -> Change:
    editor = _operator()
    page = reverse("admin:clients_admin_scope_delete", args=[_scope().pk])
    return lambda: editor.post(page, {"post": "yes"})


def _scope() -> Scope:
    return Scope.objects.create(name="orders.read", description="See your orders")


def _account_added() -> Change:
    editor = _operator()
    form = {
        "login_service": login_service().pk,
        "username": "jane",
        "new_password": PASSWORD,
        "is_active": "on",
    }
    return lambda: editor.post(reverse("admin:idp_localaccount_add"), form)


def _user_let_into_the_admin() -> Change:
    superuser = _operator("root", is_superuser=True)
    user = User.objects.create(login_service=login_service(), external_id="1", username="jane")
    page = reverse("admin:idp_user_change", args=[user.pk])
    form = {"is_staff": "on", "groups": [Group.objects.get(name=EDITORS).pk]}
    form |= {"opened_version": version_of(user)}
    return lambda: superuser.post(page, form)


CONFIGURATION = """
brands: [{slug: acme, name: Acme}]
scopes: {orders.read: See your orders}
scope_groups: {shop: [orders.read]}
login_services:
  - {name: acme-web, kind: local, brand: acme}
  - {name: corporate, kind: corporate}
trusted_issuers:
  - {name: sso, issuer: https://sso.example, audience: https://id.example,
     jwks_url: https://sso.example/jwks, login_service: corporate}
users: [{login_service: acme-web, username: jane, password: correct-horse-battery}]
clients:
  - {client_id: web, client_secret: a-secret-of-more-than-thirty-two-characters,
     client_type: confidential, grant_types: [client_credentials], scopes: [orders.read],
     scope_groups: [shop], brand: acme, login_services: [acme-web]}
"""


def _configuration(folder: Path) -> Change:
    file = folder / "configuration.yaml"
    file.write_text(CONFIGURATION)
    quiet = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    return lambda: call_command("config", "apply", str(file), **quiet)


def _secret_ended() -> Change:
    known = batch().secrets.get()
    return lambda: call_command(
        "client_secret", "end", "batch", str(known.pk), stdout=io.StringIO()
    )


def _secret_in_a_url() -> Change:
    batch()
    query = f"?client_id=batch&client_secret={SECRET}"
    return lambda: post(f"/oauth2/token{query}", {"grant_type": "client_credentials"})


def _secret_about_to_end() -> Change:
    batch().secrets.update(expires_at=timezone.now() + timedelta(hours=1))
    return expiry.warn


# --- Proposals ------------------------------------------------------------------------------------


def _proposal_opened() -> Change:
    viewer, known = proposals.operator("vera", VIEWERS), batch()
    return lambda: proposals.propose(known, viewer, name="New")


def _form_proposed() -> Change:
    known = batch(brand=brand())
    Brand.objects.update(approvals_needed=1)
    editor = proposals.browser_of(proposals.operator("eddy", EDITORS))
    page = reverse("admin:clients_admin_client_delete", args=[known.pk])
    return lambda: editor.post(page, {"post": "yes"})


def _proposed(deed: Callable[..., Any], *arguments: Any) -> Callable[[], Change]:
    """What somebody else than its author does with a proposal."""

    def prepare() -> Change:
        proposal = proposals.propose(batch(), proposals.operator("vera", VIEWERS), name="New")
        by = proposals.operator("bo", EDITORS, APPROVERS)
        return lambda: deed(proposal, by, *arguments)

    return prepare


def _proposal_withdrawn() -> Change:
    proposal = proposals.propose(batch(), proposals.operator("vera", VIEWERS), name="New")
    return lambda: life.withdraw(proposal, proposal.author)


def _proposal_expired() -> Change:
    proposals.propose(batch(), proposals.operator("vera", VIEWERS), name="New")
    return lambda: life.expire(timezone.now() + life.OPEN_FOR)


def _deletion_applied() -> Change:
    known, editor = batch(), proposals.operator("eddy", EDITORS)
    entry = proposals.entry_of(known)
    proposal = life.open_proposal("client", entry, None, author=editor)
    return lambda: life.apply(proposal, editor)


# --- Keys -----------------------------------------------------------------------------------------


def _keys_rotated() -> Change:
    long_ago = timezone.now() - timedelta(days=1)
    SigningKey.objects.filter(state=SigningKey.State.NEXT).update(created_at=long_ago)
    arguments = ("rotate", "--algorithm", "ES256", "--force")
    return lambda: call_command("keys", *arguments, stdout=io.StringIO(), stderr=io.StringIO())


def _key_resealed() -> Change:
    def change() -> None:
        with exclusive(Order("somebody"), timezone.now()) as steps:
            steps.reseal(SigningKey.objects.filter(algorithm="ES256").first())

    return change


def _over_the_api(method: str, path: str, body: Any = None) -> Callable[[], Change]:
    """A call by a client that acts for itself, whatever it changes."""

    def prepare() -> Change:
        token = of_client(WRITE)
        client("robot", grant_types=["client_credentials"])
        known = client("batch").secrets.get()
        scopes("spare")
        ScopeGroup.objects.create(name="all")
        place = f"/api/v1/{path}".replace("{secret_id}", str(known.pk))
        return lambda: call(method, place, token, body, HTTP_IF_MATCH="*")

    return prepare


ADMIN = "clients_admin/admin/base.py:OperatorModelAdmin"
GUARD = "clients_admin/admin/saving.py:GuardedSaving"
PROPOSING = "clients_admin/admin/proposing.py:ProposingAdmin"
APPLY = "clients_admin/configuration/apply.py:_Run"
REMOVE = "clients_admin/configuration/removal.py:remove"
COMMAND = "idp/management/commands/ensure_operator.py"
ROWS = "tokens/rows.py:Rows"
LIFE = "clients_admin/proposals/life.py"


def drivers(folder: Path) -> list[Driver]:
    """All of them; `folder` is for files."""
    return [Driver(*values) for values in _table(folder)]


def _table(folder: Path) -> list[tuple[str, Callable[[], Change], tuple[str, ...], Any]]:
    return [
        (
            "a proposal",
            _proposal_opened,
            ("clients:proposal:opened",),
            (f"{LIFE}:open_proposal",),
        ),
        (
            "a deletion that becomes a proposal",
            _form_proposed,
            ("clients:proposal:opened",),
            (f"{LIFE}:open_proposal", f"{PROPOSING}.delete_model"),
        ),
        (
            "an approval",
            _proposed(life.approve),
            ("clients:proposal:approved",),
            (f"{LIFE}:approve",),
        ),
        (
            "a comment on a proposal",
            _proposed(life.comment, "Why?"),
            ("clients:proposal:commented",),
            (f"{LIFE}:_add_comment",),
        ),
        (
            "a rejected proposal",
            _proposed(life.reject, "No."),
            ("clients:proposal:rejected",),
            (f"{LIFE}:_add_comment", f"{LIFE}:_close"),
        ),
        (
            "an applied proposal",
            _proposed(life.apply),
            ("clients:client:changed", "clients:proposal:applied"),
            (f"{LIFE}:_close", f"{APPLY}.keep"),
        ),
        (
            "an applied deletion",
            _deletion_applied,
            ("clients:client:changed", "clients:proposal:applied"),
            ("clients_admin/proposals/targets.py:Target.put", f"{LIFE}:_close"),
        ),
        (
            "a withdrawn proposal",
            _proposal_withdrawn,
            ("clients:proposal:withdrawn",),
            (f"{LIFE}:_close",),
        ),
        (
            "an expired proposal",
            _proposal_expired,
            ("clients:proposal:expired",),
            (f"{LIFE}:_close",),
        ),
        (
            "a first sign-in",
            _sign_in_page,
            ("accounts:user:added", "accounts:sign_in:accepted"),
            ("idp/accounts/login.py:_admit",),
        ),
        (
            "a user of whom something new is said",
            _changed_name,
            ("accounts:user:changed", "accounts:sign_in:accepted"),
            ("idp/accounts/login.py:_admit",),
        ),
        (
            "a session",
            _second_sign_in,
            ("accounts:session:begun",),
            (
                "idp/accounts/browser_sessions.py:_begun",
                "tokens/interaction/session.py:begin",
            ),
        ),
        (
            "a wrong password",
            _wrong_password,
            ("accounts:sign_in:refused",),
            ("idp/blocking/attempts.py:close",),
        ),
        (
            "one wrong password too many",
            _one_wrong_password_too_many,
            ("blocking:user:blocked", "tokens:user:ended", "accounts:sign_in:refused"),
            (
                "idp/accounts/login.py:end_everything",
                "idp/blocking/attempts.py:_decide",
                "idp/blocking/blocks.py:make",
                "tokens/revoke.py:_delete",
            ),
        ),
        (
            "a lifted block",
            _unblock,
            ("blocking:user:unblocked",),
            ("idp/blocking/blocks.py:lift",),
        ),
        (
            "a sign-out",
            _sign_out,
            ("accounts:session:ended", "tokens:family:signed_out"),
            (
                "tokens/interaction/session.py:end",
                "tokens/logout_notices.py:queue",
                "tokens/session_logins.py:_forget",
            ),
        ),
        (
            "a logout that a client is told of",
            _logout_told,
            ("tokens:logout:delivered",),
            ("tokens/logout_notices.py:_end",),
        ),
        (
            "a new second factor",
            _second_factor(),
            ("accounts:second_factor:added",),
            ("idp/accounts/second_factor.py:set_up",),
        ),
        (
            "a second factor that is removed",
            _second_factor("removed"),
            ("accounts:second_factor:removed",),
            ("idp/accounts/second_factor.py:remove",),
        ),
        (
            "a code of an app",
            _second_factor("app"),
            ("accounts:second_factor:accepted",),
            ("idp/accounts/second_factor.py:_use_app",),
        ),
        (
            "a recovery code",
            _second_factor("recovery"),
            ("accounts:second_factor:accepted",),
            ("idp/accounts/second_factor.py:_use_recovery_code",),
        ),
        (
            "a wrong code",
            _second_factor("wrong"),
            ("accounts:second_factor:refused",),
            (),
        ),
        (
            "a passkey that is added",
            _passkey("added"),
            ("accounts:passkey:added",),
            ("idp/accounts/passkeys.py:register",),
        ),
        (
            "a passkey that is removed",
            _passkey("removed"),
            ("accounts:passkey:removed",),
            ("idp/accounts/passkeys.py:remove",),
        ),
        (
            "a passkey that lets in",
            _passkey("right"),
            ("accounts:passkey:accepted",),
            ("idp/accounts/passkeys.py:_count_up",),
        ),
        (
            "a passkey that is refused",
            _passkey("wrong"),
            ("accounts:passkey:refused",),
            (),
        ),
        (
            "a session that its user ends elsewhere",
            _session_revoked(),
            ("accounts:session:revoked",),
            ("idp/accounts/browser_sessions.py:revoke",),
        ),
        (
            "all other sessions, ended by their user",
            _session_revoked("others"),
            ("accounts:sessions:others_revoked",),
            (
                "idp/accounts/browser_sessions.py:revoke_all",
                "tokens/interaction/session.py:go_on",
                "idp/accounts/browser_sessions.py:note",
            ),
        ),
        (
            "access that a user takes back",
            _consent_withdrawn,
            ("tokens:consent:withdrawn",),
            ("tokens/withdrawal.py:withdraw", "tokens/revoke.py:_delete"),
        ),
        (
            "a sign-out of everybody in a browser",
            _both_signed_out,
            ("accounts:session:ended", "accounts:session:ended"),
            ("tokens/interaction/session.py:_end_beside",),
        ),
        (
            "a sign-out of one of two accounts",
            _one_signed_out,
            ("accounts:session:ended",),
            ("tokens/interaction/session.py:end_account",),
        ),
        (
            "a link asked for by somebody who has forgotten their password",
            _link_asked_for,
            ("accounts:password:reset_requested",),
            ("idp/accounts/password_mails.py:_may_have_link",),
        ),
        (
            "a password set by a link",
            _password_reset,
            ("accounts:password:reset",),
            (
                "idp/accounts/passwords.py:_set",
                "tokens/interaction/password_reset.py:_reset",
            ),
        ),
        (
            "a password changed by its owner",
            _password_changed,
            ("accounts:password:changed",),
            ("idp/accounts/passwords.py:_set",),
        ),
        (
            "consent",
            _consent,
            ("tokens:consent:given",),
            ("tokens/interaction/consent.py:_remember",),
        ),
        (
            "an operator's sign-in",
            _admin_sign_in,
            ("accounts:sign_in:accepted", "accounts:session:begun"),
            ("idp/accounts/browser_sessions.py:_begun",),
        ),
        ("an operator's sign-out", _admin_sign_out, ("accounts:session:ended",), ()),
        (
            "the roles of a directory",
            _roles_of_a_directory,
            ("accounts:roles:changed",),
            ("idp/accounts/operator_rights.py:_give", "idp/accounts/operator_rights.py:_keep"),
        ),
        (
            "an operator made by a command",
            _ensure_operator,
            (
                *("accounts:login_service:changed", "accounts:local_account:changed"),
                *("accounts:user:added", "accounts:user:changed"),
            ),
            (
                f"{COMMAND}:Command.keep_role",
                f"{COMMAND}:_keep_password",
                f"{COMMAND}:_login_service",
                f"{COMMAND}:_operator",
            ),
        ),
        (
            "the exchange of a code",
            _code_exchange,
            ("tokens:family:issued",),
            (
                "tokens/grants/authorization_code.py:AuthorizationCode.grant",
                "tokens/issue.py:first_pair",
                f"{ROWS}.update",
            ),
        ),
        (
            "the password grant",
            _password_grant,
            ("accounts:user:added", "accounts:sign_in:accepted", "tokens:password:granted"),
            ("tokens/issue.py:_access_token",),
        ),
        ("a device", _device, ("tokens:device:approved",), ("tokens/devices.py:_decide",)),
        (
            "the end of a family",
            lambda: _revoked("refresh_token"),
            ("tokens:family:revoked",),
            (f"{ROWS}.delete_of_families",),
        ),
        (
            "the end of an access token",
            lambda: _revoked("access_token"),
            ("tokens:access_token:revoked",),
            (f"{ROWS}.delete_by_id",),
        ),
        (
            "the end of a client's tokens",
            _client_ended,
            ("tokens:client:ended",),
            (f"{ROWS}.delete_free",),
        ),
        (
            "the end of a session by an operator",
            _session_ended,
            ("tokens:family:ended",),
            (f"{ROWS}.delete_of_families",),
        ),
        (
            "the end of all sessions of a user by an operator",
            _all_sessions_ended,
            ("accounts:sessions:ended", "tokens:user:ended"),
            ("idp/accounts/browser_sessions.py:end_all", "tokens/revoke.py:_delete"),
        ),
        (
            "too many access tokens",
            _too_many_tokens,
            ("tokens:access_token:evicted",),
            (f"{ROWS}.delete_free",),
        ),
        (
            "a scope made in the admin",
            _scope_added,
            ("clients:scope:changed",),
            (
                *(f"{ADMIN}.save_model", f"{ADMIN}.save_related"),
                *(f"{PROPOSING}.save_model", f"{PROPOSING}.save_related"),
            ),
        ),
        (
            "a scope changed in the admin",
            _scope_changed,
            ("clients:scope:changed",),
            (
                *(f"{ADMIN}.save_model", f"{ADMIN}.save_related"),
                *(f"{GUARD}.save_model", f"{GUARD}.save_related"),
                *(f"{PROPOSING}.save_model", f"{PROPOSING}.save_related"),
            ),
        ),
        (
            "a change that is set back",
            _change_set_back,
            ("clients:client:changed",),
            ("clients_admin/undo.py:_set_back", "clients_admin/undo.py:_relate"),
        ),
        (
            "a scope deleted in the admin",
            _scope_deleted,
            ("clients:scope:changed",),
            (f"{ADMIN}.delete_model", f"{PROPOSING}.delete_model"),
        ),
        (
            "an account made in the admin",
            _account_added,
            ("accounts:local_account:changed",),
            (
                "clients_admin/admin/accounts.py:LocalAccountAdmin.save_model",
                "idp/accounts/local.py:set_password",
            ),
        ),
        (
            "a user let into the admin",
            _user_let_into_the_admin,
            ("accounts:user:changed",),
            (f"{ADMIN}.save_related",),
        ),
        (
            "a configuration file",
            lambda: _configuration(folder),
            (
                *("accounts:local_account:changed", "accounts:login_service:changed"),
                *("accounts:trusted_issuer:changed", "branding:brand:changed"),
                *("clients:client:changed", "clients:scope:changed"),
                *("clients:scope_group:changed", "clients:secret:added"),
            ),
            (
                *(f"{APPLY}.keep", f"{APPLY}.relate_client", f"{APPLY}.scope_groups"),
                *("clients_admin/models.py:Client.save", "clients_admin/secrets.py:add"),
            ),
        ),
        (
            "a client over the API",
            _over_the_api("PATCH", "clients/batch", {"scopes": ["spare"]}),
            ("clients:client:changed",),
            (f"{APPLY}.keep", f"{APPLY}.relate_client"),
        ),
        (
            "a scope over the API",
            _over_the_api("POST", "scopes", {"name": "new"}),
            ("clients:scope:changed",),
            (f"{APPLY}.keep",),
        ),
        (
            "a scope group over the API",
            _over_the_api("PUT", "scope-groups/all", {"members": ["spare"]}),
            ("clients:scope_group:changed",),
            (f"{APPLY}.scope_groups",),
        ),
        (
            "a client that is deleted over the API",
            _over_the_api("DELETE", "clients/batch"),
            ("clients:client:changed",),
            (REMOVE,),
        ),
        (
            "a scope that is deleted over the API",
            _over_the_api("DELETE", "scopes/spare"),
            ("clients:scope:changed",),
            (REMOVE,),
        ),
        (
            "a scope group that is deleted over the API",
            _over_the_api("DELETE", "scope-groups/all"),
            ("clients:scope_group:changed",),
            (REMOVE,),
        ),
        (
            "a rotation of secrets over the API",
            _over_the_api("POST", "clients/batch/secrets", {"old_ends_in": 3600}),
            ("clients:secret:added", "clients:secret:ended"),
            ("clients_admin/secrets.py:add", "clients_admin/secrets.py:end"),
        ),
        (
            "the end of a secret over the API",
            _over_the_api("POST", "clients/batch/secrets/{secret_id}/end"),
            ("clients:secret:ended",),
            ("clients_admin/secrets.py:end",),
        ),
        (
            "the end of a secret",
            _secret_ended,
            ("clients:secret:ended",),
            ("clients_admin/secrets.py:end",),
        ),
        (
            "a secret in a URL",
            _secret_in_a_url,
            ("clients:credential:exposed",),
            ("clients_admin/secrets.py:mark_exposed",),
        ),
        (
            "a secret that is about to end",
            _secret_about_to_end,
            ("clients:expiry:warned",),
            ("idp/expiry_warnings.py:is_first",),
        ),
        (
            "a rotation of keys",
            _keys_rotated,
            ("keys:signing_key:activated", "keys:signing_key:published"),
            ("tokens/keys/steps.py:Steps._change", "tokens/keys/steps.py:Steps.publish"),
        ),
        (
            "a key sealed anew",
            _key_resealed,
            ("keys:signing_key:resealed",),
            ("tokens/keys/steps.py:Steps.reseal",),
        ),
    ]
