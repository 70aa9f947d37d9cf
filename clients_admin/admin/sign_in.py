"""The form by which operators sign in."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm as BaseAuthenticationForm
from unfold.forms import AuthenticationForm

from idp.accounts.models import User


class OperatorSignInForm(AuthenticationForm):
    """Asks for a user name: Django would take label and length from the user's `sub`."""

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
