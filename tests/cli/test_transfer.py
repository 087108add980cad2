"""`muster export` and `muster import`."""

import json

from tests.support.people import person


def lines(number=3):
    return "".join(json.dumps(person()) + "\n" for _ in range(number))


def test_an_export_is_a_new_file_or_standard_output(muster, tmp_path):
    muster("demo", "--workspace", "default", "--users", "3")
    target = tmp_path / "out.jsonl"
    done = muster("export", "--output", str(target))
    assert done.stdout == f"{target}: 3 resources\n"
    assert muster("export").stdout == target.read_text()
    again = muster("export", "--output", str(target), check=False)
    assert again.returncode == 1
    assert "exists already; choose another file with --output" in again.stderr


def test_an_export_that_fails_leaves_no_file(muster, tmp_path):
    muster("migrate")
    target = tmp_path / "out.jsonl"
    failed = muster("export", "--workspace", "nobody", "--output", str(target), check=False)
    assert (failed.returncode, target.exists()) == (1, False)
    assert "nobody" in failed.stderr
    lost = muster("export", "--output", str(tmp_path / "no" / "x"), check=False)
    assert (lost.returncode, "no such file or directory" in lost.stderr) == (1, True)


def test_an_import_reads_a_file(muster, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text(lines())
    assert muster("import", str(file)).stdout == "3 created, 0 exist already, 0 rejected\n"
    assert len(muster("export").stdout.splitlines()) == 3


def test_an_import_reads_standard_input(process):
    done = process("import", "-", typed=lines())
    assert done.stdout == "3 created, 0 exist already, 0 rejected\n"


def test_a_report_as_json_has_every_rejected_line(muster, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text("{\n" + lines(1) + "[]\n")
    rehearsed = muster("import", "--rehearse", "--json", str(file), check=False)
    done = muster("import", "--json", str(file), check=False)
    assert done.returncode == rehearsed.returncode == 1
    report, rehearsal = json.loads(done.stdout), json.loads(rehearsed.stdout)
    assert report.pop("rehearsal") is False
    assert rehearsal.pop("rehearsal") is True
    assert report == rehearsal
    assert (report["created"], report["existing"]) == (1, 0)
    assert [row["line"] for row in report["rejected"]] == [1, 3]
    assert all(row["reason"] for row in report["rejected"])


def test_a_file_that_cannot_be_read_is_named(muster, tmp_path):
    missing = tmp_path / "no.jsonl"
    failed = muster("import", str(missing), check=False)
    assert failed.returncode == 1
    assert f"cannot read {missing}: no such file or directory" in failed.stderr
