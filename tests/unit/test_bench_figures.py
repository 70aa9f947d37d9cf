"""What the bench of requests reads and writes, on fixed text; nothing is measured."""

import cProfile
import json
import pstats
import time
from pathlib import Path

import pytest

from tests.bench import document
from tests.bench.processes import cpu_seconds_of_tree
from tests.bench.requests import lists, profiling, statements, wrk
from tests.bench.requests.lines import LINES, STOCK
from tests.bench.requests.lists import Share, Supply, TooShortError
from tests.bench.requests.table import Requests, aligned, as_markdown
from tests.bench.requests.turns import Cost, median

TOLD = {
    "sent": 101, "answered": 100, "wrong": 0, "first_wrong": "", "seconds": 2.0,
    "p50": 400, "p99": 900, "bytes": 50_000, "failed": 0,
}  # fmt: skip


def output(**changes: object) -> str:
    return f"Running 2s test\n  100 requests in 2.00s\nRESULT {json.dumps({**TOLD, **changes})}\n"


def cost(cpu: float) -> Cost:
    return Cost(
        rate=1000, p50=1, p99=2, server=cpu - 10, database=10, answer_bytes=300, statements=1
    )


def test_a_run_tells_what_a_request_took():
    told = wrk.read(output())
    assert told == wrk.Told(requests=101, seconds=2.0, p50=400, p99=900, answer_bytes=500)


@pytest.mark.parametrize(
    "changes",
    [{"wrong": 1, "first_wrong": "401 invalid_client"}, {"failed": 1}, {"answered": 0}],
    ids=["a wrong answer", "a failed connection", "no answer"],
)
def test_a_run_that_went_wrong_has_no_figures(changes: dict[str, object]):
    with pytest.raises(wrk.WrongAnswersError):
        wrk.read(output(**changes))


def test_statements_of_one_database_are_counted_once_each():
    log = [
        "database=ours LOG:  statement: BEGIN",
        "database=ours LOG:  execute _pg3_0: SELECT 1",
        "\tFROM tokens",
        "database=ours DETAIL:  Parameters: $1 = '1'",
        "database=stock LOG:  statement: SELECT 2",
        "database=ours LOG:  execute <unnamed>: SELECT 3",
        "database= LOG:  checkpoint starting: time",
    ]
    assert statements.of_database(log, "ours") == 3


def test_a_list_is_used_up_in_shares_and_never_twice(tmp_path: Path):
    lists.write(str(tmp_path), "refresh", [(f"Basic {n}", f"rt_{n}") for n in range(400)])
    supply = Supply(tmp_path / "refresh", once=True)
    share = supply.share(4)
    assert share == Share(tmp_path / "refresh", 0, 100, once=True)
    assert lists.lines_of(share, 2) == [("Basic 0", "rt_0"), ("Basic 1", "rt_1")]
    supply.use(share, 60)
    assert supply.share(3).begin == 61
    supply.use(share, 500)
    assert supply.share(3).begin == 100
    with pytest.raises(TooShortError):
        supply.share(300)


def test_credentials_are_encoded_as_a_form_is():
    # RFC 6749 section 2.3.1.
    assert lists.basic("a b", "c:d") == "Basic YSUyMGI6YyUzQWQ="


def test_each_figure_is_a_median_of_its_own():
    assert median([cost(100), cost(300), cost(120)]) == cost(120)


def test_ratios_are_those_of_server_and_database_together():
    costs = {line.key: cost(100) for line in LINES if line.server != STOCK}
    costs |= {line.key: cost(1500) for line in LINES if line.server == STOCK}
    found = Requests("Requests", costs)
    lines = found.as_json()["lines"]
    assert lines["introspection | ours, no cache"]["ratio"] == 15
    assert lines["exchange for a JWT | ours, no cache"]["ratio"] == 1
    assert lines["introspection | stock"]["ratio"] is None
    assert "15.0 times cheaper (goal: 14)" in found.text()


def test_tables_are_aligned_for_people_and_marked_for_pages():
    rows = [("", "beside", "µs"), ("refresh", "few", "1,000")]
    assert aligned(rows) == [
        "        | beside | µs",
        "--------+--------+------",
        "refresh | few    | 1,000",
    ]
    assert as_markdown(rows) == ["|  | beside | µs |", "| --- | --- | --: |",
                                 "| refresh | few | 1,000 |"]  # fmt: skip


def test_a_block_of_a_page_is_replaced_and_nothing_else():
    page = (
        "Before\n<!-- measured: one -->\nold\n<!-- end -->\nBetween\n"
        "<!-- measured: two -->\n<!-- end -->\nAfter\n"
    )
    once = document.with_block(page, "two", r"new \1")
    assert once == page.replace("two -->\n", "two -->\n\nnew \\1\n\n")
    assert document.with_block(once, "two", r"new \1") == once
    with pytest.raises(LookupError):
        document.with_block(page, "three", "new")


def test_the_page_has_a_place_for_every_table():
    text = document.PAGE.read_text()
    for name in ("open", "requests", "growth", "profile"):
        assert document.with_block(text, name, "new") != text


def test_the_name_of_a_cpu_is_read():
    assert document.cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n") == (
        "Some CPU @ 3 GHz"
    )
    assert document.cpu_model("processor: 0\n") == "a CPU without a name"


def test_time_in_c_counts_as_that_of_its_caller():
    profile = cProfile.Profile(time.thread_time)
    profile.runcall(_work)
    (first, *_) = profiling.top(pstats.Stats(profile), 1)
    assert first.what == "tests/unit/test_bench_figures.py _work"
    assert first.calls == 1


def _work() -> int:
    return sum(list(range(200_000)))


def test_a_process_has_used_time():
    import os

    assert cpu_seconds_of_tree(os.getpid()) > 0
