"""Connections to a directory: always TLS with a checked certificate, bounded in time, bound as
somebody.

Built on django-ldap3-auth 0.1.0: its `Config` says what is asked, its `search_user` asks. Its app
is not installed, because it would bring a table and a page with the directory's password in clear,
and its `connect`, `try_bind` and backend are not used: they check no certificate, take every error
for a wrong password and know users by their names. What is overridden is marked below; the tests
show each hole in the package itself, and fail when upstream mends it.
"""

import contextlib
import socket
import ssl
import warnings
from collections.abc import Iterator
from typing import Any

from django_ldap3_auth.conf import Config

from idp.accounts import secret_references
from idp.accounts.outcomes import Outage, UnusableAnswer
from idp.accounts.service_settings import LDAPSettings

# WORKAROUND: ldap3 2.9 reads names that pyasn1 has renamed, which warns at each start.
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    import ldap3
    from django_ldap3_auth.utils.ldap import search_user
    from ldap3.core.exceptions import (
        LDAPException,
        LDAPInvalidFilterError,
        LDAPStartTLSError,
    )
    from ldap3.utils.dn import parse_dn
# (end WORKAROUND)

SIZE_LIMIT = 2

# RFC 4511 appendix A.
SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4
REFERRAL = 10
CONSTRAINT_VIOLATION = 19
NO_SUCH_OBJECT = 32
INAPPROPRIATE_AUTHENTICATION = 48
INVALID_CREDENTIALS = 49
INSUFFICIENT_ACCESS = 50
UNWILLING_TO_PERFORM = 53
# All that a directory may say of a name and password that it does not let in.
REFUSALS = {
    *(CONSTRAINT_VIOLATION, NO_SUCH_OBJECT, INAPPROPRIATE_AUTHENTICATION),
    *(INVALID_CREDENTIALS, INSUFFICIENT_ACCESS, UNWILLING_TO_PERFORM),
}

type Entry = dict[str, Any]


class _TLS(ldap3.Tls):
    """WORKAROUND: ldap3 checks names of hosts by itself, as Python 3.3 did, and by default checks
    nothing. This leaves both to OpenSSL, which knows addresses and wildcards."""

    def __init__(self, host: str, ca_file: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self.reason = ""
        self._host = host
        try:
            self._context = ssl.create_default_context(cafile=ca_file or None)
        except OSError:
            raise Outage(f"the file {ca_file} has no certificate of an authority") from None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        # Else each of our small messages waits for the receipt of the one before: 40 ms a time.
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket, server_hostname=self._host
            )
        except ssl.SSLCertVerificationError as problem:
            self.reason = f"its certificate is not trusted: {problem.verify_message}"
            raise
        except ssl.SSLError as problem:
            self.reason = f"no TLS with it: {problem.reason}"
            raise


