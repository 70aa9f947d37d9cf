"""Every end-user page with made-up visitors, for whoever changes a brand: what a page gets is said
here once more, so that a preview needs no session, no client and no token.

A test holds this table against the templates that there are.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from django.utils.translation import gettext_lazy as _

from branding.forms import (
    ChangePasswordForm,
    ForgottenPasswordForm,
    NewPasswordForm,
    OneTimeCodeForm,
    PasskeyForm,
    SignInForm,
    UserCodeForm,
)
from branding.languages import LANGUAGES
from branding.look import look_of
from branding.models import Brand
from branding.page_language import Choice
from branding.pages import written

_NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_NAME, _CLIENT = "Jane Doe", "Shop"
_NOWHERE = "#"


@dataclass(frozen=True, slots=True)
class Preview:
    """One page, in one of its states."""

    slug: str
    label: str
    template: str
    context: Callable[[], dict[str, Any]]


def _scope(words: Any, *values: str, optional: bool = True) -> SimpleNamespace:
    return SimpleNamespace(
        name=str(words),
        words=words,
        values=values,
        is_new=False,
        is_optional=optional,
        is_ticked=True,
    )


def _sign_in(outcome: str = "") -> dict[str, Any]:
    return {
        "title": _CLIENT,
        "client_name": _CLIENT,
        "form": SignInForm(initial={"username": "jane"} if outcome else None),
        "outcome": outcome,
        "reset_url": _NOWHERE,
        "passkey_options": "",
    }


def _consent() -> dict[str, Any]:
    return {
        "title": _CLIENT,
        "client_name": _CLIENT,
        "user_name": _NAME,
        "account": "",
        "scopes": [
            _scope(_("Know who you are"), optional=False),
            _scope(_("See your name and profile"), _NAME),
            _scope(_("See your e-mail address"), "jane@example.org"),
        ],
        "claims": [],
        "third_party": SimpleNamespace(
            is_named=True, website=_NOWHERE, privacy=_NOWHERE, terms=_NOWHERE
        ),
        "asks_for_more": False,
        "remembers": True,
        "remember_days": 90,
    }


def _account(title: Any, **more: Any) -> dict[str, Any]:
    return {"title": title, "user_name": _NAME, "query": "", **more}


def _session(browser: str, system: str, *, is_this: bool) -> SimpleNamespace:
    return SimpleNamespace(
        device=SimpleNamespace(browser=browser, system=system),
        is_this=is_this,
        address="192.0.2.7",
        begun_at=_NOON,
        used_at=_NOON,
        number=1,
    )


def _error(heading: Any, message: Any, *, again: Any = "") -> dict[str, Any]:
    return {
        "title": heading,
        "heading": heading,
        "message": message,
        "reference": "" if again else "1qk3-7m2fxa",
        "again": again,
        "again_url": _NOWHERE,
    }


def _refused(form: Any) -> Any:
    """The form as somebody sends it who has filled in nothing."""
    filled: Any = type(form)({})
    filled.is_valid()
    return filled


PREVIEWS = (
    Preview("sign-in", "Sign-in", "sign_in.html", _sign_in),
    Preview("refused", "Sign-in, wrong password", "sign_in.html", lambda: _sign_in("refused")),
    Preview(
        "unavailable", "Sign-in, service away", "sign_in.html", lambda: _sign_in("unavailable")
    ),
    Preview("blocked", "Sign-in, user blocked", "sign_in.html", lambda: _sign_in("blocked")),
    Preview(
        "accounts",
        "Choice of an account",
        "select_account.html",
        lambda: {
            "title": _("Choose an account"),
            "client_name": _CLIENT,
            "accounts": [
                SimpleNamespace(sub="1", username="jane", get_full_name=_NAME),
                SimpleNamespace(sub="2", username="john", get_full_name=""),
            ],
            "another_url": _NOWHERE,
        },
    ),
    Preview("consent", "Consent", "consent.html", _consent),
    Preview(
        "device-code",
        "Device: code",
        "device_code.html",
        lambda: {"title": _("Connect a device"), "form": UserCodeForm(), "problem": ""},
    ),
    Preview(
        "device-confirm",
        "Device: consent",
        "device_confirm.html",
        lambda: {**_consent(), "third_party": None, "user_code": "BCDF-GHJK"},
    ),
    Preview(
        "device-done",
        "Device: connected",
        "device_done.html",
        lambda: {
            "title": _("Your device is connected"),
            "client_name": _CLIENT,
            "is_connected": True,
        },
    ),
    Preview(
        "second-factor",
        "Second factor: code",
        "second_factor.html",
        lambda: {
            "title": _("Enter your code"),
            "form": OneTimeCodeForm(),
            "outcome": "",
            "may_restart": True,
            "has_app": True,
            "passkey_options": "",
        },
    ),
    Preview(
        "second-factor-new",
        "Second factor: set up",
        "second_factor_new.html",
        lambda: {
            "title": _("Set up a second factor"),
            "form": OneTimeCodeForm(),
            "key": "ABCD EFGH IJKL MNOP",
            "uri": _NOWHERE,
        },
    ),
    Preview(
        "recovery-codes",
        "Second factor: recovery codes",
        "recovery_codes.html",
        lambda: {
            "title": _("Your recovery codes"),
            "codes": [f"{number:04}-abcd-efgh" for number in range(10)],
            "go_on_url": _NOWHERE,
        },
    ),
    Preview(
        "password-forgotten",
        "Password: forgotten",
        "password_forgotten.html",
        lambda: {
            "title": _("Forgot your password?"),
            "form": ForgottenPasswordForm(),
            "outcome": "",
            "sign_in_url": _NOWHERE,
        },
    ),
    Preview(
        "password-link-over",
        "Password: link over",
        "password_link_over.html",
        lambda: {"title": _("This link no longer works"), "again_url": _NOWHERE},
    ),
    Preview(
        "password-new",
        "Password: new one",
        "password_new.html",
        lambda: {
            "title": _("Set a new password"),
            "user_name": "jane",
            "form": NewPasswordForm(),
            "outcome": "",
        },
    ),
    Preview(
        "password-change",
        "Password: change, with mistakes",
        "password_new.html",
        lambda: {
            "title": _("Change your password"),
            "user_name": "jane",
            "form": _refused(ChangePasswordForm()),
            "outcome": "",
        },
    ),
    Preview(
        "password-done",
        "Password: done",
        "password_done.html",
        lambda: {
            "title": _("Your new password is set"),
            "sign_in_url": _NOWHERE,
            "is_changed": False,
        },
    ),
    Preview(
        "account",
        "Account",
        "account/overview.html",
        lambda: _account(_("Your account"), has_password=True),
    ),
    Preview(
        "account-sessions",
        "Account: sessions",
        "account/sessions.html",
        lambda: _account(
            _("Your sessions"),
            sessions=[
                _session("Firefox", "Windows", is_this=True),
                _session("Safari", "iPhone", is_this=False),
            ],
            others="",
        ),
    ),
    Preview(
        "account-applications",
        "Account: applications",
        "account/applications.html",
        lambda: _account(
            _("Applications with access"),
            applications=[
                SimpleNamespace(
                    name=_CLIENT,
                    scopes=[SimpleNamespace(name="", description=_("See your e-mail address"))],
                    since=_NOON,
                    used_at=_NOON,
                    client=SimpleNamespace(client_id=""),
                )
            ],
        ),
    ),
    Preview(
        "account-sign-ins",
        "Account: sign-ins",
        "account/sign_ins.html",
        lambda: _account(
            _("Recent sign-ins"),
            sign_ins=[
                SimpleNamespace(
                    is_accepted=True,
                    reason="",
                    at=_NOON,
                    application=_CLIENT,
                    address="192.0.2.7",
                )
            ],
        ),
    ),
    Preview(
        "account-second-factor",
        "Account: second factor",
        "account/second_factor.html",
        lambda: _account(_("Second factor"), is_set_up=True, codes_left=9, may_set_up=True),
    ),
    Preview(
        "account-passkeys",
        "Account: passkeys",
        "account/passkeys.html",
        lambda: _account(
            _("Passkeys"),
            passkeys=[SimpleNamespace(pk=1, name="iPhone", added_at=_NOON, used_at=_NOON)],
            may_have_one=True,
            most=10,
        ),
    ),
    Preview(
        "account-passkey-new",
        "Account: new passkey",
        "account/passkey_new.html",
        lambda: _account(_("Add a passkey"), form=PasskeyForm(), options=""),
    ),
    Preview(
        "sign-out",
        "Sign-out",
        "sign_out.html",
        lambda: {"title": _("Sign out"), "client_name": _CLIENT},
    ),
    Preview(
        "signed-out",
        "Signed out",
        "signed_out.html",
        lambda: {"title": _("Signed out"), "return_url": _NOWHERE},
    ),
    Preview(
        "still-signed-in",
        "Still signed in",
        "still_signed_in.html",
        lambda: {"title": _("You are still signed in")},
    ),
    Preview(
        "error",
        "Error, with a reference",
        "error.html",
        lambda: _error(
            _("There is nothing here"),
            _("Check the address, or go back to the application that you came from."),
        ),
    ),
    Preview(
        "away",
        "Error, while we are away",
        "error.html",
        lambda: _error(
            _("We are away for a moment"),
            _("Something on our side is being mended. Please try again in a moment."),
            again=_("Try again"),
        ),
    ),
)
BY_SLUG = {preview.slug: preview for preview in PREVIEWS}


def page(brand: Brand, preview: Preview, language: str, scheme: str, nonce: object) -> str:
    """The HTML, on which nothing can be done. `brand` need not be saved; `scheme`, light or dark,
    is that of a visitor, and `nonce` lets its style sheet in."""
    shown = copy(brand)
    if brand.scheme == Brand.Scheme.AUTOMATIC:
        shown.scheme = scheme
    offered = brand.languages or [language]
    switch = [Choice(code, name, _NOWHERE) for code, name in LANGUAGES if code in offered]
    context = {
        **preview.context(),
        "languages": switch if len(switch) > 1 else [],
        "is_preview": True,
        "csp_nonce": nonce,
    }
    look = look_of(shown, language, inline=True)
    return written(f"branding/{preview.template}", look, language, context)
