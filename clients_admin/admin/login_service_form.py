"""The form of a login service: what all have, and the settings of its kind."""

from typing import Any

from django import forms

from clients_admin.admin import setting_fields
from idp.accounts import service_settings
from idp.accounts.models import LoginService

KINDS = [kind for kind in LoginService.Kind.values if setting_fields.names(kind)]


class _SettingsForm(forms.ModelForm):
    """`service_settings` decides what is right; the fields say how each setting is written down."""

    class Meta:
        model = LoginService
        fields = ("name", "kind", "brand", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind in KINDS:
            known = self.instance.settings if self.instance.kind == kind else {}
            for setting, info in service_settings.BY_KIND[kind].model_fields.items():
                default = None if info.is_required() else info.default
                name = setting_fields.field_name(kind, setting)
                self.initial.setdefault(name, known.get(setting, default))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind") or self.instance.kind
        settings = self._settings(kind) if kind in KINDS else {}
        if self.errors:
            return cleaned
        problems = service_settings.problems(kind, settings)
        for place, text in problems:
            name = setting_fields.field_name(kind, str(place[0]))
            self.add_error(name, f"It {text}.")
        if not problems:
            self.instance.settings = service_settings.read(kind, settings).plain()
        return cleaned

    def _post_clean(self) -> None:
        """The row's own checks, once the settings are right: it would report theirs a second time,
        and not beside their fields."""
        if not self.errors:
            super()._post_clean()  # type: ignore[misc] # Django has no types for it.

    def _settings(self, kind: str) -> dict[str, Any]:
        """What the fields of this kind hold; an empty one is left out."""
        found = {}
        for setting in service_settings.BY_KIND[kind].model_fields:
            value = self.cleaned_data.get(setting_fields.field_name(kind, setting))
            if value not in ("", None, [], {}):
                found[setting] = value
        return found


LoginServiceForm = type(
    "LoginServiceForm",
    (_SettingsForm,),
    {name: field for kind in KINDS for name, field in setting_fields.fields(kind).items()},
)
