from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpunet import DataError, ShapeError
from gpunet.metrics import accuracy, class_table, confusion_matrix, softmax


def test_accuracy_of_classes_and_of_scores() -> None:
    assert accuracy([0, 1, 2, 2], [0, 1, 1, 2]) == 0.75
    scores = np.array([[3.0, 1.0], [0.0, 2.0], [5.0, -1.0]])
    assert accuracy(scores, [0, 1, 1]) == pytest.approx(2 / 3)


def test_softmax_is_stable_and_sums_to_one() -> None:
    probabilities = softmax(np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]], np.float32))
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities[0], [1, 0, 0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(ShapeError, match="wanted \\(samples, classes\\)"):
        softmax([1.0, 2.0])


def test_confusion_has_rows_of_truth_and_columns_of_predictions() -> None:
    matrix = confusion_matrix([1, 1, 0, 2], [0, 1, 0, 2])
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert matrix.dtype == np.int64
    assert confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]
    assert confusion_matrix(np.zeros((1, 4)), [0]).shape == (4, 4)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_confusion_counts_every_sample_once(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = zip(*pairs, strict=True)
    matrix = confusion_matrix(predictions, labels, 5)
    for label in range(5):
        for prediction in range(5):
            assert matrix[label, prediction] == pairs.count((prediction, label))
    assert matrix.trace() / matrix.sum() == accuracy(predictions, labels)


def test_table_by_hand() -> None:
    table = class_table(np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]]), ("cat", "dog", "eel"))
    np.testing.assert_allclose(table.precision, [3 / 5, 4 / 5, np.nan])
    np.testing.assert_allclose(table.recall, [3 / 4, 4 / 6, np.nan])
    np.testing.assert_allclose(table.f1, [6 / 9, 8 / 11, np.nan])
    np.testing.assert_array_equal(table.support, [4, 6, 0])
    assert table.accuracy == 0.7
    lines = str(table).splitlines()
    assert lines[1].split() == ["cat", "60.0", "%", "75.0", "%", "66.7", "%", "4"]
    assert lines[3].split() == ["eel", "-", "-", "-", "0"]
    assert lines[4].split() == ["all", "accuracy", "70.0", "%", "10"]
    assert len({len(line) for line in lines}) == 1


def test_table_names_classes_by_number_unless_told() -> None:
    assert class_table(np.eye(3, dtype=np.int64)).names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: accuracy([], []), DataError, "no samples"),
        (lambda: accuracy([1, 2], [1]), ShapeError, r"shape \(2,\) and labels of shape \(1,\)"),
        (lambda: accuracy([0.5], [1]), DataError, "wanted integers"),
        (lambda: accuracy([1], [0.5]), DataError, "labels of dtype float64"),
        (lambda: confusion_matrix([0, 5], [0, 1], 3), DataError, "got prediction 5, wanted 0 to 2"),
        (lambda: confusion_matrix([0, 1], [0, -1], 3), DataError, "got label -1, wanted 0 to 2"),
        (lambda: class_table(np.zeros((2, 3), np.int64)), ShapeError, r"\(2, 3\), wanted \(classes, classes\)"),
        (lambda: class_table(np.zeros((2, 2), np.int64), ["a"]), ShapeError, "1 names for 2 classes"),
    ],
)
def test_what_does_not_fit_is_said(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
