"""A YAML file as a tree of entries that know their line and path; what is wrong is collected."""

import difflib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

TAG = "tag:yaml.org,2002:"
PLAIN_TAGS = {f"{TAG}{name}" for name in ("null", "bool", "int", "float")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of the file: a scalar, a list of entries, or a dict of entries."""

    line: int
    path: str
    value: Any

    def part(self, key: str) -> "Entry":
        """The entry under `key` of a table; a place to report what is wrong where there is none."""
        absent = Entry(self.line, _step(self.path, key), None)
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


class Problems:
    """What is wrong with one file, in the order of its lines."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: dict[tuple[int, str, str], None] = {}

    def add(self, entry: Entry, text: str) -> None:
        self._found[entry.line, entry.path, text] = None

    def concern(self, entry: Entry) -> bool:
        """Whether something is known to be wrong with the entry, or inside it."""
        inside = (f"{entry.path}.", f"{entry.path}[")
        return any(path == entry.path or path.startswith(inside) for _, path, _ in self._found)

    def raise_any(self) -> None:
        """Raises ConfigurationError if there are problems."""
        if self._found:
            raise ConfigurationError("\n".join(self._lines()))

    def _lines(self) -> Iterable[str]:
        for line, path, text in sorted(self._found, key=lambda problem: problem[0]):
            place = f"{self.file}:{line}" if line else f"{self.file}"
            yield ": ".join(part for part in (place, path, text) if part)


def did_you_mean(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """The end of a sentence: the known name that resembles this one, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f"; did you mean {close[0]}?" if close else ""


def read(file: Path, problems: Problems) -> Entry:
    """The file's tree. Raises ConfigurationError where the file is no YAML that can be walked."""
    text = _text(file, problems)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        entry = _Reader(problems).entry(root, 1, "") if root else None
    except YAMLError as error:
        problems.add(_place_of(error, text), f"this is no YAML: {_reason(error)}")
    except RecursionError:
        problems.add(Entry(0, "", None), "is nested too deeply")
    else:
        if entry is not None:
            return entry
        problems.add(Entry(0, "", None), "holds nothing")
    problems.raise_any()
    raise AssertionError("a problem was added")


def _text(file: Path, problems: Problems) -> str:
    content = b""
    try:
        content = file.read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.add(Entry(line, "", None), "this is not UTF-8")
    except OSError as error:
        problems.add(Entry(0, "", None), f"cannot be read: {error.strerror}")
    problems.raise_any()
    raise AssertionError("a problem was added")


def _place_of(error: YAMLError, text: str) -> Entry:
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return Entry(error.problem_mark.line + 1, "", None)
    if isinstance(error, ReaderError):
        return Entry(text[: error.position].count("\n") + 1, "", None)
    return Entry(0, "", None)


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

    def entry(self, node: Node, line: int, path: str) -> Entry:
        place = Entry(line, path, None)
        if any(node is outer for outer in self.open):
            self.problems.add(place, "contains itself")
            return place
        self.open.append(node)
        try:
            return Entry(line, path, self._value(node, place))
        finally:
            self.open.pop()

    def _value(self, node: Node, place: Entry) -> Any:
        match node:
            case ScalarNode():
                return self._scalar(node, place)
            case SequenceNode(tag=tag) if tag == f"{TAG}seq":
                return [
                    self.entry(item, item.start_mark.line + 1, f"{place.path}[{index}]")
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
        try:
            text.encode()
        except UnicodeEncodeError:
            self.problems.add(place, "holds half a character (a lone surrogate)")
            return None
        if "\0" in text:
            self.problems.add(place, "holds a NUL character")
            return None
        return text

    def _mapping(self, node: MappingNode, place: Entry) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == f"{TAG}merge":
                merged |= self._merged(value, Entry(line, place.path, None))
            elif not isinstance(key, ScalarNode) or key.tag != f"{TAG}str":
                self.problems.add(Entry(line, place.path, None), "has a key that is not text")
            else:
                self._add(entries, key.value, self.entry(value, line, _step(place.path, key.value)))
        return merged | entries

    def _add(self, entries: dict[str, Entry], key: str, entry: Entry) -> None:
        if key in entries:
            text = f"is given twice, first in line {entries[key].line}"
            self.problems.add(entry, text)
        elif self._text(key, Entry(entry.line, "", None)) is not None:
            entries[key] = entry

    def _merged(self, node: Node, place: Entry) -> dict[str, Entry]:
        """What `<<: *anchor` brings in; of several mappings, the first that has a key wins."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        entries: dict[str, Entry] = {}
        for source in sources:
            value = self.entry(source, place.line, place.path).value
            if isinstance(value, dict):
                entries = value | entries
            else:
                self.problems.add(place, "merges (<<) what is no mapping")
        return entries


def _step(path: str, key: str) -> str:
    if not key.replace("_", "").replace("-", "").isalnum():
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key
