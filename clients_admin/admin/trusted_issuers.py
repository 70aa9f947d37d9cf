"""The page of a trusted issuer."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.claim_table import ClaimsField
from clients_admin.admin.key_fields import PEMField
from clients_admin.admin.key_table import ENDED, LATER, SOON, days_left, pem_table
from clients_admin.admin.links import lines
from clients_admin.admin.operators import may_change_login_service
from idp.accounts import certificates
from idp.accounts.models import ALGORITHMS, LoginService, TrustedIssuer


class TrustedIssuerForm(forms.ModelForm):
    """`TrustedIssuer.clean` decides what is right; this says how each field is written down."""

    public_keys = PEMField(
        required=False,
        help_text="Public keys or certificates as PEM, one below the other. Never a private key: "
        "one that was pasted here must be replaced.",
    )
    algorithms = forms.MultipleChoiceField(
        choices=[(name, name) for name in ALGORITHMS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Those that it signs with; a JWT with any other is refused.",
    )
    claims = ClaimsField(
        required=False,
        label="Claims taken over",
        help_text="What its JWTs say about a user, under the name that clients know: email, "
        "given_name, … An emptied row is gone; save to get more rows.",
    )

    class Meta:
        model = TrustedIssuer
        fields = (
            "name",
            "login_service",
            "is_enabled",
            "issuer",
            "audience",
            "max_lifetime_seconds",
            "public_keys",
            "jwks_url",
            "algorithms",
            "subject_claim",
            "claims",
        )
        labels = {"max_lifetime_seconds": "Longest lifetime, in seconds"}
        help_texts = {
            "login_service": "Of the kind corporate. Issuers that share one speak of the same "
            "users: each could name every user of it.",
            "issuer": "The iss of its JWTs, letter for letter.",
            "jwks_url": "In place of public keys: the https address where it publishes them.",
        }


class TrustedIssuerAdmin(OperatorModelAdmin):
    form = TrustedIssuerForm
    list_display = ("name", "issuer", "login_service", "is_enabled", "keys_end")
    list_select_related = ("login_service",)
    list_filter = ("login_service", "is_enabled")
    search_fields = ("name", "issuer", "audience")
    ordering = ("name",)
    fixed_fields = ("name",)
    readonly_fields = ("key_list",)
    shown_as = {"public_keys": "", "algorithms": "algorithm_list", "claims": "claim_list"}
    fieldsets = (
        (None, {"fields": ["name", "login_service", "is_enabled"]}),
        ("Its JWTs", {"fields": ["issuer", "audience", "max_lifetime_seconds"]}),
        ("Its keys", {"fields": ["key_list", "public_keys", "jwks_url", "algorithms"]}),
        ("Its users", {"fields": ["subject_claim", "claims"]}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_change_login_service(request, obj.login_service))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or may_change_login_service(request, obj.login_service))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        services = LoginService.objects.filter(kind=LoginService.Kind.CORPORATE)
        hidden = [s.pk for s in services if not may_change_login_service(request, s)]
        kwargs["queryset"] = services.exclude(pk__in=hidden)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description="keys end", label={kind: kind for kind in (ENDED, SOON, LATER)})
    def keys_end(self, issuer: TrustedIssuer) -> Any:
        if issuer.jwks_url:
            return "read from its URL"
        ends_at = certificates.ends_at(issuer)
        return days_left(ends_at) if ends_at else "never"

    @admin.display(description="keys now")
    def key_list(self, issuer: TrustedIssuer) -> SafeString:
        # What is stored: a refused form has left its values on the object.
        stored = TrustedIssuer.objects.filter(pk=issuer.pk).values_list("public_keys", flat=True)
        return pem_table(stored.first() or [])

    @admin.display(description="algorithms")
    def algorithm_list(self, issuer: TrustedIssuer) -> str:
        return ", ".join(issuer.algorithms)

    @admin.display(description="claims taken over")
    def claim_list(self, issuer: TrustedIssuer) -> SafeString:
        return lines(f"{ours}: their {theirs}" for ours, theirs in sorted(issuer.claims.items()))
