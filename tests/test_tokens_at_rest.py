"""A dump of the database opens nothing."""

import base64

import psycopg
import requests

from tests.first_party import exchange, new_code, refresh
from tests.servers import LiveIDP

TOKENS = 1000


def test_a_dump_after_a_thousand_tokens_holds_none_of_them(live_idp: LiveIDP):
    with requests.Session() as session:
        session.auth = ("demo-batch", "demo-batch-secret-not-for-production")
        grant = {"grant_type": "client_credentials"}
        url = f"{live_idp.url}/oauth2/token"
        answers = [session.post(url, data=grant).json() for _ in range(TOKENS)]
    tokens = [answer["access_token"] for answer in answers]
    assert len(set(tokens)) == TOKENS
    dump = dump_of(live_idp.environment["IDP_DATABASE_URL"])
    assert dump.count("\t*\t") >= TOKENS, "the rows are there"
    assert [part for token in tokens for part in parts(token) if part in dump] == []


def test_nor_does_it_hold_what_a_login_gave(live_idp: LiveIDP):
    code = new_code(live_idp.url)
    login = exchange(live_idp.url, code).json()
    later = refresh(live_idp.url, login["refresh_token"]).json()
    tokens = [code] + [
        answer[kind] for answer in (login, later) for kind in ("access_token", "refresh_token")
    ]
    dump = dump_of(live_idp.environment["IDP_DATABASE_URL"])
    assert [part for token in tokens for part in parts(token) if part in dump] == []
    assert [answer["id_token"] for answer in (login, later) if answer["id_token"] in dump] == []


def parts(token: str) -> list[str]:
    """What would let somebody say the token: all of it, its body, its mac, in each spelling."""
    _, _, body = token.partition("_")
    raw = base64.urlsafe_b64decode(body)
    mac, masked_id = raw[17:], raw[1:9]
    return [
        token,
        body,
        raw.hex(),
        mac.hex(),
        base64.urlsafe_b64encode(mac).decode().rstrip("="),
        str(int.from_bytes(mac)),
        masked_id.hex(),
        str(int.from_bytes(masked_id)),
    ]


def dump_of(database_url: str) -> str:
    """The data of all tables as text, as pg_dump writes it."""
    lines = []
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT format('%I', relname) FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            with connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
                lines.extend(bytes(row).decode() for row in copy)
    return "".join(lines)
