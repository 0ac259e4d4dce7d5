"""The layer around two primitives, which have tests of their own."""

import math

import numpy as np
import pytest
from references import conv_transpose2d_reference

import gpunet as gn


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"kernel_size": 3}, (6, 5)),
        ({"kernel_size": 2, "stride": 2}, (8, 6)),
        ({"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (8, 6)),
        ({"kernel_size": (2, 3), "stride": (1, 3), "padding": ((1, 0), (0, 2)), "bias": False}, (4, 7)),
        ({"kernel_size": 3, "stride": 1, "dilation": 3, "output_padding": 2}, (12, 11)),
        ({"kernel_size": 1, "stride": 3}, (10, 7)),
        ({"kernel_size": 1, "padding": 2, "dilation": 3, "output_padding": (1, 2)}, (1, 1)),
    ],
)
def test_values_of_small_integers_are_exact(settings: dict, size: tuple[int, int]) -> None:
    layer = gn.ConvTranspose2d(4, 6, **settings)
    rng = np.random.default_rng(0)
    for parameter in layer.parameters():
        parameter.value = rng.integers(-3, 4, parameter.shape).astype(np.float32)
    x = rng.integers(-3, 4, (2, 4, 4, 3)).astype(np.float32)
    assert layer.output_shape((4, 4, 3)) == (6, *size)
    bias = None if layer.bias is None else layer.bias.value
    expected = conv_transpose2d_reference(x, layer.weight.value, bias, layer.window, layer.output_padding, layer.groups)
    np.testing.assert_array_equal(layer(x), expected)


def test_it_is_the_transpose_of_the_convolution() -> None:
    """<conv(a), b> = <a, conv_transpose(b)> for the same weight."""
    settings = {"stride": (2, 3), "padding": (1, 2), "dilation": 2, "groups": 2, "bias": False}
    forward, back = gn.Conv2d(4, 6, 3, **settings), gn.ConvTranspose2d(6, 4, 3, output_padding=(1, 0), **settings)
    back.weight = forward.weight
    rng = np.random.default_rng(0)
    a = rng.integers(-3, 4, (2, 4, 10, 10)).astype(np.float32)
    b = rng.integers(-3, 4, forward(a).shape).astype(np.float32)
    weight = rng.integers(-3, 4, forward.weight.shape).astype(np.float32)
    forward.weight.value = weight
    assert back(b).shape == a.shape
    assert (forward(a) * b).sum() == (a * back(b)).sum()


def test_first_weights_fill_pytorchs_range() -> None:
    with gn.random.seeded(3):
        layer = gn.ConvTranspose2d(64, 8, 5, groups=2)
    bound = 1 / math.sqrt(4 * 25)
    assert layer.weight.shape == (64, 4, 5, 5)
    assert -bound <= layer.weight.value.min() < -0.99 * bound
    assert 0.99 * bound < layer.weight.value.max() < bound
    assert 0.5 * bound < np.abs(layer.bias.value).max() < bound


def test_text_and_operations() -> None:
    layer = gn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, bias=False, dilation=2)
    assert repr(layer) == (
        "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1)), "
        "dilation=(2, 2), output_padding=(1, 1), groups=2, bias=False)"
    )
    assert layer.operations((4, 5, 5), layer.output_shape((4, 5, 5))) == 2 * 25 * 4 * 3 * 9


def test_bad_settings_are_refused() -> None:
    with pytest.raises(gn.ShapeError, match="ConvTranspose2d: groups=3 must divide in_channels=4"):
        gn.ConvTranspose2d(4, 6, 3, groups=3)
    with pytest.raises(gn.ShapeError, match="ConvTranspose2d: output_padding=2 must be smaller than stride=2 or dil"):
        gn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=2)
    with pytest.raises(gn.ShapeError, match="ConvTranspose2d: in_channels must be at least 1"):
        gn.ConvTranspose2d(0, 6, 3)


@pytest.mark.parametrize("shape", [(4, 8), (3, 8, 8), (4, 0, 3)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(gn.ShapeError, match=r"^ConvTranspose2d: (got images of shape|the image is empty)"):
        gn.ConvTranspose2d(4, 4, 3)(np.ones((2, *shape), np.float32))


def test_an_output_of_nothing_is_refused() -> None:
    with pytest.raises(gn.ShapeError, match=r"^ConvTranspose2d: a transposed 1x1 kernel .* Use less padding"):
        gn.ConvTranspose2d(1, 1, 1, padding=1)(np.ones((1, 1, 2, 2), np.float32))
