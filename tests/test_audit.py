"""What has happened is written once, with the change itself, and nobody changes it afterwards.

The clock is given where partitions matter: those of 2031 go with the transaction of their test.
"""

import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from ipaddress import ip_address
from typing import Any

import pytest
from django.db import Error, ProgrammingError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from clients_admin import secrets
from idp.accounts.models import LoginService
from idp.audit import record as recording
from idp.audit.details import CUT, MAX_ITEMS, MAX_JSON, MAX_TEXT, without_secrets
from idp.audit.models import AUDIT_EVENTS, AuditEvent
from idp.audit.record import MAX_CLIENT_ID, record
from idp.audit.tags import Tag
from idp.environment import environment
from idp.partitioning import partitions
from idp.partitioning.tables import bucket_of_id
from tokens.format import Prefix, TokenFormat

NOW = datetime(2031, 5, 14, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PARENT, DEFAULT = AUDIT_EVENTS.name, f"{AUDIT_EVENTS.name}_default"
PARTITION = AUDIT_EVENTS.partition(AUDIT_EVENTS.bucket_of(NOW))
TAG = Tag.TOKENS_FAMILY_REPLAYED

TOKEN_BYTES = TokenFormat({1: b"k" * 32})
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> partitions.PartitionList:
    """A list of the partitions for this test alone: the real one must not learn of ours."""
    fresh = partitions.PartitionList([AUDIT_EVENTS])
    monkeypatch.setattr(recording, "known", fresh)
    return fresh


def make(known: partitions.PartitionList, now: datetime = NOW) -> None:
    partitions.make_ahead(AUDIT_EVENTS, now)
    known.refresh()


def recorded(at: datetime = NOW, **values: Any) -> AuditEvent:
    """Records an event and answers its row."""
    record(TAG, at=at, **values)
    return AuditEvent.objects.order_by("id").last()


def relation_of(event: AuditEvent) -> str | None:
    """Where the row lies; None where it is gone."""
    found = values(f"SELECT tableoid::regclass::text FROM {PARENT} WHERE id = {event.pk}")
    return found[0] if found else None


def values(query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


# --- Tags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", Tag)
def test_a_tag_says_source_subject_and_action_and_has_a_meaning_of_one_sentence(tag):
    assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z_]+", tag.value)
    assert tag.name == tag.value.replace(":", "_").upper()
    assert re.fullmatch(r"[A-Z][^.]+\.", tag.meaning)


# --- Written -------------------------------------------------------------------------------------


def test_an_event_is_one_row_with_all_that_was_said(db):
    event = recorded(
        client_id="shop",
        user_id=7,
        address="192.0.2.1",
        actor="jane",
        family=12,
        scopes=["orders.read", None, True, 0.5],
        changed={"access_token_seconds": [60, 120]},
    )
    stored = AuditEvent.objects.filter(pk=event.pk).values().get()
    assert stored == {
        "id": event.pk,
        "at": NOW,
        "tag": "tokens:family:replayed",
        "client_id": "shop",
        "user_id": 7,
        "address": "192.0.2.1",
        "actor": "jane",
        "details": {
            "family": 12,
            "scopes": ["orders.read", None, True, 0.5],
            "changed": {"access_token_seconds": [60, 120]},
        },
    }
    assert str(event) == "tokens:family:replayed at 2031-05-14 12:00:00"


def test_all_but_the_tag_may_be_missing(db):
    record(Tag.TOKENS_CODE_REPLAYED)
    event = AuditEvent.objects.get()
    assert (event.tag, event.details) == ("tokens:code:replayed", {})
    assert [event.client_id, event.user_id, event.address, event.actor] == [None] * 4
    assert abs(event.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_event_is_one_insert_that_names_its_partition(db, known, django_assert_num_queries):
    make(known)
    with django_assert_num_queries(1) as captured:
        record(TAG, at=NOW, client_id="shop")
    assert captured[0]["sql"].startswith(f"INSERT INTO {PARTITION} ")


def test_an_event_whose_partition_this_process_does_not_know_goes_through_the_parent(db, known):
    known.refresh()  # before the partition exists, and not again within the minute
    partitions.make_ahead(AUDIT_EVENTS, NOW)
    assert relation_of(recorded()) == PARTITION


def test_the_id_says_when_and_in_which_order(db):
    bucket = AUDIT_EVENTS.bucket_of(NOW)
    first, second = recorded(), recorded()
    later = recorded(AUDIT_EVENTS.ends_at(bucket))
    assert first.pk < second.pk < later.pk
    assert [bucket_of_id(event.pk) for event in (first, second, later)] == [bucket] * 2 + [
        bucket + 1
    ]


def test_an_event_goes_with_the_transaction_that_it_tells_of(db):
    with transaction.atomic():
        record(TAG)
        assert AuditEvent.objects.exists()
        transaction.set_rollback(True)
    assert not AuditEvent.objects.exists()


def test_an_event_that_cannot_be_written_takes_the_change_with_it(db):
    def change() -> None:
        LoginService.objects.create(name="new")
        record(TAG, user_id=1 << 63)

    with pytest.raises(Error):
        transaction.atomic(change)()
    assert not LoginService.objects.filter(name="new").exists()


# --- Never changed -------------------------------------------------------------------------------


@contextmanager
def refused(word: str) -> Iterator[None]:
    message = f"is append-only: {word} is refused"
    with pytest.raises(ProgrammingError, match=message), transaction.atomic():
        yield


@pytest.fixture
def rows(db: None, known: partitions.PartitionList) -> list[AuditEvent]:
    """An event in its partition, and one in the default partition."""
    make(known)
    events = [recorded(), recorded(NOW + 1000 * DAY)]
    assert [relation_of(event) for event in events] == [PARTITION, DEFAULT]
    return events


@pytest.mark.parametrize("relation", [PARENT, PARTITION, DEFAULT])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET tag = tag",
        "UPDATE {} SET id = id + 1",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "TRUNCATE {} CASCADE",
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT (id) DO UPDATE SET tag = ''",
        "MERGE INTO {0} old USING {0} new ON old.id = new.id WHEN MATCHED THEN DELETE",
    ],
)
def test_no_row_is_changed_or_deleted_even_by_the_owner(rows, relation, statement):
    before = list(AuditEvent.objects.order_by("id").values())
    word = next(word for word in ("UPDATE", "TRUNCATE", "DELETE") if word in statement)
    with refused(word):
        run(statement.format(relation))
    assert list(AuditEvent.objects.order_by("id").values()) == before


