"""The languages of the end-user pages, and the choice of one for a request."""

from collections.abc import Sequence

from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = [
    ("en", "English"),
    ("nl", "Nederlands"),
    ("de", "Deutsch"),
    ("fr", "Français"),
]
CODES = [code for code, _name in LANGUAGES]


def best_language(accept_language: str, offered: Sequence[str]) -> str:
    """The offered language that the Accept-Language header likes best; else the first offered.

    A regional wish (`de-AT`) is met by its language (`de`).
    """
    for wish, quality in parse_accept_lang_header(accept_language.lower()):
        language = wish.partition("-")[0]
        if quality > 0 and language in offered:
            return language
    return offered[0]
