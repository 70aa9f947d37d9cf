"""A real relying party: Apache with mod_auth_openidc as documented, in front of a page that says
which headers it got."""

import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from idp.environment import PROJECT
from tests.needs import APACHE_OPENID, find
from tests.servers import free_port

EXAMPLE = PROJECT / "docs" / "examples" / "apache-mod-auth-openidc.conf"
MODULES = Path(APACHE_OPENID).parent
READY_SECONDS = 20

WRAPPER = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LogLevel warn
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
Mutex sem
StartServers 1
Include {folder}/relying-party.conf
"""


class Page:
    """What stands behind Apache: answers with the headers that it was asked with."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(dict(self.headers.items())).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Apache:
    """Made before the identity provider, which must know its address; started after it."""

    def __init__(self, folder: Path) -> None:
        self._program = find("apache2")
        if not self._program or not find(APACHE_OPENID):
            pytest.skip("needs Apache (Debian packages apache2-bin, libapache2-mod-auth-openidc)")
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._page: Page | None = None

    def client(self) -> dict[str, Any]:
        """As the example describes it."""
        return {
            "redirect_uris": [f"{self.url}/openid"],
            "post_logout_redirect_uris": [f"{self.url}/bye"],
            "backchannel_logout_uri": f"{self.url}/openid?logout=backchannel",
            "backchannel_logout_session_required": True,
        }

    def start(self, issuer: str, secret: str) -> Self:
        self._page = Page()
        text = EXAMPLE.read_text()
        before, directives = text.split("\n\n", 1)
        assert all(line.startswith("#") for line in before.splitlines())
        for place, value in {
            "https://id.example.org": issuer,
            "a-secret-of-the-client": secret,
            "OIDCRedirectURI https://shop.example.org": f"OIDCRedirectURI {self.url}",
            "http://127.0.0.1:8080/": f"http://127.0.0.1:{self._page.port}/",
        }.items():
            assert directives.count(place) == 1, place
            directives = directives.replace(place, value)
        (self._folder / "relying-party.conf").write_text(directives)
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        wrapper = WRAPPER.format(folder=self._folder, port=self.port, modules=MODULES, user=user)
        (self._folder / "apache.conf").write_text(wrapper)
        self._process = subprocess.Popen(
            [str(self._program), "-D", "FOREGROUND", "-f", str(self._folder / "apache.conf")],
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "stderr.log").open("wb"),
        )
        deadline = time.monotonic() + READY_SECONDS
        while not self._listens():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        return self

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return requests.get(f"{self.url}/bye", timeout=5).ok
        except requests.ConnectionError:
            return False

    def log(self) -> str:
        files = (self._folder / name for name in ("stderr.log", "error.log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(READY_SECONDS)
        if self._page is not None:
            self._page.stop()
