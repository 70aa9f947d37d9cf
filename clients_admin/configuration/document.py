"""A YAML file, or JSON, as a tree of entries that know their place; what is wrong is collected."""

import difflib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

TAG = "tag:yaml.org,2002:"
PLAIN_TAGS = {f"{TAG}{name}" for name in ("null", "bool", "int", "float")}
# No object of the configuration comes near.
MAX_DEPTH = 30

type Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of the file: a scalar, a list of entries, or a dict of entries.

    `steps` are the keys and indexes that lead to it. JSON has no lines: they are 0.
    """

    line: int
    steps: Steps
    value: Any

    @property
    def path(self) -> str:
        """The steps as one reads them: `clients[2].flags.jwt_alg`."""
        path = ""
        for step in self.steps:
            path = _step(path, step) if isinstance(step, str) else f"{path}[{step}]"
        return path

    def part(self, key: str) -> "Entry":
        """The entry under `key` of a table; a place to report what is wrong where there is none."""
        absent = Entry(self.line, (*self.steps, key), None)
        return self.value.get(key, absent) if isinstance(self.value, dict) else absent

    def plain(self) -> Any:
        """The value without lines and paths."""
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        return self.value


class ConfigurationError(Exception):
    """The file cannot be applied; the text holds one line for each problem."""

    def __init__(self, problems: "Problems") -> None:
        super().__init__("\n".join(problems.lines()))
        self.problems = problems


class Problems:
    """What is wrong with one file, in the order of its lines; without a file, with one object."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._found: dict[tuple[int, Steps, str], None] = {}

    def __iter__(self) -> Iterator[tuple[Steps, str]]:
        """Each problem as the steps to its place and its text."""
        return ((steps, text) for _, steps, text in self._found)

    def add(self, entry: Entry, text: str) -> None:
        self._found[entry.line, entry.steps, text] = None

    def concern(self, entry: Entry) -> bool:
        """Whether something is known to be wrong with the entry, or inside it."""
        depth = len(entry.steps)
        return any(steps[:depth] == entry.steps for steps, _ in self)

    def raise_any(self) -> None:
        """Raises ConfigurationError if there are problems."""
        if self._found:
            raise ConfigurationError(self)

    def lines(self) -> Iterable[str]:
        for line, steps, text in sorted(self._found, key=lambda problem: problem[0]):
            place = f"{self.file}:{line}" if line else f"{self.file or ''}"
            path = Entry(line, steps, None).path
            yield ": ".join(part for part in (place, path, text) if part)


