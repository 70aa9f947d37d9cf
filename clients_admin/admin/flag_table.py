"""The flags of a client as a table: one typed row for each flag of the registry.

An empty row means the default. Keys that the registry does not know keep a row of text each,
because they belong to somebody else's tooling; one more row is there for a new one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from clients_admin.admin.durations import in_words
from clients_admin.flags import BY_NAME, FLAGS, Flag, Kind

TEMPLATE = "clients_admin/flags.html"
MAX_NAME, MAX_TEXT = 100, 2000
NUMBERS = {Kind.SECONDS, Kind.COUNT}
SWITCH = {"yes": True, "no": False}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the inputs hold, as text: `known` by flag, `others` as the rows of unknown keys."""

    known: Mapping[str, str]
    others: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, flags: Mapping[str, Any]) -> "Submitted":
        return cls(
            {name: as_text(value) for name, value in flags.items() if name in BY_NAME},
            tuple((name, str(flags[name])) for name in sorted(flags) if name not in BY_NAME),
        )


def as_text(value: object) -> str:
    """The value of a flag as its input holds it: `yes`, `3600`, names with blanks between."""
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return " ".join(map(str, value))
    return str(value)


@dataclass(frozen=True, slots=True)
class Row:
    """One flag as the template shows it."""

    flag: Flag
    value: str
    errors: tuple[str, ...] = ()

    @property
    def is_seconds(self) -> bool:
        return self.flag.kind is Kind.SECONDS

    @property
    def is_number(self) -> bool:
        return self.flag.kind in NUMBERS

    @property
    def is_names(self) -> bool:
        return self.flag.kind is Kind.NAMES

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(SWITCH) if self.flag.kind is Kind.SWITCH else self.flag.choices

    @property
    def default_text(self) -> str:
        """What an empty row stands for, as its input would hold it."""
        return as_text(self.flag.default) or "none"

    @property
    def default(self) -> str:
        if self.is_seconds:
            return f"{self.flag.default} ({in_words(int(str(self.flag.default)))})"
        return self.default_text

    @property
    def in_words(self) -> str:
        """The duration that is set, or else the default, in words; empty for what is none."""
        text = self.value or str(self.flag.default)
        is_duration = self.is_seconds and text.isascii() and text.isdigit()
        return in_words(int(text)) if is_duration and len(text) <= 12 else ""  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class OtherRow:
    """One key that the registry does not know."""

    name: str
    value: str
    errors: tuple[str, ...] = ()


def flag_rows(
    submitted: Submitted, errors: Mapping[str, tuple[str, ...]]
) -> tuple[list[Row], list[OtherRow]]:
    """All rows of the table; `errors` by flag name, or by `other-<number of the row>`."""
    rows = [
        Row(flag, submitted.known.get(flag.name, ""), errors.get(flag.name, ())) for flag in FLAGS
    ]
    others = [
        OtherRow(name, value, errors.get(f"other-{number}", ()))
        for number, (name, value) in enumerate(submitted.others)
    ]
    return rows, others


class FlagsWidget(forms.Widget):
    """Reads the rows; they are drawn by the bound field, which knows what is wrong with them."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Submitted:
        texts = {flag.name: data.get(f"{name}-{flag.name}", "").strip() for flag in FLAGS}
        names = [text.strip() for text in data.getlist(f"{name}-other-name")]
        values = [text.strip() for text in data.getlist(f"{name}-other-value")]
        others = zip(names, values, strict=False)
        return Submitted(
            {flag: text for flag, text in texts.items() if text},
            tuple((key, value) for key, value in others if key or value),
        )

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return not any(key.startswith(f"{name}-") for key in data)


class FlagsBoundField(BoundField):
    """The table with its errors, each in its row."""

    def as_widget(self, *args: Any, **kwargs: Any) -> SafeString:
        value = self.value()
        submitted = value if isinstance(value, Submitted) else Submitted.of(value or {})
        by_row: dict[str, tuple[str, ...]] = {}
        for error in self.form.errors.as_data().get(self.name, []):
            by_row[error.code or ""] = (*by_row.get(error.code or "", ()), *error.messages)
        rows, others = flag_rows(submitted, by_row)
        context = {
            "field": self.html_name,
            "rows": rows,
            "others": [*others, OtherRow("", "")],
            "errors": by_row.get("", ()),
        }
        return SafeString(render_to_string(TEMPLATE, context))


class FlagsField(forms.Field):
    """Gives the flags that are set, typed; an error's code names the row that it belongs to."""

    widget = FlagsWidget
    bound_field_class = FlagsBoundField

    def clean(self, value: Submitted) -> dict[str, Any]:
        flags: dict[str, Any] = {}
        errors = []
        for row, name, text in _rows_of(value):
            flag = BY_NAME.get(name) if row == name else None
            typed = _typed(flag, text)
            problem = flag.problem_with(typed) if flag else _problem_with_other(name, text, flags)
            if "\0" in text:
                problem = "must not hold a NUL character"
            if problem:
                errors.append(ValidationError(f"{name or 'A key'} {problem}.", code=row))
            flags[name] = typed
        if errors:
            raise ValidationError(errors)
        return flags

    def has_changed(self, initial: Any, data: Submitted | None) -> bool:
        return data is not None and data != Submitted.of(initial or {})


def _rows_of(value: Submitted) -> Iterator[tuple[str, str, str]]:
    """`(row, key, text)` of every row that is filled in."""
    for name, text in value.known.items():
        yield name, name, text
    for number, (name, text) in enumerate(value.others):
        yield f"other-{number}", name, text


def _typed(flag: Flag | None, text: str) -> int | str | list[str]:
    """The text as the flag's kind has it; as it is where it cannot be that."""
    if flag is None:
        return text
    if flag.kind in NUMBERS and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if flag.kind is Kind.SWITCH:
        return SWITCH.get(text, text)
    return text.split() if flag.kind is Kind.NAMES else text


def _problem_with_other(name: str, text: str, seen: Mapping[str, Any]) -> str | None:
    if not name:
        return "needs a name"
    if name in BY_NAME:
        return "has its own row above"
    if name in seen:
        return "is here twice"
    if "\0" in name or len(name) > MAX_NAME or len(text) > MAX_TEXT:
        return f"is too long: {MAX_NAME} characters for a key, {MAX_TEXT} for its text"
    return None
