"""The guard against regressions: counted work of a training step, which no mood of a machine changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import step_work
from benchmarks.step_work_child import counting


@pytest.mark.parametrize("net", step_work.COUNTED)
def test_a_step_keeps_its_budgets(net: str) -> None:
    """After a change that is meant: python -m benchmarks.step_work --update-budgets"""
    assert step_work.faults({net: step_work.count(net)}, step_work.read()) == []


def test_every_net_and_figure_has_a_budget() -> None:
    budgets = step_work.read()
    assert list(budgets) == list(step_work.COUNTED)
    assert all(set(figures) == set(step_work.FIGURES) for figures in budgets.values())


def test_calls_methods_and_bytes_are_counted() -> None:
    x, y = np.ones(1000, np.float32), np.empty(1000, np.float32)
    with counting() as counts:
        np.maximum(x, 0, out=y)  # 4,000 bytes
        np.copyto(y, x)  # 4,000 bytes
        np.add(x, x)  # 4,000 bytes
        np.transpose(x)  # a view
        np.add.reduce(x)
        x.sum()
        x.reshape(10, 100).copy()
    # np.transpose calls the array's own method.
    assert counts == {"numpy_calls": 4, "array_methods": 4, "written_bytes": 12_000}


def test_afterwards_numpy_is_as_it_was() -> None:
    before = dict(vars(np))
    with pytest.raises(KeyError), counting():
        raise KeyError
    assert dict(vars(np)) == before


def test_one_who_spends_more_is_named() -> None:
    budgets = {"lenet": {"numpy_calls": 100, "peak_bytes": 5000}}
    assert step_work.faults({"lenet": {"numpy_calls": 100, "peak_bytes": 5000}}, budgets) == []
    assert step_work.faults({"lenet": {"numpy_calls": 101, "peak_bytes": 5001}}, budgets) == [
        "lenet: numpy_calls is 101, budget 100 (calls of NumPy's functions in a step)",
        f"lenet: peak_bytes is 5,001, budget 5,000 ({step_work.FIGURES['peak_bytes']})",
    ]


def test_a_figure_without_a_budget_is_a_fault() -> None:
    assert step_work.faults({"vgg": {"numpy_calls": 1}}, {}) == [
        "vgg has no budget of numpy_calls: run python -m benchmarks.step_work --update-budgets"
    ]


def test_updating_writes_what_was_counted_and_a_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = dict.fromkeys(step_work.FIGURES, 1234) | {"fresh_bytes": 0}
    monkeypatch.setattr(step_work, "count", lambda net: counted)
    path = tmp_path / "budgets.toml"
    assert step_work.main(["--update-budgets", "--budgets", str(path)]) == 0
    assert "+numpy_calls = 1_400" in capsys.readouterr().out
    assert step_work.read(path)["vgg"] == dict.fromkeys(step_work.FIGURES, 1400) | {"fresh_bytes": 0}
    assert step_work.main(["--budgets", str(path)]) == 0
    counted["numpy_calls"] = 1401
    assert step_work.main(["--budgets", str(path)]) == 1
    assert "FAULT vgg: numpy_calls is 1,401, budget 1,400" in capsys.readouterr().out
