"""How samples are taken and judged, with clocks and processors that do what the test says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks import timing
from benchmarks.timing import Sample, others_share, ratio, spread, steps_a_turn, summary, take_turns

TICKS = os.sysconf("SC_CLK_TCK")


def stat(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "stat"
    path.write_text("\n".join(rows) + "\nintr 5 6 7\n", encoding="ascii")
    return path


def test_busy_time_is_that_of_the_given_processors_without_idling_and_guests(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    path = stat(
        tmp_path, "cpu  9 9 9 9 9 9 9 9 9 9", "cpu0 1 2 4 1000 2000 8 16 32 500 500", "cpu1 64 0 0 0 0 0 0 0 0 0"
    )
    assert timing.busy_seconds(frozenset({0}), path) == 63 / TICKS
    assert timing.busy_seconds(frozenset({0, 1}), path) == 127 / TICKS


def test_a_system_that_does_not_tell_gives_none(tmp_path: Path) -> None:
    assert timing.busy_seconds(frozenset({0}), tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("busy", "own", "seconds", "count", "share"),
    [(2.0, 2.0, 1.0, 2, 0.0), (2.0, 1.0, 1.0, 2, 0.5), (1.0, 1.02, 1.0, 1, 0.0), (1.5, 0.5, 2.0, 1, 0.5)],
)
def test_the_others_have_what_is_busy_and_not_ones_own(
    busy: float, own: float, seconds: float, count: int, share: float
) -> None:
    assert others_share(busy, own, seconds, count) == share


def test_a_sample_during_which_others_computed_is_not_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processors are busy for 2 seconds more than this process, whatever it does."""
    readings = iter([100.0, 102.0])
    monkeypatch.setattr(timing, "busy_seconds", lambda of: next(readings))
    disturbed = timing.measure(lambda: None, 3)
    assert not disturbed.quiet
    assert disturbed.others is not None
    assert disturbed.others > 1


def test_a_sample_with_the_processors_to_itself_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "busy_seconds", lambda of: 100.0)
    assert timing.measure(lambda: time.sleep(0.001), 2).quiet


def test_measure_gives_the_mean_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 16.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(timing, "busy_seconds", lambda of: None)
    calls: list[int] = []
    sample = timing.measure(lambda: calls.append(1), 4)
    assert (sample.seconds, sample.steps, sample.others, len(calls)) == (1.5, 4, None, 4)
    assert not sample.quiet


def test_contenders_take_turns_in_order() -> None:
    order: list[str] = []

    def contender(name: str):
        def make() -> Sample:
            order.append(name)
            return Sample(1.0, 1, 0.0)

        return make

    turns = take_turns({"a": contender("a"), "b": contender("b")}, 3)
    assert order == ["a", "b"] * 3
    assert [sample.turn for sample in turns.samples["a"]] == [0, 1, 2]


def test_turns_go_on_until_there_are_enough_quiet_samples_or_the_limit_is_reached() -> None:
    shares = iter([0.5, 0.5, 0.0, 0.5, 0.0, 0.0])
    turns = take_turns({"a": lambda: Sample(1.0, 1, next(shares))}, 2, quiet=2, most_rounds=9)
    assert [sample.quiet for sample in turns.samples["a"]] == [False, False, True, False, True]
    turns = take_turns({"a": lambda: Sample(1.0, 1, 0.5)}, 2, quiet=1)
    assert len(turns.samples["a"]) == 6


def test_where_quiet_cannot_be_known_nobody_waits_for_it() -> None:
    assert len(take_turns({"a": lambda: Sample(1.0, 1, None)}, 2, quiet=5).samples["a"]) == 2


def test_one_that_fails_is_left_out_and_the_others_go_on() -> None:
    def fails() -> Sample:
        raise OSError("no more")

    turns = take_turns({"bad": fails, "good": lambda: Sample(1.0, 1, 0.0)}, 3, failures=(OSError,))
    assert turns.errors == {"bad": "no more"}
    assert len(turns.samples["good"]) == 3


def test_an_error_that_is_not_expected_is_not_hidden() -> None:
    def fails() -> Sample:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        take_turns({"bad": fails}, 1, failures=(OSError,))


def test_the_quiet_median_stands_beside_that_of_all() -> None:
    samples = [
        Sample(1.0, 1, 0.0),
        Sample(2.0, 1, 0.0),
        Sample(3.0, 1, 0.01),
        Sample(50.0, 1, 0.9),
        Sample(60.0, 1, 0.9),
    ]
    found = summary(samples)
    assert (found["all"]["median"], found["quiet"]["median"]) == (3.0, 2.0)
    assert (found["samples"], found["quiet_samples"]) == (5, 3)
    assert timing.best_median(found) == 2.0


def test_too_few_quiet_samples_make_no_quiet_median() -> None:
    found = summary([Sample(1.0, 1, 0.0), Sample(2.0, 1, 0.0), Sample(9.0, 1, 0.9)])
    assert found["quiet"] is None
    assert timing.best_median(found) == 2.0


def test_spread_of_one_and_of_several() -> None:
    assert spread([4.0]) == {"median": 4, "lower": 4, "upper": 4, "minimum": 4, "maximum": 4}
    assert spread([1, 2, 3, 4, 5]) == {"median": 3, "lower": 2, "upper": 4, "minimum": 1, "maximum": 5}


def test_ratios_are_of_pairs_from_one_round_quiet_ones_if_there_are_enough() -> None:
    fast = [Sample(1.0, 1, 0.0, turn) for turn in range(5)]
    slow = [
        Sample(seconds, 1, others, turn) for turn, (seconds, others) in enumerate([(2, 0), (2, 0), (3, 0), (9, 0.9)])
    ]
    found = ratio(slow, fast)
    assert (found["median"], found["pairs"], found["quiet"]) == (2.0, 3, True)
    found = ratio(slow[2:], fast)
    assert (found["median"], found["pairs"], found["quiet"]) == (6.0, 2, False)


@pytest.mark.parametrize(("seconds", "steps"), [(0.1, 3), (1.0, 1), (0.0, 1000)])
def test_steps_that_fill_a_turn(seconds: float, steps: int) -> None:
    assert steps_a_turn(seconds, 0.3) == steps


def test_warm_up_finds_the_fastest_call(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    durations = iter([5.0, 2.0, 3.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def run() -> None:
        now[0] += next(durations)

    assert timing.warm_up(run, steps=3, seconds=1) == 2.0
