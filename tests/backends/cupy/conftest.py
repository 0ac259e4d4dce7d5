"""The CuPy backend for tests of what is its own: kernels, launches, algorithms. What both backends promise is tested in
`tests/backends/numpy`, which `pytest -m gpu` runs on this one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cupy_device import require_cupy
from hosted_backend import poison_new_memory

from gpunet.backends.cupy.backend import CupyBackend


@pytest.fixture(scope="session")
def cupy() -> CupyBackend:
    """Every new array is full of NaN, so that an element never written is seen."""
    backend = require_cupy()
    assert isinstance(backend, CupyBackend)
    if os.environ.get("GPUNET_EMULATOR_CHECK") != "memory":  # which sees it without, and would take NaN for written
        poison_new_memory(backend.xp)
    return backend


@pytest.fixture
def options(cupy: CupyBackend) -> Iterator[object]:
    """The options of the backend, as they were before and will be afterwards."""
    chosen = cupy.options
    scatter, workspace_bytes = chosen.scatter, chosen.workspace_bytes
    yield chosen
    chosen.scatter, chosen.workspace_bytes = scatter, workspace_bytes
