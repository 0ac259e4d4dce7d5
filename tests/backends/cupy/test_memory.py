"""What a full device says; without one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_cupy import OutOfMemoryError, fake_cupy

import gpunet as gn
from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.cupy.memory import failures_explained
from gpunet.backends.numpy import NumpyBackend
from gpunet.errors import BackendError


def test_the_error_says_what_was_asked_and_is_free_and_what_to_lower() -> None:
    message = (
        r"^the device is out of memory: asked for 1,234,568 bytes, 1,000,500 are free\. "
        r"Lower the batch size, or the workspace of convolutions \(GPUNET_WORKSPACE_MB\)"
    )
    with pytest.raises(BackendError, match=message), failures_explained(fake_cupy()):
        raise OutOfMemoryError("Out of memory allocating 1,234,568 bytes (allocated so far: 0 bytes).")


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), failures_explained(fake_cupy()):
        _ = 1 // 0
    with failures_explained(fake_cupy()):
        pass


class FullBackend(NumpyBackend):
    """A backend whose ReLU finds no memory, and which says so as CuPy's does."""

    def computing(self) -> AbstractContextManager[None]:
        return failures_explained(fake_cupy())

    def relu(self, x: Any) -> Any:
        raise OutOfMemoryError("Out of memory allocating 4,096 bytes.")


def test_the_innermost_layer_is_named() -> None:
    net = gn.Sequential(gn.Identity(), gn.Sequential(gn.Flatten(), gn.ReLU())).to(FullBackend())
    with pytest.raises(BackendError, match=r"^ReLU '1\.1': the device is out of memory: asked for 4,096 bytes"):
        net(np.ones((2, 3), "float32"))


def test_memory_held_of_the_device_and_all_it_has() -> None:
    module = fake_cupy()
    module.get_default_memory_pool = lambda: SimpleNamespace(total_bytes=lambda: 1_234)
    backend = CupyBackend.__new__(CupyBackend)
    backend.xp = module
    assert backend.device_memory() == (1_234, 2_000_000)
    assert NumpyBackend().device_memory() is None
