"""An installation as a test wants it: which CuPy wheels there seem to be, and a CuPy that can be asked for details."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
from fake_cupy import fake_cupy

from gpunet.backends.cupy import availability

selection = importlib.import_module("gpunet.backends.select")

Install = Callable[..., Any]


class Devices:
    """Stands for ``cupy.cuda.Device``: one class for all devices, each with its compute capability."""

    capabilities: tuple[str, ...] = ("90",)

    def __init__(self, index: int = 0) -> None:
        self.compute_capability = self.capabilities[index]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs CuPy for the test: ``install("cupy-cuda13x", capabilities=("70", "90"))``."""

    def fake(*wheels: str, module: bool = True, capabilities: tuple[str, ...] = ("90",), **settings: Any) -> Any:
        monkeypatch.setattr(availability, "installed_wheels", lambda: list(wheels))
        xp = fake_cupy(devices=len(capabilities), capability=capabilities[0], **settings) if module else None
        if xp is not None:
            xp.cuda.Device = type("Device", (Devices,), {"capabilities": capabilities})
            xp.cuda.runtime.driverGetVersion = lambda: 13000
            xp.cuda.runtime.runtimeGetVersion = lambda: 12090
            xp.cuda.runtime.memGetInfo = lambda: (3 * 2**30, 8 * 2**30)
            xp.cuda.nvrtc = SimpleNamespace(getVersion=lambda: (12, 9))
            xp.arange, xp.ones = np.arange, np.ones
        monkeypatch.setitem(sys.modules, "cupy", xp)
        selection.cupy_backend.cache_clear()
        return xp

    for variable in ("CUPY_TF32", "CUPY_CACHE_DIR", "CUPY_CACHE_IN_MEMORY", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    yield fake
    selection.cupy_backend.cache_clear()
