"""The pages of users and of the accounts of local login services."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import ManyToManyField
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
)

from clients_admin.admin.added_pages import WithAddedPages
from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.links import lines
from clients_admin.admin.operators import may_change_account
from idp.accounts.backends import operator_services
from idp.accounts.local import MAX_PASSWORD_CHARACTERS, set_password
from idp.accounts.models import LocalAccount, LoginService, User

CLAIMS = ("name", "given_name", "family_name", "email")


def claim_lines(claims: dict[str, Any]) -> SafeString:
    return lines(f"{name}: {value}" for name, value in sorted(claims.items()))


class UserAdmin(WithAddedPages):
    """Users are made by signing in. Only a superuser can let one of them into the admin."""

    list_display = ("username", "login_service", "external_id", "is_active", "is_staff")
    list_select_related = ("login_service",)
    list_filter = ("login_service", "is_staff", "is_active")
    search_fields = ("^username", "=external_id", "=sub")
    search_help_text = "Beginning of a user name, or a whole external ID or subject."
    ordering = ("-pk",)
    paginator = InfinitePaginator  # Counting tens of millions of rows would take seconds.
    show_full_result_count = False
    readonly_fields = (
        "username",
        "login_service",
        "external_id",
        "sub",
        "claim_list",
        "is_active",
        "is_superuser",
        "last_login",
        "created_at",
    )
    fieldsets = (
        (None, {"fields": ["username", "login_service", "external_id", "sub", "claim_list"]}),
        ("Access", {"fields": ["is_active", "is_staff", "groups", "is_superuser"]}),
        ("Dates", {"fields": ["created_at", "last_login"]}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField | None:
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        form_field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if form_field:
            form_field.label, form_field.help_text = "Roles", ""
        return form_field

    @admin.display(description="claims")
    def claim_list(self, user: User) -> SafeString:
        return claim_lines(user.claims)


class LocalAccountForm(forms.ModelForm):
    """Claims as fields; a password goes in and never comes out."""

    new_password = forms.CharField(
        label="Password",
        strip=False,
        max_length=MAX_PASSWORD_CHARACTERS,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    name = forms.CharField(
        required=False, max_length=200, label="Full name", widget=UnfoldAdminTextInputWidget
    )
    given_name = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    family_name = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    email = forms.EmailField(
        required=False, label="E-mail address", widget=UnfoldAdminEmailInputWidget
    )

    class Meta:
        model = LocalAccount
        fields = ("login_service", "username", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "username" in self.fields:
            # It is somebody else's, and not the name of whoever types it.
            self.fields["username"].widget.attrs["autocomplete"] = "off"
        for claim in CLAIMS:
            self.initial.setdefault(claim, self.instance.claims.get(claim, ""))
        if self.instance.pk:
            self.fields["new_password"].required = False
            self.fields["new_password"].help_text = "Leave it empty to keep the password."
            if "login_service" in self.fields:
                self.fields["login_service"].disabled = True

    def clean_new_password(self) -> str:
        password = str(self.cleaned_data["new_password"])
        if password:
            validate_password(password)
        return password

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        service = cleaned.get("login_service")
        if service is None:  # Which is said beside its field.
            return cleaned
        same_name = LocalAccount.objects.named(cleaned.get("username") or "", service)
        if same_name.exclude(pk=self.instance.pk).exists():
            raise ValidationError({"username": "This user name is taken in this login service."})
        return cleaned

    def claims(self) -> dict[str, Any]:
        """The claims with what the fields say; those without a field stay as they are."""
        entered = {claim: self.cleaned_data.get(claim) for claim in CLAIMS}
        kept = {name: value for name, value in self.instance.claims.items() if name not in CLAIMS}
        return kept | {name: value for name, value in entered.items() if value}


class LocalAccountAdmin(OperatorModelAdmin):
    form = LocalAccountForm
    list_display = ("username", "login_service", "is_active", "created_at")
    list_select_related = ("login_service",)
    list_filter = ("login_service", "is_active")
    search_fields = ("^username",)
    search_help_text = "Beginning of a user name."
    ordering = ("-pk",)
    paginator = InfinitePaginator  # Counting tens of millions of rows would take seconds.
    show_full_result_count = False
    readonly_fields = ("external_id", "claim_list")
    fieldsets = (
        (None, {"fields": ["login_service", "username", "new_password", "is_active"]}),
        ("Claims", {"fields": list(CLAIMS)}),
    )
    viewer_fieldsets = (
        (None, {"fields": ["login_service", "username", "external_id", "is_active"]}),
        ("Claims", {"fields": ["claim_list"]}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return self.viewer_fieldsets
        return self.fieldsets

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_change_account(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or may_change_account(request, obj))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        services = LoginService.objects.filter(kind=LoginService.Kind.LOCAL)
        if not request.user.is_superuser:
            services = services.exclude(pk__in=[service.pk for service in operator_services()])
        kwargs["queryset"] = services
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: LocalAccount, form: LocalAccountForm, change: bool
    ) -> None:
        obj.claims = form.claims()
        if password := form.cleaned_data["new_password"]:
            set_password(obj, password)
        super().save_model(request, obj, form, change)

    @admin.display(description="claims")
    def claim_list(self, account: LocalAccount) -> SafeString:
        return claim_lines(account.claims)
