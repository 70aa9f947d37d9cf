"""The audit: a table that only grows, until a partition of it is old enough to be dropped.

Its triggers on rows apply to each partition by themselves; `idp.partitioning.partitions` gives each
new one the trigger on TRUNCATE. They let rows go, never change, while that code says so, because it
moves rows out of the default partition.
"""

from django.db import migrations, models

from idp.partitioning.operations import CreatePartitionedModel

APPEND_ONLY = """
    CREATE FUNCTION idp_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'UPDATE' AND current_setting('idp.rows_may_go', true) = 'on' THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$;
    CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON idp_auditevent
        FOR EACH ROW EXECUTE FUNCTION idp_append_only();
    CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON idp_auditevent
        EXECUTE FUNCTION idp_append_only();
    CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON idp_auditevent_default
        EXECUTE FUNCTION idp_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("idp", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE idp_auditevent_sequence MAXVALUE 2199023255551 CYCLE",  # 41 bits
            "DROP SEQUENCE idp_auditevent_sequence",
        ),
        CreatePartitionedModel(
            name="AuditEvent",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("user_id", models.BigIntegerField(null=True)),
                ("tag", models.TextField()),
                ("client_id", models.TextField(null=True)),
                ("address", models.GenericIPAddressField(null=True)),
                ("actor", models.TextField(null=True)),
                ("details", models.JSONField(db_default={})),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["tag", "id"], name="auditevent_tag"),
                    models.Index(
                        condition=models.Q(("user_id__isnull", False)),
                        fields=["user_id", "id"],
                        name="auditevent_user",
                    ),
                    models.Index(
                        condition=models.Q(("client_id__isnull", False)),
                        fields=["client_id", "id"],
                        name="auditevent_client",
                    ),
                    models.Index(
                        condition=models.Q(("address__isnull", False)),
                        fields=["address", "id"],
                        name="auditevent_address",
                    ),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, "DROP FUNCTION idp_append_only() CASCADE"),
    ]
