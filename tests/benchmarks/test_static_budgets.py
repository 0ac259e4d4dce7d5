from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.static_budgets import BudgetError, Budgets, Figure, read

TEXT = """\
[limits]
stack_bytes = 0
sectors_over_ideal = 1.3

[pooling.max_pool2d]
reason = 'neighbours "share" a sector'

[pooling.max_pool2d.float32]
registers = 40
sectors_over_ideal = 2
occupancy = 0.75
"""


@pytest.fixture
def budgets(tmp_path: Path) -> Budgets:
    path = tmp_path / "budgets.toml"
    path.write_text(TEXT, encoding="utf-8")
    return read(path)


def figure(name: str, value: float, kernel: str = "pooling.max_pool2d", where: str = "sm_90") -> Figure:
    return Figure(kernel, "float32", name, value, where)


@pytest.mark.parametrize(
    ("name", "kept", "exceeded"), [("registers", 40, 41), ("occupancy", 0.75, 0.74), ("sectors_over_ideal", 2.0, 2.01)]
)
def test_a_budget_holds_up_to_its_value(budgets: Budgets, name: str, kept: float, exceeded: float) -> None:
    assert budgets.faults([figure(name, kept)]) == []
    assert len(budgets.faults([figure(name, exceeded)])) == 1


def test_a_fault_names_kernel_generation_figure_and_budget(budgets: Budgets) -> None:
    assert budgets.faults([figure("registers", 48, where="sm_90, 3x3/2")]) == [
        "pooling.max_pool2d (float32, sm_90, 3x3/2): registers is 48, budget 40"
    ]


def test_several_excesses_of_one_figure_are_one_fault_with_the_worst(budgets: Budgets) -> None:
    figures = [figure("occupancy", 0.5, where="sm_75"), figure("occupancy", 0.25, where="sm_86")]
    assert budgets.faults(figures) == ["pooling.max_pool2d (float32, sm_86 and 1 more): occupancy is 0.25, budget 0.75"]


def test_limits_hold_for_every_kernel(budgets: Budgets) -> None:
    other = "dropout.dropout"
    assert budgets.faults([figure("stack_bytes", 0, other), figure("sectors_over_ideal", 1.3, other)]) == []
    assert budgets.faults([figure("stack_bytes", 8, other)]) == [
        "dropout.dropout (float32, sm_90): stack_bytes is 8, budget 0"
    ]


def test_a_figure_without_a_budget_is_a_fault(budgets: Budgets) -> None:
    figures = [figure("registers", 1, "a.b"), figure("occupancy", 1, "a.b")]
    assert budgets.faults(figures) == ["a.b (float32) has no budget of occupancy, registers: run with --update-budgets"]


def test_a_budget_beyond_a_limit_needs_a_reason(budgets: Budgets) -> None:
    assert budgets.faults([]) == []
    budgets.reasons.clear()
    (fault,) = budgets.faults([])
    assert fault.startswith(
        "pooling.max_pool2d (float32): its budget of sectors_over_ideal, 2, is beyond the limit 1.3"
    )


def test_a_budget_of_a_kernel_that_is_gone_is_stale(budgets: Budgets) -> None:
    assert budgets.stale(["pooling.max_pool2d", "a.b"]) == []
    assert budgets.stale(["a.b"]) == ["pooling.max_pool2d"]


def test_the_file_is_written_as_it_is_read(budgets: Budgets, tmp_path: Path) -> None:
    path = tmp_path / "again.toml"
    path.write_text(budgets.text(), encoding="utf-8")
    assert read(path) == budgets


def test_an_update_holds_the_worst_figures_with_room_up_to_the_next_step(budgets: Budgets) -> None:
    figures = [
        figure("registers", 41, where="sm_75"),
        figure("registers", 33, where="sm_90"),
        figure("occupancy", 0.339, where="sm_75"),
        figure("occupancy", 0.5, where="sm_90"),
        figure("traffic_over_floor", 1.001),
        figure("shared_bytes", 129),
        figure("stack_bytes", 16),
        figure("registers", 8, "new.kernel"),
    ]
    new = budgets.updated(figures, ["pooling.max_pool2d", "new.kernel"])
    assert new.kernels["pooling.max_pool2d"]["float32"] == {
        "registers": 48,
        "occupancy": 0.33,
        "sectors_over_ideal": 2,  # not measured: kept
        "traffic_over_floor": 1.1,
        "shared_bytes": 129,
    }
    assert new.kernels["new.kernel"] == {"float32": {"registers": 8}}
    assert new.reasons == budgets.reasons
    assert [fault.split(": ")[1] for fault in new.faults(figures)] == ["stack_bytes is 16, budget 0"]


@pytest.mark.parametrize(
    ("value", "budget"), [(1.0, 1.0), (1.001, 1.1), (1.3, 1.3), (1.31, 1.4), (9.99, 10.0), (157.5, 160.0)]
)
def test_traced_figures_get_room_for_another_compiler(budgets: Budgets, value: float, budget: float) -> None:
    assert figure("traffic_over_floor", value).budget == budget


def test_an_update_forgets_kernels_that_are_gone_and_keeps_what_was_left_out(budgets: Budgets) -> None:
    figures = [figure("registers", 8, "new.kernel")]
    new = budgets.updated(figures, ["new.kernel"])
    assert (list(new.kernels), new.reasons) == (["new.kernel"], {})
    new = budgets.updated(figures, ["pooling.max_pool2d", "new.kernel"])
    assert new.kernels["pooling.max_pool2d"] == budgets.kernels["pooling.max_pool2d"]
    assert new.reasons == budgets.reasons


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[limits", "is no TOML"),
        ("[pooling.max_pool2d.float32]\nregisters = 1", r"has no \[limits\]"),
        ("[limits]\nspeed = 1", r"\[limits\] has 'speed', which is none of registers"),
        ("[limits]\n[a.b.float32]\nregisters = true", r"\[a.b.float32\] registers must be a number, got True"),
        ("[limits]\n[a]\nb = 3", "a.b must be a table, got 3"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BudgetError, match=message):
        read(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"absent\.toml: No such file"):
        read(tmp_path / "absent.toml")
