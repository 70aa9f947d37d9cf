"""The page of a brand."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminColorInputWidget,
    UnfoldAdminSelectWidget,
)

from branding.languages import LANGUAGES
from branding.models import Brand
from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.links import links


class ColorField(forms.CharField):
    """Written out as #rrggbb: a browser's colour input would show #rgb as black."""

    widget = UnfoldAdminColorInputWidget

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) == len("#rgb"):
            return "#" + "".join(2 * digit for digit in value[1:])
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class BrandForm(forms.ModelForm):
    """Languages as boxes, and the first of them, which counts most, as a choice of its own."""

    primary_color = ColorField(
        label="Primary colour",
        max_length=7,
        help_text="Text and link colours are computed to be readable with it.",
    )
    languages = forms.MultipleChoiceField(
        choices=LANGUAGES, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    first_language = forms.ChoiceField(
        choices=LANGUAGES,
        widget=UnfoldAdminSelectWidget,
        help_text="Shown where the browser asks for none of the languages.",
    )

    class Meta:
        model = Brand
        fields = (
            "slug",
            "name",
            "primary_color",
            "privacy_url",
            "terms_url",
            "register_url",
            "reset_url",
            "support_url",
            "languages",
            "approvals_needed",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if languages := self.instance.languages:
            self.initial.setdefault("first_language", languages[0])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        first, languages = cleaned.get("first_language"), cleaned.get("languages")
        if first and languages:
            if first not in languages:
                raise ValidationError({"first_language": "This language is not among the ticked."})
            cleaned["languages"] = [first, *(code for code in languages if code != first)]
        return cleaned


class BrandAdmin(OperatorModelAdmin):
    form = BrandForm
    list_display = ("name", "slug", "primary_color", "language_list")
    search_fields = ("name", "slug")
    fixed_fields = ("slug",)
    readonly_fields = ("by_clients", "by_login_services")
    shown_as = {"languages": "language_list", "first_language": ""}
    fieldsets = (
        (None, {"fields": ["slug", "name", "primary_color"]}),
        ("Changes of its clients", {"fields": ["approvals_needed"]}),
        ("Languages of its pages", {"fields": ["languages", "first_language"]}),
        (
            "Links on its pages",
            {"fields": ["privacy_url", "terms_url", "register_url", "reset_url", "support_url"]},
        ),
        ("Used by", {"fields": ["by_clients", "by_login_services"]}),
    )

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        """Whoever could lower what their own changes need would need nothing."""
        fixed = [] if request.user.is_superuser else ["approvals_needed"]
        return [*super().get_readonly_fields(request, obj), *fixed]

    def get_fieldsets(self, request: Any, obj: Any = None) -> list[Any]:
        fieldsets = list(super().get_fieldsets(request, obj))
        return fieldsets if obj else fieldsets[:-1]

    @admin.display(description="languages")
    def language_list(self, brand: Brand) -> str:
        names = dict(LANGUAGES)
        return ", ".join(names.get(code, code) for code in brand.languages)

    @admin.display(description="clients")
    def by_clients(self, brand: Brand) -> SafeString:
        return links(brand.clients.all())

    @admin.display(description="login services")
    def by_login_services(self, brand: Brand) -> SafeString:
        return links(brand.login_services.all())
