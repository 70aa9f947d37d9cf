"""All that an end-user reads is said in every language of the pages."""

import ast
import gettext
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.template import engines
from django.template.base import Node
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from branding.languages import CODES
from idp.environment import PROJECT

PLACES = ("branding", "tokens", "idp/accounts", "idp/blocking")
CALLS = frozenset({"_", "ngettext_lazy"})
CATALOG = "branding/locale/{}/LC_MESSAGES/django.mo"

each_language = pytest.mark.parametrize("language", sorted(set(CODES) - {"en"}))


def in_code() -> Iterator[str]:
    """The first argument of every call of `_`; names of constants are looked up."""
    files = [PROJECT / "idp/outage.py"]
    files += [file for place in PLACES for file in (PROJECT / place).rglob("*.py")]
    for file in files:
        tree = ast.parse(file.read_text())
        constants = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in CALLS:
                first = call.args[0]
                text = first.value if isinstance(first, ast.Constant) else constants.get(first.id)
                if isinstance(text, str) and "gettext" in file.read_text():
                    yield text


def in_templates() -> Iterator[str]:
    for file in (PROJECT / "branding/templates").rglob("*.*"):
        template = engines["django"].from_string(file.read_text()).template
        yield from in_nodes(template.nodelist)


def in_nodes(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, TranslateNode):
            yield str(node.filter_expression.var.literal)
        elif isinstance(node, BlockTranslateNode):
            yield node.render_token_list(node.singular)[0].strip()
        for name in node.child_nodelists:
            yield from in_nodes(getattr(node, name, None) or [])
        for _, branch in getattr(node, "conditions_nodelists", ()):
            yield from in_nodes(branch)


TEXTS = sorted({*in_code(), *(" ".join(text.split()) for text in in_templates())})


def test_the_search_finds_texts_of_all_sorts() -> None:
    assert {
        "Sign in",  # a template
        "Enter your user name.",  # a form
        "to continue to <strong><bdi>%(client_name)s</bdi></strong>",  # with a name in it
        "This link does not work",  # a view
        "Your password was changed",  # a mail
        "There is nothing here",  # the page for what is not found
    } <= set(TEXTS)


@each_language
def test_each_text_is_translated_and_none_is_left_over(language: str) -> None:
    with Path(PROJECT / CATALOG.format(language)).open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    known = {key[0] if isinstance(key, tuple) else key for key in catalog._catalog}  # type: ignore[attr-defined]
    assert [text for text in TEXTS if text not in known] == []
    assert sorted(known - set(TEXTS) - {""}) == []


@each_language
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    compiled = PROJECT / CATALOG.format(language)
    with compiled.open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    for block in compiled.with_suffix(".po").read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith(("msgid", "msgstr"))]
        if len(lines) == 2 and lines[0] != 'msgid ""':
            said, translated = (ast.literal_eval(line.partition(" ")[2]) for line in lines)
            assert catalog.gettext(said) == translated


@dataclass(frozen=True)
class Entry:
    """One text of a catalog: what is said, in English and in its language, plurals included."""

    said: list[str]
    translated: list[str]
    flags: str


def entries(language: str) -> list[Entry]:
    text = (PROJECT / CATALOG.format(language)).with_suffix(".po").read_text()
    found = []
    for block in text.split("\n\n")[1:]:
        lines = block.strip().splitlines()
        pairs = [line.partition(" ") for line in lines if line.startswith("msg")]
        found.append(
            Entry(
                [ast.literal_eval(said) for key, _, said in pairs if key.startswith("msgid")],
                [ast.literal_eval(said) for key, _, said in pairs if key.startswith("msgstr")],
                " ".join(line for line in lines if line.startswith("#")),
            )
        )
    return found


# Placeholders, and the marks around what is not ours to translate.
_FIXED = re.compile(r"%\(\w+\)\w|</?\w+>")


@each_language
def test_no_text_is_empty_fuzzy_obsolete_or_there_twice(language: str) -> None:
    found = entries(language)
    assert len(found) > 80
    assert [entry for entry in found if not all(entry.translated)] == []
    assert [entry for entry in found if "fuzzy" in entry.flags or "#~" in entry.flags] == []
    counted = Counter(entry.said[0] for entry in found)
    assert [said for said, count in counted.items() if count > 1] == []


@each_language
def test_a_translation_has_the_placeholders_and_marks_of_the_text(language: str) -> None:
    assert [
        entry
        for entry in entries(language)
        for translated in entry.translated
        if Counter(_FIXED.findall(translated)) != Counter(_FIXED.findall(entry.said[0]))
    ] == []


@each_language
def test_users_are_addressed_in_one_way(language: str) -> None:
    """Dutch je, German Sie, French vous; the others nowhere."""
    found = entries(language)
    assert [
        entry for entry in found for text in entry.translated if NEVER[language].search(text)
    ] == []
    assert any(ALWAYS[language].search(text) for entry in found for text in entry.translated)


NEVER = {
    "nl": re.compile(r"\b(u|uw|jullie)\b", re.IGNORECASE),
    "de": re.compile(r"\b(du|dich|dir|dein\w*|euch|euer|eure\w*)\b", re.IGNORECASE),
    "fr": re.compile(r"\b(tu|te|toi|ton|tes)\b", re.IGNORECASE),
}
ALWAYS = {
    "nl": re.compile(r"\bje\b"),
    "de": re.compile(r"\bSie\b"),
    "fr": re.compile(r"\bvous\b"),
}
