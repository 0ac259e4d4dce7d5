"""Placing arrays, waiting, and a device that is full."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_array_equal

import gpunet as gn
from gpunet.backends import backend_of
from gpunet.backends.cupy.backend import CupyBackend
from gpunet.errors import BackendError

pytestmark = pytest.mark.gpu
require_cupy()


def test_there_is_one_backend(cupy: CupyBackend) -> None:
    assert require_cupy() is cupy
    assert copy.deepcopy(cupy) is cupy
    assert cupy.name == "cupy"
    assert backend_of(cupy.xp.zeros(1), None) is cupy


@pytest.mark.parametrize("dtype", [None, "float64", "int32"])
def test_arrays_go_to_the_device_and_back(cupy: CupyBackend, dtype: Any) -> None:
    host = np.arange(12, dtype="float32").reshape(3, 4).T
    array = cupy.asarray(host, dtype)
    assert cupy.owns(array)
    assert not cupy.owns(host)
    assert array.dtype == (dtype or "float32")
    cupy.synchronize()
    back = cupy.to_numpy(array)
    assert type(back) is np.ndarray
    assert_array_equal(back, host)
    assert cupy.asarray(array) is array
    assert cupy.to_numpy(host) is host


def test_what_is_no_array_of_numbers_is_refused(cupy: CupyBackend) -> None:
    with pytest.raises(BackendError, match=r"asarray: .*Give an array of numbers"):
        cupy.asarray(np.array([object()]))


def test_an_array_on_another_device_is_refused(cupy: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    array = cupy.xp.zeros(3)
    monkeypatch.setattr(cupy.xp.cuda.runtime, "getDevice", lambda: 2)
    with pytest.raises(BackendError, match=r"asarray: got an array on device 0, wanted one on the current device 2"):
        cupy.asarray(array)


def test_arrays_of_two_backends_do_not_mix(cupy: CupyBackend) -> None:
    x = np.zeros((1, 1, 4, 4), "float32")
    with pytest.raises(BackendError, match=r"weight: got cupy\.ndarray and numpy\.ndarray in one call"):
        gn.functional.conv2d(x, cupy.asarray(np.zeros((1, 1, 3, 3), "float32")))


@pytest.fixture
def little_memory(cupy: CupyBackend) -> Iterator[None]:
    """A device with room for 64 kB."""
    pool = cupy.xp.cuda.MemoryPool()
    pool.set_limit(size=65_536)
    with cupy.xp.cuda.using_allocator(pool.malloc):
        yield


def test_a_primitive_out_of_memory_says_what_to_lower(cupy: CupyBackend, little_memory: None) -> None:
    x = cupy.asarray(np.zeros((4, 1, 32, 32), "float32"))
    weight = cupy.asarray(np.zeros((8, 1, 3, 3), "float32"))
    message = (
        r"the device is out of memory: asked for [\d,]+ bytes, [\d,]+ are free\. Lower the batch size.*WORKSPACE_MB"
    )
    with pytest.raises(BackendError, match=message):
        gn.functional.conv2d(x, weight, padding=1)


@pytest.mark.parametrize("kind", ["primitive", "elementwise"])
def test_a_net_out_of_memory_names_the_layer(cupy: CupyBackend, kind: str) -> None:
    middle = gn.Conv2d(2, 16, 3, padding=1) if kind == "primitive" else gn.ELU()
    net = gn.Sequential(gn.Identity(), gn.Sequential(middle, gn.Flatten())).to(cupy)
    x = cupy.asarray(np.ones((4, 2, 32, 32), "float32"))
    pool = cupy.xp.cuda.MemoryPool()
    pool.set_limit(size=20_000)
    with (
        cupy.xp.cuda.using_allocator(pool.malloc),
        pytest.raises(BackendError, match=rf"^{type(middle).__name__} '1\.0': the device is out of memory: asked for"),
    ):
        net(x)
    assert net(x).shape[0] == 4  # nothing is broken by it


def test_the_memory_held_of_the_device(cupy: CupyBackend) -> None:
    block = cupy.xp.get_default_memory_pool().malloc(1 << 22)  # from the pool itself: tests have another allocator
    held, whole = cupy.device_memory()
    assert block.mem.size <= held <= whole
