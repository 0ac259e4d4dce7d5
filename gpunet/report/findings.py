"""What stands out in a report, in words: the reader should not have to find it in the tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gpunet.report.contents import Contents

GOOD, NOTE, WARNING = "good", "note", "warning"

_MUCH_WORSE = 0.05  # below the accuracy: a class with such an F1 is named
_OVERCONFIDENT = 0.05  # mean confidence above the accuracy
_RISEN = 1.1  # validation loss, of its lowest
_GAIN = 0.005  # accuracy by which another epoch is worth a word
_HIGH_RATE = 0.1  # of the highest learning rate: a training that ends there was not finished
_SLOW = 0.4  # share of the time


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence or two.

    Attributes:
        kind: GOOD, NOTE or WARNING.
        text: what was found, and what to do about it.
        section: id of the part of the page that shows it.
    """

    kind: str
    text: str
    section: str


def findings(contents: Contents) -> list[Finding]:
    """What stands out, the answers first, then the training, then the layers."""
    return [
        *_answers(contents),
        *_classes(contents),
        *_training(contents),
        *_layers(contents),
        *_times(contents),
    ]


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Between which shares the true one lies, with 95 % confidence for the default z.

    Source: Wilson 1927, Journal of the American Statistical Association 22, equation 4.
    """
    share = successes / trials
    centre = share + z * z / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def _answers(contents: Contents) -> Iterator[Finding]:
    count = len(contents.answers)
    right = sum(answer.right for answer in contents.answers)
    low, high = wilson_interval(right, count)
    yield Finding(
        GOOD,
        f"{right:,} of {count:,} test images are classified correctly: {percent(right / count)}. On other images of "
        f"the same kind, expect between {percent(low)} and {percent(high)} (95 % confidence).",
        "classes",
    )
    confidence, accuracy = float(np.mean([answer.confidence for answer in contents.answers])), contents.accuracy
    if confidence > accuracy + _OVERCONFIDENT:
        yield Finding(
            WARNING,
            f"It is surer than it is right: {percent(confidence)} sure on average, right in {percent(accuracy)}. "
            "Do not take its confidence for a probability; label smoothing or more data brings them together.",
            "mistakes",
        )


def _classes(contents: Contents) -> Iterator[Finding]:
    table = contents.table
    given = contents.evaluation.confusion.sum(axis=0)
    ignored = [table.names[label] for label in np.flatnonzero((given == 0) & (table.support > 0))]
    if ignored:
        yield Finding(
            WARNING,
            f"Never predicted: {_listed(ignored)}. Look whether the training data hold enough images of that.",
            "classes",
        )
    known = np.where((given == 0) | (table.support == 0), np.inf, table.f1)
    weakest = int(known.argmin())
    if known[weakest] < contents.accuracy - _MUCH_WORSE:
        yield Finding(
            NOTE,
            f"The weakest class is {table.names[weakest]}: recall {percent(table.recall[weakest])}, precision "
            f"{percent(table.precision[weakest])}.",
            "classes",
        )
    if contents.mix_ups and contents.mix_ups[0].count > 1:
        first = contents.mix_ups[0]
        yield Finding(
            NOTE,
            f"The most frequent mistake: {contents.name(first.truth)} taken for {contents.name(first.predicted)}, "
            f"{first.count:,} times ({percent(first.share)} of that class).",
            "classes",
        )


def _training(contents: Contents) -> Iterator[Finding]:
    records = contents.history.records
    validated = [record for record in records if "validation_loss" in record]
    if validated:
        lowest, last = min(validated, key=lambda record: record["validation_loss"]), validated[-1]
        risen = last["validation_loss"] > _RISEN * lowest["validation_loss"]
        if risen and last["train_loss"] < lowest["train_loss"]:
            yield Finding(
                WARNING,
                f"Overfitting: the validation loss was lowest after epoch {lowest['epoch']} "
                f"({lowest['validation_loss']:.3f}) and has risen to {last['validation_loss']:.3f}, while the training "
                "loss went on falling. Augment, regularise, or stop earlier.",
                "curves",
            )
    scores = [
        (record["validation_accuracy"], -record["epoch"]) for record in records if "validation_accuracy" in record
    ]
    if scores:
        best, epoch = max(scores)
        if best > contents.accuracy + _GAIN:
            yield Finding(
                NOTE,
                f"The best epoch was number {-epoch}, with {percent(best)}. Its weights: --checkpoint best.",
                "curves",
            )
        rates = [record["lr"] for record in records if "lr" in record]
        if len(scores) > 2 and -epoch == records[-1]["epoch"] and rates and rates[-1] > _HIGH_RATE * max(rates):
            yield Finding(
                NOTE,
                "The last epoch is the best, and the learning rate was still high: more epochs may gain more.",
                "curves",
            )


def _layers(contents: Contents) -> Iterator[Finding]:
    statistics = contents.statistics
    broken = [layer.label for layer in statistics if not math.isfinite(layer.largest)]
    if broken:
        yield Finding(WARNING, f"NaN or infinity comes out of {_listed(broken)}.", "layers")
    dead = [layer for layer in statistics if layer.dead]
    if dead:
        count, units = sum(layer.dead or 0 for layer in dead), sum(layer.units for layer in dead)
        where = _listed([f"{layer.dead} of {layer.units} in {layer.label}" for layer in dead])
        yield Finding(
            WARNING if count > units / 10 else NOTE,
            f"Dead rectifiers: {where} are 0 for every image, so nothing before them can learn. A few do no harm; many "
            "ask for a lower learning rate or another initialisation.",
            "layers",
        )
    vanishing = [layer for layer in statistics if layer.vanishing]
    if vanishing:
        yield Finding(
            WARNING,
            f"Vanishing gradients: less than a thousandth of that at the output reaches {len(vanishing)} layers, from "
            f"{vanishing[0].label} to {vanishing[-1].label}. Rectifiers, batch norm or residual connections help.",
            "layers",
        )
    exploding = [layer for layer in statistics if layer.exploding]
    if exploding:
        yield Finding(
            WARNING,
            f"Exploding gradients in {len(exploding)} layers, from {exploding[0].label} to {exploding[-1].label}: more "
            "than a thousand times that at the output. Lower the learning rate, clip gradients, or normalise.",
            "layers",
        )
    if not (broken or dead or vanishing or exploding):
        yield Finding(GOOD, "No dead rectifiers, no vanishing and no exploding gradients.", "layers")


def _times(contents: Contents) -> Iterator[Finding]:
    times = contents.times
    slowest = max(times.rows, key=lambda row: row.total)
    if times.share(slowest) >= _SLOW:
        yield Finding(NOTE, f"{slowest.label} takes {percent(times.share(slowest))} of the time of a step.", "times")


def percent(share: float, digits: int = 1) -> str:
    """A share from 0 to 1 as it is shown; a dash where there is none."""
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def _listed(names: list[str], most: int = 5) -> str:
    """Names with commas between them, the last few of many only counted."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
