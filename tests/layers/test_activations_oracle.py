"""Activations, softmax, flattening and resizing against PyTorch."""

import numpy as np
import oracles
import pytest

import gpunet as gn

torch = oracles.require("torch")
from torch_layers import assert_same, normal  # noqa: E402 - imports torch

ACTIVATIONS = {
    "ReLU": [()],
    "LeakyReLU": [(), (0.3,), (-0.5,), (2.0,)],
    "PReLU": [(), (3,), (3, 0.7)],
    "ELU": [(), (0.5,), (3.0,)],
    "GELU": [(), ("tanh",)],
    "SiLU": [()],
    "Hardswish": [()],
    "Hardtanh": [(), (-3, 5), (0, 0.5), (-float("inf"), 1)],
    "ReLU6": [()],
    "Sigmoid": [()],
    "Tanh": [()],
}
EDGES = np.array([-1e4, -300, -40, -6, -3, -1, -1e-9, 0, 1e-9, 0.5, 2, 3, 5, 6, 40, 300, 1e4])


@pytest.mark.parametrize(
    ("kind", "settings"), [(kind, settings) for kind, several in ACTIVATIONS.items() for settings in several]
)
@pytest.mark.parametrize(
    "x", [normal((4, 3)), 3 * normal((2, 3, 4, 5)), np.tile(EDGES, (2, 3, 1))], ids=["2", "4", "edges"]
)
def test_activations(kind: str, settings: tuple, x: np.ndarray) -> None:
    assert_same(getattr(gn, kind)(*settings), getattr(torch.nn, kind)(*settings), x)


@pytest.mark.parametrize("kind", ["ReLU", "ReLU6", "Hardtanh", "LeakyReLU", "SiLU", "Sigmoid", "Tanh"])
def test_what_is_not_a_number_goes_through(kind: str) -> None:
    assert_same(getattr(gn, kind)(), getattr(torch.nn, kind)(), np.array([[np.nan, 1.0]]))


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(
    ("shape", "dim"), [((4, 5), 1), ((4, 5), -1), ((2, 3, 4), 2), ((2, 3, 4, 5), 1), ((2, 3, 4, 5), -2)]
)
@pytest.mark.parametrize("scale", [1, 1e4])
def test_softmax(kind: str, shape: tuple[int, ...], dim: int, scale: float) -> None:
    assert_same(getattr(gn, kind)(dim), getattr(torch.nn, kind)(dim), scale * normal(shape))


@pytest.mark.parametrize("axes", [(), (2,), (1, 2), (-2, -1), (3, 3)], ids=str)
def test_flatten(axes: tuple[int, ...]) -> None:
    assert_same(gn.Flatten(*axes), torch.nn.Flatten(*axes), normal((2, 3, 4, 5)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_where_chance_has_no_say(p: float, training: bool) -> None:
    assert_same(gn.Dropout(p), torch.nn.Dropout(p), normal((3, 4)), training=training)


RESIZINGS = [
    {"size": (7, 3)},
    {"size": 1},
    {"size": (4, 5)},
    {"size": (13, 29)},
    {"scale_factor": 2},
    {"scale_factor": (3, 1.5)},
    {"scale_factor": 0.6},
    {"scale_factor": (2.3, 0.9)},
    {"scale_factor": 1.1},
    {"scale_factor": (2.05, 1.15)},
]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 2, 1, 1), (1, 1, 9, 2)], ids=str)
@pytest.mark.parametrize("settings", RESIZINGS, ids=str)
@pytest.mark.parametrize(
    "mode", [("nearest", None), ("bilinear", None), ("bilinear", False), ("bilinear", True)], ids=str
)
def test_upsample(mode: tuple, settings: dict, shape: tuple[int, ...]) -> None:
    if min(shape[2:]) * np.min(settings.get("scale_factor", 1)) < 1:
        with pytest.raises(gn.ShapeError, match="has no element left"):
            gn.Upsample(**settings).output_shape(shape[1:])
        return
    assert_same(gn.Upsample(**settings), torch.nn.Upsample(**settings), normal(shape))


def test_the_nearest_element_where_rounding_decides() -> None:
    """Sizes at which size / out_size is no float: the same element must be chosen."""
    for size in range(1, 60, 3):
        row = np.arange(float(size)).reshape(1, 1, 1, size)
        for out_size in range(1, 80, 7):
            ours = gn.Upsample(size=(1, out_size))(row)
            theirs = torch.nn.Upsample(size=(1, out_size))(torch.tensor(row))
            np.testing.assert_array_equal(ours, theirs.numpy(), err_msg=f"{size} to {out_size}")
