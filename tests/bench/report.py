"""What a bench found, and how it is written: a table for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

COLUMNS = ("", "ours", "stock", "ratio")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing, smaller is better; `goal` is what ours should not exceed.

    A figure with a `headline` is part of the summary, under that name.
    """

    name: str
    unit: str
    ours: float
    stock: float | None = None
    goal: float | None = None
    headline: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as much the stock toolkit needs; None where there is nothing to say."""
        return self.stock / self.ours if self.stock is not None and self.ours else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one bench; `notes` are lines that stand below its table."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default=())

    def as_json(self) -> dict[str, Any]:
        figures = [figure.as_json() for figure in self.figures]
        return {"title": self.title, "figures": figures, "notes": list(self.notes)}


def table(result: Result) -> str:
    """A result as text, its columns aligned."""
    rows = [COLUMNS, *(_cells(figure) for figure in result.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
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
    figures = [figure for result in results for figure in result.figures if figure.headline]
    return " · ".join(
        f"{figure.headline} {_value(figure.ours, figure.unit)}{_beside(figure)}"
        for figure in figures
    )


def _cells(figure: Figure) -> tuple[str, str, str, str]:
    goal = "" if figure.goal is None else f" (goal: {_value(figure.goal, figure.unit)})"
    stock = "" if figure.stock is None else _value(figure.stock, figure.unit)
    return (
        figure.name + goal,
        _value(figure.ours, figure.unit),
        stock,
        _times(figure.ratio),
    )


def _beside(figure: Figure) -> str:
    if figure.stock is None:
        return ""
    times = f", {_times(figure.ratio)}" if figure.ratio is not None else ""
    return f" (stock {_value(figure.stock, figure.unit)}{times})"


def _value(number: float, unit: str) -> str:
    digits = 0 if number == int(number) or abs(number) >= 100 else 1
    return f"{number:,.{digits}f} {unit}".strip()


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:,.1f}x"
