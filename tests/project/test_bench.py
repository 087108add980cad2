"""The parts of the benchmark that decide: time, noise, latencies, and the published tables."""

import asyncio
import contextlib
import json
import random
import statistics
from itertools import pairwise

import pytest
from bench import differences, openloop, report, scale
from bench.budget import Budget

ROW = {"engine": "SQLite", "users": 100_000, "work": "POST", "against": "loop"}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_budget_divides_the_time_among_the_rows():
    clock = Clock()
    budget = Budget(2, 3, clock)
    assert budget.rounds(4, 99) == 3  # 40 s for a row; 8.8 s for a round; one warms up
    clock.now = 100
    assert budget.rounds(4, 99) == 0
    assert budget.rounds(1, 5) == 5
    assert budget.left() == 20


def test_short_runs_have_shorter_measurements():
    assert Budget(1, 3, Clock()).seconds(4) == 2
    assert Budget(60, 3, Clock()).seconds(4) == 4
    assert Budget(0.1, 3, Clock()).seconds(4) == 1
    assert Budget(None, 3).seconds(4) == 4


def test_without_a_limit_every_row_has_all_rounds():
    budget = Budget(None, 1)
    assert [budget.rounds(4, 5) for _ in range(3)] == [5, 5, 5]


@pytest.mark.parametrize(
    ("before", "after", "beyond"),
    [
        ([0.50, 0.55, 0.60], [0.70, 0.75, 0.80], True),
        ([0.50, 0.55, 0.60], [0.59, 0.75, 0.80], False),  # the rounds overlap
        ([0.50, 0.51, 0.52], [0.53, 0.54, 0.55], False),  # by less than a tenth
        ([0.70, 0.75, 0.80], [0.50, 0.55, 0.60], True),
        (None, [0.70, 0.75, 0.80], True),  # committed without its rounds
    ],
)
def test_differences_are_beyond_the_noise_or_not(before, after, beyond):
    old = {**ROW, "ratio": 0.5 if before is None else before[1], "ratios": before}
    [found] = differences.differences([old], [{**ROW, "ratio": after[1], "ratios": after}])
    assert found.beyond_noise is beyond


def test_new_rows_replace_the_committed_ones_in_their_place():
    other = {**ROW, "work": "PATCH", "ratio": 1}
    fresh = {**ROW, "work": "GET", "ratio": 3}
    merged = differences.merged([{**ROW, "ratio": 1}, other], [fresh, {**ROW, "ratio": 2}])
    assert merged == [{**ROW, "ratio": 2}, other, fresh]


def test_the_page_has_the_committed_rows():
    result = json.loads(report.RESULTS.read_text())
    assert report.tables_of(report.PAGE.read_text()) == report.tables(result), (
        "run python -m bench --only-page"
    )


def test_arrivals_are_those_of_independent_clients():
    found = openloop.arrivals(1000, 10, random.Random(1))
    gaps = [after - before for before, after in pairwise(found)]
    assert len(found) == pytest.approx(10_000, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.1)


def test_requests_without_an_answer_count_with_their_wait():
    found = openloop.figures([0.001] * 90 + [5.0] * 10, answered=90, seconds=1)
    assert (found["offered"], found["answered"]) == (100, 90)
    assert (found["p50"], found["p99"]) == (1, 5000)


def test_a_pause_of_the_server_shows_in_every_request_that_it_delayed():
    """A server that answers nothing for a while: a closed loop would count one slow request."""
    requests = [openloop.request("GET", "/", "key"), openloop.request("POST", "/", "key", "{}")]
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def run():
        released, handlers = asyncio.Event(), set()

        async def serve(reader, writer):
            handlers.add(asyncio.current_task())
            with contextlib.suppress(asyncio.IncompleteReadError):
                while await reader.readuntil(b"\r\n\r\n"):
                    await released.wait()
                    writer.write(answer)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        asyncio.get_running_loop().call_later(0.2, released.set)
        job = openloop.Job(port, rate=2000, seconds=0.3, requests=requests[:1])
        load = openloop.Load(job)
        await load.run(port)
        server.close()
        await asyncio.wait(handlers)
        return load

    load = asyncio.run(run())
    found = load.result(0.3)
    assert (load.refused, found["offered"]) == ([], len(load.latencies) / 0.3)
    delayed = sum(latency > 0.02 for latency in load.latencies)
    assert delayed > 0.4 * len(load.latencies)


def test_the_page_about_scale_shows_what_the_script_computes():
    shown = "\n".join(scale.lines(scale.Load(), json.loads(scale.BASIS.read_text())))
    page = report.PAGE.parents[1] / "explanation" / "scale.md"
    assert f"```text\n{shown}\n```" in page.read_text()


@pytest.mark.parametrize("load", [scale.Load(users=10**9), scale.Load(days=7, spread=2)])
def test_the_share_of_kept_changes_is_that_of_a_simulation(load):
    simulated = scale.simulated_kept_share(load, 50_000, random.Random(1))
    assert scale.kept_share(load) == pytest.approx(simulated, rel=0.1)
