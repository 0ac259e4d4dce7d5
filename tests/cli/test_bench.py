"""The command that measures: it finds the benchmarks and hands over to them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gpunet.cli import bench

ROOT = Path(__file__).resolve().parents[2]


def test_a_benchmark_runs_and_leaves_its_files(gpunet, tmp_path: Path) -> None:
    words = ["--nets", "lenet", "--contenders", "gpunet-numpy", "--batch-sizes", "1", "--rounds", "1", "--threads", "1"]
    quick = ["--quiet-samples", "0", "--turn-seconds", "0.001", "--no-memory", "--output", str(tmp_path / "found.json")]
    outcome = gpunet("bench", "training", *words, *quick)
    assert outcome.status == 0
    assert "| gpunet, NumPy |" in outcome.out
    record = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert record["run"]["command"].startswith("gpunet bench training --nets lenet")


def test_an_unknown_benchmark_is_wrong_usage(gpunet) -> None:
    assert "'trianing'. Did you mean 'training'?" in gpunet("bench", "trianing").usage_error


@pytest.mark.parametrize("name", bench.BENCHMARKS)
def test_each_has_its_own_help(gpunet, name: str) -> None:
    outcome = gpunet("bench", name, "--help")
    assert outcome.status == 0
    assert outcome.out.startswith(f"usage: gpunet bench {name} ")
    assert f"example:\n  gpunet bench {name}" in outcome.out


def test_wrong_options_of_a_benchmark_are_wrong_usage(gpunet) -> None:
    outcome = gpunet("bench", "kernels", "--threads", "none")
    assert outcome.status == 2
    assert "argument --threads: wanted a whole number above 0, got 'none'" in outcome.err


def test_the_folder_is_found_wherever_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an installed package has it: inside another folder, under the name by which its files know each other."""
    (tmp_path / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "first.py").write_text("from benchmarks.second import number", encoding="utf-8")
    (tmp_path / "second.py").write_text("number = 7", encoding="utf-8")
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(bench, "folder", lambda name: tmp_path)
    assert bench.load("first").number == 7
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)
