"""One circuit for each login service: when it opens, who tries, and what it never mistakes."""

from threading import Barrier, Event, Thread

import pytest

from idp import metrics
from idp.accounts import circuit
from idp.accounts.circuit import OUTAGES_IN_A_ROW, PAUSE_SECONDS, Circuit
from idp.accounts.outcomes import Identity, Outage, Outcome, Refused, Unavailable, UnusableAnswer

JANE = Identity("1", "jane")
OUT = Unavailable("not asked: it has been unavailable")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def closed(clock: Clock) -> Circuit:
    return Circuit("crm", clock)


def outage() -> Outcome:
    raise Outage("no answer")


def state() -> float:
    return metrics.LOGIN_SERVICE_OUT.labels("crm")._value.get()


def test_it_opens_after_outages_in_a_row_and_then_asks_nobody(closed):
    for _ in range(OUTAGES_IN_A_ROW):
        assert closed.ask(outage) == Unavailable("no answer")
    asked: list[int] = []
    assert closed.ask(lambda: asked.append(1) or JANE) == OUT
    assert asked == []
    assert state() == 1


def test_a_refusal_is_a_sign_of_life(closed):
    for _ in range(3):
        for _ in range(OUTAGES_IN_A_ROW - 1):
            closed.ask(outage)
        assert closed.ask(lambda: Refused("wrong password")) == Refused("wrong password")
    assert not closed.is_open


def test_an_answer_that_is_of_no_use_opens_nothing(closed):
    """Else an account whose data nobody can keep would shut the service for all others."""

    def unusable() -> Outcome:
        raise UnusableAnswer("its answer has no usable username")

    for _ in range(2 * OUTAGES_IN_A_ROW):
        assert closed.ask(unusable) == Unavailable("its answer has no usable username")
    assert closed.ask(lambda: JANE) == JANE


def test_after_a_pause_one_tries_and_its_answer_decides(closed, clock):
    for _ in range(OUTAGES_IN_A_ROW):
        closed.ask(outage)
    clock.now += PAUSE_SECONDS
    assert closed.ask(lambda: closed.ask(lambda: JANE)) == OUT  # Another, while the first one asks.
    assert closed.is_open
    assert closed.ask(outage) == OUT  # It has found an outage, so the pause begins anew.
    clock.now += PAUSE_SECONDS
    assert closed.ask(lambda: JANE) == JANE
    assert closed.ask(lambda: JANE) == JANE
    assert state() == 0


def test_an_error_of_our_own_is_no_answer_either(closed):
    for _ in range(OUTAGES_IN_A_ROW):
        with pytest.raises(ZeroDivisionError):
            closed.ask(lambda: 1 // 0)
    assert closed.ask(lambda: JANE) == OUT


def test_one_of_two_services_is_asked_while_the_other_is_out(db, service):
    settings = {"url": "http://127.0.0.1:1"}
    first, second = service("rest", settings), service("rest", settings)
    for _ in range(OUTAGES_IN_A_ROW):
        circuit.ask(first, outage)
    assert circuit.ask(first, lambda: JANE) == OUT
    assert circuit.ask(second, lambda: JANE) == JANE


def test_a_slow_service_holds_half_of_the_threads_and_no_more(closed, monkeypatch):
    """The others are told so at once, which is no outage and opens nothing."""
    monkeypatch.setattr(circuit, "WAIT_FOR_A_PLACE_SECONDS", 0.01)
    inside, go_on = Barrier(4 + 1), Event()

    def slow() -> Outcome:
        inside.wait(10)
        go_on.wait(10)
        return JANE

    threads = [Thread(target=closed.ask, args=[slow]) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait(10)  # IDP_THREADS is 8.
    for _ in range(2 * OUTAGES_IN_A_ROW):
        assert closed.ask(lambda: JANE) == Unavailable("not asked: too many wait for it")
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert closed.ask(lambda: JANE) == JANE
