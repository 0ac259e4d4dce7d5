"""The CuPy backend behind the NumPy backend's door, so that every test written for NumPy arrays judges it too.

`pytest -m gpu` puts a `HostedBackend` in the place of the NumPy backend: arrays stay NumPy's, and each primitive is
computed by the real CuPy backend, on a GPU or under `gpunet emulate`. Tests of CuPy's own, which compare both backends,
see NumPy's there: `tests/on_cupy` with whole nets, `tests/backends/cupy` with the kernels.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backends import Backend
from gpunet.backends.numpy import NumpyBackend

PLACES = {"asarray", "to_numpy", "owns", "synchronize", "computing"}
PRIMITIVES = sorted(Backend.__abstractmethods__ - PLACES)
IN_PLACE = {"sgd_step", "adam_step"}


class HostedBackend(NumpyBackend):
    """Takes and gives NumPy arrays; computes its primitives on another backend.

    Args:
        device: the backend that computes.

    Attributes:
        hosting: whether it does; otherwise NumPy computes.
    """

    def __init__(self, device: Backend) -> None:
        self.device = device
        self.hosting = False


def _hosted(name: str) -> Callable[..., Any]:
    @functools.wraps(getattr(NumpyBackend, name))
    def method(self: HostedBackend, *arguments: Any, **keywords: Any) -> Any:
        if not self.hosting:
            return getattr(NumpyBackend, name)(*arguments, **keywords)
        device = self.device
        moved: list[tuple[np.ndarray, Any]] = []

        def move(value: Any) -> Any:
            if isinstance(value, list | tuple) and not hasattr(value, "_fields") and value and _is_array(value[0]):
                return [move(item) for item in value]
            if not _is_array(value):
                return value
            moved.append((value, device.asarray(value)))
            return moved[-1][1]

        with device.computing():
            result = getattr(device, name)(
                *map(move, arguments), **{key: move(value) for key, value in keywords.items()}
            )
        for host, array in moved:
            after = device.to_numpy(array)
            if name in IN_PLACE:
                if host.flags.writeable:
                    host[...] = after
            else:
                np.testing.assert_array_equal(after, host, err_msg=f"{name} wrote into an argument")
        if isinstance(result, tuple):
            return tuple(device.to_numpy(array) for array in result)
        return result if result is None else device.to_numpy(result)

    return method


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


for _name in PRIMITIVES:
    setattr(HostedBackend, _name, _hosted(_name))


def poison_new_memory(xp: Any) -> None:
    """From now on every allocation on the device is full of NaN, so that an element never written is seen."""

    def poisoned(size: int) -> Any:
        memory = xp.cuda.MemoryPointer(xp.cuda.Memory(size), 0)
        if size:
            memory.memset(0xFF, size)
        return memory

    xp.cuda.set_allocator(poisoned)


def install() -> HostedBackend:
    """Put the CuPy backend behind the NumPy backend's door, for this whole process; it computes while ``hosting``."""
    select = importlib.import_module("gpunet.backends.select")  # the package's attribute of that name is the function
    device = select.select("cupy")
    if os.environ.get("GPUNET_EMULATOR_CHECK") != "memory":  # which knows what was never written, unless we write it
        poison_new_memory(device.xp)
    hosted = HostedBackend(device)
    select.NumpyBackend = lambda: hosted
    select.numpy_backend.cache_clear()
    assert select.numpy_backend() is hosted
    return hosted
