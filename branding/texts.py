"""What a brand may say in its own words, and where its pages lead, in each language.

`Brand.texts` and `Brand.links` are tables by language: `{"nl": {"sign_in_title": "Welkom terug"}}`.
Where a brand says nothing, a page says what it says everywhere; no text stands in for another
language's. A link that a language does not have is that of all languages.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from branding.languages import CODES


@dataclass(frozen=True, slots=True)
class Text:
    """One named text: where it is read, and how long it may be."""

    label: str
    max_length: int
    help_text: str


TEXTS = {
    "sign_in_title": Text(
        "Title of the sign-in page", 60, "In place of “Sign in”; the button keeps its name."
    ),
    "sign_in_line": Text("Line below it", 160, "A sentence, such as a welcome."),
    "unavailable": Text(
        "When passwords cannot be checked",
        300,
        "While the login service is away; no fault of the user.",
    ),
    "blocked": Text(
        "When a user is blocked",
        300,
        "After too many wrong passwords. The link to a new one follows.",
    ),
    "consent_line": Text("Line on the consent page", 200, "Below the question, such as a promise."),
    "signed_out": Text("After signing out", 200, "A sentence, such as a good-bye."),
    "error_line": Text("Line on error pages", 200, "Above the way to help, such as opening hours."),
    "footer": Text("Foot of all pages", 160, "Such as the company behind the brand."),
}
LINKS = {
    "privacy_url": "Privacy statement",
    "terms_url": "Terms and conditions",
    "register_url": "Registration page",
    "reset_url": "Password reset page",
    "support_url": "Support page",
}

type Table = Mapping[str, Mapping[str, str]]


def problems(
    table: object, known: Mapping[str, Any], check: Callable[[str, str], None]
) -> Iterator[tuple[str, str]]:
    """The path in a table by language, and what is wrong there; `check` raises ValidationError for
    the name and the value of an entry."""
    if not isinstance(table, dict):
        yield "", "must be a table of languages"
        return
    for language, entries in table.items():
        if language not in CODES:
            yield str(language), f"is none of the languages {', '.join(CODES)}"
        elif not isinstance(entries, dict):
            yield language, "must be a table"
        else:
            for name, value in entries.items():
                path = f"{language}.{name}"
                if name not in known:
                    yield path, f"is none of {', '.join(known)}"
                elif not isinstance(value, str) or not value.strip():
                    yield path, "must be text"
                else:
                    try:
                        check(name, value)
                    except ValidationError as error:
                        yield path, " ".join(error.messages)


def check_text(name: str, value: str) -> None:
    """Raises ValidationError for what is too long for its place, or no line of text."""
    most = TEXTS[name].max_length
    if len(value) > most:
        raise ValidationError(f"has {len(value)} characters: at most {most}")
    if not value.isprintable():
        raise ValidationError("must be one line of text")


def validate_texts(table: object) -> None:
    _validate(problems(table, TEXTS, check_text))


def validate_links(table: object, web_address: Callable[[str], None]) -> None:
    _validate(problems(table, LINKS, lambda _name, value: web_address(value)))


def _validate(found: Iterator[tuple[str, str]]) -> None:
    if wrong := [f"{path} {text}".strip() for path, text in found]:
        raise ValidationError([f"{line.removesuffix('.')}." for line in wrong])
