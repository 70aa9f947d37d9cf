"""Every metric of the product, and how one is counted.

Several processes count: the web server's, the worker, beat. Each keeps its numbers in files of one
folder, and `/metrics` adds them up. `idp/ops/request_metrics.py` says what is counted of requests.
"""

import logging
import os
from functools import lru_cache, partial
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from idp import tallies
from idp.database import statements
from idp.environment import environment

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
LABEL_CHARACTERS = 100

log = logging.getLogger(__name__)


def _prepare_directory() -> None:
    directory = Path(os.environ.get(DIRECTORY_VARIABLE) or environment().metrics_dir)
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ImproperlyConfigured(f"{directory} can't be made: {problem.strerror}") from None
    # Found out now, because later it would be found out by every request.
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"{directory} can't be written: metrics are kept there")


# prometheus_client reads the variable while it is imported, by whomever, and never again.
_prepare_directory()

from prometheus_client import Counter, Gauge, Histogram  # noqa: E402

# --- Tokens --------------------------------------------------------------------------------------

ACCESS_TOKENS = Counter(
    "idp_access_tokens_total",
    "Access tokens answered to clients, by how: new or reused.",
    ["client", "how"],
)
REFRESHES = Counter(
    "idp_refreshes_total",
    "Refresh tokens used, by outcome: rotated, kept, repeated (the identical answer within the "
    "grace time) or replayed (the family is ended).",
    ["client", "outcome"],
)
CODE_REPLAYS = Counter(
    "idp_code_replays_total",
    "Authorization codes that came a second time.",
    ["client"],
)
GRANT_REFUSALS = Counter(
    "idp_grant_refusals_total",
    "Users for whom a client got nothing, by grant: jwt_bearer, on_behalf_of or password.",
    ["client", "grant"],
)
EVICTIONS = Counter(
    "idp_evictions_total",
    "What the caps of a use-case have ended, by kind: access_token or family.",
    ["client", "kind"],
)
REVOCATIONS = Counter(
    "idp_revocations_total",
    "What was ended before its time, by kind.",
    ["client", "kind"],
)

BACKCHANNEL_LOGOUTS = Counter(
    "idp_backchannel_logouts_total",
    "Logout tokens sent to clients, by outcome: delivered, failed (tried again later) or given_up.",
    ["client", "outcome"],
)

# --- Secrets that get out, and what is about to end ----------------------------------------------

EXPOSED_CREDENTIALS = Counter(
    "idp_exposed_credentials_total",
    "Credentials that came in a URL, by the name of their parameter.",
    ["parameter"],
)
EXPIRY_TIMESTAMP = Gauge(
    "idp_expiry_timestamp_seconds",
    "When a certificate or a client secret ends, by kind (issuer_certificate, client_certificate, "
    "client_secret) and name; of several, the first.",
    ["kind", "name"],
    multiprocess_mode="mostrecent",
)
NOTIFICATIONS = Counter(
    "idp_notifications_total",
    "Messages to chats and mailboxes, by outcome: sent, failed (one attempt) or lost (given up).",
    ["outcome"],
)

MAILS = Counter(
    "idp_mails_total",
    "Mails to users, by outcome: sent, failed (one attempt) or lost (given up).",
    ["outcome"],
)

# --- Blocking ------------------------------------------------------------------------------------

FAILED_ATTEMPTS = Counter(
    "idp_failed_attempts_total",
    "Attempts that count against an address or a user, by what was wrong: password, client secret "
    "and others.",
    ["what"],
)
BLOCKS = Counter(
    "idp_blocks_total",
    "Blocks made, by kind (address, user) and effect (refuse, shadow, warning).",
    ["kind", "effect"],
)
UNBLOCKS = Counter("idp_unblocks_total", "Blocks lifted before their time.", ["kind"])
BLOCKED_REQUESTS = Counter(
    "idp_blocked_requests_total",
    "Requests refused because their address is blocked, by what they were answered: page or json.",
    ["answer"],
)

# --- Partitions ----------------------------------------------------------------------------------

