"""What may stand under a key: each function reads one entry and says what is wrong with it.

The answer is the value in the form that the rest of the package compares and keeps, or None where
there is none or it is wrong. Rules of the models are asked, not repeated.
"""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from branding.languages import CODES
from branding.svg import Refused
from branding.uploads import MAX_RAW_BYTES, Purpose, Upload, content_of
from clients_admin.configuration.document import Entry, Problems, did_you_mean
from clients_admin.flags import BY_NAME
from clients_admin.flags import problems as flag_problems
from clients_admin.models import GrantType, validate_uri
from clients_admin.secrets import LIVE_AT_ONCE
from idp.accounts import certificates
from idp.accounts.local import MAX_PASSWORD_CHARACTERS
from idp.environment import environment

BY_REFERENCE = "env:"
BY_FILE = "file:"
# A flag that the registry does not know belongs to somebody else's tooling, unless it looks
# like this much of a misspelt one.
MISSPELT = 0.8

type Reader = Callable[[Entry, Problems], Any]

# `token_exchange` for urn:ietf:params:oauth:grant-type:token-exchange, and so on.
GRANT_TYPE_ALIASES = {
    grant_type.value.rpartition(":")[2].replace("-", "_"): grant_type.value
    for grant_type in GrantType
    if grant_type.value.startswith("urn:")
}


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a table"


def _typed(entry: Entry, problems: Problems, kind: type, hint: str = "") -> Any:
    if entry.value is None or isinstance(entry.value, kind):
        return entry.value
    problems.add(entry, f"must be {_kind_of(kind())}, not {_kind_of(entry.value)}{hint}")
    return None


def text(entry: Entry, problems: Problems) -> str | None:
    quotes = "" if isinstance(entry.value, list | dict) else ": put it in quotes"
    return _typed(entry, problems, str, quotes)


def switch(entry: Entry, problems: Problems) -> bool | None:
    return _typed(entry, problems, bool)


def number(entry: Entry, problems: Problems) -> int | None:
    """A whole number."""
    if entry.value is None or type(entry.value) is int:
        return entry.value
    problems.add(entry, f"must be a whole number, not {_kind_of(entry.value)}")
    return None


def table(entry: Entry, problems: Problems) -> dict[str, Any] | None:
    """A mapping of anything that JSON can hold."""
    return None if _typed(entry, problems, dict) is None else entry.plain()


def entries(entry: Entry, problems: Problems) -> list[Entry]:
    return _typed(entry, problems, list) or []


def texts(entry: Entry, problems: Problems) -> list[str] | None:
    """A list of texts, in its order, each once."""
    if entry.value is None:
        return None
    found: list[str] = []
    for item in entries(entry, problems):
        value = required_text(item, problems)
        if value is not None and value in found:
            problems.add(item, f"“{value}” is listed twice")
        elif value is not None:
            found.append(value)
    return found


def required_text(entry: Entry, problems: Problems) -> str | None:
    value = text(entry, problems)
    if not value and not problems.concern(entry):
        problems.add(entry, "must not be empty")
    return value or None


def names(entry: Entry, problems: Problems) -> list[str] | None:
    """A list of names whose order means nothing."""
    found = texts(entry, problems)
    return None if found is None else sorted(found)


def text_table(entry: Entry, problems: Problems) -> dict[str, str] | None:
    """A mapping of names to texts."""
    if _typed(entry, problems, dict) is None:
        return None
    found = {name: required_text(place, problems) for name, place in entry.value.items()}
    return {name: value for name, value in found.items() if value is not None}


def by_language(known: Iterable[str]) -> Reader:
    """Tables of known names to texts, by language."""
    return partial(_by_language, known=tuple(known))


def _by_language(
    entry: Entry, problems: Problems, *, known: tuple[str, ...]
) -> dict[str, dict[str, str]] | None:
    if _typed(entry, problems, dict) is None:
        return None
    found: dict[str, dict[str, str]] = {}
    for language, place in entry.value.items():
        if language not in CODES:
            problems.add(place, f"is no language of the pages: {', '.join(CODES)}")
        elif texts := text_table(place, problems):
            for name in texts.keys() - set(known):
                problems.add(place.part(name), f"is no known key{did_you_mean(name, known)}")
            found[language] = texts
    return found


def brand_file(purpose: Purpose) -> Reader:
    """A picture or a font: `file:` and its place beside the configuration file, or a data URL. The
    value is a data URL, of what is kept."""
    return partial(_brand_file, purpose=purpose)


def _brand_file(entry: Entry, problems: Problems, *, purpose: Purpose) -> str | None:
    value = text(entry, problems)
    if not value:
        return None
    try:
        content = _content(value, problems.file)
        return Upload.checked(content, purpose).data_url
    except Refused as refused:
        problems.add(entry, str(refused))
    except OSError as error:
        problems.add(entry, f"cannot be read: {error.strerror or 'it is too long'}")
    return None


def _content(value: str, file: Path | None) -> bytes:
    if not value.startswith(BY_FILE):
        return content_of(value)
    if file is None:
        raise Refused("must be a data URL: there is no file here that another could stand beside")
    place = file.parent / value.removeprefix(BY_FILE)
    if not place.is_file():
        raise Refused(f"names no file: {value.removeprefix(BY_FILE)} beside {file.name}")
    with place.open("rb") as opened:
        return opened.read(MAX_RAW_BYTES + 1)


def choice(known: Iterable[str]) -> Reader:
    """One of the known texts."""
    return partial(_choice, known=tuple(known))


