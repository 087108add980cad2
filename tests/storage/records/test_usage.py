"""Usage is added up over processes, and read for many workspaces at once."""

from muster.storage.records.usage import UsageDay, UsageStore


def day(workspace, number, requests=1, last="12:00", connection="default"):
    date = f"2026-01-{number:02}"
    return UsageDay(workspace, date, connection, requests, 0, f"{date}T{last}")


def test_counts_of_several_processes_add_up(bench):
    store = UsageStore(bench.storage)
    one, other = bench.new_workspace().id, bench.new_workspace().id
    rows = [day(one, 1, 5, "13:00"), day(one, 1, 2, "11:00"), day(one, 2), day(other, 1, 7)]
    rows += [day(other, 3, 1, connection=f"c{number}") for number in range(300)]
    bench.run(store.add(rows))
    assert rows == []
    assert bench.run(store.days([one], "2026-01-01", "2026-01-01")) == [day(one, 1, 7, "13:00")]
    found = bench.run(store.days([one, other], "2026-01-01", "2026-01-02"))
    assert [(row.workspace, row.requests) for row in found] == [(one, 7), (one, 1), (other, 7)]
    assert len(bench.run(store.days([other], "2026-01-03", "2026-01-03"))) == 300
    assert bench.run(store.days([], "2026-01-01", "2026-01-02")) == []
    assert bench.run(store.headcounts([])) == {}
    assert bench.run(store.headcounts([one]))[one].users == 0


def test_old_days_of_the_workspaces_are_deleted(bench):
    store = UsageStore(bench.storage)
    one, other, third = (bench.new_workspace().id for _ in range(3))
    bench.run(store.add([day(each, number) for each in (one, other, third) for number in (1, 2)]))
    bench.run(store.trim([*range(10**6, 10**6 + 250), one, other], "2026-01-02"))
    found = bench.run(store.days([one, other, third], "2026-01-01", "2026-01-31"))
    assert [(row.workspace, row.day[-2:]) for row in found] == [
        (one, "02"), (other, "02"), (third, "01"), (third, "02"),
    ]  # fmt: skip
