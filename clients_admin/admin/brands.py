"""The page of a brand."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.csp import csp_override
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminColorInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from branding.languages import LANGUAGES
from branding.models import FILES, Brand
from branding.texts import LINKS, TEXTS
from branding.uploads import PURPOSES
from clients_admin.admin.base import OperatorModelAdmin
from clients_admin.admin.brand_files import BrandFileField
from clients_admin.admin.brand_preview import FRAMING, controls, preview_view
from clients_admin.admin.language_table import LanguageTableField, LanguageTableWidget
from clients_admin.admin.links import links

MAX_LINK_LENGTH = 500


class ColorField(forms.CharField):
    """Written out as #rrggbb: a browser's colour input would show #rgb as black."""

    widget = UnfoldAdminColorInputWidget

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) == len("#rgb"):
            return "#" + "".join(2 * digit for digit in value[1:])
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class HostsField(forms.Field):
    """Host names, one a line; kept in lower case."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 2, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        return [name.lower() for name in (value or "").split()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(data) != (initial or [])


class BrandForm(forms.ModelForm):
    """Languages as boxes, and the first of them, which counts most, as a choice of its own."""

    primary_color = ColorField(
        label="Primary colour",
        max_length=7,
        help_text="Text and link colours are computed to be readable with it.",
    )
    background_color = forms.CharField(
        label="Background colour",
        max_length=7,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "#rrggbb", "spellcheck": "false"}),
        help_text="Around the card on wide windows; dark pages have a dark shade of it. Empty: a "
        "light grey with a breath of the primary colour.",
    )
    logo = BrandFileField("logo")
    logo_dark = BrandFileField("logo_dark")
    favicon = BrandFileField("favicon")
    font_file = BrandFileField("font_file")
    hosts = HostsField(
        label="Host names",
        required=False,
        help_text="One a line. Pages at these addresses have this look where no client says it; "
        "the server must be reached there (IDP_HOSTS).",
    )
    texts = LanguageTableField(
        LanguageTableWidget(
            {name: (text.label, text.help_text, text.max_length) for name, text in TEXTS.items()},
            "text",
        ),
        label="Texts",
        help_text="Plain text; where there is none, pages say what they say anyway.",
    )
    links = LanguageTableField(
        LanguageTableWidget(
            {name: (label, "", MAX_LINK_LENGTH) for name, label in LINKS.items()}, "url"
        ),
        label="Links by language",
        help_text="Where a language has another page than the ones above.",
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
            "background_color",
            "scheme",
            "corner_radius",
            "font",
            *FILES,
            "texts",
            "links",
            "hosts",
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
    change_form_outer_after_template = "clients_admin/brand_preview.html"
    shown_as = {
        "languages": "language_list",
        "first_language": "",
        "hosts": "host_list",
        "texts": "text_list",
        "links": "link_list",
        **{name: f"shown_{name}" for name in FILES},
    }
    fieldsets = (
        (None, {"fields": ["slug", "name"]}),
        (
            "Look",
            {"fields": ["primary_color", "background_color", "scheme", "corner_radius", "font"]},
        ),
        ("Files", {"fields": [*FILES]}),
        ("Addresses of its pages", {"fields": ["hosts"]}),
        ("Changes of its clients", {"fields": ["approvals_needed"]}),
        ("Languages of its pages", {"fields": ["languages", "first_language"]}),
        (
            "Links on its pages",
            {
                "fields": [
                    *("privacy_url", "terms_url", "register_url", "reset_url", "support_url"),
                    "links",
                ]
            },
        ),
        ("Words on its pages", {"fields": ["texts"]}),
        ("Used by", {"fields": ["by_clients", "by_login_services"]}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(preview_view(self))
        return [
            path("preview/", view, name="branding_brand_preview_new"),
            path("<int:brand_pk>/preview/", view, name="branding_brand_preview"),
            *super().get_urls(),
        ]

    @method_decorator(csp_override(FRAMING))
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(*args, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        brand: Brand | None = kwargs.get("obj")
        name = "branding_brand_preview" if brand else "branding_brand_preview_new"
        context["preview_address"] = reverse(f"admin:{name}", args=[brand.pk] if brand else [])
        may_change = self.has_change_permission(request, brand) or brand is None
        context["preview"] = controls(brand, may_change=may_change)
        return super().render_change_form(request, context, *args, **kwargs)

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

    @admin.display(description="host names")
    def host_list(self, brand: Brand) -> str:
        return ", ".join(brand.hosts)

    @admin.display(description="texts")
    def text_list(self, brand: Brand) -> SafeString:
        return _lines(brand.texts)

    @admin.display(description="links by language")
    def link_list(self, brand: Brand) -> SafeString:
        return _lines(brand.links)

    @admin.display(description=PURPOSES["logo"].label)
    def shown_logo(self, brand: Brand) -> SafeString:
        return _file(brand.logo_id)

    @admin.display(description=PURPOSES["logo_dark"].label)
    def shown_logo_dark(self, brand: Brand) -> SafeString:
        return _file(brand.logo_dark_id)

    @admin.display(description=PURPOSES["favicon"].label)
    def shown_favicon(self, brand: Brand) -> SafeString:
        return _file(brand.favicon_id)

    @admin.display(description=PURPOSES["font_file"].label)
    def shown_font_file(self, brand: Brand) -> SafeString:
        return _file(brand.font_file_id)

    @admin.display(description="clients")
    def by_clients(self, brand: Brand) -> SafeString:
        return links(brand.clients.all())

    @admin.display(description="login services")
    def by_login_services(self, brand: Brand) -> SafeString:
        return links(brand.login_services.all())


def _lines(table: dict[str, dict[str, str]]) -> SafeString:
    lines = [
        (language, name, value)
        for language, entries in table.items()
        for name, value in entries.items()
    ]
    return format_html_join(SafeString("<br>"), "{} {}: {}", lines)


def _file(name: str | None) -> SafeString:
    if not name:
        return SafeString("")
    return format_html('<a href="{}">{}</a>', reverse("branding:file", args=[name]), name)