def did_you_mean(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """The end of a sentence: the known name that resembles this one, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f"; did you mean {close[0]}?" if close else ""


def of_json(value: Any, problems: Problems, steps: Steps = ()) -> Entry:
    """The tree of what a JSON parser has read."""
    place = Entry(0, steps, None)
    if len(steps) > MAX_DEPTH:
        problems.add(place, "is nested too deeply")
        return place
    match value:
        case dict():
            table = {key: of_json(part, problems, (*steps, key)) for key, part in value.items()}
            return Entry(0, steps, _with_storable_keys(table, place, problems))
        case list():
            parts = (of_json(part, problems, (*steps, i)) for i, part in enumerate(value))
            return Entry(0, steps, list(parts))
        case str() if problem := problem_with_text(value):
            problems.add(place, problem)
            return place
        case float() if not math.isfinite(value):
            problems.add(place, "is no number that can be kept")
            return place
    return Entry(0, steps, value)


def _with_storable_keys(
    table: dict[str, Entry], place: Entry, problems: Problems
) -> dict[str, Entry]:
    wrong = {key: problem for key in table if (problem := problem_with_text(key))}
    for problem in wrong.values():
        problems.add(place, f"has a key that {problem}")
    return {key: entry for key, entry in table.items() if key not in wrong}


def problem_with_text(text: str) -> str:
    """What keeps a text from being stored; empty where nothing does."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    return "holds a NUL character" if "\0" in text else ""


def read(file: Path, problems: Problems) -> Entry:
    """The file's tree. Raises ConfigurationError where the file is no YAML that can be walked."""
    text = _text(file, problems)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        entry = _Reader(problems).entry(root, 1, ()) if root else None
    except YAMLError as error:
        problems.add(_place_of(error, text), f"this is no YAML: {_reason(error)}")
    except RecursionError:
        problems.add(Entry(0, (), None), "is nested too deeply")
    else:
        if entry is not None:
            return entry
        problems.add(Entry(0, (), None), "holds nothing")
    problems.raise_any()
    raise AssertionError("a problem was added")


def _text(file: Path, problems: Problems) -> str:
    content = b""
    try:
        content = file.read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.add(Entry(line, (), None), "this is not UTF-8")
    except OSError as error:
        problems.add(Entry(0, (), None), f"cannot be read: {error.strerror}")
    problems.raise_any()
    raise AssertionError("a problem was added")


def _place_of(error: YAMLError, text: str) -> Entry:
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return Entry(error.problem_mark.line + 1, (), None)
    if isinstance(error, ReaderError):
        return Entry(text[: error.position].count("\n") + 1, (), None)
    return Entry(0, (), None)


def _reason(error: YAMLError) -> str:
    if isinstance(error, MarkedYAMLError):
        return str(error.problem)
    if isinstance(error, ReaderError):
        return "it holds a control character"
    return str(error).partition("\n")[0]


class _Reader:
    """Turns YAML's nodes into entries."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.constructor = YAML(typ="safe", pure=True).constructor
        self.open: list[Node] = []

    def entry(self, node: Node, line: int, steps: Steps) -> Entry:
        place = Entry(line, steps, None)
        if any(node is outer for outer in self.open):
            self.problems.add(place, "contains itself")
            return place
        self.open.append(node)
        try:
            return Entry(line, steps, self._value(node, place))
        finally:
            self.open.pop()

    def _value(self, node: Node, place: Entry) -> Any:
        match node:
            case ScalarNode():
                return self._scalar(node, place)
            case SequenceNode(tag=tag) if tag == f"{TAG}seq":
                return [
                    self.entry(item, item.start_mark.line + 1, (*place.steps, index))
                    for index, item in enumerate(node.value)
                ]
            case MappingNode(tag=tag) if tag == f"{TAG}map":
                return self._mapping(node, place)
        self.problems.add(place, f"has the tag {node.tag}, which means nothing here")
        return None

    def _scalar(self, node: ScalarNode, place: Entry) -> Any:
        if node.tag == f"{TAG}str":
            return self._text(node.value, place)
        if node.tag == f"{TAG}timestamp":
            self.problems.add(place, "is a date for YAML: put it in quotes")
            return None
        if node.tag not in PLAIN_TAGS:
            self.problems.add(place, f"has the tag {node.tag}, which means nothing here")
            return None
        try:
            value = self.constructor.construct_object(node)
        except ValueError:
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            self.problems.add(place, "is no number that can be kept")
            return None
        return value

    def _text(self, text: str, place: Entry) -> str | None:
        if problem := problem_with_text(text):
            self.problems.add(place, problem)
            return None
        return text

    def _mapping(self, node: MappingNode, place: Entry) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == f"{TAG}merge":
                merged |= self._merged(value, Entry(line, place.steps, None))
            elif not isinstance(key, ScalarNode) or key.tag != f"{TAG}str":
                self.problems.add(Entry(line, place.steps, None), "has a key that is not text")
            else:
                self._add(entries, key.value, self.entry(value, line, (*place.steps, key.value)))
        return merged | entries

    def _add(self, entries: dict[str, Entry], key: str, entry: Entry) -> None:
        if key in entries:
            text = f"is given twice, first in line {entries[key].line}"
            self.problems.add(entry, text)
        elif self._text(key, Entry(entry.line, (), None)) is not None:
            entries[key] = entry

    def _merged(self, node: Node, place: Entry) -> dict[str, Entry]:
        """What `<<: *anchor` brings in; of several mappings, the first that has a key wins."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        entries: dict[str, Entry] = {}
        for source in sources:
            value = self.entry(source, place.line, place.steps).value
            if isinstance(value, dict):
                entries = value | entries
            else:
                self.problems.add(place, "merges (<<) what is no mapping")
        return entries


def _step(path: str, key: str) -> str:
    if not key.replace("_", "").replace("-", "").isalnum():
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key
