"""Child processes of the supervisor: each in its own process group, its lines prefixed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, cast

PREFIX_WIDTH = 9
POLL_SECONDS = 0.05


class Child:
    """One running command and all that it starts. A terminal's Ctrl-C does not reach it."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._input = cast("IO[str]", self._process.stdin)
        output = cast("IO[str]", self._process.stdout)
        self._copier = threading.Thread(target=_copy_lines, args=(name, output), daemon=True)
        self._copier.start()

    def feed(self, text: str) -> None:
        """Give `text` as the command's whole standard input."""
        try:
            self._input.write(text)
            self._input.close()
        except BrokenPipeError:
            pass  # it ended before it read; its exit code says why

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def ask_to_stop(self) -> None:
        if self.exit_code is None:
            self._process.terminate()

    def wait(self, seconds: float) -> bool:
        """Whether it ended in time."""
        deadline = time.monotonic() + seconds
        while self.exit_code is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return self.exit_code is not None

    def end(self) -> None:
        """Kill what is left of the group, grandchildren included, and show its last lines."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._copier.join(timeout=2)


def _copy_lines(name: str, lines: IO[str]) -> None:
    for line in lines:
        # An object of IDP_LOG_FORMAT=json stays one.
        prefix = "" if line.startswith("{") else f"{name:<{PREFIX_WIDTH}}| "
        sys.stdout.write(f"{prefix}{line.rstrip()}\n")
        sys.stdout.flush()
