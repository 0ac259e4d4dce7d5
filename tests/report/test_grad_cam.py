"""Grad-CAM: by hand, by differences of the score, and what it leaves behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny_training import small_net
from tolerances import GRADIENT_CHECK_FLOAT64

import gpunet as gn
from gpunet.report import grad_cam, last_feature_layer
from gpunet.report.grad_cam import GradCam, stretched


def mean_net() -> gn.Sequential:
    """Two features, their means, and three classes: the net of the older CAM."""
    net = gn.Sequential(
        gn.Conv2d(1, 2, 1, bias=False), gn.AdaptiveAvgPool2d(1), gn.Flatten(), gn.Linear(2, 3, bias=False)
    )
    net[0].weight.value[:] = np.array([1, -2], np.float32).reshape(2, 1, 1, 1)
    net[3].weight.value[:] = np.array([[4, 8], [8, 4], [-4, 0]], np.float32)
    return net


def test_by_hand() -> None:
    images = np.array([[[[1, 2], [3, -4]]], [[[0, 5], [-6, 7]]]], np.float32)
    features = np.stack([images[:, 0], -2 * images[:, 0]], axis=1)
    net = mean_net()
    for label, (first, second) in enumerate([(4, 8), (8, 4), (-4, 0)]):
        # The score is the mean over four places of the weighted features: each place's gradient is a quarter of that.
        wanted = np.maximum(first * features[:, 0] + second * features[:, 1], 0) / 4
        found = grad_cam(net, net.backend.asarray(images), label)
        np.testing.assert_array_equal(found.maps, wanted)
        assert found.layer == "0"
        assert found.classes.tolist() == [label, label]
    mixed = grad_cam(net, net.backend.asarray(images), [2, 0])
    np.testing.assert_array_equal(mixed.maps[0], grad_cam(net, net.backend.asarray(images), 2).maps[0])
    np.testing.assert_array_equal(mixed.maps[1], grad_cam(net, net.backend.asarray(images), 0).maps[1])


def test_without_a_class_it_is_the_one_that_the_net_says() -> None:
    net = mean_net()
    images = net.backend.asarray(np.array([[[[1, 2], [3, -4]]], [[[0, 5], [-6, 7]]]], np.float32))
    found = grad_cam(net, images)
    np.testing.assert_array_equal(found.outputs, net.backend.to_numpy(net(images)))
    assert found.classes.tolist() == found.outputs.argmax(axis=1).tolist()
    np.testing.assert_array_equal(found.maps, grad_cam(net, images, found.classes).maps)


def deep_net() -> gn.Sequential:
    """Batch norm with statistics of its own, a residual sum, pooling; float64."""
    with gn.random.seeded(4):
        net = gn.Sequential(
            {
                "conv1": gn.Conv2d(2, 4, 3, padding=1),
                "bn": gn.BatchNorm2d(4),
                "relu1": gn.ReLU(),
                "block": gn.Add(gn.Sequential(gn.Conv2d(4, 4, 3, padding=1), gn.Tanh()), gn.Identity()),
                "pool": gn.MaxPool2d(2),
                "drop": gn.Dropout(0.5),
                "flatten": gn.Flatten(),
                "fc": gn.Linear(36, 3),
            }
        ).astype("float64")
        net.forward(net.backend.asarray(gn.random.Stream(1, "warm").normal((8, 2, 6, 6))), training=True)
    return net


@pytest.mark.parametrize("layer", ["conv1", "relu1", "block", "pool"])
def test_against_differences_of_the_score(layer: str) -> None:
    net = deep_net()
    images = gn.random.Stream(2, "images").normal((2, 2, 6, 6))
    names = [name for name, _ in net.children()]
    cut = names.index(layer) + 1
    parts = dict(net.children())

    def through(names: list[str], x: np.ndarray) -> np.ndarray:
        for name in names:
            x = parts[name](net.backend.asarray(x))
        return np.array(net.backend.to_numpy(x))

    activations = through(names[:cut], images)
    wanted = np.zeros((2, *activations.shape[2:]))
    step = 1e-6
    for image, label in enumerate((2, 0)):
        gradient = np.zeros(activations.shape[1:])
        for place in np.ndindex(gradient.shape):
            scores = []
            for sign in (1, -1):
                moved = activations[image : image + 1].copy()
                moved[(0, *place)] += sign * step
                scores.append(through(names[cut:], moved)[0, label])
            gradient[place] = (scores[0] - scores[1]) / (2 * step)
        weights = gradient.mean(axis=(1, 2))
        wanted[image] = np.maximum(sum(w * a for w, a in zip(weights, activations[image], strict=True)), 0)
    found = grad_cam(net, net.backend.asarray(images), [2, 0], layer=layer)
    assert wanted.max() > 1e-3
    np.testing.assert_allclose(found.maps, wanted, atol=GRADIENT_CHECK_FLOAT64 * wanted.max())


def test_the_net_is_left_as_it_was() -> None:
    net = deep_net()
    images = net.backend.asarray(gn.random.Stream(2, "images").normal((2, 2, 6, 6)))
    net.backward(net.backend.asarray(np.ones((2, 3))) + 0 * net.forward(images, training=True))
    before = net.state_dict()
    gradients = [parameter.grad for parameter in net.parameters()]
    grad_cam(net, images)
    assert all(np.array_equal(before[name], value) for name, value in net.state_dict().items())
    assert all(now is then for now, then in zip([p.grad for p in net.parameters()], gradients, strict=True))
    assert all(module._context is None and not module._observers for _, module in net.named_modules())


def images_for(name: str) -> tuple[gn.Module, Any]:
    channels, size = (3, 32) if name == "resnet20" else (1, 28)
    net = gn.models.create(name, num_classes=10, in_channels=channels, image_size=(size, size), seed=0)
    return net, net.backend.asarray(np.zeros((1, channels, size, size), np.float32))


@pytest.mark.parametrize(("model", "layer"), [("lenet", "relu2"), ("seed_network", "1"), ("resnet20", "layer3")])
def test_the_last_features_are_those_after_norm_rectifier_and_block(model: str, layer: str) -> None:
    net, images = images_for(model)
    assert last_feature_layer(net, images) == layer
    assert grad_cam(net, images).layer == layer


def test_a_net_without_feature_maps_is_said() -> None:
    net = gn.Sequential(gn.Flatten(), gn.Linear(4, 3))
    images = net.backend.asarray(np.zeros((1, 1, 2, 2), np.float32))
    assert last_feature_layer(net, images) is None
    with pytest.raises(gn.DataError, match="the net has no convolution whose output has rows and columns"):
        grad_cam(net, images)
    whole = gn.Sequential(gn.Conv2d(1, 3, 2), gn.Flatten())  # one place alone is no map
    assert last_feature_layer(whole, images) is None


def test_a_single_convolution_is_its_own_last_layer() -> None:
    net = gn.Conv2d(1, 3, 1)
    images = net.backend.asarray(np.zeros((1, 1, 2, 2), np.float32))
    assert last_feature_layer(net, images) == ""


def test_wrong_arguments_are_named() -> None:
    net = small_net()
    images = net.backend.asarray(np.zeros((2, 1, 6, 6), np.float32))
    with pytest.raises(gn.DataError, match=r"got class 3, wanted 0 to 2"):
        grad_cam(net, images, [0, 3])
    with pytest.raises(gn.DataError, match=r"got class -1, wanted 0 to 2"):
        grad_cam(net, images, -1)
    with pytest.raises(gn.DataError, match=r"wanted one integer, or one for each of 2 images"):
        grad_cam(net, images, [0, 1, 2])
    with pytest.raises(gn.DataError, match=r"wanted one integer"):
        grad_cam(net, images, 0.5)
    with pytest.raises(gn.DataError, match=r"the net has no layer '22'. Did you mean '2'\? Layers: 0, 1, 2"):
        grad_cam(net, images, layer="22")
    with pytest.raises(gn.ShapeError, match=r"layer '5' is of shape \(2, 3\), wanted feature maps"):
        grad_cam(net, images, layer="5")
    with pytest.raises(gn.ShapeError, match=r"outputs are of shape \(2, 4, 4, 4\), wanted scores"):
        grad_cam(gn.Sequential(gn.Conv2d(1, 4, 3)), images)


def test_a_layer_off_the_way_is_said() -> None:
    class Aside(gn.Module):
        """Looks at a layer without using it."""

        def __init__(self) -> None:
            self.aside = gn.Conv2d(1, 2, 3)
            self.way = gn.Sequential(gn.Flatten(), gn.Linear(36, 3))

        def compute(self, context: gn.Context, x: Any) -> Any:
            context.run(self.aside, x)
            return context.run(self.way, x)

        def differentiate(self, context: gn.Context, grad_y: Any) -> Any:
            return self.way.backward(grad_y)

    net = Aside()
    with pytest.raises(gn.StateError, match="the score does not depend on layer 'aside'"):
        grad_cam(net, net.backend.asarray(np.zeros((1, 1, 6, 6), np.float32)))


def test_maps_are_stretched_by_bilinear_interpolation_to_a_largest_of_one() -> None:
    maps = np.array([[[0, 4]], [[0, 0]]], np.float32)
    large = stretched(maps, (2, 4))
    np.testing.assert_array_equal(large[0], [[0, 0.25, 0.75, 1]] * 2)
    np.testing.assert_array_equal(large[1], np.zeros((2, 4)))
    found = GradCam(maps, "0", np.zeros(2, np.int64), np.zeros((2, 3)))
    np.testing.assert_array_equal(found.on_images((2, 4)), large)
