"""Of an append-only table, what lets rows go lets only those of its default partition go.

No other has to let any go: whole partitions are dropped. A role that may delete could otherwise
give itself leave, and the events of today were gone. A superuser of PostgreSQL could do so in other
ways; tests, which are one, empty the table by it.
"""

from django.db import migrations

FUNCTION = """
    CREATE OR REPLACE FUNCTION idp_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('idp.rows_may_go', true) = 'on' AND {} THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$
"""
BEFORE = "TG_OP <> 'UPDATE'"
AFTER = """(
            TG_OP = 'DELETE' AND TG_TABLE_NAME = 'idp_auditevent_default'
            OR TG_OP <> 'UPDATE' AND current_setting('is_superuser') = 'on'
        )"""


class Migration(migrations.Migration):
    dependencies = [("idp", "0007_password_links")]

    operations = [migrations.RunSQL(FUNCTION.format(AFTER), FUNCTION.format(BEFORE))]
