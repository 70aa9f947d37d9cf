"""A real nginx, with one of the documented configurations."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import find

READY_SECONDS = 20

WRAPPER = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/example.conf;
}}
"""


class Nginx:
    """`example` is what is included into its `http`."""

    def __init__(self, folder: Path, example: str) -> None:
        program = find("nginx")
        if not program:
            pytest.skip("needs nginx (Debian package nginx)")
        self._folder = folder
        (folder / "example.conf").write_text(example)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(WRAPPER.format(folder=folder, user=user))
        self._process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(folder / "nginx.conf")],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "stderr.log").open("wb"),
        )
        wait_until(self._is_up)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self.log()
        return (self._folder / "nginx.pid").exists()

    def log(self) -> str:
        files = (self._folder / name for name in ("stderr.log", "error.log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(READY_SECONDS)


def wait_until(condition: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
