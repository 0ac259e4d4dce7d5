"""Real images: the same training on both backends, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_allclose
from tolerances import LOSS_OF_BOTH_BACKENDS

import gpunet as gn
from gpunet.backends import Backend

pytestmark = pytest.mark.gpu
require_cupy()

STEPS = 50
ALLOWED_DIFFERENCES = 3  # of the test images' classes


def training(backend: str | Backend) -> tuple[list[float], Any]:
    """The losses of the first steps of `gpunet train`, and the classes that the net then gives the test images."""
    train, test = gn.data.load("digits")
    with gn.random.seeded(0):
        net = gn.models.create("lenet").to(backend)
    optimizer = gn.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss = gn.CrossEntropyLoss(label_smoothing=0.05)
    loader = gn.DataLoader(
        train, batch_size=32, shuffle=True, seed=0, augment=gn.data.RandomCrop(2), backend=net.backend
    )
    losses: list[float] = []
    for epoch in range(2):
        for images, labels in loader.batches(epoch):
            optimizer.zero_grad()
            value, grad = loss(net.forward(images, training=True), labels)
            net.backward(grad)
            optimizer.step()
            losses.append(float(value))
            if len(losses) == STEPS:
                held_out = gn.DataLoader(test, batch_size=len(test), backend=net.backend)
                (images, _) = next(iter(held_out))
                return losses, net.backend.to_numpy(net(images)).argmax(axis=1)
    raise AssertionError("the data set is too small")


def test_the_first_steps_on_the_digits_are_those_of_numpy(cupy: Backend) -> None:
    wanted, wanted_classes = training("numpy")
    losses, classes = training(cupy)
    assert wanted[-1] < 0.8 * wanted[0]
    assert_allclose(losses, wanted, rtol=LOSS_OF_BOTH_BACKENDS)
    assert np.count_nonzero(classes != wanted_classes) <= ALLOWED_DIFFERENCES
