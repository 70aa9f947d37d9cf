"""What lower floors tell the upper ones, which they cannot call."""

from django.dispatch import Signal

# A user (`user`, an `idp.accounts.models.User`) was blocked: `login.py` sends it in the transaction
# of the failed attempt, and `tokens` ends what they have.
user_blocked = Signal()

# A user (`user`, as above) has a new password: `local.py` sends it in the transaction of whoever
# sets it, and `tokens` ends what was had under the old one.
password_changed = Signal()

# A browser session of a user (`user`, as above) has ended, that of `sid`; all of theirs, where that
# is None, but for that of `kept`, if there is one. `browser_sessions.py` sends it in the
# transaction of whoever ends it, and `tokens` tells the clients that were signed in to.
sessions_ended = Signal()
