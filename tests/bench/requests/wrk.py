"""wrk, the load generator, with `load.lua`: one run, and what it tells of it."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.requests.lines import Operation
from tests.bench.requests.lists import Share

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 8  # as many as the server has threads: none waits for another
TIMEOUT = "10s"


class WrongAnswersError(Exception):
    """A run in which not every answer was right: its figures would be no operation's."""


@dataclass(frozen=True, slots=True)
class Told:
    """Latencies are microseconds, `answer_bytes` those of a whole answer, headers included."""

    requests: int
    seconds: float
    p50: float
    p99: float
    answer_bytes: float


def check() -> None:
    """Ends the process with 2 where there is no wrk."""
    if shutil.which("wrk") is None:
        sys.stderr.write("wrk is missing, the load generator: apt-get install wrk\n")
        sys.exit(2)


def run(url: str, operation: Operation, share: Share, seconds: int) -> Told:
    """Raises WrongAnswersError."""
    request = operation.request
    arguments = [
        *(str(share.path), str(share.begin), str(share.end), str(int(share.once))),
        *(request.method, request.path, request.accept, request.body, operation.answer),
    ]
    command = [
        *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--timeout", TIMEOUT),
        *("--duration", f"{seconds}s", "--script", str(SCRIPT), url, "--", *arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return read(done.stdout)


def read(output: str) -> Told:
    """What the last line of a run says. Raises WrongAnswersError."""
    found = json.loads(output.splitlines()[-1].removeprefix("RESULT "))
    if found["wrong"] or found["failed"]:
        raise WrongAnswersError(
            f"{found['wrong']} of {found['answered']} answers were wrong and {found['failed']} "
            f"connections failed; the first: {found['first_wrong'] or 'none'}"
        )
    if not found["answered"]:
        raise WrongAnswersError("There was no answer at all.")
    return Told(
        requests=found["sent"],
        seconds=found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        answer_bytes=found["bytes"] / found["answered"],
    )
