"""Losses against PyTorch: values and gradients."""

import itertools

import numpy as np
import oracles
import pytest

import gpunet as gn

torch = oracles.require("torch")
from torch_layers import close, normal  # noqa: E402 - imports torch

REDUCTIONS = ["mean", "sum", "none"]


def assert_same_loss(ours: object, theirs: object, predictions: np.ndarray, targets: np.ndarray) -> None:
    tensor = torch.tensor(predictions, requires_grad=True)
    expected = theirs(tensor, torch.tensor(targets))
    expected.sum().backward()
    value, grad = ours(predictions, targets)
    close(value, expected, "value")
    close(grad, tensor.grad, "gradient")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 2, 255])
@pytest.mark.parametrize("shape", [(6, 4), (1, 4), (2, 4, 5), (2, 4, 3, 5), (2, 4, 2, 3, 2)], ids=str)
def test_cross_entropy(
    shape: tuple[int, ...], ignore_index: int, weighted: bool, smoothing: float, reduction: str
) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (shape[0], *shape[2:]))
    labels.flat[0] = 1  # one at least is not ignored
    if labels.size > 2:
        labels.flat[-1] = ignore_index
    weight = [0.5, 2.0, 1.0, 0.25] if weighted else None
    assert_same_loss(
        gn.CrossEntropyLoss(weight, ignore_index, smoothing, reduction),
        torch.nn.CrossEntropyLoss(
            None if weight is None else torch.tensor(weight, dtype=torch.float64),
            ignore_index=ignore_index,
            label_smoothing=smoothing,
            reduction=reduction,
        ),
        3 * normal(shape),
        labels,
    )


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_cross_entropy_with_nothing_left(reduction: str) -> None:
    settings = {"reduction": reduction, "ignore_index": 1}
    assert_same_loss(
        gn.CrossEntropyLoss(**settings), torch.nn.CrossEntropyLoss(**settings), normal((3, 4)), np.full(3, 1)
    )


def test_the_mean_with_nothing_left_is_nan() -> None:
    """So is our gradient; PyTorch's is 0, under a value of NaN."""
    labels = np.full(3, -100)
    value, _ = gn.CrossEntropyLoss()(normal((3, 4)), labels)
    assert np.isnan(value)
    assert torch.nn.CrossEntropyLoss()(torch.tensor(normal((3, 4))), torch.tensor(labels)).isnan()


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_cross_entropy_of_huge_logits(reduction: str) -> None:
    assert_same_loss(
        gn.CrossEntropyLoss(reduction=reduction),
        torch.nn.CrossEntropyLoss(reduction=reduction),
        1e4 * normal((20, 5)),
        np.arange(20) % 5,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4, 5), (1, 1)], ids=str)
def test_squared_and_huber(shape: tuple[int, ...], reduction: str) -> None:
    predictions, targets = normal(shape), normal(shape, seed=1)
    assert_same_loss(gn.MSELoss(reduction), torch.nn.MSELoss(reduction=reduction), predictions, targets)
    for delta in (1.0, 0.1, 5.0):
        settings = {"reduction": reduction, "delta": delta}
        assert_same_loss(gn.HuberLoss(**settings), torch.nn.HuberLoss(**settings), predictions, targets)


WEIGHTS = [None, [1.0, 2.0, 0.5], [[3.0], [1.0], [0.5], [2.0]], 2.0]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("weight", "pos_weight"), list(itertools.product(WEIGHTS, WEIGHTS)), ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_binary_cross_entropy(scale: float, weight: object, pos_weight: object, reduction: str) -> None:
    targets = np.random.default_rng(0).choice([0.0, 1.0, 0.3], (4, 3))
    tensors = [None if w is None else torch.tensor(w, dtype=torch.float64) for w in (weight, pos_weight)]
    assert_same_loss(
        gn.BCEWithLogitsLoss(weight, reduction, pos_weight),
        torch.nn.BCEWithLogitsLoss(tensors[0], reduction=reduction, pos_weight=tensors[1]),
        scale * normal((4, 3)),
        targets,
    )
