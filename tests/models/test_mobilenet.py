"""MobileNet v2: what a block computes, the keys, the first weights and the numbers of channels."""

import numpy as np
import pytest

import gpunet as gn
from gpunet import models
from gpunet.models.mobilenet import InvertedResidual, rounded

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def normed(path):
    return [f"{path}.0.weight", *(f"{path}.1.{part}" for part in NORM)]


def test_keys():
    keys = normed("features.0")
    for number in range(1, 18):
        path, steps = f"features.{number}.conv", 1 if number == 1 else 2
        for step in range(steps):
            keys += normed(f"{path}.{step}")
        keys += [f"{path}.{steps}.weight", *(f"{path}.{steps + 1}.{part}" for part in NORM)]
    keys += [*normed("features.18"), "classifier.1.weight", "classifier.1.bias"]
    net = models.mobilenet_v2(seed=0)
    assert list(net.state_dict()) == keys
    shapes = {key: array.shape for key, array in net.state_dict().items()}
    assert shapes["features.2.conv.0.0.weight"] == (96, 16, 1, 1)
    assert shapes["features.2.conv.1.0.weight"] == (96, 1, 3, 3)
    assert shapes["features.17.conv.2.weight"] == (320, 960, 1, 1)
    assert shapes["classifier.1.weight"] == (1000, 1280)


def test_where_x_is_added():
    net = models.mobilenet_v2(seed=0)
    blocks = [layer for layer in net.features if isinstance(layer, InvertedResidual)]
    adds = [number for number, block in enumerate(blocks, 1) if block.adds]
    assert adds == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]  # all but the first of each stage


def test_a_block_by_hand():
    """One channel becomes two, each is taken as it is, and their difference is added to x, below 0 too."""
    layer = InvertedResidual(1, 1, 1, 2)
    expand, depthwise = layer.conv[0], layer.conv[1]
    expand[0].weight.value = np.array([1, -1], "float32").reshape(2, 1, 1, 1)
    depthwise[0].weight.value = np.zeros((2, 1, 3, 3), "float32")
    depthwise[0].weight.value[:, :, 1, 1] = 1
    layer.conv[2].weight.value = np.array([1, -2], "float32").reshape(1, 2, 1, 1)
    for norm in (expand[1], depthwise[1], layer.conv[3]):
        norm.eps = 0.0
    x = np.array([[[[2, -3, 8]]]], "float32")
    # (2, 0), (0, 3), (6 of 8, 0) after the expansion; the last is above the ceiling of ReLU6.
    assert layer.forward(x, keep=True).tolist() == [[[[2 + 2, -6 - 3, 6 + 8]]]]
    assert layer.backward(np.ones_like(x)).tolist() == [[[[1 + 1, 2 + 1, 0 + 1]]]]


@pytest.mark.parametrize(
    ("settings", "shape"), [((3, 3, 1, 2), (3, 5, 4)), ((3, 4, 1, 2), (3, 5, 4)), ((3, 3, 2, 3), (3, 5, 4))]
)
@pytest.mark.parametrize("expansion_is_left_out", [False, True])
def test_gradients_of_a_block(settings, shape, expansion_is_left_out):
    with gn.random.seeded(0):
        layer = InvertedResidual(*settings[:3], 1 if expansion_is_left_out else settings[3])
    step = settings[2]
    assert layer.output_shape(shape) == (settings[1], -(-5 // step), -(-4 // step))
    gn.gradient_check(layer, np.random.default_rng(0).normal(size=(4, *shape)))


@pytest.mark.parametrize(
    ("channels", "multiple"), [(1, 8), (8, 8), (11.9, 16), (12, 16), (19, 24), (22.4, 24), (44.8, 48), (1280, 1280)]
)
def test_numbers_of_channels_are_multiples_of_eight(channels, multiple):
    assert rounded(channels) == multiple


def test_it_starts_as_torchvisions_does():
    net = models.mobilenet_v2(seed=0)
    for _, layer in net.named_modules():
        if isinstance(layer, gn.Conv2d):
            out, _, *kernel = layer.weight.shape
            assert layer.weight.value.std() == pytest.approx(np.sqrt(2 / (out * np.prod(kernel))), rel=0.15)
            assert layer.bias is None
    assert net.classifier[1].weight.value.std() == pytest.approx(0.01, rel=0.03)
    assert not net.classifier[1].bias.value.any()
    assert net.classifier[0].p == 0.2


@pytest.mark.parametrize("width_mult", [0, -1, float("nan"), float("inf")])
def test_a_width_that_is_none(width_mult):
    with pytest.raises(gn.DataError, match="width_mult must be above 0 and finite, got"):
        models.mobilenet_v2(width_mult=width_mult)