def _choice(entry: Entry, problems: Problems, *, known: tuple[str, ...]) -> str | None:
    value = text(entry, problems)
    if value is None or value in known:
        return value
    meant = did_you_mean(value, known)
    problems.add(entry, f"“{value}” is none of those known here: {', '.join(known)}{meant}")
    return None


def choices(known: Iterable[str]) -> Reader:
    """A list of some of the known texts, whose order means nothing."""
    return partial(_choices, known=tuple(known))


def _choices(entry: Entry, problems: Problems, *, known: tuple[str, ...]) -> list[str] | None:
    found = names(entry, problems)
    if found is not None:
        for item in entries(entry, problems):
            _choice(item, problems, known=known)
    return found


def public_keys(entry: Entry, problems: Problems) -> list[str] | None:
    """A list of PEM blocks; none is ever in a message, because it may be a private one."""
    if entry.value is None:
        return None
    found: list[str] = []
    for item in entries(entry, problems):
        pem = (text(item, problems) or "").strip()
        if problem := "is listed twice" if pem in found else _problem_with_key(pem):
            if not problems.concern(item):
                problems.add(item, problem)
        else:
            found.append(pem)
    return found


def _problem_with_key(pem: str) -> str | None:
    try:
        certificates.read(pem)
    except certificates.NotAPublicKey as error:
        return str(error)
    return None


def grant_types(entry: Entry, problems: Problems) -> list[str] | None:
    """A list of grant types, by their value or the short name of a urn."""
    if entry.value is None:
        return None
    known = [*GRANT_TYPE_ALIASES, *GrantType.values]
    found: set[str] = set()
    for item in entries(entry, problems):
        value = required_text(item, problems)
        if value is None:
            continue
        grant_type = GRANT_TYPE_ALIASES.get(value, value)
        if grant_type not in GrantType.values:
            problems.add(item, f"“{value}” is no grant type known here{did_you_mean(value, known)}")
        elif grant_type in found:
            problems.add(item, f"“{value}” is listed twice")
        found.add(grant_type)
    return sorted(found.intersection(GrantType.values))


def redirect_uris(entry: Entry, problems: Problems) -> list[str] | None:
    """A list of URIs that a browser may be sent to."""
    return _uris(entry, problems, validate_uri)


def origins(entry: Entry, problems: Problems) -> list[str] | None:
    return _uris(entry, problems, lambda _: None)


def _uris(entry: Entry, problems: Problems, validate: Callable[[str], None]) -> list[str] | None:
    found = texts(entry, problems)
    if found is None:
        return None
    for item in entry.value if isinstance(entry.value, list) else []:
        if item.value in found and (problem := _problem_with_uri(item.value, validate)):
            problems.add(item, problem)
            found.remove(item.value)
    return found


def _problem_with_uri(uri: str, validate: Callable[[str], None]) -> str:
    # The rows keep URIs separated by blanks.
    if uri.split() != [uri]:
        return f"“{uri}” must not hold blanks"
    try:
        validate(uri)
    except ValidationError as error:
        return " ".join(error.messages)
    except ValueError as error:
        return f"“{uri}” is no URI: {error}"
    return ""


def flags(entry: Entry, problems: Problems) -> dict[str, Any] | None:
    """A table of client flags."""
    values = table(entry, problems)
    if values is None:
        return None
    wrong = flag_problems(values)
    for name in values:
        flag = entry.part(name)
        meant = "" if name in BY_NAME else did_you_mean(name, BY_NAME, likeness=MISSPELT)
        if meant:
            problems.add(flag, f"is no known flag{meant}")
        elif name in wrong and not problems.concern(flag):
            problems.add(flag, wrong[name])
    return values


def secret(entry: Entry, problems: Problems) -> str | None:
    """A secret by reference (`env:NAME`), or itself where that is allowed; never in a message."""
    value = required_text(entry, problems)
    if value is None:
        return None
    if value.startswith(BY_REFERENCE):
        return _referred(entry, problems, value.removeprefix(BY_REFERENCE))
    if environment().environment != "development":
        problems.add(
            entry,
            "holds a secret itself, which is for demo files in development only: "
            f"write {BY_REFERENCE}NAME and set that variable",
        )
        return None
    return value


def _referred(entry: Entry, problems: Problems, name: str) -> str | None:
    value = os.environ.get(name, "")
    if not value:
        problems.add(entry, f"the environment variable {name} is not set")
    elif not value.isprintable():
        # Also what is not UTF-8, which the environment hands over as lone surrogates.
        problems.add(entry, f"the environment variable {name} holds what no one could type")
        value = ""
    return value or None


def password(entry: Entry, problems: Problems) -> str | None:
    """As `secret`, and short enough to sign in with."""
    value = secret(entry, problems)
    if value is not None and len(value) > MAX_PASSWORD_CHARACTERS:
        problems.add(entry, f"must have at most {MAX_PASSWORD_CHARACTERS} characters")
        return None
    return value


def client_secrets(entry: Entry, problems: Problems) -> list[str] | None:
    """One or two secrets."""
    if entry.value is None:
        return None
    listed = entries(entry, problems)
    found = [value for item in listed if (value := secret(item, problems)) is not None]
    if not problems.concern(entry) and not 1 <= len(set(found)) == len(found) <= LIVE_AT_ONCE:
        problems.add(entry, f"must be one to {LIVE_AT_ONCE} different secrets")
    return None if problems.concern(entry) else found
