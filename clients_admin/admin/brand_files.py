"""The logo, icon and font of a brand as fields of its form."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from branding.models import BrandFile
from branding.svg import Refused
from branding.uploads import MAX_RAW_BYTES, MEDIA_TYPES, PURPOSES, Upload


class BrandFileWidget(forms.ClearableFileInput):
    """Shows what is stored, with a box to remove it."""

    def __init__(self, extensions: tuple[str, ...]) -> None:
        self.accept = ",".join(MEDIA_TYPES[extension] for extension in extensions)
        super().__init__()

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        context = {
            "name": name,
            "id": (attrs or {}).get("id", name),
            "described_by": (attrs or {}).get("aria-describedby", ""),
            "accept": self.accept,
            "clear": self.clear_checkbox_name(name),
            "stored": stored_file(value if isinstance(value, str) else None),
            "required": self.is_required,
        }
        return SafeString(render_to_string("clients_admin/brand_file.html", context))


class BrandFileField(forms.FileField):
    """Gives a `BrandFile`, which its brand stores, or None."""

    def __init__(self, name: str) -> None:
        self.purpose = PURPOSES[name]
        super().__init__(
            label=self.purpose.label.capitalize(),
            help_text=self.purpose.help_text,
            required=False,
            widget=BrandFileWidget(self.purpose.extensions),
        )

    def clean(self, data: Any, initial: Any = None) -> BrandFile | None:
        found = super().clean(data, initial)
        if isinstance(found, UploadedFile):
            try:
                return BrandFile.of(Upload.checked(found.read(MAX_RAW_BYTES + 1), self.purpose))
            except Refused as refused:
                raise ValidationError(f"The file {refused}.") from None
        # False: its box is ticked. Else the name of what there is.
        return BrandFile.objects.filter(pk=found).first() if found else None


def stored_file(name: str | None) -> dict[str, Any] | None:
    """What is shown of a file that a brand has."""
    if not name:
        return None
    return {
        "address": reverse("branding:file", args=[name]),
        "is_picture": not name.endswith(".woff2"),
        "name": name,
    }
