"""Normalisation against PyTorch: values, gradients and running statistics over several passes."""

import itertools

import oracles
import pytest

import gpunet as gn

torch = oracles.require("torch")
from torch_layers import assert_same, normal  # noqa: E402 - imports torch

BATCH_NORMS = [
    {"eps": eps, "momentum": momentum, "affine": affine, "track_running_stats": track}
    for eps, momentum, affine, track in itertools.product([1e-5, 0.3], [0.1, None, 1.0], [True, False], [True, False])
]
SHAPES = {"BatchNorm1d": [(5, 3), (4, 3, 6), (1, 3, 2)], "BatchNorm2d": [(4, 3, 2, 5), (1, 3, 1, 2), (2, 3, 1, 1)]}


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("settings", BATCH_NORMS, ids=str)
@pytest.mark.parametrize(("kind", "shape"), [(kind, shape) for kind, shapes in SHAPES.items() for shape in shapes])
def test_batch_norm(kind: str, shape: tuple[int, ...], settings: dict, training: bool) -> None:
    assert_same(
        getattr(gn, kind)(3, **settings),
        getattr(torch.nn, kind)(3, **settings),
        2 + 3 * normal(shape),
        training=training,
        passes=3,
    )


def test_batch_norm_of_an_empty_batch() -> None:
    assert_same(gn.BatchNorm2d(3), torch.nn.BatchNorm2d(3), normal((0, 3, 4, 4)), passes=2)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 4), (3, 6, 2, 5), (1, 6, 2, 3, 2)], ids=str)
def test_group_norm(shape: tuple[int, ...], groups: int, affine: bool) -> None:
    assert_same(
        gn.GroupNorm(groups, 6, 0.01, affine), torch.nn.GroupNorm(groups, 6, 0.01, affine), 2 + 3 * normal(shape)
    )


@pytest.mark.parametrize(("affine", "bias"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("normalized", [4, (4,), (3, 4), [5, 3, 4], 1], ids=str)
def test_layer_norm(normalized: object, affine: bool, bias: bool) -> None:
    shape = (2, 5, 3, 1 if normalized == 1 else 4)
    assert_same(
        gn.LayerNorm(normalized, 0.01, affine, bias),
        torch.nn.LayerNorm(normalized, 0.01, affine, bias),
        2 + 3 * normal(shape),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("settings", [{}, {"alpha": 0.5, "beta": 0.75, "k": 2.0}, {"alpha": 1.0, "beta": 0.5}], ids=str)
@pytest.mark.parametrize("shape", [(2, 6, 4), (2, 6, 3, 2), (1, 1, 3, 3)], ids=str)
def test_local_response_norm(shape: tuple[int, ...], settings: dict, size: int) -> None:
    assert_same(gn.LocalResponseNorm(size, **settings), torch.nn.LocalResponseNorm(size, **settings), normal(shape))
