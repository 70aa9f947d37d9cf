"""What a bench found, and how it is written: a table for people, JSON for programs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


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


class Finding(Protocol):
    """What a bench answers; `text` is the table for people, each headline a part of the summary.

    `markdown` are the blocks for docs/performance.md, by name.
    """

    def text(self) -> str: ...

    def markdown(self) -> dict[str, str]: ...

    def headlines(self) -> Iterator[str]: ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one bench; `notes` are lines that stand below its table.

    `columns` are the names of the value and of the other.
    """

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default=())
    columns: tuple[str, str] = ("ours", "stock")

    def text(self) -> str:
        rows = [("", *self.columns, "ratio"), *(_cells(figure) for figure in self.figures)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            " | ".join(
                [row[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            )
            for row in rows
        ]
        lines.insert(1, "-+-".join("-" * width for width in widths))
        return "\n".join(["", self.title, "", *lines, *self.notes])

    def markdown(self) -> dict[str, str]:
        return {}

    def headlines(self) -> Iterator[str]:
        for figure in self.figures:
            if figure.headline:
                value = _value(figure.value, figure.unit)
                yield f"{figure.headline} {value}{_beside(figure, self.columns[1])}"

    def as_json(self) -> dict[str, Any]:
        figures = [self._as_json(figure) for figure in self.figures]
        return {"title": self.title, "figures": figures, "notes": list(self.notes)}

    def _as_json(self, figure: Figure) -> dict[str, Any]:
        found = {**asdict(figure), "ratio": figure.ratio}
        first, second = self.columns
        return {first: found.pop("value"), second: found.pop("other"), **found}


def summary(findings: Iterable[Finding]) -> str:
    """The headlines of all benches as one line."""
    return " · ".join(headline for found in findings for headline in found.headlines())


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
