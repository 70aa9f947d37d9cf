"""Fields for public keys. What is refused is not shown again: it may be somebody's private key."""

import json
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from idp import jwks
from idp.accounts import certificates

MAX_JWKS_CHARACTERS = 65_536


def _textarea(rows: int) -> UnfoldAdminTextareaWidget:
    attributes = {"rows": rows, "spellcheck": "false", "autocomplete": "off"}
    return UnfoldAdminTextareaWidget(attrs={**attributes, "class": "operators-keys"})


class PEMField(forms.CharField):
    """A list of PEM blocks, one below the other on the page; the model says which it refuses."""

    widget = _textarea(8)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def bound_data(self, data: Any, initial: Any) -> list[str]:
        parts = certificates.split(data or "")
        return [part for part in parts if certificates.readable([part])]

    def clean(self, value: Any) -> Any:
        return certificates.split(super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != certificates.split(data or "")


class JWKSField(forms.JSONField):
    """A JSON Web Key Set as its owner publishes it."""

    widget = _textarea(8)
    default_error_messages = {
        "invalid": "This is not JSON that can be kept.",
        "max_length": f"This has more than {MAX_JWKS_CHARACTERS} characters.",
    }

    def to_python(self, value: Any) -> Any:
        value = (value or "").strip()
        if len(value) > MAX_JWKS_CHARACTERS:
            raise ValidationError(self.error_messages["max_length"], code="max_length")
        if value in self.empty_values:
            return None
        try:
            return storable(value)
        except (ValueError, RecursionError):
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            jwks.of_document(document := self.to_python(data))
        except (ValidationError, jwks.BadKeySet):
            return None
        return document

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(initial != self.to_python(data))
        except ValidationError:
            return True


def storable(text: str) -> Any:
    """The JSON document, if PostgreSQL can keep it. Raises ValueError or RecursionError."""
    document = json.loads(text, parse_constant=_no_number)
    json.dumps(document, allow_nan=False)
    for part in _texts(document):
        if "\0" in part:
            raise ValueError("PostgreSQL keeps no NUL.")
        part.encode()
    return document


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON.")


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [*value, *(text for inner in value.values() for text in _texts(inner))]
        case list():
            return [text for inner in value for text in _texts(inner)]
    return []
