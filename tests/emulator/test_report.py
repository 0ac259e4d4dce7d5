"""How the report of a check is read and judged."""

import json
from pathlib import Path

import pytest

from gpunet.emulator.report import Report, judge, read_report, summary
from gpunet.errors import BackendError

FINDING = {
    "event": "finding", "check": "bounds", "kernel": "relu", "file": "elementwise.cu", "line": 12,
    "block": [1, 0, 0], "thread": [31, 0, 0], "message": "access outside of an array", "details": "",
}  # fmt: skip


def report(folder: Path, *events: object) -> Report:
    path = folder / "report.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return read_report(path)


def launches(count: int, *, active: bool = True, exact: bool = True) -> dict[str, object]:
    return {"event": "launches", "count": count, "active": active, "exact": exact}


def test_launches_of_all_processes_add(tmp_path: Path) -> None:
    found = report(tmp_path, launches(1), launches(41), launches(1))
    assert (found.launches, found.findings) == (43, ())
    assert judge(found, "bounds") == []
    assert summary(found, "bounds") == ["--check bounds: nothing found in 43 kernel launches"]


def test_a_finding_is_shown_with_its_place(tmp_path: Path) -> None:
    found = report(tmp_path, launches(2), FINDING)
    assert summary(found, "bounds") == [
        "--check bounds: 1 finding in 2 kernel launches",
        "  elementwise.cu:12: kernel relu, block (1, 0, 0), thread (31, 0, 0): access outside of an array",
    ]


def test_a_finding_without_place(tmp_path: Path) -> None:
    found = report(tmp_path, launches(2), {**FINDING, "block": None, "thread": None})
    assert summary(found, "bounds")[1] == "  elementwise.cu:12: kernel relu: access outside of an array"


def test_many_findings_are_counted(tmp_path: Path) -> None:
    lines = summary(report(tmp_path, launches(2), *[FINDING] * 25), "races")
    assert lines[0] == "--check races: 25 findings in 2 kernel launches"
    assert lines[-1] == "  and 5 more"
    assert len(lines) == 22


def test_a_program_that_failed_by_itself(tmp_path: Path) -> None:
    """That no kernel ran is then a consequence, and whether it uses CuPy no question."""
    assert judge(report(tmp_path), "bounds", 3) == [
        "the command failed (exit status 3) before any kernel ran, so nothing was checked"
    ]
    assert judge(report(tmp_path), "races", -11) == [
        "the command was ended by SIGSEGV before any kernel ran, so nothing was checked"
    ]
    found = report(tmp_path, launches(5), FINDING)
    assert judge(found, "bounds", 3) == []
    assert judge(found, "bounds", -15) == [
        "the command was ended by SIGTERM, so not all of it was checked (1 finding until then)"
    ]
    assert summary(report(tmp_path, launches(1)), "bounds", 3) == [
        "--check bounds: nothing found in 1 kernel launch; the command itself failed (exit status 3)"
    ]


def test_a_trace_says_what_was_written(tmp_path: Path) -> None:
    found = report(tmp_path, launches(1), {"event": "trace"}, {"event": "trace"}, launches(1))
    kept = Path("traffic.jsonl")
    assert summary(found, "trace", kept=kept) == [
        "--check trace: sectors counted in 2 of 2 kernel launches; one line of JSON for each of them in traffic.jsonl"
    ]
    assert summary(found, "trace") == [
        "--check trace: sectors counted in 2 of 2 kernel launches; to keep the counts give --report FILE"
    ]


@pytest.mark.parametrize("events", [[], [{"event": "other"}]])
def test_no_launch_is_no_pass(tmp_path: Path, events: list[object]) -> None:
    (reason,) = judge(report(tmp_path, *events), "bounds")
    assert reason.startswith("no kernel ran, so nothing was checked")


def test_an_absent_report_says_that_nothing_ran(tmp_path: Path) -> None:
    assert read_report(tmp_path / "absent").launches == 0


def test_a_check_that_was_not_at_work_is_no_pass(tmp_path: Path) -> None:
    found = report(tmp_path, launches(1), launches(5, active=False))
    (reason,) = judge(found, "races")
    assert reason.startswith("the check races was not at work in every process")


def test_pools_hide_accesses(tmp_path: Path) -> None:
    found = report(tmp_path, launches(5, exact=False))
    (reason,) = judge(found, "bounds")
    assert "memory pool could not be switched off" in reason
    assert judge(found, "races") == []


def test_a_damaged_report(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    path.write_text('{"event": "launches", "count"')
    with pytest.raises(BackendError, match="line 1: the report of the check is damaged"):
        read_report(path)
