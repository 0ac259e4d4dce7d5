"""MaxPool2d and AvgPool2d: the layers around the primitives, which have tests of their own."""

import numpy as np
import pytest

import gpunet as gn


def test_the_stride_is_the_kernel_unless_given() -> None:
    x = np.arange(24.0).reshape(1, 1, 4, 6)
    np.testing.assert_array_equal(gn.MaxPool2d((2, 3))(x), [[[[8, 11], [20, 23]]]])
    np.testing.assert_array_equal(gn.AvgPool2d((2, 3))(x), [[[[4, 7], [16, 19]]]])
    assert gn.MaxPool2d((2, 3), stride=1).output_shape((1, 4, 6)) == (1, 3, 4)


def test_ties_and_nan() -> None:
    nan = np.nan
    x = np.array([[[[0.0, -0.0, 1, nan], [-0.0, 0.0, nan, 2]]]])
    layer = gn.MaxPool2d(2)
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[[[0, nan]]]])
    np.testing.assert_array_equal(layer.backward(np.array([[[[5.0, 7.0]]]])), [[[[5, 0, 0, 0], [0, 0, 7, 0]]]])


def test_padding_is_never_chosen() -> None:
    x = np.full((1, 1, 2, 2), -np.inf)
    layer = gn.MaxPool2d(2, padding=1)
    np.testing.assert_array_equal(layer.forward(x, keep=True), np.full((1, 1, 2, 2), -np.inf))
    np.testing.assert_array_equal(layer.backward(np.array([[[[1.0, 2], [3, 4]]]])), [[[[1, 2], [3, 4]]]])


def test_max_pooling_keeps_one_byte_a_window() -> None:
    layer = gn.MaxPool2d(2)
    layer.forward(np.ones((2, 3, 8, 8), np.float32), training=True)
    offsets, x_shape = layer._context.saved
    assert (offsets.nbytes, x_shape) == (2 * 3 * 4 * 4, (2, 3, 8, 8))


def test_average_pooling_keeps_no_array() -> None:
    layer = gn.AvgPool2d(2)
    layer.forward(np.ones((2, 3, 8, 8), np.float32), training=True)
    assert layer._context.saved == ((2, 3, 8, 8),)


def test_padding_counts_or_not() -> None:
    x = np.full((1, 1, 2, 2), 9.0)
    np.testing.assert_array_equal(gn.AvgPool2d(3, 1, 1)(x), np.full((1, 1, 2, 2), 4.0))
    np.testing.assert_array_equal(gn.AvgPool2d(3, 1, 1, count_include_pad=False)(x), x)


def test_ceil_mode_is_named_because_pytorch_has_another_argument_in_that_place() -> None:
    with pytest.raises(TypeError):
        gn.MaxPool2d(2, 2, 0, 1, True)  # type: ignore[misc]
    assert gn.MaxPool2d(2, ceil_mode=True).output_shape((1, 5, 5)) == (1, 3, 3)
    assert gn.AvgPool2d(2, None, 0, True).output_shape((1, 5, 5)) == (1, 3, 3)


@pytest.mark.parametrize("layer", [gn.MaxPool2d(3), gn.AvgPool2d(3)], ids=["max", "average"])
def test_errors_name_the_layer(layer: gn.Module) -> None:
    kind = type(layer).__name__
    net = gn.Sequential(gn.Identity(), layer)
    with pytest.raises(gn.ShapeError, match=rf"^{kind} '1': a 3x3 kernel does not fit a 2x5 image"):
        net(np.ones((1, 1, 2, 5)))
    with pytest.raises(gn.ShapeError, match=rf"^{kind} '1': got images of shape \(5,\), wanted \(channels, height"):
        net(np.ones((1, 5)))
    with pytest.raises(gn.ShapeError, match=rf"^{kind} '1': got images of shape \(0, 5, 5\)"):
        net(np.ones((1, 0, 5, 5)))
    with pytest.raises(gn.ShapeError, match=rf"^{kind}: pooling padding 2 is more than half of the kernel's 3"):
        type(layer)(3, padding=2)(np.ones((1, 1, 9, 9)))


def test_a_window_of_padding_alone_is_refused() -> None:
    with pytest.raises(gn.ShapeError, match=r"^MaxPool2d: .* sees nothing but padding somewhere on a 1x9 image"):
        gn.MaxPool2d(2, padding=1, dilation=2)(np.ones((1, 1, 1, 9)))


def test_text() -> None:
    assert repr(gn.MaxPool2d(3)) == "MaxPool2d(kernel_size=(3, 3))"
    assert repr(gn.MaxPool2d(3, 2, 1, 2, ceil_mode=True)) == (
        "MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1)), dilation=(2, 2), ceil_mode=True)"
    )
    assert repr(gn.AvgPool2d(2, count_include_pad=False)) == "AvgPool2d(kernel_size=(2, 2), count_include_pad=False)"
    assert gn.MaxPool2d(3).operations((2, 9, 9), (2, 3, 3)) == 2 * 9 * 9
