"""What is measured: each operation, asked of each server that answers it.

An operation names the list that its requests come from; `of_ours` and `of_stock` write the lists.
"""

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from idp.environment import Environment

# The servers, see servers.py.
OURS, UNCACHED, STOCK, LIMIT = "ours", "ours, no cache", "stock", "limit"

CACHE_SETTING = "introspection_cache_seconds"
HAS_CACHE = CACHE_SETTING in Environment.model_fields

JWT = "application/jwt"
_TYPES = "urn:ietf:params:oauth"


@dataclass(frozen=True, slots=True)
class Request:
    """The token of the list's line stands where {token} is; all else is as it is sent."""

    path: str
    body: str = ""
    method: str = "POST"
    accept: str = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """`answer` is found in the body of every right answer, `never` in none.

    Both are patterns, written so that Python and Lua read the same in them. `once` says that a
    line of the list is used up by a request.
    """

    request: Request
    tokens: str
    answer: str
    never: str = ""
    once: bool = False

    def of_stock(self, path: str) -> "Operation":
        return replace(self, request=replace(self.request, path=path))

    def of_few(self) -> "Operation":
        return replace(self, tokens=f"{self.tokens}-few")


INTROSPECTION = Operation(
    Request("/oauth2/introspect", "token={token}"), "access", '"active": ?true'
)
INTROSPECTION_JWT = replace(
    INTROSPECTION, request=replace(INTROSPECTION.request, accept=JWT), answer="^eyJ"
)
EXCHANGE = Operation(
    Request(
        "/oauth2/token",
        urlencode(
            {
                "grant_type": f"{_TYPES}:grant-type:token-exchange",
                "subject_token_type": f"{_TYPES}:token-type:access_token",
                "requested_token_type": f"{_TYPES}:token-type:jwt",
            }
        )
        + "&subject_token={token}",
    ),
    "access",
    '"access_token": ?"eyJ',
)
CLIENT_CREDENTIALS = Operation(
    Request("/oauth2/token", "grant_type=client_credentials"), "clients", '"access_token": ?"'
)
REFRESH = Operation(
    Request("/oauth2/token", "grant_type=refresh_token&refresh_token={token}"),
    "refresh",
    '"refresh_token": ?"',
    never='"id_token"',
    once=True,
)
REFRESH_OPENID = replace(REFRESH, tokens="refresh-openid", answer='"id_token": ?"eyJ', never="")
USERINFO = Operation(Request("/oauth2/userinfo", method="GET"), "userinfo", '"sub": ?"')
FIXED = Operation(Request("/", "token={token}"), "access", '"active": ?true')


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table. `compared` is the line whose CPU time its own is held against.

    `goal` is how many times cheaper than the stock toolkit it should be; of a line that is
    compared with one of ours, at most how many times as dear.
    """

    name: str
    server: str
    operation: Operation
    compared: "Line | None" = field(default=None)
    goal: float | None = None

    @property
    def key(self) -> str:
        return f"{self.name} | {self.server}"

    @property
    def is_beside_stock(self) -> bool:
        return self.compared is not None and self.compared.server == STOCK


def _lines() -> list[Line]:
    """Ours and stock alternate, so that a busy moment hits both."""
    stock_introspection = Line("introspection", STOCK, INTROSPECTION.of_stock("/o/introspect/"))
    stock_client = Line("client credentials", STOCK, CLIENT_CREDENTIALS.of_stock("/o/token/"))
    stock_refresh = Line("refresh", STOCK, REFRESH.of_stock("/o/token/"))
    stock_openid = Line("refresh with ID token", STOCK, REFRESH_OPENID.of_stock("/o/token/"))
    stock_userinfo = Line("userinfo", STOCK, USERINFO.of_stock("/o/userinfo/"))
    introspection = Line("introspection", UNCACHED, INTROSPECTION, stock_introspection, 14)
    cached = Line("introspection, cached", OURS, INTROSPECTION.of_few(), stock_introspection, 40)
    few_jwt, few_exchanges = INTROSPECTION_JWT.of_few(), EXCHANGE.of_few()
    found = [
        introspection,
        stock_introspection,
        cached,
        Line("introspection as JWT", UNCACHED, INTROSPECTION_JWT, introspection),
        Line("introspection as JWT, cached", OURS, few_jwt, cached, 1.5),
        Line("exchange for a JWT", UNCACHED, EXCHANGE, introspection),
        Line("exchange for a JWT, cached", OURS, few_exchanges, cached, 1.5),
        Line("client credentials", OURS, CLIENT_CREDENTIALS, stock_client, 11),
        stock_client,
        Line("refresh", OURS, REFRESH, stock_refresh, 25),
        stock_refresh,
        Line("refresh with ID token", OURS, REFRESH_OPENID, stock_openid),
        stock_openid,
        Line("userinfo", UNCACHED, USERINFO, stock_userinfo, 13),
        stock_userinfo,
        Line("userinfo, cached", OURS, USERINFO.of_few(), stock_userinfo, 35),
        Line("fixed answer", LIMIT, FIXED),
    ]
    return [line for line in found if HAS_CACHE or not line.name.endswith(", cached")]


LINES = _lines()
