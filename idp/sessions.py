"""Django's sessions in the database; see SESSION_ENGINE."""

import re

from django.contrib.sessions.backends import db

# As `SessionBase` makes them.
_KEY = re.compile(r"\A[a-z0-9]{32}\Z")


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str) -> bool:
        """Takes no key that was never made here: a cookie can hold NUL, by an octal escape, which
        PostgreSQL would refuse."""
        return bool(key and _KEY.match(key))
