"""The parts of residual networks: blocks and the shortcut without parameters."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.layers.module import Module
from gpunet.models.residual import BasicBlock, Bottleneck, ResidualBlock, projection
from gpunet.models.resnet_cifar import SubsampleAndPad


def test_a_block_by_hand():
    """relu(bn(conv(relu(bn(conv(x))))) + x), with convolutions that only pass the middle of their kernel."""
    layer = BasicBlock(1, 1)
    for convolution in (layer.conv1, layer.conv2):
        convolution.weight.value = np.zeros((1, 1, 3, 3), "float32")
        convolution.weight.value[0, 0, 1, 1] = 2
    for norm_layer in (layer.bn1, layer.bn2):
        norm_layer.eps = 0.0
    x = np.array([[[[1.0, -3.0]]]], "float32")
    assert layer(x).tolist() == [[[[1 * 4 + 1, 0.0]]]]
    y = layer.forward(x, keep=True)
    assert layer.backward(np.ones_like(y)).tolist() == [[[[1 * 4 + 1, 0.0]]]]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: BasicBlock(3, 3), (3, 5, 4)),
        (lambda: BasicBlock(3, 4, 2, projection(3, 4, 2)), (3, 5, 4)),
        (lambda: BasicBlock(3, 6, 2, SubsampleAndPad(3, 6, 2)), (3, 5, 4)),
        (lambda: Bottleneck(8, 2), (8, 4, 3)),
        (lambda: Bottleneck(3, 2, 2, projection(3, 8, 2)), (3, 5, 4)),
        (lambda: SubsampleAndPad(2, 5, 2), (2, 5, 4)),
        (lambda: SubsampleAndPad(2, 2, 3), (2, 7, 4)),
    ],
)
def test_gradients_of_the_parts(layer, shape):
    with gn.random.seeded(0):
        net = layer()
    images = np.random.default_rng(0).normal(size=(4, *shape))
    assert gn.gradient_check(net, images).passed


def test_subsample_and_pad_by_hand():
    x = np.arange(1, 13, dtype="float32").reshape(1, 2, 2, 3)
    layer = SubsampleAndPad(2, 5, 2)
    y = layer.forward(x, keep=True)
    assert y[0, :, 0].tolist() == [[0, 0], [1, 3], [7, 9], [0, 0], [0, 0]]
    grad = layer.backward(np.arange(10, dtype="float32").reshape(1, 5, 1, 2))
    assert grad.tolist() == [[[[2, 0, 3], [0, 0, 0]], [[4, 0, 5], [0, 0, 0]]]]
    assert repr(layer) == "SubsampleAndPad(2, 5, stride=2)"
    assert layer.operations((2, 2, 3), (5, 1, 2)) == 0
    with pytest.raises(gn.ShapeError, match=r"got images of shape \(3, 2, 2\), wanted \(2, height, width\)"):
        layer(np.zeros((1, 3, 2, 2), "float32"))
    with pytest.raises(gn.ShapeError, match="out_channels must be at least 4"):
        SubsampleAndPad(4, 2, 1)


@pytest.mark.parametrize(
    "layer", [BasicBlock(2, 4), BasicBlock(2, 2, stride=2), BasicBlock(2, 4, 1, projection(2, 4, 2))]
)
def test_a_shortcut_of_another_shape(layer):
    with pytest.raises(gn.ShapeError, match=r"but the shortcut .* they are to be added\. Give the block a downsample"):
        gn.Sequential(layer).output_shape((2, 6, 6))


def test_a_block_must_say_what_it_is_made_of():
    class Empty(ResidualBlock):
        pass

    for method in (Empty().body, Empty().last):
        with pytest.raises(NotImplementedError, match="Empty must define"):
            method()
    assert issubclass(Empty, Module)