PARTITIONS_MADE = Counter("idp_partitions_made_total", "Partitions made ahead.", ["table"])
PARTITIONS_DROPPED = Counter(
    "idp_partitions_dropped_total", "Partitions dropped with all their rows.", ["table"]
)
CLEANED_ROWS = Counter(
    "idp_cleaned_rows_total", "Expired rows deleted one by one, outside any partition.", ["table"]
)
PARTITIONS = Gauge(
    "idp_partitions", "Partitions that exist.", ["table"], multiprocess_mode="mostrecent"
)
OLDEST_PARTITION_TIMESTAMP = Gauge(
    "idp_oldest_partition_timestamp_seconds",
    "When the oldest partition that exists begins.",
    ["table"],
    multiprocess_mode="mostrecent",
)

# --- Signing keys --------------------------------------------------------------------------------

SIGNING_KEY_STEPS = Counter(
    "idp_signing_key_steps_total",
    "Steps in the life of signing keys, by what the audit calls them: published, activated ...",
    ["algorithm", "step"],
)
SIGNING_KEY_ROTATION_TIMESTAMP = Gauge(
    "idp_signing_key_rotation_timestamp_seconds",
    "When beat replaces the key that signs; in the past, nobody rotates.",
    ["algorithm"],
    multiprocess_mode="mostrecent",
)
SIGNING_KEYS = Gauge(
    "idp_signing_keys",
    "Signing keys that are kept, by the secret that their private half lies under.",
    ["seal"],
    multiprocess_mode="mostrecent",
)

# --- Jobs ----------------------------------------------------------------------------------------

JOB_RUNS = Counter(
    "idp_job_runs_total", "Runs of scheduled jobs, by outcome: done or failed.", ["job", "outcome"]
)
JOB_LAST_SUCCESS_TIMESTAMP = Gauge(
    "idp_job_last_success_timestamp_seconds",
    "When the job was last done.",
    ["job"],
    multiprocess_mode="mostrecent",
)
CAPS_UNCHECKED_TOKENS = Gauge(
    "idp_caps_unchecked_tokens",
    "Sequence numbers that the caps job has still to look at.",
    ["kind"],
    multiprocess_mode="mostrecent",
)


# --- Login services ------------------------------------------------------------------------------

LOGINS = Counter(
    "idp_logins_total",
    "Passwords checked, by login service and outcome: accepted, refused or unavailable.",
    ["service", "outcome"],
)
LOGIN_SECONDS = Histogram(
    "idp_login_seconds",
    "How long login services take to check a password.",
    ["service"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
LOGIN_SERVICE_OUT = Gauge(
    "idp_login_service_out",
    "1 while a process does not ask a login service, because it has been unavailable.",
    ["service"],
    multiprocess_mode="mostrecent",
)


# What operators see on their start page, each under a name with these labels.
_TALLIED: dict[Counter, tuple[str, tuple[str, ...]]] = {
    ACCESS_TOKENS: ("tokens", ("how",)),
    REFRESHES: ("refreshes", ("outcome",)),
    LOGINS: ("logins", ("outcome", "service")),
    BLOCKS: ("blocks", ("effect", "kind")),
}


def count(counter: Counter, amount: float = 1, **labels: object) -> None:
    """Count when the transaction around this commits, at once where there is none.

    Never fails its caller: what can't be counted is logged.
    """
    if statements.is_alone():
        _add(counter, amount, labels)
        return
    add = partial(_add, counter, amount, labels)
    # Not transaction.on_commit(), which connects to the database to see that nothing is open.
    connection = transaction.get_connection()
    if connection.in_atomic_block:
        connection.on_commit(add)
    else:
        add()


def _add(counter: Counter, amount: float, labels: dict[str, object]) -> None:
    try:
        _child(counter, *labels.items()).inc(amount)
        if tallied := _TALLIED.get(counter):
            name, of = tallied
            tallies.add(":".join([name, *(str(labels[label]) for label in of)]), int(amount))
    except Exception:
        log.exception("%s is not counted", counter)


@lru_cache(maxsize=4096)
def _child(counter: Counter, *labels: tuple[str, object]) -> Counter:
    """The series of these labels; prometheus_client takes longer to find it than to count."""
    return counter.labels(**{name: _clean(value) for name, value in labels})


def _clean(value: object) -> str:
    """Half a surrogate pair would make every later answer of `/metrics` fail."""
    text = str(value)[:LABEL_CHARACTERS]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
