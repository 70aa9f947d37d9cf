"""The operators' pages of trusted issuers, and the keys on the page of a client."""

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from jwt.algorithms import ECAlgorithm

from clients_admin.models import Client
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts import certificates
from idp.accounts.login import sign_in
from idp.accounts.models import LoginService, TrustedIssuer
from idp.accounts.outcomes import Refused
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag
from tests.test_admin import change_form, operator, page

pytestmark = pytest.mark.django_db

ISSUER = "https://sso.example"
PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1())
SOMEBODYS_PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1())


def public_pem(key):
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()


PUBLIC_KEY = public_pem(PRIVATE_KEY.public_key())


def private_pems():
    """The private key in every form in which somebody may have it."""
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        for encryption in (NoEncryption(), BestAvailableEncryption(b"passphrase")):
            yield SOMEBODYS_PRIVATE_KEY.private_bytes(Encoding.PEM, form, encryption).decode()
    openssh = PrivateFormat.OpenSSH
    yield SOMEBODYS_PRIVATE_KEY.private_bytes(Encoding.PEM, openssh, NoEncryption()).decode()


def certificate(days):
    """A certificate of the key that ends in so many days, as PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sso <example>")])
    now = timezone.now()
    return (
        x509.CertificateBuilder(name, name, PRIVATE_KEY.public_key(), 1)
        .not_valid_before(now - timedelta(days=900))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .sign(PRIVATE_KEY, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
        .strip()
    )


@pytest.fixture
def editor():
    return operator("eddy", EDITORS)


@pytest.fixture
def viewer():
    return operator("vera", VIEWERS)


@pytest.fixture
def corporate():
    return LoginService.objects.create(name="corporate", kind=LoginService.Kind.CORPORATE)


@pytest.fixture
def issuer(corporate):
    return TrustedIssuer.objects.create(
        name="sso",
        issuer=ISSUER,
        audience="https://id.example",
        public_keys=[PUBLIC_KEY],
        claims={"email": "mail", "given_name": "givenName"},
        login_service=corporate,
    )


@pytest.fixture
def client():
    return Client.objects.create(
        client_id="batch", client_type="confidential", grant_types=["client_credentials"]
    )


def issuer_form(service, **changes):
    """What the page of a trusted issuer sends."""
    return {
        "name": "new",
        "login_service": service.pk,
        "is_enabled": "on",
        "issuer": "https://new.example",
        "audience": "https://id.example",
        "max_lifetime_seconds": "300",
        "public_keys": PUBLIC_KEY,
        "jwks_url": "",
        "algorithms": ["ES256"],
        "subject_claim": "sub",
        "claims-ours": ["email", "", ""],
        "claims-theirs": ["mail", "", ""],
        **changes,
    }


def errors_of(response):
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors)


# --- Trusted issuers --------------------------------------------------------------------------


def test_an_editor_makes_a_trusted_issuer_with_several_keys(editor, corporate):
    keys = f"{PUBLIC_KEY}\r\n\r\n{certificate(100)}\r\n"
    form = issuer_form(corporate, public_keys=keys)
    assert editor.post(page(TrustedIssuer, "add"), form).status_code == 302
    made = TrustedIssuer.objects.get()
    assert made.login_service == corporate
    assert [certificates.read(pem).kind for pem in made.public_keys] == 2 * ["EC P-256"]
    assert (made.algorithms, made.claims) == (["ES256"], {"email": "mail"})
    html = editor.get(page(TrustedIssuer, "change", made.pk)).content.decode()
    assert "CN=sso \\&lt;example\\&gt;" in html
    assert "(in 100 days)" in html
    assert f"{PUBLIC_KEY}\n-----BEGIN CERTIFICATE-----" in html


def test_an_editor_changes_its_keys_to_an_address_and_its_claims(editor, issuer):
    address = page(TrustedIssuer, "change", issuer.pk)
    form = issuer_form(
        issuer.login_service,
        name="other",
        public_keys="",
        jwks_url="https://sso.example/jwks",
        **{"claims-ours": ["", "name"], "claims-theirs": ["", "https://x.example/displayName"]},
    )
    assert editor.post(address, form).status_code == 302
    issuer.refresh_from_db()
    assert (issuer.name, issuer.public_keys) == ("sso", [])
    assert issuer.claims == {"name": "https://x.example/displayName"}
    assert "read from its URL" in editor.get(page(TrustedIssuer)).content.decode()


def test_saving_what_is_there_changes_nothing(editor, issuer):
    before = TrustedIssuer.objects.values().get()
    form = issuer_form(
        issuer.login_service,
        issuer=ISSUER,
        algorithms=["ES256", "RS256"],
        **{"claims-ours": ["email", "given_name"], "claims-theirs": ["mail", "givenName"]},
    )
    assert editor.post(page(TrustedIssuer, "change", issuer.pk), form).status_code == 302
    assert TrustedIssuer.objects.values().get() == before
    assert not AuditEvent.objects.filter(tag=Tag.ACCOUNTS_TRUSTED_ISSUER_CHANGED).exists()
    assert not LogEntry.objects.exists()


def test_a_viewer_sees_everything_in_words_and_changes_nothing(viewer, issuer):
    address = page(TrustedIssuer, "change", issuer.pk)
    html = viewer.get(address).content.decode()
    for text in (ISSUER, "ES256, RS256", "email: their mail", "EC P-256"):
        assert text in html
    for text in ("<textarea", "BEGIN PUBLIC KEY", 'name="_save"', "{&#x27;"):
        assert text not in html
    before = TrustedIssuer.objects.values().get()
    for name, arguments in (("add", []), ("change", [issuer.pk]), ("delete", [issuer.pk])):
        form = {**issuer_form(issuer.login_service), "post": "yes"}
        assert viewer.post(page(TrustedIssuer, name, *arguments), form).status_code == 403
    assert TrustedIssuer.objects.values().get() == before


@pytest.mark.parametrize("number", range(5))
def test_a_private_key_is_refused_and_never_shown_again(editor, issuer, number):
    pem = list(private_pems())[number]
    address = page(TrustedIssuer, "change", issuer.pk)
    form = issuer_form(issuer.login_service, public_keys=f"{PUBLIC_KEY}\n{pem}")
    response = editor.post(address, form)
    assert [error.partition(",")[0] for error in errors_of(response)["public_keys"]] == [
        "Key 2 is a private key"
    ]
    html = response.content.decode()
    assert PUBLIC_KEY in html
    assert '<td data-label="Key">EC P-256</td>' in html  # The stored one is still named.
    assert not [line for line in pem.strip().split("\n")[1:-1] if line and line in html]
    issuer.refresh_from_db()
    assert issuer.public_keys == [PUBLIC_KEY]


def test_what_is_no_key_at_all_is_not_shown_again_either(editor, corporate):
    headless = "".join(next(private_pems()).split("\n")[1:-2])
    form = issuer_form(corporate, public_keys=headless)
    response = editor.post(page(TrustedIssuer, "add"), form)
    assert errors_of(response)["public_keys"] == ["Key 1 is not one PEM block."]
    assert headless not in response.content.decode()


def weak_rsa_key():
    return public_pem(rsa.generate_private_key(65537, 1024).public_key())  # noqa: S505


def odd_curve():
    return public_pem(ec.generate_private_key(ec.SECP256K1()).public_key())


def edwards_key():
    return public_pem(ed25519.Ed25519PrivateKey.generate().public_key())


BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("public_keys", "", "Give public keys, or the URL of a JWKS."),
        ("public_keys", BROKEN, "Key 1 is no public key or certificate that can be read."),
        ("public_keys", weak_rsa_key, "Key 1 is an RSA key of 1024 bits, not 2048 to 8192."),
        ("public_keys", odd_curve, "Key 1 is a key of a kind that no algorithm here can use."),
        ("public_keys", edwards_key,
         "Key 1 (Ed25519) is for EdDSA, which is not among the algorithms."),
        ("public_keys", "\n".join(21 * [PUBLIC_KEY]), "There are more than 20 keys."),
        ("public_keys", "x" * 500_000, "Key 1 has more than 16384 characters."),
        ("public_keys", "a\0b", "Null characters are not allowed."),
        ("jwks_url", "https://sso.example/", "Give public keys or the URL of a JWKS, not both."),
        ("algorithms", ["HS256"],
         "Select a valid choice. HS256 is not one of the available choices."),
        ("algorithms", [], "This field is required."),
        ("issuer", "a\0b", "Null characters are not allowed."),
        ("issuer", "https://a\u200b.example",
         "Use printable characters, without blanks around them."),
        ("issuer", "x" * 501, "Ensure this value has at most 500 characters (it has 501)."),
        ("max_lifetime_seconds", "0", "Ensure this value is greater than or equal to 1."),
        ("max_lifetime_seconds", "9" * 5000, "Enter a whole number."),
        ("max_lifetime_seconds", "9" * 30,
         "Ensure this value is less than or equal to 86400."),
        ("login_service", "999999",
         "Select a valid choice. That choice is not one of the available choices."),
        ("login_service", "a\0",
         "Null characters are not allowed."),
    ],
    ids=lambda value: str(getattr(value, "__name__", value))[:24].encode("unicode_escape").decode(),
)  # fmt: skip
def test_a_bad_value_is_refused_beside_its_field(editor, corporate, field, value, problem):
    value = value() if callable(value) else value
    response = editor.post(page(TrustedIssuer, "add"), issuer_form(corporate, **{field: value}))
    assert problem in errors_of(response)[field]
    assert not TrustedIssuer.objects.exists()


@pytest.mark.parametrize(
    ("ours", "theirs", "problem"),
    [
        (["sub"], ["user"], "sub is not taken over: the subject claim identifies the user."),
        (["E-mail"], ["mail"], "Our claims have names of a to z, 0 to 9 and underscores."),
        (["email"], [""], "email needs the name of their claim, without blanks."),
        (["email"], ["e mail"], "email needs the name of their claim, without blanks."),
        (["email"], ["a\0"], "email needs the name of their claim, without blanks."),
        (["email"], ["x" * 500_000], "email needs the name of their claim, without blanks."),
        ([""], ["mail"], "Our claims have names of a to z, 0 to 9 and underscores."),
        (["email", "email"], ["a", "b"], "One of our claims is here twice."),
        ([f"c{n}" for n in range(51)], 51 * ["x"], "There are more than 50 claims."),
    ],
    ids=range(9),
)
def test_a_bad_claim_is_refused_and_what_was_entered_stays(
    editor, corporate, ours, theirs, problem
):
    form = issuer_form(corporate, **{"claims-ours": ours, "claims-theirs": theirs})
    response = editor.post(page(TrustedIssuer, "add"), form)
    assert errors_of(response) == {"claims": [problem]}
    assert response.content.decode().count('name="claims-ours"') == len(ours) + 3


def test_a_claims_table_with_ends_that_do_not_meet_breaks_nothing(editor, corporate):
    form = issuer_form(corporate, **{"claims-ours": ["email", "name"], "claims-theirs": ["mail"]})
    assert editor.post(page(TrustedIssuer, "add"), form).status_code == 302
    assert TrustedIssuer.objects.get().claims == {"email": "mail"}


def test_only_corporate_login_services_are_offered(editor, issuer):
    local = LoginService.objects.create(name="web")
    address = page(TrustedIssuer, "change", issuer.pk)
    assert errors_of(editor.post(address, issuer_form(local, issuer=ISSUER)))["login_service"]
    html = editor.get(address).content.decode()
    assert ">corporate</option>" in html
    assert ">web</option>" not in html


def test_two_trusted_issuers_cannot_have_one_issuer(editor, issuer):
    form = issuer_form(issuer.login_service, issuer=ISSUER)
    assert errors_of(editor.post(page(TrustedIssuer, "add"), form))["issuer"] == [
        "Trusted issuer with this Issuer already exists."
    ]


@pytest.mark.parametrize(
    ("days", "text", "urgency"),
    [
        (400, "in 400 days", "green"),
        (31, "in 31 days", "green"),
        (30, "in 30 days", "orange"),
        (1, "in 1 day", "orange"),
        (0, "today", "orange"),
        (-1, "ended", "red"),
    ],
)
def test_the_list_says_when_the_first_certificate_ends(viewer, issuer, days, text, urgency):
    issuer.public_keys = [certificate(500), PUBLIC_KEY, certificate(days)]
    issuer.save()
    html = viewer.get(page(TrustedIssuer)).content.decode()
    label = html[: html.index(f">\n\n{text}\n<") if f">\n\n{text}\n<" in html else html.index(text)]
    assert f"bg-{urgency}-100" in label[label.rindex("<span") :]


def test_without_certificates_nothing_ends(viewer, issuer):
    assert certificates.ends_at(issuer) is None
    assert "never" in viewer.get(page(TrustedIssuer)).content.decode()


def test_a_key_that_was_stored_under_older_rules_breaks_no_page(editor, issuer):
    TrustedIssuer.objects.update(public_keys=["no key", PUBLIC_KEY])
    assert editor.get(page(TrustedIssuer)).status_code == 200
    assert editor.get(page(TrustedIssuer, "change", issuer.pk)).status_code == 200


def test_the_login_service_of_operators_is_not_an_editors_to_vouch_for(editor, corporate):
    operators = LoginService.objects.get(name="operators")
    LoginService.objects.filter(pk=operators.pk).update(kind=LoginService.Kind.CORPORATE)
    form = issuer_form(operators)
    assert errors_of(editor.post(page(TrustedIssuer, "add"), form))["login_service"]
    made = TrustedIssuer.objects.create(name="x", issuer="x", login_service=operators)
    assert editor.post(page(TrustedIssuer, "change", made.pk), form).status_code == 403


def test_the_page_of_a_login_service_says_who_vouches_for_its_users(viewer, issuer):
    html = viewer.get(page(LoginService, "change", issuer.login_service.pk)).content.decode()
    assert page(TrustedIssuer, "change", issuer.pk) in html


def test_a_corporate_login_service_has_no_passwords(corporate):
    assert sign_in([corporate], "jane", "password") == Refused("has no passwords")


# --- The keys of a client ---------------------------------------------------------------------


def jwk(**members):
    return {**ECAlgorithm.to_jwk(PRIVATE_KEY.public_key(), as_dict=True), **members}


def test_the_keys_of_a_client_are_pasted_and_shown_as_a_table(editor, viewer, client):
    document = {"keys": [jwk(kid="first", use="sig", alg="ES256"), jwk(kid="second")]}
    address = page(Client, "change", client.pk)
    assert editor.post(address, change_form(client, jwks=json.dumps(document))).status_code == 302
    client.refresh_from_db()
    assert client.jwks == document
    for browser in (editor, viewer):
        html = browser.get(address).content.decode()
        for label, text in (
            ("Key ID", "first"),
            ("Key ID", "second"),
            ("Kind", "EC P-256"),
            ("Algorithm", "ES256"),
            ("Use", "sig"),
            ("Use", "any"),
        ):
            assert f'<td data-label="{label}">{text}</td>' in html
    assert "&quot;keys&quot;" not in html  # The viewer's page has no JSON.
    assert editor.post(address, change_form(client, jwks=" ")).status_code == 302
    client.refresh_from_db()
    assert client.jwks is None


def test_a_private_jwk_is_refused_and_never_shown_again(editor, client):
    private = ECAlgorithm.to_jwk(PRIVATE_KEY, as_dict=True)
    for text in (
        json.dumps({"keys": [private]}),
        json.dumps(private),
        json.dumps({"keys": [private]})[:-1],
        f'{{"keys": [{{"kty": "EC", "\\u0064": "{private["d"]}"}}]}}',
        next(private_pems()),
    ):
        response = editor.post(page(Client, "change", client.pk), change_form(client, jwks=text))
        assert errors_of(response)["jwks"]
        assert private["d"] not in response.content.decode()
        assert "operatorTabs('keys', true)" in response.content.decode()
    client.refresh_from_db()
    assert client.jwks is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "This has more than 65536 characters."),
        ("[" * 60_000, "This is not JSON that can be kept."),
        ("[" * 30_000 + "]" * 30_000, "This is not JSON that can be kept."),
        ('{"keys": [], "x": NaN}', "This is not JSON that can be kept."),
        ('{"keys": [], "x": 1e999}', "This is not JSON that can be kept."),
        ('{"keys": [], "x": "\\u0000"}', "This is not JSON that can be kept."),
        ('{"keys": [], "x": "\\ud800"}', "This is not JSON that can be kept."),
        ("a\0b", "This is not JSON that can be kept."),
        ("9" * 5000, "This is not JSON that can be kept."),
        ('"text"', "This is not a JWKS: an object with a list of keys."),
        ('{"keys": [7]}', "This is not a JWKS: an object with a list of keys."),
        ('{"keys": []}', "This holds no key that can verify signatures here."),
    ],
    ids=range(12),
)
def test_a_bad_jwks_is_refused_in_words(editor, client, text, problem):
    response = editor.post(page(Client, "change", client.pk), change_form(client, jwks=text))
    assert errors_of(response) == {"jwks": [problem]}


def test_a_mistake_elsewhere_keeps_the_pasted_jwks(editor, client):
    text = json.dumps({"keys": [jwk(kid="first")]})
    form = change_form(client, jwks=text, **{"flags-jwt_seconds": "1"})
    html = editor.post(page(Client, "change", client.pk), form).content.decode()
    assert "&quot;kid&quot;: &quot;first&quot;" in html


def test_a_client_has_keys_or_their_address(editor, client):
    address = page(Client, "change", client.pk)
    form = change_form(client, jwks_url="https://batch.example/jwks")
    assert editor.post(address, form).status_code == 302
    both = change_form(
        client, jwks_url="https://batch.example/jwks", jwks=json.dumps({"keys": [jwk()]})
    )
    assert errors_of(editor.post(address, both)) == {
        "jwks_url": ["Give a JWKS or its URL, not both."]
    }
    public = change_form(client, jwks=json.dumps({"keys": [jwk()]}), client_type="public")
    assert errors_of(editor.post(address, public))["jwks"] == ["A public client has no keys."]
