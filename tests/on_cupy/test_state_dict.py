"""States between the host and the device: arrays of either in nets of either, and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cupy_device import require_cupy

import gpunet as gn
from gpunet.backends import Backend

pytestmark = pytest.mark.gpu
require_cupy()


def net(seed: int) -> gn.Module:
    with gn.random.seeded(seed):
        return gn.Sequential(gn.Conv2d(1, 2, 3), gn.BatchNorm2d(2))


@pytest.mark.parametrize("place", ["numpy", "cupy"])
@pytest.mark.parametrize("source", ["host arrays", "device arrays", "file"])
def test_every_way(cupy: Backend, tmp_path: Path, place: str, source: str) -> None:
    state = net(1).state_dict()
    given: object = state
    if source == "device arrays":
        given = {name: cupy.asarray(array) for name, array in state.items()}
    elif source == "file":
        given = tmp_path / "net.safetensors"
        gn.save_weights(net(1).to(cupy), tmp_path / "net.safetensors")
    loaded = net(2).to(cupy if place == "cupy" else "numpy")
    loaded.load_state_dict(given)  # type: ignore[arg-type]
    backend = loaded.backend
    assert all(backend.owns(parameter.value) for parameter in loaded.parameters())
    for name, array in loaded.state_dict().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)
        assert array.dtype == state[name].dtype


def test_device_arrays_are_copied(cupy: Backend) -> None:
    weight = cupy.asarray(np.ones((2, 3), np.float32))
    layer = gn.Linear(3, 2, bias=False).to(cupy)
    layer.load_state_dict({"weight": weight})
    weight[...] = 7
    np.testing.assert_array_equal(layer.state_dict()["weight"], np.ones((2, 3)))
