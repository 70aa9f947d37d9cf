"""A `CreateModel` whose table is partitioned by id, with a default partition."""

from typing import Any

from django.db import migrations


class CreatePartitionedModel(migrations.CreateModel):
    """The partitions themselves are made after each `migrate` and by beat; see `partitions`."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        create_table = schema_editor.sql_create_table
        schema_editor.sql_create_table = f"{create_table} PARTITION BY RANGE (id)"
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = create_table
        table = to_state.apps.get_model(app_label, self.name)._meta.db_table
        schema_editor.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
