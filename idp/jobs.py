"""Scheduled jobs: a task that beat starts, counts its runs and says in one line what it did."""

import time
from collections.abc import Callable

from celery import shared_task
from celery.utils.log import get_task_logger

from idp import metrics
from idp.audit.context import acting

log = get_task_logger(__name__)


def job(name: str) -> Callable[[Callable[[], str]], Callable[[], None]]:
    """Makes a task of a function that does the work and answers what it did, in words."""

    def decorate(run: Callable[[], str]) -> Callable[[], None]:
        @shared_task(name=name)
        def task() -> None:
            try:
                with acting(f"job {name}"):
                    done = run()
            except Exception:
                metrics.count(metrics.JOB_RUNS, job=name, outcome="failed")
                raise
            metrics.count(metrics.JOB_RUNS, job=name, outcome="done")
            metrics.JOB_LAST_SUCCESS_TIMESTAMP.labels(job=name).set(time.time())
            log.info(done)

        return task

    return decorate
