"""Whether two ways through a login service take the same time, as far as a busy machine can say."""

import statistics
import time
from collections.abc import Callable

ROUNDS = 20
# Runs share their machine with others: what is asserted exactly is the work that was done.
FACTOR = 3


def compare(
    kind: str,
    wrong_password: Callable[[], object],
    unknown: Callable[[], object],
    rounds: int = ROUNDS,
) -> None:
    """Alternates between the two, prints the quartiles of both in ms, compares the medians."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, times in zip((wrong_password, unknown), took, strict=True):
            began = time.perf_counter()
            call()
            times.append((time.perf_counter() - began) * 1000)
    known, nobody = (statistics.quantiles(times, n=4) for times in took)
    print(f"\n{kind}: ms at the quartiles", *(f"{value:.1f}" for value in known), end=" ")
    print("for a wrong password,", *(f"{value:.1f}" for value in nobody), "for an unknown name")
    assert 1 / FACTOR < nobody[1] / known[1] < FACTOR
