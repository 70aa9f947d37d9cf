"""What a bench found, and how it is written: a table for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing, and what it is compared with; smaller is better.

    `goal` is what the value should not exceed. A figure with a `headline` is part of the summary,
    under that name.
    """

    name: str
    unit: str
    value: float
    other: float | None = None
    goal: float | None = None
    headline: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as much the other needs; None where there is nothing to say."""
        return self.other / self.value if self.other is not None and self.value else None


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one bench; `notes` are lines that stand below its table.

    `columns` are the names of the value and of the other.
    """

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default=())
    columns: tuple[str, str] = ("ours", "stock")

    def as_json(self) -> dict[str, Any]:
        figures = [self._as_json(figure) for figure in self.figures]
        return {"title": self.title, "figures": figures, "notes": list(self.notes)}

    def _as_json(self, figure: Figure) -> dict[str, Any]:
        found = {**asdict(figure), "ratio": figure.ratio}
        first, second = self.columns
        return {first: found.pop("value"), second: found.pop("other"), **found}


def table(result: Result) -> str:
    """A result as text, its columns aligned."""
    rows = [("", *result.columns, "ratio"), *(_cells(figure) for figure in result.figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join(["", result.title, "", *lines, *result.notes])


def summary(results: Iterable[Result]) -> str:
    """The headlines of all results as one line."""
    return " · ".join(
        f"{figure.headline} {_value(figure.value, figure.unit)}{_beside(figure, result.columns[1])}"
        for result in results
        for figure in result.figures
        if figure.headline
    )


def _cells(figure: Figure) -> tuple[str, str, str, str]:
    goal = "" if figure.goal is None else f" (goal: {_value(figure.goal, figure.unit)})"
    other = "" if figure.other is None else _value(figure.other, figure.unit)
    return figure.name + goal, _value(figure.value, figure.unit), other, _times(figure.ratio)


def _beside(figure: Figure, name: str) -> str:
    if figure.other is None:
        return ""
    times = f", {_times(figure.ratio)}" if figure.ratio is not None else ""
    return f" ({name} {_value(figure.other, figure.unit)}{times})"


def _value(number: float, unit: str) -> str:
    digits = 0 if number == int(number) or abs(number) >= 100 else 1
    return f"{number:,.{digits}f} {unit}".strip()


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:,.1f}x"
