"""The WSGI application: what Granian serves."""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

from idp.environment import environment_or_exit

environment_or_exit()
_django = get_wsgi_application()

# What Django's models are made of has to be there before.
from branding import overrides  # noqa: E402
from idp import tallies  # noqa: E402
from idp.database import changes  # noqa: E402
from tokens import fast_lane  # noqa: E402

overrides.refuse_broken()
changes.listen()
tallies.start()


def let_threads_finish() -> None:
    """Whoever is woken waits for the thread that runs (sched(7), SCHED_BATCH), instead of taking
    its core away only to wait for the interpreter's lock that it holds: that would be two switches
    of threads for nothing, several times a request.

    Threads that are started later inherit it.
    """
    if hasattr(os, "SCHED_BATCH"):  # Linux
        for thread in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # It has ended, or a container forbids it.
                os.sched_setscheduler(int(thread.name), os.SCHED_BATCH, os.sched_param(0))


let_threads_finish()

MAX_CHUNKED_BYTES = 1024 * 1024 + 1  # One more than Django takes, so that it refuses.

# RFC 2046 section 5.1.1, without the characters that would need quotes.
_BOUNDARY = re.compile(r"\A[0-9A-Za-z'+_.-]{1,70}\Z")

type Environ = dict[str, Any]


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The fast lane; then Django, behind what it cannot do for itself."""
    if (answer := fast_lane.answer(environ, start_response)) is not None:
        return answer
    give_chunked_body_a_length(environ)
    leave_charset_out(environ)
    return _django(environ, start_response)


def give_chunked_body_a_length(environ: Environ) -> None:
    """Django reads no further than Content-Length, so a chunked body would be lost."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        body = environ["wsgi.input"].read(MAX_CHUNKED_BYTES)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def leave_charset_out(environ: Environ) -> None:
    """Forms are UTF-8 here, whatever is claimed (RFC 6749 appendix B).

    Django would decode them by the charset that the content type names, also where that is none
    for text, and an unreadable content type would end its handler before there is a request.
    """
    try:
        media_type, parameters = parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    except ValueError:
        environ["CONTENT_TYPE"] = "application/octet-stream"
        return
    boundary = parameters.get("boundary", "")
    environ["CONTENT_TYPE"] = (
        f"{media_type}; boundary={boundary}" if _BOUNDARY.match(boundary) else media_type
    )
