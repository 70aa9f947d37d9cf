"""The servers that are measured: Granian as `make run` starts it, with one process of it."""

import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from idp.environment import PROJECT, BindAddress, Environment, variable
from idp.ops.run import granian_command
from tests.bench.processes import halves, started_on
from tests.bench.requests.lines import CACHE_SETTING, HAS_CACHE, LIMIT, OURS, STOCK, UNCACHED
from tests.bench.sides import Side
from tests.servers import READY_SECONDS, STOP_SECONDS, free_port

OUR_APPLICATION = "idp.wsgi:application"
STOCK_APPLICATION = "tests.bench.stock_wsgi:application"
LIMIT_APPLICATION = "tests.bench.requests.limit:application"


@dataclass(frozen=True, slots=True)
class Server:
    """`pid` is that of Granian's supervisor; the process that answers is its child."""

    url: str
    pid: int


@contextmanager
def all_of(our: Side, stock: Side) -> Iterator[dict[str, Server]]:
    """One server of each kind, by the names of `lines`. Idle ones cost next to nothing."""
    kinds = {
        OURS: (OUR_APPLICATION, our.environment),
        STOCK: (STOCK_APPLICATION, stock.environment),
        LIMIT: (LIMIT_APPLICATION, our.environment),
        UNCACHED: (OUR_APPLICATION, without_cache(our.environment)),
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(*kind)) for name, kind in kinds.items()}


def without_cache(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, **({variable(CACHE_SETTING): "0"} if HAS_CACHE else {})}


@contextmanager
def serving(application: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """On the core of servers, with as many threads as the product has where nothing is set."""
    port = free_port()
    # Not validated: it is no product's environment, only what the command reads of one.
    settings = Environment.model_construct(
        bind=BindAddress("127.0.0.1", port),
        workers=1,
        threads=Environment.model_fields["threads"].default,
        log_level="warning",
    )
    command = [*granian_command(settings)[:-1], application]
    server_cores, _ = halves()
    with tempfile.TemporaryFile("w+") as log:
        with started_on(server_cores):
            process = subprocess.Popen(
                command, cwd=PROJECT, env=dict(environment), stdout=log, stderr=log
            )
        try:
            server = Server(f"http://127.0.0.1:{port}", process.pid)
            if not _is_up(server, process):
                log.seek(0)
                sys.exit(f"{application} did not start:\n{log.read()}")
            yield server
        finally:
            _stop(process)


def _is_up(server: Server, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(server.url):
            return True
        time.sleep(0.1)
    return False


def _answers(url: str) -> bool:
    """Whatever it says: the sample looks at what is answered."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"{url}/healthz", timeout=5).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
