"""The SQL of the token tables: one statement an operation, the partition named from the id.

Naming the partition spares the planner the search for it (decision 0002), and readers take no lock
on the parent, so that partitions come and go unnoticed.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.base import ModelState
from django.utils import timezone

from idp.database import statements
from idp.partitioning.partitions import PartitionList
from idp.partitioning.tables import SEQUENCE_BITS, PartitionedTable, bucket_of_id, first_id
from tokens.format import Reference, new_nonce
from tokens.identifiers import NEXT_NUMBER, TOKEN_TABLES
from tokens.models import TokenRow

known = PartitionList(TOKEN_TABLES)


class Rows[Row: TokenRow]:
    """The rows of one token table."""

    def __init__(self, table: PartitionedTable, model: type[Row]) -> None:
        self.table = table
        self._model = model
        fields = model._meta.concrete_fields
        self._attributes = [field.attname for field in fields]
        self._columns = ", ".join(str(field.column) for field in fields)
        self._json = {field.attname for field in fields if isinstance(field, models.JSONField)}

    def insert(self, *, expires_at: datetime, **values: Any) -> Row:
        """Writes a row and answers it, with the id that PostgreSQL gave it and a new nonce."""
        bucket = self.table.bucket_of(expires_at)
        values |= {"nonce": new_nonce(), "expires_at": expires_at}
        stored = [self._adapted(name, value) for name, value in values.items()]
        cursor = statements.cursor()
        cursor.execute(
            _insertion(known.relation(self.table, bucket), tuple(values)), [bucket, *stored]
        )
        return made(self._model, {"id": cursor.fetchone()[0], **values})

    def get(
        self, reference: Reference, now: datetime | None = None, *, lock: bool = False
    ) -> Row | None:
        """The living row that a genuine token points at; one primary-key read, or none at all.

        `lock` takes the row for the transaction, so that nobody else uses it meanwhile.
        """
        now = now or timezone.now()
        row = self.by_id(reference.id, now, lock=lock)
        if row is None or row.nonce != reference.nonce or row.expires_at <= now:
            return None
        return row

    def by_id(self, row_id: int, now: datetime, *, lock: bool = False) -> Row | None:
        """A row by its key; without a query where the id says that it is dead."""
        bucket = bucket_of_id(row_id)
        if self.table.ends_at(bucket) <= now:
            return None
        cursor = statements.transaction_cursor() if lock else statements.cursor()
        cursor.execute(
            f"SELECT {self._columns} FROM {known.relation(self.table, bucket)} "  # noqa: S608
            f"WHERE id = %s {'FOR UPDATE' if lock else ''}",
            [row_id],
        )
        found = cursor.fetchone()
        return self._from_database(found) if found else None

    def newest(
        self,
        user_id: int | None,
        client_id: int,
        *,
        expires: tuple[datetime, datetime],
        issued_after: datetime,
        **columns: Any,
    ) -> Row | None:
        """The row of a user and client that ends last of those that end within `expires`.

        One index, read backwards; without a user, it is a row of the client itself.
        """
        first, last = (self.table.bucket_of(moment) for moment in expires)
        conditions = {"user_id": user_id, "client_id": client_id, **columns}
        where = " AND ".join(
            f"{name} IS NULL" if value is None else f"{name} = %s"
            for name, value in conditions.items()
        )
        relation = known.relation(self.table, first) if first == last else self.table.name
        cursor = statements.cursor()
        cursor.execute(
            f"SELECT {self._columns} FROM {relation} "  # noqa: S608 - our own names
            f"WHERE {where} AND id >= %s AND id < %s "
            "AND issued_at > %s AND expires_at BETWEEN %s AND %s "
            # As the index is sorted: PostgreSQL does not see that IS NULL leaves one value.
            "ORDER BY user_id DESC, client_id DESC, id DESC LIMIT 1",
            [
                *(self._adapted(name, conditions[name]) for name in conditions
                  if conditions[name] is not None),
                *(first_id(first), first_id(last + 1)),
                *(issued_after, *expires),
            ],
        )  # fmt: skip
        found = cursor.fetchone()
        return self._from_database(found) if found else None

    def update(self, row: Row, **values: Any) -> bool:
        """Changes columns of a row, in the database and in hand; False where it is gone."""
        settings = ", ".join(f"{name} = %s" for name in values)
        relation = known.relation(self.table, bucket_of_id(row.pk))
        cursor = statements.transaction_cursor()
        cursor.execute(
            f"UPDATE {relation} SET {settings} WHERE id = %s",  # noqa: S608 - our own names
            [*values.values(), row.pk],
        )
        is_there = bool(cursor.rowcount)
        for name, value in values.items():
            setattr(row, name, value)
        return is_there

    def delete_by_id(self, row_id: int) -> int:
        """Deletes one row; answers how many there were."""
        cursor = statements.transaction_cursor()
        cursor.execute(
            f"DELETE FROM {known.relation(self.table, bucket_of_id(row_id))} "  # noqa: S608
            "WHERE id = %s",
            [row_id],
        )
        return int(cursor.rowcount)

    def delete_free(self, ids: Iterable[int]) -> set[int]:
        """Deletes rows by their keys, but for those that somebody holds; answers the deleted."""
        deleted = set()
        for bucket, of_bucket in groupby(sorted(ids), bucket_of_id):
            relation = known.relation(self.table, bucket)
            cursor = statements.transaction_cursor()
            cursor.execute(
                f"DELETE FROM {relation} WHERE id = ANY (ARRAY("  # noqa: S608 - our own name
                f"SELECT id FROM {relation} WHERE id = ANY (%s) FOR UPDATE SKIP LOCKED)) "
                "RETURNING id",
                [list(of_bucket)],
            )
            deleted |= {row_id for (row_id,) in cursor.fetchall()}
        return deleted

    def delete_of_families(
        self, now: datetime, user_id: int, client_id: int, families: Collection[int]
    ) -> list[int]:
        """Deletes the rows of families that can still be alive, and with them what they share; of
        no family only these. Answers their ids."""
        cursor = statements.transaction_cursor()
        cursor.execute(
            f"DELETE FROM {self.table.name} "  # noqa: S608 - our own names
            "WHERE user_id = %s AND client_id = %s AND id >= %s "
            "AND (family = ANY (%s) OR family IS NULL) RETURNING id",
            [user_id, client_id, first_id(self.table.bucket_of(now)), list(families)],
        )
        return [row_id for (row_id,) in cursor.fetchall()]

    def _adapted(self, name: str, value: Any) -> Any:
        if name in self._json and value is not None:
            return connection.ops.adapt_json_value(value, None)
        return value

    def _from_database(self, found: Iterable[Any]) -> Row:
        row = self._model.from_db(connection.alias, self._attributes, list(found))
        for name in self._json:
            value = getattr(row, name)
            if isinstance(value, str):
                field = self._model._meta.get_field(name)
                setattr(row, name, field.from_db_value(value, None, connection))  # type: ignore[union-attr]
        return row


@lru_cache(maxsize=256)
def _insertion(relation: str, names: tuple[str, ...]) -> str:
    marks = ", ".join(["%s"] * len(names))
    return (
        f"INSERT INTO {relation} (id, {', '.join(names)}) "  # noqa: S608 - our own names
        f"VALUES ((%s::bigint << {SEQUENCE_BITS}) | {NEXT_NUMBER}, {marks}) "
        "RETURNING id"
    )


def made[Row: TokenRow](model: type[Row], values: dict[str, Any]) -> Row:
    """The model of a row that has just been written. `Model.__init__` would look at each field of
    it, and tell of it, for as long as the statement took."""
    row = model.__new__(model)
    row._state = ModelState()
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS
    row.__dict__.update(_empty(model), **values)
    return row


@cache
def _empty(model: type[TokenRow]) -> dict[str, Any]:
    return {
        field.attname: field.default if field.has_default() else None
        for field in model._meta.concrete_fields
    }
