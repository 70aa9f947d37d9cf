"""How long each step of a signing key's life takes, and why a rotation is safe at any moment.

Two things lag behind the database: each process keeps what it has read of the keys for
RING_SECONDS, and whoever fetched the JWKS may keep it for JWKS_MAX_AGE_SECONDS (RFC 9111), many do
for hours. So, whatever is done by beat, by a command, or by both at once:

- **Publish before signing.** A key that begins to sign has been in the database for
  KNOWN_EVERYWHERE_AFTER at least, which is longer than any process keeps what it has read, also one
  of the release before: so every process has it in its JWKS, and a token never meets a JWKS that
  lacks its key. Without `--force` it has been there for PUBLISH_AHEAD: so it is also in the caches
  of all who verify.
- **Publish after signing.** A process may sign with the key of before for RING_SECONDS after a
  rotation. That key stays published for RETIRE_AFTER, and can be taken away by hand no sooner than
  NEEDED_FOR: the longest life of anything that is signed, and the two lags on top.
- **Back at once.** The key that signed before is still published during RETIRE_AFTER, so a rollback
  waits for nothing. One that has left the JWKS is published again first, and then as above.
"""

from datetime import timedelta

from clients_admin.flags import BY_NAME

RING_SECONDS = 5
JWKS_MAX_AGE_SECONDS = 300
# The release before this one keeps its ring for ten seconds; the rest is for a slow commit.
KNOWN_EVERYWHERE_AFTER = timedelta(seconds=15)
PUBLISH_AHEAD = timedelta(days=14)
SIGNS_FOR = timedelta(days=90)

# Whatever is signed with these keys takes its lifetime from one of these flags.
LONGEST_LIFE = timedelta(
    seconds=max(BY_NAME[name].maximum for name in ("id_token_seconds", "jwt_seconds"))
)
NEEDED_FOR = LONGEST_LIFE + timedelta(seconds=JWKS_MAX_AGE_SECONDS + RING_SECONDS)
# Longer than needed: for so long a rollback works at once. And longer than PUBLISH_AHEAD, so that a
# key that is published again for a rollback is not gone before it may sign.
RETIRE_AFTER = timedelta(days=30)

# How long a new secret at the front of IDP_SECRET_KEYS holds keys that sign nothing, before beat
# seals the others under it: as long as a roll-out, or the way back from it, may take.
SECRET_PROVES_ITSELF_FOR = timedelta(days=1)
