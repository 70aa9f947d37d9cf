"""Which claims are taken over, as a table of two columns: our name and theirs."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

BLANK_ROWS = 3
type Pairs = tuple[tuple[str, str], ...]


class ClaimsWidget(forms.Widget):
    """Filled rows, and a few more for new ones; an emptied row is gone."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Pairs:
        ours = [text.strip() for text in data.getlist(f"{name}-ours")]
        theirs = [text.strip() for text in data.getlist(f"{name}-theirs")]
        return tuple(pair for pair in zip(ours, theirs, strict=False) if any(pair))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-ours" not in data

    def id_for_label(self, id_: str) -> str:
        return f"{id_}-1"

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        pairs = value.items() if isinstance(value, dict) else value or ()
        context = {"name": name, "id": (attrs or {}).get("id", name)}
        rows = [*pairs, *BLANK_ROWS * [("", "")]]
        return SafeString(render_to_string("clients_admin/claims.html", {**context, "rows": rows}))


class ClaimsField(forms.Field):
    """Gives `{ours: theirs}`; the model says which names it refuses."""

    widget = ClaimsWidget

    def clean(self, value: Pairs) -> dict[str, str]:
        claims = dict(value or ())
        if len(claims) < len(value or ()):
            raise ValidationError("One of our claims is here twice.")
        return claims

    def has_changed(self, initial: Any, data: Pairs | None) -> bool:
        return data is not None and dict(data) != (initial or {})
