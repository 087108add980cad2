"""The figures of coverage that make coverage prints."""

from tests.support.coverage_figures import figures, percentage


def summary(covered, statements, **more):
    missing = statements - covered
    return {
        "covered_lines": covered,
        "num_statements": statements,
        "missing_lines": missing,
        **more,
    }


def test_lines_and_branches_are_counted_apart_and_low_files_are_listed():
    report = {
        "totals": summary(1180, 1200, covered_branches=30, num_branches=40),
        "files": {
            "src/muster/a.py": {"summary": summary(99, 100)},
            "src/muster/b.py": {"summary": summary(90, 100)},
            "src/muster/c.py": {"summary": summary(0, 7)},
            "src/muster/d.py": {"summary": summary(0, 0)},
        },
    }
    said, share = figures(report)
    assert said[:2] == ["lines: 98.3 % of 1,200", "branches: 75.0 % of 40"]
    assert [line.split()[-1] for line in said[3:]] == ["src/muster/c.py", "src/muster/b.py"]
    assert 98.3 < share < 98.4


def test_nothing_is_wholly_covered():
    assert percentage(0, 0) == 100
