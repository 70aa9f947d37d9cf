"""The form by which operators sign in."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm as BaseAuthenticationForm
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from idp import net
from idp.accounts import second_factor
from idp.accounts.models import User
from idp.accounts.second_factor import Way


class OperatorSignInForm(AuthenticationForm):
    """Asks for a user name: Django would take label and length from the user's `sub`.

    And for a code, on the same page: whoever has no second factor leaves it empty.
    """

    code = forms.CharField(
        label="Code of your authenticator app",
        required=False,
        max_length=64,
        help_text="Empty if you have not set one up.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username = self.fields["username"]
        username.label = "User name"
        username.max_length = User._meta.get_field("username").max_length
        username.widget.attrs["maxlength"] = username.max_length

    def confirm_login_allowed(self, user: Any) -> None:
        """Also who has no role: they are let in to the one page that is for them
        (`client_requests`), and each page of the admin asks for more than a session."""
        BaseAuthenticationForm.confirm_login_allowed(self, user)
        if second_factor.is_set_up(user) and not self._has_second_factor(user):
            raise ValidationError("The code is missing or not right.", code="second_factor")

    def _has_second_factor(self, user: User) -> bool:
        typed = self.cleaned_data.get("code") or ""
        address = net.address_of(self.request) if self.request else ""
        outcome = second_factor.check(
            user, typed, address=address, client_id=None, now=timezone.now()
        )
        return isinstance(outcome, Way)
