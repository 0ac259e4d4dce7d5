from __future__ import annotations

import numpy as np
import pytest

from gpunet.report.mistakes import Answer, MixUp, answers, mix_ups, right_examples, spread, worst_mistakes
from gpunet.training.evaluation import Evaluation


def evaluation() -> Evaluation:
    shares = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.0625, 0.875, 0.0625], [0.5, 0.375, 0.125]])
    return Evaluation(0.0, 0.25, 4, np.log(shares).astype(np.float32), np.array([0, 0, 2, 1]), ("a", "b", "c"))


def test_answers_have_the_probabilities_of_what_was_said_and_of_the_truth() -> None:
    found = answers(evaluation())
    assert [(answer.index, answer.truth, answer.predicted, answer.right) for answer in found] == [
        (0, 0, 0, True), (1, 0, 1, False), (2, 2, 1, False), (3, 1, 0, False),
    ]  # fmt: skip
    assert [answer.confidence for answer in found] == pytest.approx([0.5, 0.75, 0.875, 0.5])
    assert [answer.truth_confidence for answer in found] == pytest.approx([0.5, 0.125, 0.0625, 0.375])


def test_the_worst_give_the_truth_the_least_probability() -> None:
    found = answers(evaluation())
    assert [answer.index for answer in worst_mistakes(found, 10)] == [2, 1, 3]
    assert [answer.index for answer in worst_mistakes(found, 2)] == [2, 1]
    assert worst_mistakes(found, 0) == ()


def test_one_right_answer_of_each_class_spread_over_all() -> None:
    found = [
        Answer(index, label, label if index % 2 else -1, 1.0, 1.0) for index, label in enumerate([0, 0, 1, 1, 1, 2])
    ]
    assert [(answer.index, answer.truth) for answer in right_examples(found, 10)] == [(1, 0), (3, 1), (5, 2)]
    assert [answer.truth for answer in right_examples(found, 2)] == [0, 2]
    assert right_examples([], 3) == ()


def test_mix_ups_in_their_order() -> None:
    confusion = np.array([[5, 2, 1], [2, 0, 0], [0, 0, 4]])
    assert mix_ups(confusion, 10) == (MixUp(0, 1, 2, 0.25), MixUp(1, 0, 2, 1.0), MixUp(0, 2, 1, 0.125))
    assert mix_ups(confusion, 1) == (MixUp(0, 1, 2, 0.25),)
    assert mix_ups(np.diag([3, 4]), 5) == ()
    assert confusion[0, 0] == 5  # not written to


def test_spread_takes_the_first_and_the_last() -> None:
    assert spread(10, 3).tolist() == [0, 4, 9]
    assert spread(3, 10).tolist() == [0, 1, 2]
    assert spread(5, 1).tolist() == [0]
    assert spread(0, 4).tolist() == []
