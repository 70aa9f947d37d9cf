"""Celery: the schedule of every job, one line each. Tasks are shims; see `tokens/tasks.py`."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")

from idp.environment import environment_or_exit

env = environment_or_exit()

app = Celery("idp", broker=env.broker_url.get_secret_value())
app.conf.update(
    # Jobs wait for the database, not for the processor; and a connection pool outlives no fork.
    worker_pool="threads",
    worker_concurrency=4,
    task_ignore_result=True,
    task_acks_late=True,
    task_default_expires=3600,
    broker_connection_retry_on_startup=True,
    timezone="UTC",
    enable_utc=True,
    beat_schedule={
        "make partitions ahead": {"task": "tokens.make_partitions", "schedule": crontab(minute=7)},
        "clean up": {"task": "tokens.clean_up", "schedule": crontab(minute=17)},
        "rotate signing keys": {"task": "tokens.rotate_keys", "schedule": crontab(minute=27)},
        "warn of expiry": {"task": "tokens.warn_of_expiry", "schedule": crontab(minute=37)},
        "expire proposals": {
            "task": "tokens.expire_proposals",
            "schedule": crontab(minute=47),
        },
        # Those that a logout could not have told of at once.
        "deliver logouts": {
            "task": "tokens.deliver_logouts",
            "schedule": crontab(),
            "options": {"expires": 60},
        },
        "enforce token caps": {
            "task": "tokens.enforce_caps",
            "schedule": crontab(),
            "options": {"expires": 60},
        },
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def log_as_all_do(**_: Any) -> None:
    """In place of Celery's own lines, whose format and level nobody could set by IDP_LOG_*."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
