"""A whole run of the training benchmark on the smallest sizes, and what its files say."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench_training, contenders, everything, results
from benchmarks.contenders import ENTRANTS, Entrant, available
from benchmarks.timing import Sample, summary
from benchmarks.training_tables import against_torch, markdown, plot

QUICK = ("--batch-sizes", "2", "--threads", "1", "--rounds", "2", "--quiet-samples", "0", "--turn-seconds", "0.001")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """A contender whose module is not there; it dies when it is opened."""
    entrant = Entrant("broken", "gpunet", "module_that_is_not_there", "", "Broken", ("json",))
    monkeypatch.setitem(ENTRANTS, "broken", entrant)
    return "broken"


def run(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the JSON file and the Markdown file of a run."""
    path = folder / "found.json"
    status = bench_training.main([*QUICK, "--output", str(path), *words])
    return status, json.loads(path.read_text("utf-8")), path.with_suffix(".md").read_text("utf-8")


def test_a_run_and_its_files(tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "draw", lambda record, path, plot: None)  # drawing takes longer than all the rest
    status, record, table = run(tmp_path, "--nets", "lenet", "--contenders", "gpunet-numpy", broken, "im2col")
    assert status == 0
    words = [*QUICK, "--nets", "lenet", "--contenders", "gpunet-numpy", broken, "im2col"]
    assert record["run"]["command"] == f"gpunet bench training {' '.join(words)}"
    assert record["run"]["machine"]["cores"] == os.cpu_count()
    assert record["run"]["date"].endswith("UTC")
    own, bad, plain = record["rows"]
    assert [row["contender"] for row in record["rows"]] == ["gpunet-numpy", "broken", "im2col"]
    assert "No module named 'benchmarks.peers.module_that_is_not_there'" in bad["error"]
    assert "summary" not in bad
    for row in (own, plain):
        assert (row["net"], row["batch_size"], row["threads"], row["parameters"]) == ("lenet", 2, 1, 61_706)
        assert len(row["samples"]) == row["summary"]["samples"] == 2
        assert {"seconds", "steps", "others", "quiet", "turn"} == row["samples"][0].keys()
        assert row["images_per_second"] > 0
        assert row["memory"]["parameters"] == 61_706
        assert row["memory"]["peak_bytes"] >= row["memory"]["steady_bytes"]
    about = record["contenders"]["gpunet-numpy"]
    assert {"python", "numpy", "gpunet"} <= about["versions"].keys()
    assert about["blas"][0]["num_threads"] == 1
    assert len(about["processors"]) == 1
    assert about["environment"]["OMP_NUM_THREADS"] == "1"
    assert "## LeNet, 1x28x28, batch 2, 1 pinned thread" in table
    assert "| NumPy as tutorials write it |" in table
    assert "Broken failed: died at 'open'" in table
    assert str(tmp_path) not in table


def test_a_run_in_which_nobody_finishes_fails(tmp_path: Path, broken: str) -> None:
    status, record, _ = run(tmp_path, "--nets", "lenet", "--contenders", broken)
    assert status == 1
    assert not tmp_path.joinpath("found.png").exists()
    assert len(record["rows"]) == 1


def test_a_contender_with_another_net_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.steps_in_turns.parameters", lambda layers, shape: 61_705)
    _, record, _ = run(tmp_path, "--nets", "lenet", "--contenders", "im2col", "--no-memory")
    assert record["rows"][0]["error"] == "its net has 61,706 parameters, but the architecture has 61,705"


def test_who_is_not_installed_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    names = ("im2col", "chainer", "torch")
    field = available(names, {"chainer": Path("/nowhere/python"), "torch": Path(sys.executable)}, (tmp_path,))
    assert field.pythons["im2col"] == Path(sys.executable)
    assert field.absent["chainer"] == "not installed: make bench-peers PEERS=chainer"


def test_the_environment_of_a_peer_comes_before_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "can_import", lambda python, imports: True)
    python = contenders.python_of(tmp_path / ".venv-peers" / "jax")
    assert available(("jax",), {}, (tmp_path,)).pythons == {"jax": python}
    assert available(("jax",), {"jax": Path("/my/python")}, (tmp_path,)).pythons == {"jax": Path("/my/python")}


@pytest.mark.parametrize("words", [("--batch-sizes", "0"), ("--python", "pandas=/usr"), ("--python", "torch")])
def test_wrong_options(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench_training.main(words)
    assert stopped.value.code == 2
    assert "wanted" in capsys.readouterr().err


def rows(**seconds: float) -> list[dict[str, Any]]:
    made = []
    for name, value in seconds.items():
        samples = [Sample(value, 1, 0.0, turn) for turn in range(4)]
        made.append({
            "net": "lenet", "batch_size": 64, "threads": 2, "contender": name.replace("_", "-"),
            "summary": summary(samples), "images_per_second": 64 / value, "memory": {"peak_bytes": 10**9 * value},
            "samples": [sample.as_json() for sample in samples],
        })  # fmt: skip
    return made


def test_gpunet_is_compared_with_the_faster_of_pytorchs_layouts() -> None:
    text = against_torch(rows(gpunet_numpy=2.0, torch=4.0, torch_cl=3.0, jax=1.0))
    assert "**1.50** times as fast as PyTorch, channels last" in text
    assert "4 undisturbed pairs" in text
    assert "0.67 of its memory" in text
    assert against_torch(rows(gpunet_numpy=2.0, jax=1.0)) == ""


def test_the_table_stands_in_order_of_speed() -> None:
    table = markdown({"rows": rows(torch=0.004, gpunet_numpy=0.002, im2col=0.05)}, notes=False)
    lines = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][2:]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["gpunet, NumPy", "2.00", "2.00–2.00", "32,000", "2.00", "4 of 4", ""],
        ["PyTorch, channels first", "4.00", "4.00–4.00", "16,000", "4.00", "4 of 4", "2.00"],
        ["NumPy as tutorials write it", "50.0", "50.0–50.0", "1,280", "50.0", "4 of 4", "25.00"],
    ]


def test_the_plot_has_axes_for_each_group_and_a_bar_for_each_contender() -> None:
    figure_module = pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    figure = figure_module.Figure()
    plot(figure, {"rows": rows(torch=0.004, gpunet_numpy=0.002) + [{**row, "threads": 1} for row in rows(torch=0.1)]})
    assert [len(ax.patches) for ax in figure.axes] == [2, 1]


def test_all_that_make_bench_runs_can_be_asked_for() -> None:
    for module, words in everything.RUNS.values():
        parser = everything.argparse.ArgumentParser()
        module.add_options(parser)
        parser.parse_args(words)
