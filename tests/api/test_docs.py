"""What docs/api.md tells to type does what it says."""

import json
import re
import subprocess

import psycopg
import pytest

from idp.environment import PROJECT
from tokens.api import rights, urls

PAGE = (PROJECT / "docs" / "api.md").read_text()
COMMANDS = re.findall(r"^    (?:[A-Z]+=\$\()?curl .*$", PAGE, re.MULTILINE)
IN_PAGE, HERE = "192.0.2.1", "203.0.113.90"


def run(*lines: str, url: str) -> str:
    script = "\n".join(lines).replace("http://127.0.0.1:8000", url)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def block_id(live_database):
    with psycopg.connect(live_database, autocommit=True) as connection:
        yield connection.execute(
            "INSERT INTO idp_block (subject, kind, effect, label, reason, profile, client_id,"
            " attempts, names, name_count, level, created_at, until, ended_by) VALUES (%(address)s,"
            " 'address', 'refuse', %(address)s, 'by hand', 'default', '', 1, '[]', 1, 0, now(),"
            " now() + interval '1 hour', '') RETURNING id",
            {"address": HERE},
        ).fetchone()[0]
        connection.execute("DELETE FROM idp_block WHERE subject = %s", [HERE])


def test_the_lines_of_the_page_work_as_they_stand(live_idp, block_id):
    token, listing, one_page, lift, lift_address, lift_user = COMMANDS[:6]
    slip = COMMANDS[-1]

    def said(line, **changes):
        for old, new in changes.values():
            assert old in line
            line = line.replace(old, new)
        return json.loads(run(token, line, url=live_idp.url))

    assert [row["id"] for row in said(listing)["results"]] == [block_id]
    assert said(one_page) == {"results": [], "next": None}
    assert said(lift_user) == {"lifted": []}
    assert said(lift_address) == {"lifted": []}
    found = said(lift_address, address=(IN_PAGE, HERE))["lifted"]
    assert [(row["id"], row["ended_by"]) for row in found] == [(block_id, "client demo-operations")]
    answer = said(lift, id=("/17/", f"/{block_id}/"))
    assert (answer["was_lifted"], answer["block"]["id"]) == (False, block_id)
    assert json.dumps(said(slip)) == json.dumps(json.loads(printed_after(slip)))


def test_the_life_of_a_client_on_the_page(live_idp):
    write, make, secret, rotate, etag, change, search, delete = COMMANDS[6:14]

    def said(*lines):
        return json.loads(run(write, *lines, url=live_idp.url))

    assert said(make)["scopes"] == ["orders.read"]
    first = said(secret)
    second = said(rotate)
    assert first["client_secret"] != second["client_secret"]
    changed = said(etag, change)
    assert (changed["name"], changed["flags"]) == ("Orders", {"access_token_seconds": 3600})
    assert [row["client_id"] for row in said(search)["results"]] == ["orders-report"]
    assert run(write, delete, url=live_idp.url) == ""
    assert said(search)["results"] == []
    audit = json.loads(run(COMMANDS[0], COMMANDS[14], url=live_idp.url))
    (event,) = audit["results"]
    assert (event["actor"], event["details"]["what"]) == ("client demo-configuration", "deleted")


def printed_after(command: str) -> str:
    """What the page shows below a command."""
    below = PAGE.partition(command)[2].lstrip("\n")
    return below.partition("\n\n")[0]


def test_the_page_names_every_endpoint_and_code():
    for entry in urls.urlpatterns:
        path = "/" + re.sub(r"<int:\w+>", "{id}", str(entry.pattern))
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", path)
        for method, right in entry.callback.cls.needs.items():
            (row,) = [line for line in PAGE.splitlines() if f"`{method} {path}`" in line]
            assert f"`{right.scope}`" in row
    assert set(re.findall(r"`(idp\.[a-z.]+)`", PAGE)) == set(rights.SCOPES)
