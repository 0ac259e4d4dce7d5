"""What stands out, in reports in which one thing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpunet.report.contents import Contents
from gpunet.report.findings import GOOD, NOTE, WARNING, Finding, findings, percent, wilson_interval
from gpunet.report.layer_statistics import LayerStatistics
from gpunet.report.mistakes import answers, mix_ups
from gpunet.training.evaluation import Evaluation
from gpunet.training.history import History
from gpunet.training.layer_times import LayerTime, LayerTimes

FINE = LayerStatistics("fc", "Linear", (3,), 0.0, 1.0, 2.0, 0.0, 3, None, 1.0, 1.0, 1.0, 0.1)
RELU = replace(FINE, name="relu", kind="ReLU", output_shape=(20,), units=20, dead=0, weight=None, weight_gradient=None)
TIMES = LayerTimes(tuple(LayerTime(f"l{number}", "Linear", True, 1.0, 1.0) for number in range(4)), 5, "numpy")


def report(
    contents: Contents, predicted: list[int], labels: list[int], sure: float = 3.0, **changes: Any
) -> list[Finding]:
    """The findings where these answers were given, with nothing else to say."""
    outputs = sure * np.eye(3)[predicted]
    accuracy = float(np.mean(np.equal(predicted, labels)))
    evaluation = Evaluation(0.5, accuracy, len(labels), outputs, np.array(labels), ("cat", "dog", "emu"))
    values: dict[str, Any] = {
        "evaluation": evaluation,
        "answers": answers(evaluation),
        "mix_ups": mix_ups(evaluation.confusion, 10),
        "history": History(),
        "statistics": (FINE, RELU),
        "times": TIMES,
    }
    return findings(replace(contents, **{**values, **changes}))


def quiet(contents: Contents, **changes: Any) -> list[Finding]:
    """The findings beside those of a net that is right with everything, and healthy."""
    found = report(contents, [0, 1, 2] * 10, [0, 1, 2] * 10, **changes)
    assert found[0].text.startswith("30 of 30 test images are classified correctly: 100.0 %.")
    return found[1:]


def test_a_good_net(contents: Contents) -> None:
    (layers,) = quiet(contents)
    assert layers == Finding(GOOD, "No dead rectifiers, no vanishing and no exploding gradients.", "layers")


def test_the_interval_of_the_accuracy() -> None:
    # Wilson's interval for 8 of 10 is (0.490, 0.943) in every textbook.
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    low, high = wilson_interval(9000, 10000)
    assert low < 0.9 < high
    assert high - low < 0.012


def test_overconfidence(contents: Contents) -> None:
    predicted, labels = [0, 1, 2] * 4, [0, 1, 1] * 4
    sure = [f for f in report(contents, predicted, labels, sure=50.0) if f.section == "mistakes"]
    assert sure[0].kind == WARNING
    assert "100.0 % sure on average, right in 66.7 %" in sure[0].text
    assert not [f for f in report(contents, predicted, labels, sure=1.0) if f.section == "mistakes"]


def test_classes(contents: Contents) -> None:
    texts = [(f.kind, f.text) for f in report(contents, [0, 1, 0, 0], [0, 1, 2, 2], sure=0.1) if f.section == "classes"]
    assert texts[1] == (WARNING, "Never predicted: emu. Look whether the training data hold enough images of that.")
    assert texts[2] == (NOTE, "The most frequent mistake: emu taken for cat, 2 times (100.0 % of that class).")
    assert len(texts) == 3
    weak = report(contents, [0, 0, 0, 1, 1, 1, 2, 0, 1], [0, 0, 0, 1, 1, 1, 2, 2, 2], sure=0.1)
    assert [f.text for f in weak if "weakest" in f.text] == [
        "The weakest class is emu: recall 33.3 %, precision 100.0 %."
    ]


def records(*rows: tuple[float, float, float, float]) -> History:
    keys = ("train_loss", "validation_loss", "validation_accuracy", "lr")
    return History([{"epoch": epoch, **dict(zip(keys, row, strict=True))} for epoch, row in enumerate(rows, start=1)])


def test_overfitting(contents: Contents) -> None:
    history = records((1.0, 0.8, 0.5, 0.1), (0.5, 0.4, 1.0, 0.1), (0.1, 0.6, 1.0, 0.0))
    (found, _) = quiet(contents, history=history)
    assert (found.kind, found.section) == (WARNING, "curves")
    assert "lowest after epoch 2 (0.400) and has risen to 0.600" in found.text
    both_rose = records((1.0, 0.8, 0.5, 0.1), (0.5, 0.4, 1.0, 0.1), (0.9, 0.6, 1.0, 0.0))
    assert len(quiet(contents, history=both_rose)) == 1


def test_a_better_epoch_and_an_unfinished_training(contents: Contents) -> None:
    earlier = records((1.0, 1.0, 0.9, 0.1), (1.0, 1.0, 0.7, 0.1))
    found = report(contents, [0, 1, 0, 0], [0, 1, 2, 2], sure=0.1, history=earlier)
    assert "The best epoch was number 1, with 90.0 %. Its weights: --checkpoint best." in [f.text for f in found]
    rising = ((1.0, 1.0, 0.8, 0.1), (0.9, 0.9, 0.9, 0.1))
    (found_rising, _) = quiet(contents, history=records(*rising, (0.8, 0.8, 1.0, 0.1)))
    assert "more epochs may gain more" in found_rising.text
    assert len(quiet(contents, history=records(*rising, (0.8, 0.8, 1.0, 0.001)))) == 1  # the rate had come down
    assert len(quiet(contents, history=History([{"epoch": 1, "train_loss": 1.0}]))) == 1  # nothing validated


def test_layers(contents: Contents) -> None:
    (few,) = quiet(contents, statistics=(FINE, replace(RELU, dead=1)))
    assert few.kind == NOTE
    assert few.text.startswith("Dead rectifiers: 1 of 20 in relu ReLU are 0 for every image")
    (many,) = quiet(contents, statistics=(FINE, replace(RELU, dead=5)))
    assert many.kind == WARNING
    early = replace(FINE, name="a", relative_gradient=1e-5)
    (vanishing,) = quiet(contents, statistics=(early, replace(early, name="b"), FINE))
    assert "reaches 2 layers, from a Linear to b Linear" in vanishing.text
    (exploding,) = quiet(contents, statistics=(replace(FINE, relative_gradient=1e5), FINE))
    assert exploding.text.startswith("Exploding gradients in 1 layers, from fc Linear to fc Linear")
    (broken,) = quiet(contents, statistics=(replace(FINE, largest=np.nan), FINE))
    assert broken == Finding(WARNING, "NaN or infinity comes out of fc Linear.", "layers")


def test_many_names_are_counted(contents: Contents) -> None:
    dead = [replace(RELU, name=f"r{number}", dead=1) for number in range(8)]
    (found,) = quiet(contents, statistics=tuple(dead))
    assert "1 of 20 in r4 ReLU and 3 more are 0" in found.text


def test_a_slow_layer(contents: Contents) -> None:
    slow = LayerTimes((LayerTime("conv", "Conv2d", True, 8.0, 8.0), *TIMES.rows), 5, "numpy")
    (_, found) = quiet(contents, times=slow)
    assert found == Finding(NOTE, "conv Conv2d takes 66.7 % of the time of a step.", "times")


def test_shares_as_they_are_shown() -> None:
    assert (percent(0.98765), percent(float("nan")), percent(1.0), percent(0.5, 0)) == (
        "98.8 %",
        "–",
        "100.0 %",
        "50 %",
    )
