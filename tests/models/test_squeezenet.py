"""SqueezeNet: what a fire module computes, the keys, the first weights and the smallest images."""

import numpy as np
import pytest

import gpunet as gn
from gpunet import models
from gpunet.models.squeezenet import Fire

FIRE = [f"{part}.{kind}" for part in ("squeeze", "expand1x1", "expand3x3") for kind in ("weight", "bias")]
FIRES = {"squeezenet1_0": (3, 4, 5, 7, 8, 9, 10, 12), "squeezenet1_1": (3, 4, 6, 7, 9, 10, 11, 12)}


@pytest.mark.parametrize("name", FIRES)
def test_keys(name):
    fires = [f"features.{number}.{key}" for number in FIRES[name] for key in FIRE]
    ends = ["classifier.1.weight", "classifier.1.bias"]
    assert list(models.create(name, seed=0).state_dict()) == ["features.0.weight", "features.0.bias", *fires, *ends]


def test_a_fire_module_by_hand():
    """One channel is doubled, then taken once and three times: each place sees itself alone or its neighbours too."""
    layer = Fire(1, 1, 1)
    layer.squeeze.weight.value = np.full((1, 1, 1, 1), 2, "float32")
    layer.expand1x1.weight.value = np.full((1, 1, 1, 1), 3, "float32")
    layer.expand3x3.weight.value = np.ones((1, 1, 3, 3), "float32")
    x = np.array([[[[1, -1, 5]]]], "float32")
    y = layer.forward(x, keep=True)
    assert y.tolist() == [[[[6, 0, 30]], [[2, 12, 10]]]]
    grad_y = np.array([[[[1, 1, 1]], [[10, 100, 1000]]]], "float32")
    # Of 1: three from the 1x1 side, the places 0 and 1 of the 3x3 side; what was rectified away gets nothing.
    assert layer.backward(grad_y).tolist() == [[[[2 * (3 + 110), 0, 2 * (3 + 1100)]]]]
    assert layer.squeeze.bias.grad.tolist() == [3 + 110 + 3 + 1100]


@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_a_fire_module(training):
    with gn.random.seeded(0):
        layer = Fire(3, 2, 4)
    for number, part in enumerate((layer.squeeze, layer.expand1x1, layer.expand3x3)):
        # Not 0, as at first: where nothing comes through the squeeze, all that follows would stand on a kink.
        part.bias.value = np.random.default_rng(number).normal(size=part.bias.shape).astype("float32")
    assert layer.output_shape((3, 5, 4)) == (8, 5, 4)
    gn.gradient_check(layer, np.random.default_rng(0).normal(size=(3, 3, 5, 4)), training=training)


def test_it_starts_as_torchvisions_does():
    net = models.squeezenet1_1(seed=0)
    for _, layer in net.named_modules():
        if isinstance(layer, gn.Conv2d):
            last = layer is net.classifier[1]
            fan_in = np.prod(layer.weight.shape[1:])
            wanted = 0.01 if last else np.sqrt(2 / fan_in)
            assert layer.weight.value.std() == pytest.approx(wanted, rel=0.1)
            assert last or np.abs(layer.weight.value).max() <= np.sqrt(6 / fan_in)
            assert not layer.bias.value.any()
            assert layer.bias.trainable


@pytest.mark.parametrize(("name", "smallest"), [("squeezenet1_0", 21), ("squeezenet1_1", 17)])
def test_the_smallest_images(name, smallest):
    net = models.create(name, num_classes=5, image_size=smallest, seed=0)
    assert net.output_shape((3, smallest, smallest)) == (5,)
    with pytest.raises(gn.ShapeError, match="does not fit"):
        models.create(name, image_size=smallest - 1)


def test_wrong_settings():
    with pytest.raises(gn.ShapeError, match="num_classes must be at least 1"):
        models.squeezenet1_0(num_classes=0)
    with pytest.raises(gn.ShapeError, match=r"Conv2d 'features\.0\.squeeze': got images of shape \(4, 5, 5\)"):
        gn.Sequential({"features": gn.Sequential(Fire(3, 1, 1))}).output_shape((4, 5, 5))
