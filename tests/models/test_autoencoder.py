"""The denoising autoencoder: sizes, corruption, gradients, and that it restores digits."""

import numpy as np
import pytest

import gpunet as gn
from gpunet import models


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 8), (28, 28), (30, 33)])
def test_the_output_is_as_large_as_the_input(size):
    net = models.create("denoising_autoencoder", in_channels=2, image_size=size, seed=0)
    assert net.output_shape((2, *size)) == (2, *size)
    code = tuple(-(-length // 4) for length in size)
    assert net.encoder.output_shape((2, *size)) == (8, *code)


def test_keys():
    layers = ("encoder.0", "encoder.2", "encoder.4", "decoder.0", "decoder.2", "decoder.4")
    wanted = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    assert list(models.denoising_autoencoder(seed=0).state_dict()) == wanted


def test_inputs_are_corrupted_in_training_alone():
    net = models.denoising_autoencoder(corruption=0.25, seed=0)
    seen = []
    x = np.ones((8, 1, 28, 28), "float32")
    with net.encoder.observe(lambda event: seen.append(event.inputs[0]) if event.name == "" else None):
        net(x)
        net.forward(x, training=True)
    assert (seen[0] == 1).all()
    corrupted = seen[-1]
    assert set(np.unique(corrupted)) == {np.float32(0), np.float32(4 / 3)}
    assert (corrupted == 0).mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("size", [(5, 6), (8, 7)])
def test_gradients(size):
    net = models.denoising_autoencoder(2, size, width=2, code_channels=3, seed=0)
    gn.gradient_check(net, np.random.default_rng(0).normal(size=(2, 2, *size)), directions=2)


def test_it_restores_digits():
    """What comes out is nearer to unseen digits than the corrupted ones that went in."""
    train, test = gn.data.load("digits")
    net = models.denoising_autoencoder(seed=0)
    optimizer, loss = gn.Adam(net.parameters(), lr=1e-2), gn.MSELoss()
    loader = gn.DataLoader(train, batch_size=64, shuffle=True, seed=0)
    for epoch in range(2):
        for images, _ in loader.batches(epoch):
            optimizer.zero_grad()
            _, grad = loss(net.forward(images, training=True), images)
            net.backward(grad, inputs=False)
            optimizer.step()
    images, _ = next(iter(gn.DataLoader(test, batch_size=100)))
    corrupted = net.corrupt.forward(images, training=True)
    before, after = (np.mean((x - images) ** 2) for x in (corrupted, net(corrupted)))
    assert after < 0.3 * before


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"image_size": 0}, gn.ShapeError, "image_size must be at least 1"),
        ({"width": 0}, gn.ShapeError, "width must be at least 1"),
        ({"code_channels": 0}, gn.ShapeError, "code_channels must be at least 1"),
        ({"in_channels": 0}, gn.ShapeError, "in_channels must be at least 1"),
        ({"corruption": 1.5}, gn.DataError, "p is a probability"),
    ],
)
def test_wrong_settings(settings, error, message):
    with pytest.raises(error, match=message):
        models.denoising_autoencoder(**settings)
