"""JWTs of others: what is refused, for which reason, and before what is looked at."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import jwks
from idp.jwks import VerificationKey
from idp.spent_assertions import LEEWAY
from tests.issuers import Signer, jwk, new_key, pem
from tokens import assertions
from tokens.assertions import Assertion, BadAssertion, Expected

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW = int(NOON.timestamp())
MINUTE = timedelta(minutes=1)
SIGNER = Signer(
    "https://login.corp.example",
    "https://id.example",
    kid="one",
    defaults={"iat": NOW, "exp": NOW + 60, "jti": "1"},
)
EXPECTED = Expected(
    issuer=SIGNER.issuer,
    audiences=frozenset({SIGNER.audience}),
    algorithms=frozenset({"ES256", "RS256"}),
    max_lifetime=timedelta(seconds=300),
)
KEYS = jwks.of_document(SIGNER.jwks)


def verified(
    encoded: str, keys: object = KEYS, expected: Expected = EXPECTED, now: datetime = NOON
) -> Assertion:
    source = assertions.stored(keys)  # type: ignore[arg-type]
    return assertions.verify(assertions.read(encoded), expected, source, now)


def reason(encoded: str, **arguments: Any) -> str:
    with pytest.raises(BadAssertion) as raised:
        verified(encoded, **arguments)
    return raised.value.reason


def encoded_part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assembled(header: object, claims: object, signature: str = "AAAA") -> str:
    return f"{encoded_part(header)}.{encoded_part(claims)}.{signature}"


def test_what_is_right_is_answered_as_a_small_value():
    encoded = SIGNER.sign(department="shoes")
    assert verified(encoded) == Assertion(
        issuer=SIGNER.issuer,
        subject="employee-1",
        jti="1",
        issued_at=NOON,
        expires_at=NOON + MINUTE,
        claims=SIGNER.claims(department="shoes"),
    )


# --- Form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoded",
    [
        *("", "x", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "a.b.c.d.e", "a.b.c=", " a.b.c"),
        *("a.b.c\n", "a.b.\u0663", "é.é.é", "a.b.c+", "{}", "a.b.\x00", "a.b/.c"),
        json.dumps({"payload": "e30", "signatures": []}),
    ],
)
def test_only_the_compact_form_of_a_signed_jwt_is_read(encoded):
    assert reason(encoded) == "not a signed JWT in compact form"


def test_it_has_a_bounded_size():
    assert "longer than 8192 characters" in reason(SIGNER.sign(padding="x" * 8000))


@pytest.mark.parametrize(
    "part", [b"", b"x", b"\xff\xfe", b"[" * 4000, b"9" * 5000, b'{"a":1,"a":2}', b'{"a"', b"{}{}"]
)
def test_what_is_no_json_is_refused(part):
    for encoded in (assembled(part, {}), assembled({"alg": "ES256"}, part)):
        assert reason(encoded) in {
            "a header or claims that are no JSON", "not a signed JWT in compact form",
        }  # fmt: skip


@pytest.mark.parametrize("part", [[], "x", 7, None, True, [{}]])
def test_what_is_no_json_object_is_refused(part):
    for encoded in (assembled(part, {}), assembled({"alg": "ES256"}, part)):
        assert reason(encoded) == "a header or claims that are no JSON object"


@pytest.mark.parametrize(
    "claims",
    [
        b'{"sub":"\\u0000"}', b'{"\\u0000":1}', b'{"a":["\\ud800"]}', b'{"a":{"\\udfff":1}}',
        b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":' + b"[" * 9 + b"]" * 9 + b"}",
        b'{"a":' * 500 + b"1" + b"}" * 500,
    ],
)  # fmt: skip
def test_what_the_database_could_not_keep_is_refused(claims):
    assert "claims that cannot be kept" in reason(assembled({"alg": "ES256"}, claims))


def test_characters_of_all_planes_are_kept():
    assert verified(SIGNER.sign(name="Žofia 🦄")).claims["name"] == "Žofia 🦄"


# --- Algorithms and keys -------------------------------------------------------------------------


def refuse_to_give_keys(kid: str | None) -> tuple[VerificationKey, ...]:
    raise AssertionError("keys were looked at")


def with_secret(secret: bytes, algorithm: str = "HS256") -> str:
    """As an attacker makes it: the public key is known to all, and used as a shared secret."""
    signed = assembled({"alg": algorithm, "kid": "one"}, SIGNER.claims(), "")[:-1]
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    return f"{signed}.{encoded_part(hmac.digest(secret, signed.encode(), digest))}"


@pytest.mark.parametrize(
    "encoded",
    [
        *(assembled({"alg": name}, SIGNER.claims()) for name in ("none", "None", "NONE", "nOnE")),
        *(assembled({"alg": name}, SIGNER.claims()) for name in ("", "HS256", "es256", "ES384")),
        *(assembled({"alg": name}, SIGNER.claims()) for name in ("ES256K", "RSA1_5", "dir", "PS1")),
        *(
            with_secret(secret, algorithm)
            for secret in (pem(SIGNER.key).encode(), json.dumps(jwk(SIGNER.key)).encode(), b"")
            for algorithm in ("HS256", "HS384", "HS512")
        ),
    ],
)
def test_an_algorithm_that_is_not_allowed_is_refused_before_keys_are_looked_at(encoded):
    with pytest.raises(BadAssertion, match=r"algorithm .* is not allowed"):
        assertions.verify(assertions.read(encoded), EXPECTED, refuse_to_give_keys, NOON)


@pytest.mark.parametrize("allowed", ["none", "HS256", "HS512"])
def test_not_even_a_wrong_configuration_lets_them_in(allowed):
    wrong = Expected(SIGNER.issuer, EXPECTED.audiences, frozenset({allowed}), MINUTE)
    encoded = with_secret(b"secret") if allowed == "HS256" else assembled(
        {"alg": allowed}, SIGNER.claims()
    )  # fmt: skip
    assert "is not allowed" in reason(encoded, expected=wrong)


@pytest.mark.parametrize("algorithm", [None, 7, [], {}, True])
def test_a_header_without_a_named_algorithm_is_refused(algorithm):
    assert reason(assembled({"alg": algorithm}, {})) == "a header without alg"


@pytest.mark.parametrize(
    "extension", [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": True}]
)
def test_extensions_are_refused(extension):
    header = {"alg": "ES256", "kid": "one", **extension}
    assert reason(assembled(header, SIGNER.claims())) == "a header with extensions (crit)"


def test_keys_that_the_assertion_brings_along_are_not_looked_at():
    attacker = new_key()
    for header in ({"jwk": jwk(attacker)}, {"jku": "https://evil.example/"}, {"x5c": ["AAAA"]}):
        assert reason(SIGNER.sign(key=attacker, header=header)) == "the signature is wrong"


def test_the_key_is_the_one_that_the_kid_names():
    other = new_key()
    keys = jwks.of_document({"keys": [jwk(other, "other"), jwk(SIGNER.key, "one")]})
    assert verified(SIGNER.sign(), keys=keys)
    assert reason(SIGNER.sign(header={"kid": "other"}), keys=keys) == "the signature is wrong"
    assert reason(SIGNER.sign(header={"kid": "two"}), keys=keys) == "the kid 'two' is unknown"
    assert reason(SIGNER.sign(header={"kid": ""}), keys=keys) == "the kid '' is unknown"


@pytest.mark.parametrize("kid", [7, [], {}, True])
def test_a_kid_that_is_no_text_is_refused(kid):
    encoded = assembled({"alg": "ES256", "kid": kid}, SIGNER.claims())
    assert reason(encoded) == "a kid that is no text"


def test_without_a_kid_there_must_be_one_key_that_fits():
    nameless = Signer(SIGNER.issuer, SIGNER.audience, key=SIGNER.key, defaults=SIGNER.defaults)
    rsa_key = jwk(new_key("RS256"), "rsa")
    fits = jwks.of_document({"keys": [rsa_key, jwk(SIGNER.key, "one")]})
    assert verified(nameless.sign(), keys=fits)
    both = jwks.of_document({"keys": [jwk(new_key(), "other"), jwk(SIGNER.key, "one")]})
    assert reason(nameless.sign(), keys=both) == "several keys fit, and no kid says which"
    assert reason(nameless.sign(), keys=jwks.of_document({"keys": [rsa_key]})) == (
        "no key is for the algorithm ES256"
    )


def test_of_keys_without_names_each_that_fits_is_tried():
    keys = jwks.of_document({"keys": [jwk(new_key()), jwk(SIGNER.key)]})
    assert verified(SIGNER.sign(header={"kid": "whatever"}), keys=keys)
    assert reason(SIGNER.sign(key=new_key()), keys=keys) == "the signature is wrong"


def test_two_keys_of_one_name_are_refused():
    keys = jwks.of_document({"keys": [jwk(new_key(), "one"), jwk(SIGNER.key, "one")]})
    assert reason(SIGNER.sign(), keys=keys) == "several keys fit, and no kid says which"


def test_a_key_of_another_kind_is_not_used():
    rsa_keys = jwks.of_document({"keys": [jwk(new_key("RS256"), "one")]})
    assert reason(SIGNER.sign(), keys=rsa_keys) == "no key is for the algorithm ES256"
    assert reason(SIGNER.sign(), keys=()) == "no key is for the algorithm ES256"


@pytest.mark.parametrize("algorithm", ["ES384", "ES512", "EdDSA", "RS256", "RS512", "PS256"])
def test_every_allowed_algorithm_works_and_only_with_its_own_name(algorithm):
    signer = Signer(SIGNER.issuer, SIGNER.audience, algorithm, "k", defaults=SIGNER.defaults)
    keys = jwks.of_document(signer.jwks)
    expected = Expected(SIGNER.issuer, EXPECTED.audiences, frozenset({algorithm}), MINUTE)
    encoded = signer.sign()
    assert verified(encoded, keys=keys, expected=expected)
    _, claims, signature = encoded.split(".")
    for other in {"ES384", "RS256", "PS384", "EdDSA"} - {algorithm}:
        forged = f"{encoded_part({'alg': other, 'kid': 'k'})}.{claims}.{signature}"
        either = Expected(
            SIGNER.issuer, EXPECTED.audiences, frozenset({algorithm, other}), MINUTE
        )  # fmt: skip
        assert reason(forged, keys=keys, expected=either) in {
            "the signature is wrong", f"no key is for the algorithm {other}",
        }  # fmt: skip


def test_any_changed_byte_breaks_it():
    header, claims, signature = SIGNER.sign().split(".")
    changed = encoded_part(SIGNER.claims(sub="somebody-else"))
    assert reason(f"{header}.{changed}.{signature}") == "the signature is wrong"
    assert reason(f"{header}.{claims}.{'A' * 86}") == "the signature is wrong"
    assert reason(f"{header}.{claims}.A") == "the signature is wrong"
    assert reason(f"{header}.{claims}.{'A' * 2000}") == "the signature is wrong"


# --- Claims --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iss", "sub", "jti"])
@pytest.mark.parametrize("value", [None, "", 7, ["x"], {}, True])
def test_the_names_must_be_there_as_text(name, value):
    assert reason(SIGNER.sign(**{name: value})) == f"without {name}"


def test_names_have_a_bounded_length():
    assert reason(SIGNER.sign(sub="x" * 256)) == "the sub is longer than 255 characters"
    assert reason(SIGNER.sign(jti="x" * 256)) == "the jti is longer than 255 characters"
    assert reason(SIGNER.sign(iss="x" * 501)) == "the iss is longer than 500 characters"


@pytest.mark.parametrize("issuer", ["https://login.corp.example/", "HTTPS://login.corp.example"])
def test_the_issuer_is_compared_letter_for_letter(issuer):
    assert "another issuer" in reason(SIGNER.sign(iss=issuer))


def test_the_audience_is_us_and_nobody_else():
    assert verified(SIGNER.sign(aud=[SIGNER.audience]))
    for audience in (
        *(None, [], {}, 7, [7], [SIGNER.audience, "https://other.example"]),
        *([SIGNER.audience, SIGNER.audience], [[SIGNER.audience]]),
    ):
        assert reason(SIGNER.sign(aud=audience)) == "the aud is missing, or names several"
    for audience in ("https://id.example/", "https://ID.example", "", "https://other.example"):
        assert reason(SIGNER.sign(aud=audience)) == f"the aud is {audience!r}"


def test_it_counts_until_its_end_and_30_seconds_for_clocks():
    encoded = SIGNER.sign()
    end = NOON + MINUTE + LEEWAY
    assert verified(encoded, now=end - timedelta(microseconds=1))
    assert reason(encoded, now=end) == "expired at 2026-06-01T12:01:00+00:00"


@pytest.mark.parametrize(("name", "what"), [("iat", "issued in the future"), ("nbf", "not valid")])
def test_it_counts_from_its_beginning_on_less_30_seconds_for_clocks(name, what):
    encoded = SIGNER.sign(**{name: NOW + 30})
    assert verified(encoded)
    assert what in reason(encoded, now=NOON - timedelta(seconds=1))


def test_its_life_has_a_bounded_length():
    assert verified(SIGNER.sign(exp=NOW + 300))
    assert reason(SIGNER.sign(exp=NOW + 301)) == "longer than 300 seconds alive"
    assert reason(SIGNER.sign(iat=NOW - 300)) == "longer than 300 seconds alive"
    assert reason(SIGNER.sign(iat=NOW + 20, exp=NOW + 10)) == "issued after its end"


def test_iat_may_be_missing_where_that_is_allowed_and_its_end_is_still_near():
    lenient = Expected(
        SIGNER.issuer, EXPECTED.audiences, EXPECTED.algorithms, 5 * MINUTE,
        issued_at_is_required=False,
    )  # fmt: skip
    assert reason(SIGNER.sign(iat=None)) == "without iat"
    assert verified(SIGNER.sign(iat=None), expected=lenient).issued_at is None
    assert verified(SIGNER.sign(iat=None, exp=NOW + 330), expected=lenient)
    far = SIGNER.sign(iat=None, exp=NOW + 331)
    assert reason(far, expected=lenient) == "longer than 300 seconds alive"


@pytest.mark.parametrize(
    "value",
    [
        *("x", "", "1780315200", [], {}, [1], True, False, -1, -0.5, 10**11, 10**30, 10**4000),
        *(1.7e300, -1.7e300, 32_503_680_001),
    ],
)
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_date_that_no_clock_shows_is_refused(name, value):
    assert reason(SIGNER.sign(**{name: value})) == f"the {name} is no date"


def test_dates_may_have_fractions():
    assert verified(SIGNER.sign(iat=NOW + 0.5, exp=NOW + 10.25)).expires_at == (
        NOON + timedelta(seconds=10.25)
    )
    assert reason(SIGNER.sign(exp=None)) == "without exp"
    assert verified(SIGNER.sign(nbf=0))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "x"]),
        json_values | st.integers(NOW - 100, NOW + 100),
    )
)
def test_whatever_is_signed_is_either_accepted_or_refused(said):
    encoded = jwt.api_jws.encode(
        json.dumps({**SIGNER.claims(), **said}).encode(), SIGNER.key, "ES256", {"kid": "one"}
    )
    try:
        found = verified(encoded)
    except BadAssertion:
        return
    assert (found.issuer, found.claims["aud"]) == (SIGNER.issuer, said.get("aud", SIGNER.audience))


@given(st.text(max_size=200) | st.from_regex(r"\A[\w.-]+\Z"))
def test_whatever_is_presented_is_refused(text):
    assert reason(text)
