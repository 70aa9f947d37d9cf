"""What was found of requests: the table for people, on the screen and in the documentation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.requests.lines import LINES, STOCK, Line
from tests.bench.requests.turns import Cost

COLUMNS = (
    *("", "server", "req/s", "p50 ms", "p99 ms", "CPU µs", "of it server", "PostgreSQL"),
    *("statements", "bytes", "compared"),
)

# What an operator asks first, and the lines that answer it.
OPEN_COLUMNS = ("", "line of the table", "median ms", "p99 ms", "requests a second")
OPEN = {
    "Is this access token valid?": ("introspection, cached", "introspection"),
    "A JWT for an access token": ("exchange for a JWT, cached", "exchange for a JWT"),
    "A new access token": ("client credentials",),
    "A refresh": ("refresh", "refresh with ID token"),
}

type Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Requests:
    """The costs of all lines, by their keys."""

    title: str
    costs: Mapping[str, Cost]
    notes: Sequence[str] = ()

    def text(self) -> str:
        return "\n".join(["", self.title, "", *aligned([COLUMNS, *self._rows()]), *self.notes])

    def markdown(self) -> dict[str, str]:
        """What stands between the markers of the documentation, by their names."""
        table = as_markdown([COLUMNS, *self._rows()])
        left_open = as_markdown([OPEN_COLUMNS, *self._open_rows()])
        return {
            "requests": "\n".join([self.title, "", *table]),
            "open": "\n".join(left_open),
        }

    def headlines(self) -> Iterator[str]:
        for line in self._lines():
            if line.goal is not None:
                yield f"{line.name} {self._compared(line)}"

    def as_json(self) -> dict[str, Any]:
        lines = {
            line.key: asdict(self.costs[line.key])
            | {"cpu": self.costs[line.key].cpu, "ratio": self._ratio(line), "goal": line.goal}
            for line in self._lines()
        }
        return {"title": self.title, "lines": lines, "notes": list(self.notes)}

    def _lines(self) -> list[Line]:
        return [line for line in LINES if line.key in self.costs]

    def _rows(self) -> Iterator[Row]:
        for line in self._lines():
            cost = self.costs[line.key]
            yield (
                *(line.name, line.server, f"{cost.rate:,.0f}", f"{cost.p50:.2f}"),
                *(f"{cost.p99:.2f}", f"{cost.cpu:,.0f}", f"{cost.server:,.0f}"),
                *(f"{cost.database:,.0f}", f"{cost.statements:.1f}", f"{cost.answer_bytes:,.0f}"),
                self._compared(line),
            )

    def _open_rows(self) -> Iterator[Row]:
        ours = {line.name: line for line in self._lines() if line.server != STOCK}
        for question, names in OPEN.items():
            for name in names:
                if name in ours:
                    cost = self.costs[ours[name].key]
                    milliseconds = f"{cost.p50:.2f}", f"{cost.p99:.2f}"
                    yield question, name, *milliseconds, f"{cost.rate:,.0f}"

    def _ratio(self, line: Line) -> float | None:
        """Than stock, how many times cheaper; than another of our lines, how many times as dear."""
        other = self.costs.get(line.compared.key) if line.compared else None
        if other is None:
            return None
        mine = self.costs[line.key].cpu
        return other.cpu / mine if line.is_beside_stock else mine / other.cpu

    def _compared(self, line: Line) -> str:
        ratio = self._ratio(line)
        if ratio is None:
            return ""
        if line.is_beside_stock:
            goal = "" if line.goal is None else f" (goal: {line.goal:g})"
            return f"{ratio:.1f} times cheaper{goal}"
        goal = "" if line.goal is None else f" (goal: {line.goal:g})"
        return f"{ratio:.1f} of introspection{goal}"


def aligned(rows: Sequence[Row]) -> list[str]:
    """Columns of equal width, a rule below the first row; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    lines = [
        " | ".join(
            cell.ljust(width) if place in {0, 1, last} else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return lines


def as_markdown(rows: Sequence[Row]) -> list[str]:
    """The first two columns are names."""
    head, *others = rows
    rule = ["---" if place < 2 else "--:" for place in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *others)]
