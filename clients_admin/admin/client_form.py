"""The form of a client."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from clients_admin.admin.flag_table import FlagsField
from clients_admin.admin.key_fields import JWKSField
from clients_admin.models import Client, GrantType


class LinesField(forms.CharField):
    """One URI a line on the page, separated by spaces in the row, as the toolkit stores them."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value.split()) if isinstance(value, str) else value

    def clean(self, value: Any) -> str:
        return " ".join(super().clean(value).split())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or "").split() != (data or "").split()


class ClientForm(forms.ModelForm):
    """`Client.clean` decides what is right; this says how each field is written down."""

    grant_types = forms.MultipleChoiceField(
        choices=GrantType, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    redirect_uris = LinesField(
        label="Redirect URIs",
        required=False,
        help_text="One a line. A request must name one of them exactly; only the port of a "
        "loopback address may differ.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )
    post_logout_redirect_uris = LinesField(
        label="Redirect URIs after logout",
        required=False,
        help_text="One a line.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    jwks = JWKSField(
        label="JWKS",
        required=False,
        help_text="The client's public keys as a JSON Web Key Set, as its owner publishes it. "
        "Never a private key: one that was pasted here must be replaced.",
    )
    flags = FlagsField(required=False)

    class Meta:
        model = Client
        fields = (
            "client_id",
            "name",
            "description",
            "client_type",
            "is_active",
            "grant_types",
            "redirect_uris",
            "post_logout_redirect_uris",
            "backchannel_logout_uri",
            "backchannel_logout_session_required",
            "scopes",
            "scope_groups",
            "brand",
            "jwks",
            "jwks_url",
            "flags",
        )
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 3})}
