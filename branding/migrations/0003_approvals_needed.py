"""How many approvals a change of a brand's clients needs."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("branding", "0002_changes")]

    operations = [
        migrations.AddField(
            model_name="brand",
            name="approvals_needed",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How many people must approve a change of its clients before it is made; "
                "with 0 editors save directly.",
                validators=[django.core.validators.MaxValueValidator(5)],
            ),
        ),
        migrations.AddConstraint(
            model_name="brand",
            constraint=models.CheckConstraint(
                condition=models.Q(("approvals_needed__gte", 0), ("approvals_needed__lte", 5)),
                name="brand_approvals_needed_is_small",
            ),
        ),
    ]
