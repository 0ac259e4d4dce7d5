"""The images that a net is most wrong about, and the classes that it mixes up most often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpunet.metrics import softmax
from gpunet.training.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Answer:
    """What a net said of one image.

    Attributes:
        index: of the image in its data set.
        truth, predicted: labels.
        confidence: probability that the net gave to the predicted class.
        truth_confidence: probability that it gave to the true class.
    """

    index: int
    truth: int
    predicted: int
    confidence: float
    truth_confidence: float

    @property
    def right(self) -> bool:
        """Whether the image was given its own class."""
        return self.truth == self.predicted


@dataclass(frozen=True, slots=True)
class MixUp:
    """How often one class was taken for another.

    Attributes:
        truth, predicted: labels.
        count: images.
        share: of the images of the true class.
    """

    truth: int
    predicted: int
    count: int
    share: float


def answers(evaluation: Evaluation) -> list[Answer]:
    """One for each image, in the order of the data set."""
    probabilities = softmax(evaluation.outputs.astype(np.float64))
    predicted = evaluation.outputs.argmax(axis=1)
    rows = np.arange(len(predicted))
    return [
        Answer(index, int(truth), int(guess), float(confidence), float(truth_confidence))
        for index, (truth, guess, confidence, truth_confidence) in enumerate(
            zip(
                evaluation.labels,
                predicted,
                probabilities[rows, predicted],
                probabilities[rows, evaluation.labels],
                strict=True,
            )
        )
    ]


def worst_mistakes(found: list[Answer], count: int) -> tuple[Answer, ...]:
    """The wrong answers with the highest loss: the least probability for the truth comes first."""
    wrong = sorted((answer for answer in found if not answer.right), key=lambda answer: answer.truth_confidence)
    return tuple(wrong[:count])


def right_examples(found: list[Answer], count: int) -> tuple[Answer, ...]:
    """The first right answer of each class, for at most ``count`` classes, spread over all that have one."""
    first: dict[int, Answer] = {}
    for answer in found:
        if answer.right:
            first.setdefault(answer.truth, answer)
    classes = sorted(first)
    return tuple(first[classes[place]] for place in spread(len(classes), count))


def mix_ups(confusion: NDArray[np.int64], count: int) -> tuple[MixUp, ...]:
    """The most frequent mistakes, those of equal frequency by their labels.

    Args:
        confusion: (K, K): row = true class, column = predicted class.
        count: how many at most.
    """
    off = confusion.copy()
    np.fill_diagonal(off, 0)
    support = confusion.sum(axis=1)
    order = np.argsort(-off, axis=None, kind="stable")[:count]
    return tuple(
        MixUp(int(truth), int(predicted), int(off[truth, predicted]), float(off[truth, predicted] / support[truth]))
        for truth, predicted in zip(*np.unravel_index(order, off.shape), strict=True)
        if off[truth, predicted] > 0
    )


def spread(length: int, count: int) -> NDArray[np.int64]:
    """At most ``count`` places of ``length``, evenly spread, so that a set sorted by class gives some of each."""
    taken = min(length, count)
    return np.linspace(0, length - 1, taken).round().astype(np.int64) if taken else np.empty(0, np.int64)
