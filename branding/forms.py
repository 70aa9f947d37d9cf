"""The forms of the pages: shape only, nothing is checked against anybody here."""

from django import forms
from django.utils.translation import gettext_lazy as _


class SignInForm(forms.Form):
    """User name and password, with the attributes that password managers look for."""

    username = forms.CharField(
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
    password = forms.CharField(
        label=_("Password"),
        max_length=1024,
        strip=False,
        error_messages={
            "required": _("Enter your password."),
            "max_length": _("This password is too long."),
        },
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


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
