"""The languages of the end-user pages, and the choice of one for a request."""

from collections.abc import Iterable, Sequence

from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = [
    ("en", "English"),
    ("nl", "Nederlands"),
    ("de", "Deutsch"),
    ("fr", "Français"),
]
CODES = [code for code, _name in LANGUAGES]
# All texts are written in English first.
OTHER_LANGUAGES = [code for code in CODES if code != "en"]


def first_offered(wishes: Iterable[str], offered: Sequence[str]) -> str | None:
    """The first wish that is offered. A regional wish (`de-AT`) is met by its language (`de`)."""
    languages = (wish.partition("-")[0].lower() for wish in wishes)
    return next((language for language in languages if language in offered), None)


def best_language(accept_language: str, offered: Sequence[str]) -> str:
    """The offered language that the Accept-Language header likes best; else the first offered."""
    liked = parse_accept_lang_header(accept_language.lower())
    return first_offered((wish for wish, quality in liked if quality > 0), offered) or offered[0]
