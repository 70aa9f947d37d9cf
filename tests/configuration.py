"""Brands, users and clients for in-process tests, made through the ORM."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.http import HttpResponse
from django.test import Client as Browser

from branding.models import Brand
from clients_admin import secrets
from clients_admin.models import Client, ClientLoginService, GrantType, Scope
from idp.accounts import local
from idp.accounts.models import LocalAccount, LoginService, TrustedIssuer, User
from tests.issuers import Signer, pem

FORM = "application/x-www-form-urlencoded"
SECRET = "a-secret-for-tests-of-more-than-32-characters"
PASSWORD = "correct horse battery staple"
REDIRECT_URI = "https://shop.example/callback"
VERIFIER = "a-code-verifier-of-the-tests-with-enough-characters"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
EXCHANGE = GrantType.TOKEN_EXCHANGE.value
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"

DESCRIPTIONS = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "orders.read": "See your orders",
    "orders.write": "Change your orders",
    "introspection": "Look at tokens",
}


def scopes(*names: str) -> list[Scope]:
    return [
        Scope.objects.get_or_create(
            name=name, defaults={"description": DESCRIPTIONS.get(name, "")}
        )[0]
        for name in names
    ]


def brand(slug: str = "acme") -> Brand:
    return Brand.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0]


def login_service(name: str = "acme-web", brand_slug: str = "acme") -> LoginService:
    return LoginService.objects.get_or_create(name=name, defaults={"brand": brand(brand_slug)})[0]


def account(username: str = "jane", service: LoginService | None = None) -> LocalAccount:
    """Somebody who can sign in with PASSWORD."""
    made = LocalAccount(
        login_service=service or login_service(),
        username=username,
        claims={"email": f"{username}@example.org", "name": "Jane Doe", "given_name": "Jane"},
    )
    local.set_password(made, PASSWORD)
    made.save()
    return made


def client(client_id: str, *scope_names: str, **fields: Any) -> Client:
    """A confidential client with SECRET, unless `client_type` says public."""
    flags = fields.pop("flags", {})
    services = fields.pop("login_services", [])
    made = Client.objects.create(
        client_id=client_id,
        **{"client_type": "confidential", "flags": flags, **fields},
    )
    made.scopes.set(scopes(*scope_names))
    for position, service in enumerate(services):
        ClientLoginService.objects.create(client=made, login_service=service, position=position)
    if made.is_confidential:
        # Not secrets.add(): the audit of a test holds what the test has done.
        key_id, digest = secrets.digest(SECRET)
        made.secrets.create(key_id=key_id, digest=digest)
    return made


def batch(client_id: str = "batch", **fields: Any) -> Client:
    """A client that acts for itself."""
    return client(
        client_id, "orders.read", "orders.write", grant_types=["client_credentials"], **fields
    )


def gateway(client_id: str = "gateway", **fields: Any) -> Client:
    """A client that looks at tokens and exchanges them."""
    grant_types = ["client_credentials", EXCHANGE]
    return client(client_id, "introspection", grant_types=grant_types, **fields)


def shop(client_id: str = "shop", **fields: Any) -> Client:
    """A public client whose users sign in; first party, so that nobody is asked for consent."""
    defaults = {
        "client_type": "public",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": REDIRECT_URI,
        "brand": brand(),
        "login_services": [login_service()],
        "flags": {"consent": "never"},
    }
    return client(client_id, "openid", "profile", "email", "orders.read", **{**defaults, **fields})


def corporate() -> LoginService:
    return LoginService.objects.get_or_create(name="corporate", defaults={"kind": "corporate"})[0]


def trust(signer: Signer, name: str = "corp", **fields: Any) -> TrustedIssuer:
    """A row that trusts the signer, by a PEM unless a JWKS URL is given."""
    keys = {} if "jwks_url" in fields else {"public_keys": [pem(signer.key)]}
    row = TrustedIssuer(
        **{
            "name": name,
            "issuer": signer.issuer,
            "audience": signer.audience,
            "login_service": corporate(),
            "claims": {"email": "mail", "name": "display_name"},
            **keys,
            **fields,
        }
    )
    row.full_clean()
    row.save()
    return row


def portal(client_id: str = "portal", **fields: Any) -> Client:
    """A confidential client whose users come with the JWT of a trusted issuer."""
    defaults = {
        "grant_types": [GrantType.JWT_BEARER, GrantType.REFRESH_TOKEN],
        "login_services": [login_service(), corporate()],
        "flags": {"consent": "never"},
    }
    return client(client_id, "openid", "email", "orders.read", **{**defaults, **fields})


def basic(client_id: str, secret: str = SECRET) -> dict[str, str]:
    """The header of a confidential client."""
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"HTTP_AUTHORIZATION": f"Basic {encoded}"}


def post(path: str, parameters: dict[str, str], **headers: str) -> HttpResponse:
    """A form to a protocol endpoint, as an application sends it."""
    return Browser().post(path, urlencode(parameters), content_type=FORM, **headers)


@dataclass
class Shopper:
    """A user in a browser, and the public client that sends them to us."""

    client_id: str = "shop"
    username: str = "jane"

    def __post_init__(self) -> None:
        self.browser = Browser()

    def authorize(self, **parameters: str) -> HttpResponse:
        """The first answer of the authorization endpoint."""
        return self.browser.get("/oauth2/authorize", self.request(**parameters))

    def request(self, **parameters: str) -> dict[str, str]:
        """An authorization request; a parameter given as "" is left out."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid email orders.read",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **parameters,
        }
        return {name: value for name, value in asked.items() if value}

    def sign_in(self, answer: HttpResponse, password: str = PASSWORD) -> HttpResponse:
        """Fills in the sign-in page that `answer` redirects to, and follows our own redirects."""
        form = {"username": self.username, "password": password}
        return self.follow(self.browser.post(answer.headers["Location"], form))

    def follow(self, answer: HttpResponse) -> HttpResponse:
        while answer.status_code == 303 and answer.headers["Location"].startswith("/oauth2/"):
            answer = self.browser.get(answer.headers["Location"])
        return answer

    def code(self, **parameters: str) -> str:
        """An authorization code, by signing in where that is needed."""
        answer = self.authorize(**parameters)
        if answer.headers["Location"].startswith("/sign-in"):
            answer = self.sign_in(answer)
        return returned(answer)["code"]

    def exchange(self, issued_code: str, **parameters: str) -> HttpResponse:
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": issued_code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
            **parameters,
        }
        return post("/oauth2/token", {name: value for name, value in form.items() if value})

    def tokens(self, **parameters: str) -> dict[str, Any]:
        """The token answer of a whole login."""
        return self.exchange(self.code(**parameters)).json()

    def sub(self) -> str:
        """The subject of the user, once they have signed in."""
        return User.objects.get(username=self.username).sub

    def refresh(self, refresh_token: str, **parameters: str) -> HttpResponse:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "refresh_token": refresh_token,
            **parameters,
        }
        return post("/oauth2/token", form)


def returned(answer: HttpResponse) -> dict[str, str]:
    """What a redirect back to the client carries."""
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def introspected(token: str, client_id: str = "gateway") -> dict[str, Any]:
    return post("/oauth2/introspect", {"token": token}, **basic(client_id)).json()
