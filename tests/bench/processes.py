"""CPU time of processes that are not ours, and the cores that they run on."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

type Cores = list[int]


def cpu_seconds(pid: int) -> float:
    """Of a process, ended threads included: by Linux to the nanosecond, by others to 10 ms."""
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes the clock's id
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def cpu_seconds_of_tree(root: int) -> float:
    """Of a process and all that stem from it; those that have ended count to 10 ms."""
    return sum(_with_ended_children(process) for process in _tree(root))


def _with_ended_children(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        return cpu_seconds(process.pid) + times.children_user + times.children_system
    except (psutil.NoSuchProcess, OSError):
        return 0.0  # It has ended since, and its parent has inherited its times.


def _tree(root: int) -> list[psutil.Process]:
    process = psutil.Process(root)
    # The root comes last, so that a child that ends meanwhile is not lost.
    return [*process.children(recursive=True), process]


def halves() -> tuple[Cores, Cores]:
    """A core for the server that is measured, and those for what it works with."""
    found = sorted(os.sched_getaffinity(0))
    return found[:1], found[1:] or found


@contextmanager
def started_on(cores: Cores) -> Iterator[None]:
    """What the block starts runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def moved_to(cores: Cores, root: int) -> Iterator[None]:
    """A process and all that stem from it run on these cores during the block."""
    before = psutil.Process(root).cpu_affinity()
    _move(root, cores)
    try:
        yield
    finally:
        _move(root, before)


def _move(root: int, cores: Cores) -> None:
    for process in reversed(_tree(root)):
        try:
            process.cpu_affinity(cores)
        except psutil.NoSuchProcess:
            pass  # It has ended since.
