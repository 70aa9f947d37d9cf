"""The forms of the pages: shape only, nothing is checked against anybody here."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def _username() -> forms.CharField:
    return forms.CharField(
        label=_("User name"),
        max_length=255,
        error_messages={
            "required": _("Enter your user name."),
            "max_length": _("This user name is too long."),
        },
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "none",
                "autocorrect": "off",
                "spellcheck": "false",
            }
        ),
    )


def _password(label: "_StrPromise", required: "_StrPromise", autocomplete: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=1024,
        strip=False,
        error_messages={"required": required, "max_length": _("This password is too long.")},
        widget=forms.PasswordInput(attrs={"autocomplete": autocomplete}),
    )


class SignInForm(forms.Form):
    """User name and password, with the attributes that password managers look for."""

    username = _username()
    password = _password(_("Password"), _("Enter your password."), "current-password")


class PasskeyForm(forms.Form):
    """By what name its user will know a passkey again."""

    passkey_name = forms.CharField(
        label=_("Name"),
        max_length=60,
        error_messages={
            "required": _("Enter a name."),
            "max_length": _("This name is too long."),
        },
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ForgottenPasswordForm(forms.Form):
    """Who has forgotten it."""

    username = _username()


class NewPasswordForm(forms.Form):
    """A new password, twice. What makes a good one is checked elsewhere; its words are here."""

    PROBLEMS: ClassVar = {
        "password_too_short": _("Use at least 10 characters."),
        "password_too_similar": _("Use a password that is not like your user name."),
        "password_too_common": _("This password is among the first that others would try."),
    }

    new_password = _password(_("New password"), _("Enter a new password."), "new-password")
    repeated = _password(
        _("New password again"), _("Enter the new password once more."), "new-password"
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        first, second = cleaned.get("new_password"), cleaned.get("repeated")
        if first and second and first != second:
            self.add_error("repeated", _("The two passwords are not the same."))
        return cleaned

    def refuse_password(self, problems: Iterable[str]) -> bool:
        """Says beside the field what is wrong with the new password; whether anything is."""
        for problem in problems:
            self.add_error("new_password", self.PROBLEMS[problem])
        return bool(self.errors)


class ChangePasswordForm(NewPasswordForm):
    """The same for somebody who knows the present one."""

    field_order = ("present_password", "new_password", "repeated")

    present_password = _password(
        _("Present password"), _("Enter your present password."), "current-password"
    )

    def refuse_present_password(self) -> None:
        self.add_error("present_password", _("This is not your present password."))


class OneTimeCodeForm(forms.Form):
    """A code of an authenticator app, or one for recovery."""

    code = forms.CharField(
        label=_("Code"),
        max_length=64,
        error_messages={
            "required": _("Enter the code."),
            "max_length": _("This code is too long."),
        },
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autocapitalize": "characters",
                "autocorrect": "off",
                "spellcheck": "false",
            }
        ),
    )

    def refuse(self) -> None:
        self.add_error("code", _("This code is not right. Wait for the next one and try again."))


class UserCodeForm(forms.Form):
    """The code that a device shows, in any case, with or without its dash."""

    user_code = forms.CharField(
        label=_("Code"),
        max_length=100,
        error_messages={
            "required": _("Enter the code that your device shows."),
            "max_length": _("This code is too long."),
        },
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "autocorrect": "off",
                "spellcheck": "false",
            }
        ),
    )
