"""Words and links of a brand in each language, as fields in a table."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from branding.languages import LANGUAGES

type Table = dict[str, dict[str, str]]


class LanguageTableWidget(forms.Widget):
    """A part for each language, which opens, and says how much it holds."""

    def __init__(self, rows: Mapping[str, tuple[str, str, int]], kind: str) -> None:
        self.rows, self.kind = rows, kind
        super().__init__()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Table:
        table: Table = {}
        for code, _language in LANGUAGES:
            for row in self.rows:
                if value := data.get(f"{name}-{code}-{row}", "").strip():
                    table.setdefault(code, {})[row] = value
        return table

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return not any(key.startswith(f"{name}-") for key in data)

    def id_for_label(self, id_: str) -> str:
        return ""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        table = value if isinstance(value, dict) else {}
        languages = [
            {
                "code": code,
                "name": language,
                "filled": len(table.get(code, {})),
                "rows": [
                    {
                        "name": f"{name}-{code}-{row}",
                        "label": label,
                        "help_text": help_text,
                        "max_length": max_length,
                        "value": table.get(code, {}).get(row, ""),
                    }
                    for row, (label, help_text, max_length) in self.rows.items()
                ],
            }
            for code, language in LANGUAGES
        ]
        context = {"name": name, "kind": self.kind, "languages": languages}
        return SafeString(render_to_string("clients_admin/language_table.html", context))


class LanguageTableField(forms.Field):
    """Gives `{language: {name: text}}`; the model says what is wrong in it."""

    def __init__(self, widget: LanguageTableWidget, **kwargs: Any) -> None:
        super().__init__(required=False, widget=widget, **kwargs)

    def to_python(self, value: Any) -> Table:
        return value or {}

    def has_changed(self, initial: Any, data: Any) -> bool:
        return data is not None and (data or {}) != (initial or {})