def test_django_cannot_do_it_either(rows):
    with refused("UPDATE"):
        AuditEvent.objects.update(tag="x")
    with refused("DELETE"):
        rows[0].delete()


def test_what_lets_rows_move_lets_nobody_change_them(rows):
    run("SET LOCAL idp.rows_may_go = 'on'")
    with refused("UPDATE"):
        run(f"UPDATE {PARENT} SET tag = tag")


# --- Partitions ----------------------------------------------------------------------------------


def test_a_migrated_database_has_partitions_for_today_and_two_months(db):
    today = AUDIT_EVENTS.bucket_of(datetime.now(UTC))
    assert {today, today + 1, today + 2} <= set(partitions.existing(AUDIT_EVENTS))


def test_an_event_is_kept_for_as_many_days_as_the_setting_says(db, known):
    assert environment().audit_days == 400
    make(known)
    event = recorded()
    dead_at = (
        AUDIT_EVENTS.ends_at(AUDIT_EVENTS.bucket_of(NOW)) + 400 * DAY + partitions.CLOCK_MARGIN
    )
    partitions.drop_expired(AUDIT_EVENTS, dead_at - SECOND)
    assert relation_of(event) == PARTITION
    partitions.drop_expired(AUDIT_EVENTS, dead_at)
    assert relation_of(event) is None
    assert PARTITION not in values("SELECT relname::text FROM pg_class")


def test_events_of_the_default_partition_move_when_theirs_is_made_and_stay_refused(db, known):
    events = [recorded(NOW + days * DAY, client_id="shop", n=days) for days in (0, 0, 60)]
    too_far = recorded(NOW + 100 * DAY)
    before = list(AuditEvent.objects.order_by("id").values())
    assert {relation_of(event) for event in events} == {DEFAULT}
    make(known)
    for event in events:
        assert relation_of(event) == AUDIT_EVENTS.partition(AUDIT_EVENTS.bucket_of(event.at))
    assert relation_of(too_far) == DEFAULT
    assert list(AuditEvent.objects.order_by("id").values()) == before
    for relation in (PARENT, PARTITION, DEFAULT):
        with refused("DELETE"):
            run(f"DELETE FROM {relation}")
        with refused("TRUNCATE"):
            run(f"TRUNCATE {relation}")


def test_dead_events_of_the_default_partition_are_deleted_and_no_others(db):
    dead, living = recorded(NOW - 440 * DAY), recorded(NOW - 399 * DAY)
    assert partitions.empty_default(AUDIT_EVENTS, NOW) == 1
    assert (relation_of(dead), relation_of(living)) == (None, DEFAULT)
    with refused("DELETE"):
        run(f"DELETE FROM {DEFAULT}")


