"""A real slapd on a free port of this machine, with a certificate of a private authority.

Its entries are loaded before it starts, which takes a tenth of a second. `dc=acme,dc=example` has
people, groups, the account that searches, and a referral.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.issuers import tls_files
from tests.needs import find
from tests.servers import free_port, hold

BASE = "dc=acme,dc=example"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
SEARCHER = f"cn=searcher,{BASE}"
SEARCHER_PASSWORD = "the password of the account that searches"
MANAGER = f"cn=manager,{BASE}"
PASSWORD = "correct horse battery staple"
READY_SECONDS = 20

CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {directory}/slapd.pid
TLSCACertificateFile {authority}
TLSCertificateFile {server}
TLSCertificateKeyFile {server}
sizelimit 500
disallow bind_anon
database mdb
suffix "{base}"
rootdn "{manager}"
rootpw "{password}"
directory {directory}/data
maxsize 10485760
dbnosync
index objectClass,uid,entryUUID eq
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""

PEOPLE_OF_THE_TESTS = ("jane", "john", "admin", "eddy", "vera", "decoy")


def ldif(groups: dict[str, list[str]]) -> str:
    """`groups` are the members of each, as names of people."""
    entries = [
        f"dn: {BASE}\nobjectClass: organization\nobjectClass: dcObject\ndc: acme\no: Acme",
        f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people",
        f"dn: {GROUPS}\nobjectClass: organizationalUnit\nou: groups",
        (
            f"dn: {SEARCHER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
            f"cn: searcher\nuserPassword: {SEARCHER_PASSWORD}"
        ),
        (
            f"dn: ou=elsewhere,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\n"
            f"ou: elsewhere\nref: ldap://127.0.0.1:1/ou=elsewhere,{BASE}"
        ),
    ]
    for name in PEOPLE_OF_THE_TESTS:
        member_of = [f"memberOf: cn={group},{GROUPS}" for group in groups if name in groups[group]]
        entries.append("\n".join([person(name), f"mail: {name}@acme.example", *member_of]))
    # Two entries with one mail address.
    entries += [f"{person(name)}\nmail: twins@acme.example" for name in ("twin1", "twin2")]
    for group, members in groups.items():
        lines = [f"member: uid={name},{PEOPLE}" for name in members]
        entries.append(
            "\n".join([f"dn: cn={group},{GROUPS}\nobjectClass: groupOfNames\ncn: {group}", *lines])
        )
    return "\n\n".join(entries) + "\n"


def person(name: str) -> str:
    return (
        f"dn: uid={name},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {name}\n"
        f"cn: {name.title()} Doe\nsn: Doe\ngivenName: {name.title()}\nuserPassword: {PASSWORD}"
    )


class Slapd:
    """Without `has_tls` it refuses StartTLS; `names` are those of its certificate."""

    GROUPS_OF_THE_TESTS = {
        "developers": ["jane", "eddy", "vera"],
        "idp-editors": ["eddy"],
        "idp-viewers": ["vera", "eddy"],
    }

    def __init__(self, *names: str, has_tls: bool = True) -> None:
        if not find("slapd"):
            pytest.skip("needs slapd")
        self.directory = Path(tempfile.mkdtemp(prefix="slapd-"))
        self.port, self.tls_port = free_port(), free_port()
        self.authority, server = tls_files(self.directory, *(names or ("127.0.0.1", "localhost")))
        (self.directory / "data").mkdir()
        self._configuration = self.directory / "slapd.conf"
        text = CONFIGURATION.format(
            directory=self.directory,
            authority=self.authority,
            server=server,
            base=BASE,
            manager=MANAGER,
            password=PASSWORD,
        )
        if not has_tls:
            text = "\n".join(line for line in text.split("\n") if not line.startswith("TLS"))
        self._has_tls = has_tls
        self._configuration.write_text(text)
        self.secret = self.directory / "searcher"
        self.secret.write_text(f"{SEARCHER_PASSWORD}\n")
        self._process: subprocess.Popen[bytes] | None = None
        self._fill(ldif(self.GROUPS_OF_THE_TESTS))

    def settings(self, **settings: Any) -> dict[str, Any]:
        """Of a login service that asks this server by ldaps."""
        security = settings.get("security", "ldaps")
        return {
            "host": "127.0.0.1",
            "port": self.tls_port if security == "ldaps" else self.port,
            "ca_file": str(self.authority),
            "bind_dn": SEARCHER,
            "password_file": str(self.secret),
            "base_dn": BASE,
            "claims": {"email": "mail", "given_name": "givenName"},
            "connect_timeout_seconds": 1,
            "receive_timeout_seconds": 1,
            **settings,
        }

    def start(self) -> Self:
        addresses = [f"ldap://127.0.0.1:{self.port}"]
        if self._has_tls:
            addresses.append(f"ldaps://127.0.0.1:{self.tls_port}")
        command = [str(find("slapd")), "-f", str(self._configuration), "-d", "0"]
        self._process = subprocess.Popen(
            [*command, "-h", " ".join(addresses)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("slapd did not start")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(READY_SECONDS)
            self._process = None

    def hang(self) -> None:
        """Takes connections, as its kernel does, and answers nobody."""
        assert self._process is not None
        hold(self._process.pid)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def changed(self, dn: str, attribute: str, *values: str) -> Iterator[None]:
        """The directory with other values of an attribute, for a while."""
        before = self._replace(dn, attribute, values)
        try:
            yield
        finally:
            self._replace(dn, attribute, before)

    def _replace(self, dn: str, attribute: str, values: Sequence[str]) -> Sequence[str]:
        from idp.accounts.ldap_connections import ldap3

        server = ldap3.Server("127.0.0.1", port=self.port, get_info=ldap3.NONE)
        with ldap3.Connection(server, MANAGER, PASSWORD, check_names=False) as connection:
            connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=[attribute])
            before = [
                value.decode() for value in connection.response[0]["raw_attributes"][attribute]
            ]
            change = {attribute: [(ldap3.MODIFY_REPLACE, list(values))]}
            assert connection.modify(dn, change), connection.result
        return before

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _fill(self, text: str) -> None:
        command = [str(find("slapadd")), "-q", "-f", str(self._configuration)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"slapadd failed: {done.stderr}")
