"""What beat starts, as `idp/celery.py` says: each task is one call and one line of log."""

from celery import shared_task
from celery.utils.log import get_task_logger

from tokens import cleanup
from tokens.keys import rotation

log = get_task_logger(__name__)


@shared_task(name="tokens.make_partitions")
def make_partitions() -> None:
    log.info("partitions made: %d", cleanup.make_partitions())


@shared_task(name="tokens.drop_expired")
def drop_expired() -> None:
    log.info("partitions dropped: %d", cleanup.drop_expired())


@shared_task(name="tokens.rotate_keys")
def rotate_keys() -> None:
    for line in rotation.rotate_due():
        log.info("signing keys: %s", line)