def test_the_job_does_the_same_outside_a_transaction(transactional_db, monkeypatch):
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "20s")  # the machine may be busy
    long_ago = datetime(2001, 5, 14, 12, tzinfo=UTC)
    event, never_moved = recorded(long_ago), recorded(long_ago + 100 * DAY)
    assert partitions.make_ahead(AUDIT_EVENTS, long_ago) == 3
    assert relation_of(event) == AUDIT_EVENTS.partition(AUDIT_EVENTS.bucket_of(long_ago))
    with refused("DELETE"):
        run(f"DELETE FROM {PARENT}")
    assert partitions.drop_expired(AUDIT_EVENTS, long_ago + 600 * DAY) == 3
    assert partitions.empty_default(AUDIT_EVENTS, long_ago + 600 * DAY) == 1
    assert (relation_of(event), relation_of(never_moved)) == (None, None)


def test_the_migration_can_be_taken_back_and_made_again(db):
    name = ("idp", "0002_auditevent")
    before = MigrationLoader(connection).project_state(name, at_end=False)
    migration = import_module("idp.migrations.0002_auditevent").Migration(name[1], name[0])
    recorded()
    of_ours = "SELECT relname::text FROM pg_class WHERE relname LIKE '%auditevent%'"
    functions = "SELECT proname::text FROM pg_proc WHERE proname = 'idp_append_only'"
    with connection.schema_editor() as editor:
        migration.unapply(before.clone(), editor)
    assert (values(of_ours), values(functions)) == ([], [])
    with connection.schema_editor() as editor:
        migration.apply(before.clone(), editor)
    event = recorded()
    assert relation_of(event) == DEFAULT
    with refused("DELETE"):
        event.delete()


# --- Searched ------------------------------------------------------------------------------------


@pytest.fixture
def many(db: None, known: partitions.PartitionList) -> None:
    """20,000 events in one partition: every 20th has a client, a user and an address."""
    make(known)
    common = recorded()
    rare = "'tokens:family:evicted', 7, 'shop', '192.0.2.1'::inet"
    for condition, columns in (("> 0", "tag, null, null, null"), ("= 0", rare)):
        run(
            f"INSERT INTO {PARTITION} (id, at, tag, user_id, client_id, address)"
            f" SELECT id + n, at, {columns} FROM {PARENT}, generate_series(1, 20000) n"
            f" WHERE id = {common.pk} AND n % 20 {condition}"
        )
    run(f"ANALYZE {PARTITION}")


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("tag = 'tokens:family:evicted'", "tag_id_idx"),
        ("user_id = 7", "user_id_id_idx"),
        ("client_id = 'shop'", "client_id_id_idx"),
        ("address = '192.0.2.1'", "address_id_idx"),
    ],
)
def test_a_search_reads_the_newest_from_its_index_and_no_more(many, condition, index):
    query = f"SELECT * FROM {PARENT} WHERE {condition} ORDER BY id DESC LIMIT 50"
    (explained,) = values(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
    (plan,) = json.loads(explained) if isinstance(explained, str) else explained
    pending, found = [plan["Plan"]], []
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        if node.get("Relation Name") == PARTITION:
            found.append(node)
    (scan,) = found
    assert (scan["Node Type"], scan["Scan Direction"]) == ("Index Scan", "Backward")
    assert scan["Index Name"] == f"{PARTITION}_{index}"
    assert scan["Actual Rows"] == 50


# --- Secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "client_secret",
        "access_token",
        "refreshToken",
        "code",
        "code_verifier",
        "user-code",
        "Client-Assertion",
        "AUTHORIZATION",
        "JWT",
        "secrets",
        "old_password2",
        "password_hash",
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_detail_that_is_named_like_a_secret_is_refused(
    db, django_assert_num_queries, key, nested
):
    details = {"request": [{key: "x"}]} if nested else {key: "x"}
    with django_assert_num_queries(0), pytest.raises(ValueError, match="names a secret"):
        record(TAG, **details)


@pytest.mark.parametrize(
    "key", ["access_token_seconds", "max_access_tokens", "key_id", "description", "passenger", "1"]
)
def test_a_detail_that_is_only_about_secrets_is_not(db, key):
    assert recorded(**{key: 60}).details == {key: 60}


SECRETS = [
    *(TOKEN_BYTES.write(prefix, 1 << 60, -1) for prefix in Prefix),
    secrets.generate(),
    JWT,
]


SECRETS_ARE = pytest.mark.parametrize("secret", SECRETS, ids=[*Prefix, "cs", "jwt"])


@SECRETS_ARE
def test_a_text_that_holds_a_token_or_a_client_secret_is_refused(
    db, django_assert_num_queries, secret
):
    for text in (secret, f"https://app.example/?x={secret}&y", f"{'x' * (MAX_TEXT - 9)} {secret}"):
        for said in (
            {"reason": text},
            {"request": {"scope": [text]}},
            {"request": {text: 1}},
            {"address": text},
        ):
            with django_assert_num_queries(0), pytest.raises(ValueError, match="no place") as why:
                record(TAG, **said)
            assert secret not in str(why.value)


@SECRETS_ARE
def test_who_somebody_is_keeps_no_event_from_being_written(db, secret):
    event = recorded(client_id=f"shop {secret}", actor=f"{secret} (operators)")
    assert (event.client_id, event.actor) == (f"shop {CUT}", f"{CUT} (operators)")


@SECRETS_ARE
def test_what_somebody_has_typed_may_be_told_without_the_secret_in_it(db, secret):
    typed = without_secrets(f"jane {secret}, {secret}")
    assert recorded(username=typed).details == {"username": f"jane {CUT}, {CUT}"}


def test_a_text_that_only_begins_like_a_token_is_not(db):
    texts = ["at_home", "rt_" + "a" * 43, "format_" + "a" * 50, "eyJ.eyJ.eyJ", "at_" + "é" * 60]
    assert recorded(texts=texts).details == {"texts": texts}


# --- What a request may say ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
        ("\udfff\ud800", "??"),
        ("'; DROP TABLE idp_user; --", "'; DROP TABLE idp_user; --"),
        ("%s %(x)s {} \\u0000", "%s %(x)s {} \\u0000"),
        ("x" * MAX_TEXT, "x" * MAX_TEXT),
        ("x" * (MAX_TEXT + 1), "x" * (MAX_TEXT - 1) + CUT),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ((1 << 63) - 1, (1 << 63) - 1),
        (1 << 63, "0x8000000000000000"),
        pytest.param(10**5000, hex(10**5000)[: MAX_TEXT - 1] + CUT, id="huge"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (NOW, "2031-05-14 12:00:00+00:00"),
        (("a", {"b"}), ["a", ["b"]]),
        ({"a\0": 1, 2: "b"}, {"a\ufffd": 1, "2": "b"}),
        ({"k" * (MAX_TEXT + 1): 1}, {"k" * (MAX_TEXT - 1) + CUT: 1}),
        (list(range(1000)), [*range(MAX_ITEMS), CUT]),
        (
            {str(n): n for n in range(1000)},
            {str(n): n for n in range(MAX_ITEMS)} | {CUT: 1000 - MAX_ITEMS},
        ),
    ],
)
def test_what_postgresql_refuses_is_cleaned_and_what_is_too_long_is_cut(db, said, stored):
    assert recorded(said=said).details == {"said": stored}


