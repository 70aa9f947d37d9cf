"""Secrets of login services: named in their settings by file or variable, read when they are used.

Neither the database nor a configuration file nor a page of the admin ever holds one.
"""

import os
from pathlib import Path

from idp.accounts.outcomes import Outage

MAX_BYTES = 8192


def read(file: str, variable: str) -> str:
    """The secret, "" where none is named. Raises Outage, which names the place and no value."""
    if file:
        return _of_file(file)
    if variable:
        value = os.environ.get(variable, "")
        if not _is_usable(value):
            raise Outage(f"the environment variable {variable} is not set or holds no secret")
        return value
    return ""


def _of_file(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        value = content.decode().rstrip("\r\n")
    except OSError as problem:
        raise Outage(f"the file {file} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Outage(f"the file {file} holds no text") from None
    if len(content) > MAX_BYTES or not _is_usable(value):
        raise Outage(f"the file {file} holds no secret of one line")
    return value


def _is_usable(value: str) -> bool:
    return bool(value) and value.isprintable()
