"""Migration operations: triggers that tell of changes (see `changes`)."""

from django.db.migrations import RunSQL

# Its arguments: the kind of mark and, for a mark of one row, the column that the row is known by.
FUNCTION = """
    CREATE FUNCTION idp_tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_NARGS = 1 THEN
            PERFORM pg_notify('idp_changes', TG_ARGV[0]);
        ELSE
            PERFORM pg_notify('idp_changes',
                TG_ARGV[0] || ':' || (to_jsonb(COALESCE(NEW, OLD)) ->> TG_ARGV[1]));
        END IF;
        RETURN NULL;
    END $$
"""


def create_function() -> RunSQL:
    return RunSQL(FUNCTION, "DROP FUNCTION idp_tell()")


def tell_of_rows(table: str, kind: str, key: str, *, columns: str = "") -> RunSQL:
    """Each row that comes, goes or changes is told of as `kind:key`; of an update, only where one
    of `columns` was written, if they are named."""
    update = f"UPDATE OF {columns}" if columns else "UPDATE"
    return RunSQL(
        f"CREATE TRIGGER tell AFTER INSERT OR {update} OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION idp_tell('{kind}', '{key}')",
        f"DROP TRIGGER tell ON {table}",
    )


def tell_of_table(table: str, kind: str) -> RunSQL:
    """Each statement that writes to the table is told of as `kind`."""
    return RunSQL(
        f"CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION idp_tell('{kind}')",
        f"DROP TRIGGER tell ON {table}",
    )