def test_what_is_too_deep_is_cut(db):
    said: list[Any] = []
    for _ in range(100_000):
        said = [said]
    assert recorded(said=said).details == {"said": [[[[CUT]]]]}


def test_what_is_too_much_is_kept_as_the_beginning_of_its_text(db):
    details = recorded(said=["\U0001f600\0" * MAX_TEXT] * MAX_ITEMS).details
    assert list(details) == ["cut"]
    assert len(details["cut"]) == MAX_JSON


@pytest.mark.parametrize("name", ["client_id", "actor"])
def test_columns_are_cleaned_and_cut_too(db, name):
    assert getattr(recorded(**{name: "a\0\ud800"}), name) == "a\ufffd?"
    assert len(getattr(recorded(**{name: "\U0001f600" * 10_000}), name)) == (
        MAX_CLIENT_ID if name == "client_id" else MAX_TEXT
    )


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        (ip_address("2001:db8::1"), "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ],
)
def test_an_address_is_stored_in_one_spelling(db, said, stored):
    event = recorded(address=said)
    assert (event.address, event.details) == (stored, {})


@pytest.mark.parametrize("said", ["", "unknown", "192.0.2.1:80", "192.0.2.1/8", "\0", "1"])
def test_what_is_no_address_is_kept_as_a_detail(db, said):
    event = recorded(address=said)
    assert (event.address, event.details) == (None, {"address": said.replace("\0", "\ufffd")})


@pytest.mark.parametrize("part", ["eyJ", "eyJaaaaaaaa.!", "eyJaaaaaaaa..", "at_a.", "-", "\0"])
def test_a_hostile_text_of_a_megabyte_is_read_once(db, part):
    said = part * (1_000_000 // len(part))
    begun = time.process_time()
    record(TAG, said=said)
    assert time.process_time() - begun < 1
