"""Whole layers, nets and trainings on CuPy's own arrays, beside the same on NumPy's."""

import pytest
from cupy_device import require_cupy

from gpunet.backends import Backend


@pytest.fixture(scope="session")
def cupy() -> Backend:
    return require_cupy()
