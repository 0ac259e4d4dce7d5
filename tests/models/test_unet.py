"""U-Net: keys, sizes, how images are joined, gradients, and that it learns to tell pixels apart."""

import numpy as np
import pytest

import gpunet as gn
from gpunet import models
from gpunet.models.unet import Up

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def double(path):
    keys = []
    for number in (0, 3):
        keys += [f"{path}.double_conv.{number}.weight", *(f"{path}.double_conv.{number + 1}.{part}" for part in NORM)]
    return keys


@pytest.mark.parametrize("bilinear", [False, True])
def test_keys(bilinear):
    keys = double("inc")
    for number in range(1, 5):
        keys += double(f"down{number}.maxpool_conv.1")
    for number in range(1, 5):
        keys += [] if bilinear else [f"up{number}.up.weight", f"up{number}.up.bias"]
        keys += double(f"up{number}.conv")
    net = models.unet(width=2, bilinear=bilinear, seed=0)
    assert list(net.state_dict()) == [*keys, "outc.conv.weight", "outc.conv.bias"]


def test_shapes_with_interpolation():
    shapes = {key: array.shape for key, array in models.unet(width=8, bilinear=True, seed=0).state_dict().items()}
    assert shapes["down4.maxpool_conv.1.double_conv.3.weight"] == (64, 64, 3, 3)
    assert shapes["up1.conv.double_conv.0.weight"] == (64, 128, 3, 3)
    assert shapes["up1.conv.double_conv.3.weight"] == (32, 64, 3, 3)
    assert shapes["up4.conv.double_conv.0.weight"] == (8, 16, 3, 3)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (40, 21)])
def test_each_pixel_has_its_scores(size):
    net = models.create("unet", num_classes=3, in_channels=2, width=2, image_size=size, seed=0)
    assert net.output_shape((2, *size)) == (3, *size)
    assert net(np.zeros((2, 2, *size), "float32")).shape == (2, 3, *size)
    assert net(np.zeros((0, 2, *size), "float32")).shape == (0, 3, *size)
    assert "ConvTranspose2d" in str(net.summary((2, *size)))


def test_an_image_that_cannot_be_halved_four_times():
    with pytest.raises(gn.ShapeError, match=r"^MaxPool2d 'down4\.maxpool_conv\.0': a 2x2 kernel does not fit a 1x1"):
        models.create("unet", width=2, image_size=15)


def test_joining_by_hand():
    """Without its convolutions: beside first, then the enlarged image with a row and a column of zeros."""
    layer = Up(2, 1, 1, bilinear=False)
    layer.conv = gn.Identity()
    layer.up.weight.value = np.stack([np.full((1, 2, 2), 1.0), np.full((1, 2, 2), 10.0)]).astype("float32")
    layer.up.bias.value = np.zeros(1, "float32")
    below = np.array([[[[1.0]], [[2.0]]]], "float32")
    beside = np.arange(9, dtype="float32").reshape(1, 1, 3, 3)
    y = layer.forward(below, beside, keep=True)
    assert y.tolist() == [[beside[0, 0].tolist(), [[21, 21, 0], [21, 21, 0], [0, 0, 0]]]]
    grad_below, grad_beside = layer.backward(np.arange(18, dtype="float32").reshape(1, 2, 3, 3))
    assert grad_beside.tolist() == [[np.arange(9.0).reshape(3, 3).tolist()]]
    total = 9 + 10 + 12 + 13
    assert grad_below.tolist() == [[[[total]], [[10 * total]]]]


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_gradients_of_the_joint(bilinear, size):
    with gn.random.seeded(0):
        layer = Up(4, 2, 3, bilinear)
    random = np.random.default_rng(0)
    below, beside = random.normal(size=(3, 4, 2, 3)), random.normal(size=(3, 2, *size))
    assert layer.output_shape((4, 2, 3), (2, *size)) == (3, *size)
    gn.gradient_check(layer, below, beside)


def test_gradients_of_the_whole():
    """Four levels: that each size's two gradients, from below and from beside, are added."""
    net = models.unet(num_classes=2, in_channels=1, width=1, seed=3)
    random = np.random.default_rng(0)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):  # not 0: where nothing comes through a layer, the next would stand on a kink
            parameter.value = random.normal(size=parameter.shape).astype("float32")
    gn.gradient_check(net, random.normal(size=(2, 1, 17, 16)), training=False, directions=1)


def test_images_that_do_not_belong_together():
    layer = Up(4, 2, 3, bilinear=False)
    with pytest.raises(gn.ShapeError, match=r"^Up: an image of shape \(4, 2, 2\) becomes 4 x 4, which does not fit"):
        layer(np.zeros((1, 4, 2, 2), "float32"), np.zeros((1, 2, 6, 4), "float32"))
    with pytest.raises(gn.ShapeError, match=r"^Up: an image .* does not fit beside one of shape \(2, 4\)\."):
        layer(np.zeros((1, 4, 2, 2), "float32"), np.zeros((1, 2, 4), "float32"))


def test_it_learns_which_pixels_are_bright():
    random = np.random.default_rng(0)
    images = random.normal(size=(4, 1, 16, 16)).astype("float32")
    labels = (images[:, 0] > 0).astype("int64")
    net = models.unet(num_classes=2, in_channels=1, width=2, seed=0)
    optimizer, loss = gn.Adam(net.parameters(), lr=0.03), gn.CrossEntropyLoss()
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        value, grad = loss(net.forward(images, training=True), labels)
        net.backward(grad, inputs=False)
        optimizer.step()
        losses.append(float(value))
    assert losses[-1] < 0.7 * losses[0], losses
