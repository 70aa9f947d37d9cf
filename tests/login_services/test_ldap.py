"""A directory, over the wire: who gets in, who does not, and what is nobody's fault but its own."""

import time
from collections.abc import Callable
from uuid import UUID

import pytest

from idp.accounts import ldap, ldap_connections
from idp.accounts.ldap_connections import Directory, escaped_octets, ldap3, search_user
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Refused, Role, Unavailable
from tests.login_services.slapd import BASE, GROUPS, PASSWORD, PEOPLE, SEARCHER, Slapd
from tests.login_services.timing import ROUNDS, compare

UNKNOWN = Refused("unknown user name")
DEVELOPERS = f"CN=Developers, {GROUPS}"  # As people write DNs, and not as the directory does.
EDITORS, VIEWERS = f"cn=idp-editors,{GROUPS}", f"cn=idp-viewers,{GROUPS}"


@pytest.fixture
def directory(slapd: Slapd, service) -> Callable[..., LoginService]:
    return lambda **settings: service("ldap", slapd.settings(**settings))


def signed_in(at: LoginService, username: str = "jane") -> Identity:
    outcome = ldap.check(at, username, PASSWORD)
    assert isinstance(outcome, Identity), outcome
    return outcome


# --- Who gets in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["ldaps", "starttls"])
def test_a_user_signs_in_and_is_known_by_the_id_of_the_entry(directory, security):
    identity = signed_in(directory(security=security))
    assert str(UUID(identity.external_id)) == identity.external_id
    assert (identity.username, identity.roles) == ("jane", None)
    assert identity.claims == {"email": "jane@acme.example", "given_name": "Jane"}


def test_the_letter_case_of_a_name_does_not_matter(directory):
    at = directory()
    assert signed_in(at, "JANE") == signed_in(at)


def test_a_name_that_is_given_to_somebody_else_is_another_user(directory, slapd):
    at = directory(username_attribute="cn", user_filter="(cn={username})")
    before = signed_in(at, "john doe")
    with (
        slapd.changed(f"uid=john,{PEOPLE}", "cn", "John Smith"),
        slapd.changed(f"uid=decoy,{PEOPLE}", "cn", "John Doe"),
    ):
        after = signed_in(at, "John Doe")
        assert signed_in(at, "John Smith").external_id == before.external_id
    assert after.username == "John Doe"
    assert after.external_id != before.external_id


def test_only_members_of_a_required_group_sign_in(directory):
    at = directory(groups={"developers": DEVELOPERS}, required_groups=["developers"])
    assert signed_in(at).claims["groups"] == ["developers"]
    assert ldap.check(at, "john", PASSWORD) == Refused("not in a required group")


def test_who_is_not_in_a_required_group_does_not_learn_whether_the_password_is_right(directory):
    at = directory(groups={"developers": DEVELOPERS}, required_groups=["developers"])
    assert ldap.check(at, "john", "wrong") == Refused("wrong password")


@pytest.mark.parametrize("group_filter", ["", "(member={dn})"])
def test_groups_are_claims_and_roles(directory, group_filter):
    at = directory(
        groups={"dev": DEVELOPERS, "ed": EDITORS, "vi": VIEWERS, "gone": f"cn=gone,{GROUPS}"},
        editor_groups=["ed"],
        viewer_groups=["vi"],
        approver_groups=["dev", "gone"],
        group_filter=group_filter,
    )
    found = {name: signed_in(at, name) for name in ("eddy", "vera", "john")}
    assert {name: identity.claims["groups"] for name, identity in found.items()} == {
        "eddy": ["dev", "ed", "vi"],
        "vera": ["dev", "vi"],
        "john": [],
    }
    assert {name: identity.roles for name, identity in found.items()} == {
        "eddy": {Role.EDITOR, Role.VIEWER, Role.APPROVER},
        "vera": {Role.VIEWER, Role.APPROVER},
        "john": frozenset(),
    }


def test_somebody_is_found_by_the_id_in_the_one_spelling_that_it_has(directory):
    at = directory(groups={"developers": DEVELOPERS}, required_groups=["developers"])
    jane = signed_in(at)
    assert ldap.find(at, jane.external_id) == jane
    assert isinstance(ldap.find(at, jane.external_id.upper()), Refused)
    assert isinstance(ldap.find(at, "*"), Refused)
    everybody = directory()
    john = signed_in(everybody, "john")
    assert ldap.find(at, john.external_id) == Refused("not in a required group")


