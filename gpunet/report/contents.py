"""All that a report says, measured and not yet drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpunet.data.dataset import Dataset
from gpunet.data.preprocessing import prepare_images
from gpunet.errors import DataError
from gpunet.layers import Conv2d
from gpunet.layers.module import Module
from gpunet.metrics import ClassTable
from gpunet.report.grad_cam import grad_cam, last_feature_layer, stretched
from gpunet.report.layer_statistics import LayerStatistics, layer_statistics
from gpunet.report.mistakes import Answer, MixUp, answers, mix_ups, right_examples, spread, worst_mistakes
from gpunet.report.pictures import displayed_size
from gpunet.state import Array
from gpunet.training.evaluation import Evaluation, Loss, evaluate
from gpunet.training.history import History
from gpunet.training.layer_times import LayerTimes, measure_layer_times

STATISTICS_IMAGES = 512
_STATISTICS_PIXELS = 1 << 25  # of all these images together; at least a few are taken
RIGHT_EXAMPLES, WRONG_EXAMPLES = 10, 6  # with Grad-CAM
MIX_UPS = 10
FILTERS = 64


@dataclass(frozen=True, slots=True)
class Example:
    """An answer, and where the net looked for it.

    Attributes:
        answer: what the net said.
        maps: (class, (rows, columns) in 0..1 in the size of display), the predicted class first.
    """

    answer: Answer
    maps: tuple[tuple[int, NDArray[np.float64]], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Grad-CAM of some right and some wrong answers.

    Attributes:
        layer: whose output was looked at.
        size: rows and columns of that output.
        right, wrong: examples; a wrong one has a map of the true class too.
    """

    layer: str
    size: tuple[int, int]
    right: tuple[Example, ...]
    wrong: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """The first convolution's weights.

    Attributes:
        layer: its name and kind.
        weights: (F, C, kh, kw), the first of them where there are many.
        count: how many filters there are altogether.
    """

    layer: str
    weights: NDArray[np.float32]
    count: int


@dataclass(frozen=True)
class Contents:
    """What the parts of a report are made from.

    Attributes:
        title: of the page.
        facts: (what, value) of the run.
        history: of the training; empty where it is not known.
        test: the images, normalised as in training.
        evaluation: of the net on them.
        answers: one for each image.
        mistakes: the worst ones.
        mix_ups: the classes that are mixed up most often.
        explanation: Grad-CAM, or None for a net without feature maps.
        filters: of the first convolution, or None without one.
        statistics: of the layers, over ``statistics_images`` images.
        times: of the layers, for a batch of ``times_batch`` images.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    history: History
    test: Dataset
    evaluation: Evaluation
    answers: list[Answer]
    mistakes: tuple[Answer, ...]
    mix_ups: tuple[MixUp, ...]
    explanation: Explanation | None
    filters: Filters | None
    statistics: tuple[LayerStatistics, ...]
    statistics_images: int
    times: LayerTimes
    times_batch: int

    @property
    def table(self) -> ClassTable:
        """Precision, recall and F1 of each class."""
        return self.evaluation.table

    @property
    def accuracy(self) -> float:
        """Share of the images that were given their own class."""
        assert self.evaluation.accuracy is not None  # a net without classes is refused
        return self.evaluation.accuracy

    def name(self, label: int) -> str:
        """Of a class."""
        return self.table.names[label]


def collect(
    net: Module,
    loss: Loss,
    test: Dataset,
    *,
    history: History | None = None,
    title: str = "A trained network",
    facts: Sequence[tuple[str, str]] = (),
    batch_size: int = 64,
    mistakes: int = 24,
) -> Contents:
    """Measure all that a report says; the net is afterwards as it was.

    Args:
        net: from images to scores of classes, on any backend.
        loss: ``value, gradient = loss(outputs, labels)``.
        test: normalised as the training images were.
        history: of the training.
        title: of the page.
        facts: (what, value) to be told of the run.
        batch_size: images at a time, and of the batch that is timed.
        mistakes: how many of the worst are shown.

    Raises:
        DataError: the outputs are no scores of classes, or there is no image.
    """
    evaluation = evaluate(net, loss, test, batch_size)
    if evaluation.accuracy is None:
        raise DataError(
            f"report: the net's outputs are of shape {evaluation.outputs.shape}, wanted scores of classes (N, classes)."
        )
    found = answers(evaluation)
    most = max(16, _STATISTICS_PIXELS // math.prod(test.sample_shape))
    some = spread(len(test), min(STATISTICS_IMAGES, most))
    statistics = layer_statistics(
        net, loss, _prepared(net, test, some), net.backend.asarray(test.labels[some]), batch_size
    )
    batch = np.resize(spread(len(test), batch_size), batch_size)
    return Contents(
        title=title,
        facts=tuple(facts),
        history=history or History(),
        test=test,
        evaluation=evaluation,
        answers=found,
        mistakes=worst_mistakes(found, mistakes),
        mix_ups=mix_ups(evaluation.confusion, MIX_UPS),
        explanation=_explanation(net, test, found, batch_size),
        filters=_filters(net, statistics),
        statistics=statistics,
        statistics_images=len(some),
        times=measure_layer_times(net, loss, _prepared(net, test, batch), net.backend.asarray(test.labels[batch])),
        times_batch=len(batch),
    )


def _prepared(net: Module, test: Dataset, rows: NDArray[np.int64]) -> Array:
    return net.backend.asarray(prepare_images(test.images[rows], test.mean, test.std, net.dtype or "float32"))


def _explanation(net: Module, test: Dataset, found: list[Answer], batch_size: int) -> Explanation | None:
    right, wrong = right_examples(found, RIGHT_EXAMPLES), worst_mistakes(found, WRONG_EXAMPLES)
    shown = [*right, *wrong, *wrong]  # the wrong ones twice: for what the net says, and for the truth
    rows = np.array([answer.index for answer in shown], np.int64)
    classes = [answer.predicted for answer in (*right, *wrong)] + [answer.truth for answer in wrong]
    layer = last_feature_layer(net, _prepared(net, test, rows[:1]))
    if layer is None:
        return None
    small = []
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        small.append(grad_cam(net, _prepared(net, test, rows[part]), classes[part], layer).maps)
    places = small[0].shape[1:]
    maps = stretched(np.concatenate(small), displayed_size(*test.sample_shape[1:]))
    first, second = len(right), len(right) + len(wrong)
    return Explanation(
        layer=layer,
        size=places,
        right=tuple(Example(answer, ((answer.truth, maps[place]),)) for place, answer in enumerate(right)),
        wrong=tuple(
            Example(answer, ((answer.predicted, maps[first + place]), (answer.truth, maps[second + place])))
            for place, answer in enumerate(wrong)
        ),
    )


def _filters(net: Module, statistics: tuple[LayerStatistics, ...]) -> Filters | None:
    modules = dict(net.named_modules())
    for layer in statistics:  # in the order in which they computed
        module = modules[layer.name]
        if isinstance(module, Conv2d):
            weights = net.backend.to_numpy(module.weight.value)
            return Filters(layer.label, weights[:FILTERS].astype(np.float32), len(weights))
    return None
