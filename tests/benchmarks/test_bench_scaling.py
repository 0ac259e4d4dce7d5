"""How the cost grows, on the smallest sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import bench_scaling, results

QUICK = ("--threads", "1", "--rounds", "1", "--quiet-samples", "0", "--turn-seconds", "0.001")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CHANNELS": 2, "SIDE": 4, "DEPTH": 1, "BATCH": 2}.items():
        monkeypatch.setattr(bench_scaling, name, value)
    monkeypatch.setattr(bench_scaling, "SIZES", {"batch": (1, 4), "depth": (1, 2), "image": (4,), "channels": (2,)})


def test_a_run_and_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = pytest.importorskip("matplotlib.figure", exc_type=ImportError).Figure()
    monkeypatch.setattr(results, "draw", lambda record, path, plot: plot(figure, record))
    path = tmp_path / "found.json"
    words = ["--sweeps", "batch", "depth", "--nets", "lenet", "--largest", "2", "--output", str(path)]
    assert bench_scaling.main([*QUICK, *words]) == 0
    rows = json.loads(path.read_text("utf-8"))["rows"]
    assert [(row["sweep"], row["size"], row["net"], row["batch_size"]) for row in rows] == [
        ("batch", 1, "lenet", 1),
        ("depth", 1, "stack-2-4-1", 2),
        ("depth", 2, "stack-2-4-2", 2),
    ]
    assert all(row["memory"]["peak_bytes"] >= 0 and row["images_per_second"] > 0 for row in rows)
    table = path.with_suffix(".md").read_text("utf-8")
    assert (
        "## depth: gpunet, NumPy, stack of 3x3 convolutions, batch 2, 4x4 pixels, 2 channels, 1 pinned thread" in table
    )
    assert [ax.get_ylabel() for ax in figure.axes] == ["ms a step", "peak MB"] * 2


def test_the_start_is_timed_in_fresh_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "draw", lambda record, path, plot: None)
    path = tmp_path / "found.json"
    assert bench_scaling.main([*QUICK, "--sweeps", "startup", "--output", str(path)]) == 0
    python, imported, stepped = json.loads(path.read_text("utf-8"))["startup"]
    assert [row["until"] for row in (python, imported, stepped)] == ["Python starts", "imported", "first step of LeNet"]
    seconds = [row["samples"][0]["seconds"] for row in (python, imported, stepped)]
    assert 0 < seconds[0] < seconds[2]
    assert seconds[1] < seconds[2]


@pytest.mark.parametrize(("seconds", "power"), [(8.0, 3.0), (4.0, 2.0), (1.0, 0.0)])
def test_growth_is_the_power_of_the_size(seconds: float, power: float) -> None:
    def row(size: int, median: float) -> dict:
        return {"size": size, "summary": {"quiet": None, "all": {"median": median}}}

    assert bench_scaling.growth(row(4, 1.0), row(8, seconds)) == pytest.approx(power)
