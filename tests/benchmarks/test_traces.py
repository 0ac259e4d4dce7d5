"""The reader of the emulator's traces, on traces written by hand in the form that the tracer writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.kernel_workloads import Launch
from benchmarks.traces import TraceError, Traffic, read_launches, read_traffic

NOTHING = {"requests": 0, "sectors": 0, "ideal_sectors": 0, "bytes": 0, "footprint_bytes": 0, "same_address": 0}


def launch(kernel: str = "max_pool2d", file: str = "pooling") -> Launch:
    return Launch(file, kernel, "float32", (("KERNEL_ROWS", 3),), 256, 0, "work")


def entry(kernel: str = "max_pool2d", file: str = "pooling.cu", **counts: dict[str, int]) -> dict:
    """Eight warps that read 32 floats side by side, and write 32 floats with a stride of 2."""
    return {
        "event": "trace",
        "kernel": kernel,
        "file": file,
        "line": 40,
        "grid": [1, 1, 1],
        "block": [256, 1, 1],
        "loads": {**NOTHING, "requests": 8, "sectors": 32, "ideal_sectors": 32, "bytes": 1024, "footprint_bytes": 1024},
        "stores": {
            **NOTHING,
            "requests": 8,
            "sectors": 64,
            "ideal_sectors": 32,
            "bytes": 1024,
            "footprint_bytes": 2048,
        },
        "atomics": NOTHING,
        **counts,
    }


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_loads_stores_and_atomics_are_added(tmp_path: Path) -> None:
    report = written(tmp_path / "report", entry(), entry("relu", "elementwise.cu", stores=NOTHING))
    launches = [launch(), launch("relu", "elementwise")]
    (first, traffic), (second, loads_only) = read_traffic(report, launches, ["pooling", "elementwise"])
    assert [first, second] == launches
    assert traffic == Traffic(requests=16, sectors=96, ideal_sectors=64, distinct_sectors=96)
    assert (traffic.sectors_over_ideal, traffic.traffic_over_floor) == (1.5, 1.0)
    assert (traffic.bytes_moved, traffic.bytes_floor) == (96 * 32, 96 * 32)
    assert loads_only == Traffic(8, 32, 32, 32)


def test_launches_add_up() -> None:
    assert Traffic(1, 2, 3, 4) + Traffic(10, 20, 30, 40) == Traffic(11, 22, 33, 44)


def test_what_is_not_ours_is_passed_over(tmp_path: Path) -> None:
    report = written(
        tmp_path / "report", {"event": "end", "kernels": 3}, entry("cupy_copy", "kernel.cu"), entry(), entry("x", "")
    )
    assert len(read_traffic(report, [launch()], ["pooling"])) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "has 0 launches of gpunet's kernels, the program made 1"),
        ([entry(), entry()], "has 2 launches of gpunet's kernels, the program made 1"),
        ([entry("avg_pool2d")], r"launch 0 is pooling.avg_pool2d, the program launched pooling.max_pool2d"),
        ([entry(loads={"requests": 1})], "the trace of max_pool2d lacks 'sectors'"),
        ([entry(loads=NOTHING, stores=NOTHING)], "the tracer saw no access of pooling.max_pool2d to device memory"),
        ([entry(loads=None)], "the trace of max_pool2d lacks"),
    ],
)
def test_a_trace_of_another_run_or_form_is_refused(tmp_path: Path, lines: list[object], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read_traffic(written(tmp_path / "report", *lines), [launch()], ["pooling"])


def test_a_cut_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text(json.dumps(entry()) + '\n{"event": "tr', encoding="utf-8")
    with pytest.raises(TraceError, match="report, line 2 is no JSON"):
        read_traffic(path, [launch()], ["pooling"])


def test_an_absent_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="absent: No such file"):
        read_traffic(tmp_path / "absent", [launch()], ["pooling"])


def test_launches_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "launches.json"
    path.write_text(json.dumps([asdict(launch()), asdict(launch("avg_pool2d"))]), encoding="utf-8")
    assert read_launches(path) == [launch(), launch("avg_pool2d")]


@pytest.mark.parametrize("text", ["", "[{}]", '[{"constants": 3}]', "3"])
def test_a_file_without_launches_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "launches.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TraceError, match=r"launches\.json holds no launches"):
        read_launches(path)
