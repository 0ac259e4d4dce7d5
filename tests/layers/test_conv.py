"""The layer around the primitive, which has tests of its own."""

import math

import numpy as np
import pytest
from references import conv2d_reference

import gpunet as gn


def test_it_calls_the_primitive_with_its_own_settings() -> None:
    layer = gn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2)
    rng = np.random.default_rng(0)
    for parameter in layer.parameters():
        parameter.value = rng.integers(-3, 4, parameter.shape).astype(np.float32)
    x = rng.integers(-3, 4, (2, 4, 6, 7)).astype(np.float32)
    expected = conv2d_reference(x, layer.weight.value, layer.bias.value, layer.window, 2)
    np.testing.assert_array_equal(layer(x), expected)
    assert layer.output_shape((4, 6, 7)) == expected.shape[1:]


def test_first_weights_fill_pytorchs_range() -> None:
    with gn.random.seeded(3):
        layer = gn.Conv2d(8, 64, 5, groups=2)
    bound = 1 / math.sqrt(4 * 25)
    assert layer.weight.shape == (64, 4, 5, 5)
    for array in (layer.weight.value, layer.bias.value):
        assert -bound <= array.min() < -0.9 * bound
        assert 0.9 * bound < array.max() < bound


def test_text_and_operations() -> None:
    layer = gn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False)
    assert repr(layer) == (
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1)), "
        "dilation=(2, 2), groups=2, bias=False)"
    )
    assert layer.operations((4, 9, 9), (6, 4, 4)) == 2 * 16 * 6 * 2 * 9
    assert gn.Conv2d(1, 2, 1).operations((1, 5, 5), (2, 5, 5)) == 2 * 25 * 2 + 25 * 2


@pytest.mark.parametrize("shape", [(3,), (3, 8), (4, 8, 8), (3, 8, 8, 8)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(gn.ShapeError, match=r"^Conv2d: got images of shape \(.*\), wanted \(3, height, width\)"):
        gn.Conv2d(3, 4, 3)(np.ones((2, *shape), np.float32))


def test_a_kernel_that_does_not_fit_is_named_with_the_remedy() -> None:
    net = gn.Sequential(*[gn.Identity() for _ in range(3)], gn.Conv2d(1, 1, 5))
    expected = (
        "Conv2d '3': a 5x5 kernel does not fit a 3x2 image with padding 0. "
        "Use a smaller kernel_size, more padding, or fewer pooling layers before it."
    )
    with pytest.raises(gn.ShapeError) as error:
        net(np.ones((1, 1, 3, 2), np.float32))
    assert str(error.value) == expected


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(gn.ShapeError, match="Conv2d: groups=3 must divide in_channels=4 and out_channels=6"):
        gn.Conv2d(4, 6, 3, groups=3)
