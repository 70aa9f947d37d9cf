"""The rows that `make bench-data` loads are such as the product writes, so that it can be measured
with them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection

from clients_admin.models import Client
from idp.partitioning.tables import SEQUENCE_BITS, PartitionedTable, bucket_of_id
from tests.bench import filling
from tests.bench.copying import copy
from tests.bench.population import ACCESS_COPY, MOST, REFRESH_COPY, Population
from tokens import issue
from tokens.format import Prefix
from tokens.identifiers import ACCESS_TOKENS, REFRESH_TOKENS
from tokens.introspection.check import living
from tokens.models import AccessToken, RefreshToken
from tokens.validator import Validator

ACCESS, REFRESH = 500, 150
SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1


@pytest.fixture
def people(db: None) -> Population:
    """A small population, loaded."""
    people = filling.population(ACCESS, REFRESH, filling.clients(5))
    filling.add_users(people)
    with connection.cursor() as cursor:
        copy(cursor, ACCESS_COPY, people.access_rows())
        copy(cursor, REFRESH_COPY, people.refresh_rows())
    filling.move_sequences(people)
    return people


def sequence_of(row: AccessToken | RefreshToken) -> int:
    return row.pk & SEQUENCE_MASK


@pytest.mark.parametrize(
    ("table", "count"),
    [(ACCESS_TOKENS, ACCESS), (REFRESH_TOKENS, REFRESH)],
    ids=["access tokens", "refresh tokens"],
)
def test_each_row_lies_in_the_partition_of_its_expiry(
    people: Population, table: PartitionedTable, count: int
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text, id, expires_at FROM {table.name}")
        rows = cursor.fetchall()
    assert len(rows) == count
    for partition, row_id, expires_at in rows:
        bucket = table.bucket_of(expires_at)
        assert bucket_of_id(row_id) == bucket
        assert partition == table.partition(bucket)


def test_ids_follow_the_order_of_issue_over_both_tables(people: Population) -> None:
    rows = sorted([*AccessToken.objects.all(), *RefreshToken.objects.all()], key=sequence_of)
    assert [row.issued_at for row in rows] == sorted(row.issued_at for row in rows)
    assert len({sequence_of(row) for row in rows}) == ACCESS + REFRESH
    assert rows[-1].issued_at <= people.now


def test_the_next_token_and_the_next_user_follow_those_that_were_loaded(
    people: Population,
) -> None:
    newest = max(AccessToken.objects.all(), key=sequence_of)
    token = issue.client_token(Client.objects.first(), "*", datetime.now(UTC))
    assert sequence_of(token) == sequence_of(newest) + 1 == people.last_sequence + 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('idp_user', 'id')), max(id)"
                       " FROM idp_user")  # fmt: skip
        following, last = cursor.fetchone()
    assert following == last + 1 == people.first_user + people.users


@pytest.mark.parametrize("model", [AccessToken, RefreshToken])
def test_no_use_case_has_more_than_eight(
    people: Population, model: type[AccessToken | RefreshToken]
) -> None:
    found = Counter(model.objects.values_list("client_id", "user_id", "scope"))
    assert max(found.values()) <= MOST
    assert {"*"} < {scope for *_, scope in found}


def test_an_access_token_of_a_user_belongs_to_a_login_of_the_same_use_case(
    people: Population,
) -> None:
    logins = {row.family: row for row in RefreshToken.objects.all()}
    assert len(logins) == REFRESH
    of_users = AccessToken.objects.filter(user__isnull=False)
    for token in of_users:
        login = logins[token.family]
        assert (token.client_id, token.user_id, token.scope) == (
            login.client_id,
            login.user_id,
            login.scope,
        )
        assert token.auth_time == login.login_at < token.issued_at
    assert of_users.count() == ACCESS - people.tokens_of_clients
    assert not AccessToken.objects.filter(user__isnull=True, family__isnull=False).exists()


def test_access_tokens_are_accepted_until_the_end_that_is_told(people: Population) -> None:
    just_before = people.access_expires[0] - timedelta(seconds=1)
    for row in AccessToken.objects.order_by("expires_at")[:30]:
        reference = issue.hear(Prefix.ACCESS_TOKEN, issue.say(row))
        for moment in (people.now, just_before):
            found = living(reference, moment)
            assert found is not None
            assert (found.user is None) == (row.user_id is None)
            assert found.scopes


def test_refresh_tokens_are_accepted(people: Population) -> None:
    for row in RefreshToken.objects.all()[:20]:
        request = SimpleNamespace(scope="")
        client = Client.objects.get(pk=row.client_id)
        assert Validator().validate_refresh_token(issue.say(row), client, request)
        assert request.pair.access_token.family == row.family


@pytest.mark.parametrize(
    ("access_tokens", "refresh_tokens"), [(37, 9), (1000, 243), (1000, 1083), (10_000, 3000)]
)
def test_a_population_of_any_size_keeps_its_word(access_tokens: int, refresh_tokens: int) -> None:
    people = Population(access_tokens, refresh_tokens, datetime.now(UTC), tuple(range(1, 51)))
    access, refresh = list(people.access_rows()), list(people.refresh_rows())
    assert (len(access), len(refresh)) == (access_tokens, refresh_tokens)
    for rows in (access, refresh):
        columns = [dict(zip(REFRESH_COPY.columns, row, strict=False)) for row in rows]
        found = Counter((row["client_id"], row["user_id"], row["scope"]) for row in columns)
        assert max(found.values()) <= MOST
        assert [row["issued_at"] for row in columns] == sorted(row["issued_at"] for row in columns)


def test_numbers_that_no_population_has_are_refused() -> None:
    with pytest.raises(ValueError, match="243 to 1,083 refresh tokens, not 5,000"):
        Population(1000, 5000, datetime.now(UTC), tuple(range(1, 51)))
