"""The door through which `pytest -m gpu` sends every primitive: it really goes there, and notices a faulty device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hosted_backend import IN_PLACE, PRIMITIVES, HostedBackend

from gpunet.backends.numpy import NumpyBackend
from gpunet.geometry import Window


class Device(NumpyBackend):
    """NumPy again, which keeps count of what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def relu(self, x: Any) -> Any:
        self.asked.append("relu")
        return np.maximum(x, 0) + 1  # not what NumPy gives

    def relu_backward(self, grad_y: Any, y: Any) -> Any:
        y += 1
        return grad_y

    def sgd_step(self, values: Any, *arguments: Any, **settings: Any) -> None:
        self.asked.append("sgd_step")
        for value in values:
            value -= 1

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        return np.array(array, dtype)


X = np.array([-1.0, 2.0])


def test_the_device_computes_while_hosting_and_numpy_otherwise() -> None:
    hosted = HostedBackend(device := Device())
    assert hosted.relu(X).tolist() == [0, 2]
    assert device.asked == []
    hosted.hosting = True
    assert hosted.relu(X).tolist() == [1, 3]
    assert device.asked == ["relu"]


def test_what_works_in_place_reaches_the_host() -> None:
    hosted = HostedBackend(Device())
    hosted.hosting = True
    values = [X.copy(), np.array(5.0)]
    hosted.sgd_step(values, [X, X[0]], None, lr=1.0)
    assert values[0].tolist() == [-2, 1]
    assert values[1] == 4


def test_an_argument_written_to_is_noticed() -> None:
    hosted = HostedBackend(Device())
    hosted.hosting = True
    with pytest.raises(AssertionError, match="relu_backward wrote into an argument"):
        hosted.relu_backward(X, X)


def test_every_primitive_has_its_door() -> None:
    assert {"conv2d", "max_pool2d_backward", "dropout", "erf"} <= set(PRIMITIVES)
    assert set(PRIMITIVES) >= IN_PLACE
    assert all(getattr(HostedBackend, name) is not getattr(NumpyBackend, name) for name in PRIMITIVES)
    hosted = HostedBackend(Device())
    hosted.hosting = True
    y, offsets = hosted.max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), Window.create(2, 2))
    assert y.ravel().tolist() == [5, 7, 13, 15]
    assert offsets.ravel().tolist() == [3] * 4
