"""Times as ids: events are numbered as they are written, so a time range is a range of ids.

Nearly: an event tells of the moment at which its caller began, and is written a little later, by an
instance whose clock may be off. Bounds are as much wider, and whoever uses one compares times too.
"""

from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet

from idp.partitioning.tables import PartitionedTable, first_id

# The longest that an event is written after the moment that it tells of.
LATENESS = timedelta(minutes=15)


def first_id_since(events: QuerySet, moment: datetime, table: PartitionedTable) -> int:
    """No event of the moment or later has an id below this one."""
    bucket = table.bucket_of(moment)
    return _first_id(events, bucket, _moved(moment, -LATENESS)) or first_id(bucket)


def end_id_before(events: QuerySet, moment: datetime, table: PartitionedTable) -> int:
    """No event earlier than the moment has this id, or one above it."""
    bucket = table.bucket_of(moment)
    found = _first_id(events, bucket, _moved(moment, LATENESS))
    # None is that late yet, so all that is still to come in the bucket may be earlier.
    late = found is not None and events.filter(id=found).exists()
    return found if found is not None and late else first_id(bucket + 1)


def _first_id(events: QuerySet, bucket: int, wanted: datetime) -> int | None:
    """The first id in the bucket of an event that is not before `wanted`, or the one after the
    last event; None where there is none. Each step halves the ids and reads one row by its key."""
    in_bucket = events.filter(id__gte=first_id(bucket), id__lt=first_id(bucket + 1))
    ids = in_bucket.values_list("id", flat=True)
    low, last = ids.order_by("id").first(), ids.order_by("-id").first()
    if low is None or last is None:
        return None
    end = last + 1
    while low < end:
        middle = (low + end) // 2
        found = in_bucket.filter(id__gte=middle).order_by("id").values_list("id", "at").first()
        if found is None or found[1] >= wanted:
            end = middle
        else:
            low = found[0] + 1
    return low


def _moved(moment: datetime, by: timedelta) -> datetime:
    """The moment later by so much; unmoved where no datetime is that late or early."""
    try:
        return moment + by
    except OverflowError:
        return moment


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds always, so that texts sort as times do."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