class _Connection(ldap3.Connection):
    """WORKAROUND: `search_user` asks for all entries that match, takes the first, and has ldap3
    follow aliases. A second one is needed, to see that there is not one."""

    def search(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["size_limit"] = SIZE_LIMIT
        kwargs["dereference_aliases"] = ldap3.DEREF_NEVER
        return super().search(*args, **kwargs)


def config(settings: LDAPSettings) -> Config:
    """The settings as the package has them; the password is read now."""
    return Config(
        host=settings.host,
        port=settings.port or (636 if settings.security == "ldaps" else 389),
        use_ssl=settings.security == "ldaps",
        base_dn=settings.base_dn,
        bind_dn=settings.bind_dn,
        bind_password=secret_references.read(settings.password_file, settings.password_variable),
        search_filter=settings.user_filter,
        search_attrs=[
            settings.id_attribute,
            settings.username_attribute,
            settings.member_of_attribute,
            *settings.claims.values(),
        ],
    )


class Directory:
    """A connection to the server of one login service, for one sign-in.

    A user's password is tried on a connection of its own, so that the one that searches is never
    bound as a user.
    """

    def __init__(self, settings: LDAPSettings) -> None:
        self.settings = settings
        self.config = config(settings)
        with _outages(self._tls()) as tls:
            self._searching = self._open(self.config.bind_dn, self.config.bind_password, tls)
        try:
            self._be_the_service()
        except BaseException:
            self.close()
            raise

    def find(self, search_filter: str, name: str, also: list[str]) -> list[Entry]:
        """At most two entries below the base, as `{"dn": …, "raw_attributes": {…}, …}`.

        `name` is escaped here; the filter is the operator's.
        """
        attributes = [*self.config.search_attrs, *also]
        with _outages():
            # The hole: `search_user` writes the name into the filter as it is.
            search_user(
                self._searching,
                self.config.base_dn,
                search_filter,
                escaped_in_filter(name),
                list(dict.fromkeys(attributes)),
            )
        return self._entries()

    def find_by_id(self, octets: bytes) -> list[Entry]:
        """Who has this id, of those whom the filter for users knows."""
        is_user = self.config.search_filter.format(username="*")
        by_id = f"({self.settings.id_attribute}={escaped_octets(octets)})"
        with _outages():
            self._searching.search(
                self.config.base_dn, f"(&{by_id}{is_user})", attributes=self.config.search_attrs
            )
        return self._entries()

    def is_member(self, dn: str, group_dn: str) -> bool:
        """Whether the group itself says so, where users do not list their groups."""
        group_filter = self.settings.group_filter.format(dn=escaped_in_filter(dn))
        with _outages():
            self._searching.search(
                group_dn, group_filter, search_scope=ldap3.BASE, attributes=["1.1"]
            )
        if self._searching.result["result"] == NO_SUCH_OBJECT:
            return False
        return bool(self._entries())

    def refusal_of(self, dn: str, password: str) -> str:
        """Why the directory does not take the password for that entry; "" where it does.

        Raises Outage where it says neither.
        """
        # RFC 4513 section 5.1.2: clients "SHOULD disallow an empty password". Nobody comes here
        # with one (`credentials`); and nothing binds without.
        if not dn or not password:
            raise ValueError("A bind without a name or a password proves nothing.")
        with _outages(self._tls()) as tls:
            connection = self._open(dn, password, tls)
            try:
                connection.bind(read_server_info=False)
                code, word = connection.result["result"], connection.result["description"]
                if code == SUCCESS:
                    return "" if _is_somebody(connection) else "an anonymous bind"
            finally:
                _end(connection)
        if code in REFUSALS:
            return "wrong password" if code == INVALID_CREDENTIALS else f"the directory says {word}"
        raise UnusableAnswer(f"a user's bind ended with {word}")

    def close(self) -> None:
        _end(self._searching)

    def _tls(self) -> _TLS:
        return _TLS(self.settings.host, self.settings.ca_file)

    def _open(self, dn: str, password: str, tls: _TLS) -> ldap3.Connection:
        settings = self.settings
        server = ldap3.Server(
            settings.host,
            port=self.config.port,
            use_ssl=self.config.use_ssl,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=settings.connect_timeout_seconds,
            allowed_referral_hosts=[],
        )
        connection = _Connection(
            server,
            user=dn or None,
            password=password or None,
            authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
            client_strategy=ldap3.SYNC,
            receive_timeout=settings.receive_timeout_seconds,
            auto_referrals=False,
            check_names=False,
            read_only=True,
        )
        try:
            connection.open(read_server_info=False)
            if not self.config.use_ssl and not connection.start_tls(read_server_info=False):
                raise Outage("StartTLS is refused")
        except BaseException:
            _end(connection)
            raise
        return connection

    def _be_the_service(self) -> None:
        with _outages():
            self._searching.bind(read_server_info=False)
        if self._searching.result["result"] != SUCCESS:
            word = self._searching.result["description"]
            raise Outage(f"the bind of the login service itself ended with {word}")

    def _entries(self) -> list[Entry]:
        """What the last search found. A referral in it is not followed: nobody has configured the
        server that it names."""
        result = self._searching.result
        if result["result"] == REFERRAL:
            raise UnusableAnswer("it refers to another server for the base, which is not asked")
        if result["result"] not in {SUCCESS, SIZE_LIMIT_EXCEEDED}:
            raise UnusableAnswer(f"a search ended with {result['description']}")
        return [found for found in self._searching.response if found["type"] == "searchResEntry"]


@contextlib.contextmanager
def _outages(tls: _TLS | None = None) -> Iterator[Any]:
    """Makes an Outage of what ldap3 raises, which is about the connection and never about a user.

    Not with ldap3's own text, which repeats DNs and what the server said.
    """
    try:
        yield tls
    except LDAPStartTLSError:
        raise Outage((tls and tls.reason) or "StartTLS is refused") from None
    except (LDAPException, OSError, UnicodeError) as problem:
        said = (tls and tls.reason) or _kind(problem)
        raise Outage(said) from None


def _kind(problem: BaseException) -> str:
    if isinstance(problem, LDAPInvalidFilterError):
        return "its filter is not valid"
    return "no answer in time" if "timed out" in str(problem) else "it cannot be reached"


def _is_somebody(connection: ldap3.Connection) -> bool:
    """RFC 4532: "Who am I?" An empty identity is the anonymous one, whatever the bind has said."""
    identity = connection.extend.standard.who_am_i()
    if connection.result["result"] != SUCCESS:
        return True  # A directory that does not know the question.
    return identity not in {None, "", "dn:"}


def _end(connection: ldap3.Connection) -> None:
    """Without a good-bye that a hanging server would keep us with."""
    opened = connection.socket
    connection.strategy.close()
    if opened is not None:
        opened.close()  # ldap3 forgets those that were never quite open.


def comparable(dn: str) -> tuple[tuple[str, str], ...]:
    """A DN without the differences that mean nothing: case, and blanks around the parts."""
    try:
        parts = parse_dn(dn, escape=False, strip=True)
    except LDAPException:
        raise UnusableAnswer("it has a group whose DN is none") from None
    return tuple((name.lower(), value.casefold()) for name, value, _ in parts)


def escaped_in_filter(text: str) -> str:
    return escaped_octets(text.encode())


def escaped_octets(octets: bytes) -> str:
    """RFC 4515 section 3: any octet may be written as a backslash and two digits; so all are."""
    return "".join(f"\\{octet:02x}" for octet in octets)


def escaped_in_dn(text: str) -> str:
    """RFC 4514 section 2.4: as above, for the value of an attribute in a DN."""
    return escaped_octets(text.encode())
