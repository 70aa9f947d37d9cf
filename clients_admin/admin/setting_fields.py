"""The settings of login services as fields on a page, made from the models that check them."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from idp.accounts.service_settings import BY_KIND

LONG_CHARACTERS = 1000
# Words that are not written as they sound.
_WORDS = {"url": "URL", "tls": "TLS", "dn": "DN", "ca": "CA", "id": "ID"}


def names(kind: str) -> list[str]:
    """The fields of a kind, in the order of its settings."""
    return [field_name(kind, setting) for setting in BY_KIND[kind].model_fields]


def field_name(kind: str, setting: str) -> str:
    return f"{kind}_{setting}"


def label(setting: str) -> str:
    text = " ".join(_WORDS.get(word, word) for word in setting.split("_"))
    return text[0].upper() + text[1:]


class LinesField(forms.CharField):
    """A list, one entry a line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        text: str = super().clean(value)
        return [line.strip() for line in text.splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != [line.strip() for line in (data or "").splitlines() if line]


class PairsField(forms.CharField):
    """A table, one `name: value` a line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name}: {text}" for name, text in sorted(value.items()))
        return value

    def clean(self, value: Any) -> Any:
        pairs: dict[str, str] = {}
        for line in filter(str.strip, super().clean(value).splitlines()):
            name, colon, text = (part.strip() for part in line.partition(":"))
            if not colon or not name or not text:
                raise ValidationError("Write one “name: value” a line.")
            if name in pairs:
                raise ValidationError(f"“{name}” is here twice.")
            pairs[name] = text
        return pairs

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.clean(data or ""))
        except ValidationError:
            return True


HOW: dict[type[forms.Field], str] = {
    LinesField: "One a line.",
    PairsField: "One “name: value” a line.",
}


def fields(kind: str) -> dict[str, forms.Field]:
    """None is required by the form: those of other kinds are on the same page, and are not read."""
    return {field_name(kind, setting): field for setting, field in _fields(kind)}


def _fields(kind: str) -> Iterator[tuple[str, forms.Field]]:
    schema = BY_KIND[kind].model_json_schema()
    for setting, described in schema["properties"].items():
        known = _resolved(described, schema.get("$defs", {}))
        field = _field(known)
        field.required, field.label = False, label(setting)
        field.help_text = f"{described.get('description', '')} {HOW.get(type(field), '')}".strip()
        if "default" not in described:
            field.help_text = f"{field.help_text} Required.".strip()
        yield setting, field


def _resolved(described: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What the schema says, without the references to the types that have names."""
    while "$ref" in described:
        described = definitions[described["$ref"].rpartition("/")[2]]
    if "anyOf" in described:
        return _resolved(described["anyOf"][0], definitions)
    return described


def _field(known: dict[str, Any]) -> forms.Field:
    match known:
        case {"enum": list(choices)}:
            pairs = [(choice, choice) for choice in choices]
            return forms.ChoiceField(choices=pairs, widget=UnfoldAdminSelectWidget)
        case {"type": "boolean"}:
            return forms.BooleanField(widget=UnfoldBooleanSwitchWidget)
        case {"type": "integer"}:
            return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget)
        case {"type": "array"}:
            return LinesField(max_length=10_000)
        case {"type": "object"}:
            return PairsField(max_length=50_000)
    longest = known.get("maxLength", LONG_CHARACTERS)
    is_long = longest > LONG_CHARACTERS
    rows = UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"})
    widget = rows if is_long else UnfoldAdminTextInputWidget(attrs={"spellcheck": "false"})
    return forms.CharField(max_length=longest, widget=widget)
