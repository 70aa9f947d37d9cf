"""The table of tallies, and how it is read."""

from datetime import datetime, timedelta

from django.db import models

HOUR = timedelta(hours=1)


class Tally(models.Model):
    """How often something of a name happened in the hour that begins then."""

    pk = models.CompositePrimaryKey("hour", "name")
    hour = models.DateTimeField()
    name = models.TextField()
    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.hour:%Y-%m-%d %H}:00 {self.number}"


def by_hour(now: datetime, hours: int) -> dict[str, list[int]]:
    """The numbers of the last hours by name, the present one last; a name that is not there has
    none."""
    present = now.replace(minute=0, second=0, microsecond=0)
    first = present - (hours - 1) * HOUR
    found: dict[str, list[int]] = {}
    rows = Tally.objects.filter(hour__gte=first, hour__lte=present)
    for hour, name, number in rows.values_list("hour", "name", "number"):
        found.setdefault(name, [0] * hours)[(hour - first) // HOUR] = number
    return found
