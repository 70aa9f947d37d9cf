"""Blocking is off but where a test of the API wants it on."""

from tests.blocking.conftest import blocking

__all__ = ["blocking"]
