"""The broker that all tests share, in parts: a worker takes whatever it finds in its part."""

import os
from urllib.parse import urlsplit

# Redis has sixteen numbered databases; the first is for tests that name a queue of their own.
_FIRST, _FOR_EACH = 1, 3


def own_broker(of: int) -> str:
    """The URL of a database that nobody else uses: no other process of the tests, and in this one
    nobody who asks with another number (0 to 2)."""
    assert of < _FOR_EACH
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    database = _FIRST + process * _FOR_EACH + of
    assert database < 16, "more processes than the broker has databases for"
    url = os.environ["IDP_BROKER_URL"]
    if url.startswith("redis+socket:"):
        return f"{url}?virtual_host={database}"
    return urlsplit(url)._replace(path=f"/{database}").geturl()
