"""What a log line looks like, as text or as a JSON object, and where it goes; see LOGGING.

Granian's configuration names the formatter too, in a process without Django.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from idp.audit.details import without_secrets


def console() -> TextIO:
    """Standard output; of manage.py, whose commands write their answers there, standard error."""
    return sys.stderr if Path(sys.argv[0]).name == "manage.py" else sys.stdout


class TextLine(logging.Formatter):
    """A line for people; the traceback of an exception follows in lines of its own."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        line, event = super().formatMessage(record), _event(record)
        return line if event is None else f"{line} {json.dumps(event, ensure_ascii=False)}"

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class JSONLine(logging.Formatter):
    """One JSON object a line: time, level, logger, message and process; `exception` where there is
    one, `event` where the line is an audit event."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            "process": record.process,
        }
        if record.exc_info:
            # The frames and the message, never the values of variables.
            said["exception"] = without_secrets(self.formatException(record.exc_info))
        if (event := _event(record)) is not None:
            said["event"] = event
        # ASCII, so that no encoding of a terminal or a collector can fail.
        return json.dumps(said, default=str)


def _event(record: logging.LogRecord) -> dict[str, Any] | None:
    """The audit event that `idp.audit.journal` has put into the record."""
    return getattr(record, "audit_event", None)
