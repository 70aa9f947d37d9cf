"""The WSGI application: what Granian serves."""

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")

from django.core.wsgi import get_wsgi_application

from idp.environment import environment_or_exit

environment_or_exit()
_django = get_wsgi_application()

MAX_CHUNKED_BYTES = 1024 * 1024 + 1  # One more than Django takes, so that it refuses.


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django reads no further than Content-Length, so a chunked body would be lost: it is read
    here, up to a limit, and given its length."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        body = environ["wsgi.input"].read(MAX_CHUNKED_BYTES)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return _django(environ, start_response)