def test_the_id_of_active_directory_is_written_as_its_own_tools_write_it():
    """Its first three parts are the other way round on the wire."""
    written = "b8e1c3a4-5d2f-4e6a-9b0c-112233445566"
    octets = bytes.fromhex("a4c3e1b82f5d6a4e9b0c112233445566")
    entry = {"raw_attributes": {"objectGUID": [octets]}}
    assert ldap._external_id(entry, "objectGUID") == written
    assert UUID(written).bytes_le == octets
    assert escaped_octets(octets).startswith("\\a4\\c3\\e1\\b8\\2f")


# --- Who does not ---------------------------------------------------------------------------------

HOSTILE = {
    "star": "*",
    "beginning": "j*",
    "injection": "admin)(|(uid=*",
    "second filter": "jane)(uid=*))(|(uid=*",
    "escaped star": "\\2a",
    "NUL": "jane\0",
    "NUL, escaped": "jane\\00",
    "10 KB": "j" * 10_240,
    "half a character": "jane\ud800",
    "wide letters": "\uff4a\uff41\uff4e\uff45",
    "accent": "jané",
    "blank at the end": "jane ",
    "DN": f"uid=jane,{PEOPLE}",
    "RTL": "\u202ejane",
    "emoji": "🦊",
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_logs_nobody_in_and_matches_nobody_else(directory, name):
    outcome = ldap.check(directory(), HOSTILE[name], PASSWORD)
    assert outcome in (UNKNOWN, Refused("malformed credentials"))


def test_non_ascii_names_are_names_like_any_other(directory, slapd):
    with slapd.changed(f"uid=john,{PEOPLE}", "cn", "Zoë (van) *Öst*\\"):
        at = directory(username_attribute="cn", user_filter="(cn={username})")
        assert signed_in(at, "zoë (VAN) *öst*\\").claims["email"] == "john@acme.example"
        assert ldap.check(at, "Zoe (van) *Öst*\\", PASSWORD) == UNKNOWN


def test_an_empty_password_never_binds(directory, monkeypatch):
    """RFC 4513 section 5.1.2: such a bind would succeed, at many servers, as nobody."""
    monkeypatch.setattr(ldap, "Directory", None)
    assert ldap.check(directory(), "jane", "") == Refused("malformed credentials")


def test_a_bind_without_a_password_is_refused_even_where_somebody_asks_for_one(slapd, directory):
    with pytest.raises(ValueError, match="proves nothing"):
        Directory(directory().read_settings(ldap.LDAPSettings)).refusal_of(f"uid=x,{BASE}", "")


def test_a_bind_that_ends_anonymous_is_refused(slapd, directory, monkeypatch):
    monkeypatch.setattr(ldap_connections, "_is_somebody", lambda _: False)
    assert ldap.check(directory(), "jane", PASSWORD) == Refused("an anonymous bind")


def test_two_matches_are_refused_whoever_has_the_password(directory):
    at = directory(user_filter="(mail={username})")
    outcome = ldap.check(at, "twins@acme.example", PASSWORD)
    assert outcome == Refused("user name that matches several")


def test_an_unknown_name_costs_what_a_wrong_password_costs(directory, slapd, monkeypatch):
    """The same work: one search, one bind. With a decoy, of an entry that has a password too."""
    at = directory(decoy_dn=f"uid=decoy,{PEOPLE}")
    binds: list[str] = []
    refusal_of = Directory.refusal_of

    def counted(self: Directory, dn: str, password: str) -> str:
        binds.append(dn)
        return refusal_of(self, dn, password)

    monkeypatch.setattr(Directory, "refusal_of", counted)
    compare(
        "ldap",
        lambda: ldap.check(at, "jane", "wrong"),
        lambda: ldap.check(at, "nobody", "wrong"),
    )
    assert binds == ROUNDS * [f"uid=jane,{PEOPLE}", f"uid=decoy,{PEOPLE}"]


# --- What is nobody's fault but the directory's ---------------------------------------------------


def unavailable(at: LoginService) -> str:
    outcome = ldap.check(at, "jane", PASSWORD)
    assert isinstance(outcome, Unavailable), outcome
    return outcome.reason


def test_a_certificate_of_another_authority_is_an_outage(directory):
    assert "not trusted: self-signed" in unavailable(directory(ca_file=""))
    assert "not trusted" in unavailable(directory(ca_file="", security="starttls"))


@pytest.mark.parametrize("security", ["ldaps", "starttls"])
def test_a_certificate_for_another_name_is_an_outage(service, security):
    with Slapd("directory.example") as other:
        at = service("ldap", other.settings(security=security))
        assert "not trusted: IP address mismatch" in unavailable(at)


def test_refused_starttls_is_an_outage_and_nothing_goes_in_clear(service):
    with Slapd(has_tls=False) as plain:
        settings = plain.settings(security="starttls", ca_file="")
        assert unavailable(service("ldap", settings)) == "StartTLS is refused"


@pytest.mark.parametrize("security", ["ldaps", "starttls"])
def test_a_server_that_hangs_is_an_outage_of_bounded_time(directory, slapd, security):
    at = directory(security=security)
    slapd.hang()
    began = time.monotonic()
    assert unavailable(at) == "no answer in time"
    assert time.monotonic() - began < 2.5


def test_a_referral_is_not_followed_and_is_an_outage(directory):
    reason = unavailable(directory(base_dn=f"ou=elsewhere,{BASE}"))
    assert reason == "it refers to another server for the base, which is not asked"


def test_a_referral_beside_the_entry_is_not_followed_and_does_not_matter(directory):
    assert signed_in(directory(base_dn=BASE)).username == "jane"


def test_a_filter_that_is_none_is_an_outage(directory):
    assert unavailable(directory(user_filter="(uid={username})(x=y)")) == "its filter is not valid"


def test_a_base_that_is_not_there_is_an_outage(directory):
    assert "noSuchObject" in unavailable(directory(base_dn=f"ou=none,{BASE}"))


def test_an_entry_without_the_id_is_an_outage(directory):
    reason = unavailable(directory(id_attribute="employeeNumber"))
    assert reason == "an entry has no employeeNumber, or several"


def test_a_secret_that_is_missing_is_an_outage_that_names_the_file(directory, caplog):
    at = directory(password_file="/nowhere/secret")
    assert unavailable(at) == "the file /nowhere/secret cannot be read: No such file or directory"
    assert "Login service ldap-0 is unavailable: the file /nowhere/secret" in caplog.text


def test_a_secret_can_be_in_a_variable_and_never_is_in_a_log(directory, monkeypatch, caplog):
    at = directory(password_file="", password_variable="DIRECTORY_PASSWORD")
    assert "variable DIRECTORY_PASSWORD is not set" in unavailable(at)
    monkeypatch.setenv("DIRECTORY_PASSWORD", "a wrong secret")
    reason = "the bind of the login service itself ended with invalidCredentials"
    assert unavailable(at) == reason
    assert "a wrong secret" not in caplog.text


# --- The holes of the package, which are closed above ---------------------------------------------


@pytest.fixture
def plain(slapd: Slapd):
    """A connection as the package makes it."""
    server = ldap3.Server("127.0.0.1", port=slapd.port, get_info=ldap3.NONE)
    password = slapd.secret.read_text().strip()
    with ldap3.Connection(server, SEARCHER, password) as connection:
        yield connection


def test_the_package_lets_a_name_be_a_filter(plain):
    """Fails when upstream mends it: then `Directory.find` need not escape."""
    found = search_user(plain, BASE, "(uid={username})", "jan*", ["uid"])
    assert found
    assert found["dn"] == f"uid=jane,{PEOPLE}"


def test_the_package_takes_the_first_of_two(plain):
    """Fails when upstream mends it: then `_Connection.search` need set no limit."""
    found = search_user(plain, BASE, "(mail={username})", "twins@acme.example", ["uid"])
    assert found
    assert found["dn"].startswith("uid=twin")


def test_the_package_checks_no_certificate(slapd):
    """Fails when upstream mends it: then `try_bind` could be looked at again."""
    from django_ldap3_auth.utils.ldap import try_bind

    with Slapd("somebody.else.example") as impostor:
        assert try_bind("127.0.0.1", impostor.tls_port, True, f"uid=jane,{PEOPLE}", PASSWORD)


def test_the_package_takes_an_outage_for_a_wrong_password():
    """Fails when upstream mends it: then `try_bind` could be looked at again."""
    from django_ldap3_auth.utils.ldap import try_bind

    assert try_bind("127.0.0.1", 1, False, f"uid=jane,{PEOPLE}", PASSWORD) is False
